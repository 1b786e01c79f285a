//! A followed file, which grows and is rotated.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use bytewax_runtime::StepError;
use bytewax_runtime::source::{Lag, Poll, StatefulSourcePartition};
use bytewax_runtime::state::{Field, Schema, State};
use serde::{Deserialize, Serialize};

use super::compression::Compression;
use super::identity::FileId;
use super::lines::begin_line;
use super::place::{Place, cannot_open};
use super::position::{FilePosition, UnnumberedPosition};
use super::reading::{Answer, Format, Reading, Records};
use super::rotation::{Match, find, matches, modified, next_after, rotated};
use crate::files::Error;
use crate::note::note;

/// The position in a followed file: the current file, and the start of its next record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowPosition {
    file: UnnumberedPosition,
    device: u64,
    number: u64,
}

impl FollowPosition {
    fn new(file: FilePosition, id: FileId) -> Self {
        Self {
            file: file.into(),
            device: id.device,
            number: id.number,
        }
    }

    /// Returns the start of the next record in the current file.
    #[must_use]
    pub fn in_file(&self) -> FilePosition {
        self.file.into()
    }

    fn id(&self) -> FileId {
        FileId {
            device: self.device,
            number: self.number,
        }
    }
}

impl State for FollowPosition {
    const SCHEMA: Schema = Schema::new(
        "FollowPosition",
        1,
        &[
            Field::of::<UnnumberedPosition>("file"),
            Field::of::<u64>("device"),
            Field::of::<u64>("number"),
        ],
    );
}

/// The file with a name, and its unread predecessors.
pub(crate) struct Follow<F: Format, A> {
    pub(crate) path: PathBuf,
    pub(crate) compression: Option<Compression>,
    pub(crate) format: F,
    pub(crate) reading: Reading,
    /// How often the end of the file is checked.
    pub(crate) every: Duration,
    pub(crate) position: FollowPosition,
    pub(crate) at: Option<At<F, A>>,
    /// Whether to report how the first file is read.
    pub(crate) tells: bool,
}

/// The current file.
pub(crate) struct At<F: Format, A> {
    place: Place,
    id: FileId,
    records: Records<F, A>,
    /// Whether another file had the name when this one was read to its end.
    is_leaving: bool,
    /// The end position in the file before it, whose columns this one must have.
    before: Option<FilePosition>,
}

/// The state of a file that was read to its end.
enum Look {
    /// It has more data.
    Grown,
    /// It may grow.
    Waits,
    /// Another file has its name, and it has not grown.
    Left,
    /// The data read so far is gone.
    Cut,
}

impl<F: Format, A: Answer<F::Item>> Follow<F, A> {
    fn at(&self, place: Place, id: FileId, position: Option<FilePosition>) -> At<F, A> {
        let range = None;
        let records = Records::new(place.clone(), &self.format, self.reading, range, position);
        At {
            place,
            id,
            records: records.following().telling(self.tells),
            is_leaving: false,
            before: None,
        }
    }

    /// The file that now has the name, from its beginning; `None` if it does not exist.
    fn named(&self) -> Result<Option<At<F, A>>, Error> {
        let metadata = match self.path.metadata() {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(cannot_open(&self.path, error)),
        };
        let place = Place::new(self.path.clone(), self.compression);
        if place.is_compressed() || !metadata.is_file() {
            return Err(Error::NotFollowed {
                path: self.path.clone(),
            });
        }
        Ok(Some(self.at(place, FileId::of(&metadata), None)))
    }

    /// Finds the file that was read last, wherever it is now, or begins with the one that has the name.
    fn begin(&self) -> Result<Option<At<F, A>>, Error> {
        let known = self.position.id();
        let file = self.position.in_file();
        if self.position == FollowPosition::default() {
            return self.named();
        }
        if let Some((place, id, matched)) = find(&self.path, self.compression, &file, known)? {
            if matched == Match::Content {
                note(&format!(
                    "the file `{}` has what was read before, up to byte {}, but is another file; it is \
                     read on from there",
                    place.path.display(),
                    file.byte(),
                ));
            }
            return Ok(Some(self.at(place, id, Some(file))));
        }
        let named = self.named()?;
        let is_same = named.as_ref().is_some_and(|named| named.id == known);
        if is_same || file.byte() == 0 {
            self.tell_new(&file);
            return Ok(named);
        }
        Err(Error::Lost {
            path: self.path.clone(),
            position: file.byte(),
        })
    }

    fn tell_new(&self, file: &FilePosition) {
        note(&format!(
            "the file `{}`, which was read up to byte {}, was cut or replaced, and no copy of it is there; \
             it is read from its beginning",
            self.path.display(),
            file.byte(),
        ));
    }

    /// Checks whether a file that was read to its end has grown, or was left by its writers.
    fn look(&mut self) -> Result<Look, Error> {
        let Some(at) = &mut self.at else {
            return Ok(Look::Waits);
        };
        if at.place.is_compressed() {
            // Compressed files do not grow.
            return Ok(Look::Left);
        }
        let has_columns = at.records.has_columns();
        let Some(opened) = at.records.opened() else {
            return Ok(Look::Waits);
        };
        let length = match at.place.check_end(opened) {
            Ok(()) => at.place.length(opened)?,
            Err(Error::Truncated { .. } | Error::Changed { .. }) => return Ok(Look::Cut),
            Err(error) => return Err(error),
        };
        let window = &mut opened.window;
        if length > window.end() {
            at.is_leaving = false;
            window.grow();
            if window.last_byte() == Some(b'\r') {
                // The second half of a line end may have arrived.
                let position = window.position();
                let begun = begin_line(window);
                begun.map_err(|source| at.place.cannot_read(position, source))?;
            }
            if !has_columns {
                // The header row is read again, unless the file has another name by now: then it has no rows.
                let named = self.path.metadata();
                if named.is_ok_and(|named| FileId::of(&named) != at.id) {
                    return Ok(Look::Left);
                }
                at.records.reopen();
            }
            return Ok(Look::Grown);
        }
        let is_named = match self.path.metadata() {
            Ok(metadata) => FileId::of(&metadata) == at.id,
            // Its successor does not exist yet.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
            Err(error) => return Err(cannot_open(&self.path, error)),
        };
        // A process that had it open when it was renamed may still write to it, so it is checked once more.
        Ok(
            match !is_named && std::mem::replace(&mut at.is_leaving, !is_named) {
                true => Look::Left,
                false => Look::Waits,
            },
        )
    }

    /// Continues with the next file that got the name.
    fn leave(&mut self) -> Result<(), Error> {
        let Some(mut at) = self.at.take() else {
            return Ok(());
        };
        let position = at.records.position();
        let opened = at.records.opened().and_then(|opened| opened.file.clone());
        let written = opened.and_then(|file| file.metadata().ok());
        let written = written.map_or(SystemTime::UNIX_EPOCH, |metadata| modified(&metadata));
        self.position = FollowPosition::new(position, at.id);
        let next = match next_after(&self.path, at.id, written, &position)? {
            Some(rotated) => Some(self.at(rotated.place, rotated.id, None)),
            None => self.named()?,
        };
        self.at = next.map(|next| At {
            before: Some(position),
            ..next
        });
        Ok(())
    }

    /// Continues after the read part of a truncated file: in a copy of it, or else at its beginning.
    fn find_copy(&mut self) -> Result<(), Error> {
        let Some(at) = self.at.take() else {
            return Ok(());
        };
        let position = at.records.position();
        self.position = FollowPosition::new(position, at.id);
        for copy in rotated(&self.path)?.into_iter().rev() {
            let other = copy.id != at.id;
            if other && matches(&copy.place, copy.id, &position, at.id).is_some() {
                self.at = Some(self.at(copy.place, copy.id, Some(position)));
                return Ok(());
            }
        }
        if position.byte() > 0 {
            self.tell_new(&position);
        }
        self.at = self.named()?;
        Ok(())
    }

    /// The next records, if any are available.
    fn next_records(&mut self) -> Result<Vec<A::Item>, Error> {
        loop {
            if self.at.is_none() {
                self.at = self.begin()?;
            }
            let Some(at) = &mut self.at else {
                return Ok(Vec::new());
            };
            at.records.begin()?;
            self.tells = false;
            if at.before.is_some() && at.records.has_columns() {
                let before = at.before.take().unwrap_or_default();
                self.format
                    .check_columns(&at.place, &before, &self.reading)?;
            }
            let records = match at.records.next_records() {
                Err(Error::Truncated { .. } | Error::Changed { .. }) => {
                    self.find_copy()?;
                    continue;
                }
                records => records?,
            };
            if !records.is_empty() {
                at.is_leaving = false;
                return Ok(records);
            }
            match self.look()? {
                Look::Grown => {}
                Look::Waits => return Ok(Vec::new()),
                Look::Cut => self.find_copy()?,
                Look::Left => {
                    let Some(at) = &mut self.at else { continue };
                    at.records.emit_unended();
                    let records = at.records.next_records()?;
                    if !records.is_empty() {
                        return Ok(records);
                    }
                    self.leave()?;
                }
            }
        }
    }
}

impl<F: Format, A: Answer<F::Item>> StatefulSourcePartition for Follow<F, A> {
    type Item = A::Item;
    type Position = FollowPosition;

    fn next_batch(&mut self) -> Result<Poll<A::Item>, StepError> {
        let records = self.next_records()?;
        Ok(match records.is_empty() {
            true => Poll::idle(self.every),
            false => Poll::batch(records),
        })
    }

    fn snapshot(&self) -> FollowPosition {
        match &self.at {
            Some(at) => FollowPosition::new(at.records.position(), at.id),
            None => self.position,
        }
    }

    fn lag(&self) -> Option<Lag> {
        let left = self.at.as_ref().and_then(|at| at.records.left());
        left.map(Lag::Bytes)
    }
}
