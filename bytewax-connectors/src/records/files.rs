//! The partitions of a source of files.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bytewax_runtime::StepError;
use bytewax_runtime::source::{Lag, Poll, StatefulSourcePartition, Waker, positions_are_saved};
use bytewax_runtime::state::State;

use super::beside::Beside;
use super::compression::Compression;
use super::follow::{Follow, FollowPosition};
use super::identity::FileId;
use super::listing::Listing;
use super::place::{Place, cannot_open, check};
use super::position::FilePosition;
use super::ranges::Ranges;
use super::reading::{Answer, Format, Reading, Records, Unended};
use super::watch::{Progress, Rules, Watch, WatchPosition};
use crate::files::{Error, FsId};

/// The number of files that a process reads at once for one source, so that it does not run out of handles.
const OPEN_FILES: usize = 64;

/// The settings of a source of files.
#[derive(Clone, Debug)]
pub(crate) struct Files<F> {
    pub(crate) listing: Listing,
    pub(crate) fs_id: FsId,
    pub(crate) reading: Reading,
    pub(crate) compression: Option<Compression>,
    pub(crate) ranges: Option<Ranges>,
    pub(crate) format: F,
    turns: Arc<Mutex<Turns>>,
    /// The files found when the partitions were listed.
    listed: Arc<Mutex<HashMap<PathBuf, FileId>>>,
    /// The name of the first partition.
    first: Arc<OnceLock<String>>,
}

impl<F: Format> Files<F> {
    pub(crate) fn new(path: PathBuf, format: F) -> Self {
        Self {
            listing: Listing {
                path,
                pattern: "*".to_owned(),
            },
            fs_id: FsId::NONE,
            reading: Reading::USUAL,
            compression: None,
            ranges: None,
            format,
            turns: Arc::default(),
            listed: Arc::default(),
            first: Arc::default(),
        }
    }

    /// The names of the partitions: the path of a file, the relative paths of the files of a directory, and
    /// for ranges of a file also their numbers.
    pub(crate) fn partitions(&self) -> Result<Vec<String>, Error> {
        let path = &self.listing.path;
        let mut partitions = Vec::new();
        if path.is_dir() {
            for within in self.listing.within()? {
                let named = self.fs_id.partition(Path::new(&within))?;
                partitions.extend(self.ranges_of(named, &path.join(within))?);
            }
        } else {
            partitions = self.ranges_of(self.fs_id.partition(path)?, path)?;
        }
        if let Some(first) = partitions.first() {
            self.first.get_or_init(|| first.clone());
        }
        Ok(partitions)
    }

    fn listed(&self) -> MutexGuard<'_, HashMap<PathBuf, FileId>> {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ranges_of(&self, named: String, path: &Path) -> Result<Vec<String>, Error> {
        let metadata = check(path)?;
        // If another worker has found another file, the first one counts.
        self.listed()
            .entry(path.to_owned())
            .or_insert_with(|| FileId::of(&metadata));
        let Some(ranges) = &self.ranges else {
            return Ok(vec![named]);
        };
        let place = Place::new(path.to_owned(), self.compression);
        if place.is_compressed() || !metadata.is_file() {
            return Err(Error::NoRanges {
                path: path.to_owned(),
            });
        }
        let ranges = 0..ranges.count(metadata.len());
        Ok(ranges.map(|range| format!("{named}[{range}]")).collect())
    }

    /// The name of the only partition of a source that keeps reading.
    pub(crate) fn single(&self) -> Result<Vec<String>, Error> {
        Ok(vec![self.fs_id.partition(&self.listing.path)?])
    }

    fn check_single(&self, partition: &str) -> Result<(), Error> {
        self.fs_id.check(&self.listing.path, partition)
    }

    /// Opens a followed file.
    pub(crate) fn follow<A: Answer<F::Item>>(
        &self,
        partition: &str,
        every: Duration,
        resume: Option<FollowPosition>,
    ) -> Result<GrowingPartition<A::Item, FollowPosition>, Error> {
        self.check_single(partition)?;
        let path = self.listing.path.clone();
        if path.is_dir() || self.ranges.is_some() {
            return Err(Error::NotFollowed { path });
        }
        Ok(GrowingPartition(Box::new(Follow::<F, A> {
            path,
            compression: self.compression,
            format: self.format.clone(),
            reading: Reading {
                unended: Some(Unended::Wait),
                ..self.reading
            },
            every,
            position: resume.unwrap_or_default(),
            at: None,
            tells: true,
        })))
    }

    /// Opens a watched directory.
    pub(crate) fn watch<A: Answer<F::Item>>(
        &self,
        partition: &str,
        rules: &Rules,
        resume: Option<WatchPosition>,
    ) -> Result<GrowingPartition<A::Item, WatchPosition>, Error> {
        self.check_single(partition)?;
        let path = &self.listing.path;
        if !path.is_dir() || self.ranges.is_some() {
            return Err(Error::NotWatched { path: path.clone() });
        }
        Ok(GrowingPartition(Box::new(Watch::<F, A> {
            listing: self.listing.clone(),
            compression: self.compression,
            format: self.format.clone(),
            reading: Reading {
                unended: Some(Unended::Emit),
                ..self.reading
            },
            rules: rules.clone(),
            position: resume.unwrap_or_default(),
            progress: Progress::default(),
        })))
    }

    /// Opens a partition.
    pub(crate) fn open<A: Answer<F::Item>>(
        &self,
        partition: &str,
        resume: Option<FilePosition>,
    ) -> Result<FilePartition<A::Item>, Error> {
        let unknown = || Error::UnknownPartition {
            path: self.listing.path.clone(),
            partition: partition.to_owned(),
        };
        let (named, range) = match &self.ranges {
            None => (partition, None),
            Some(ranges) => {
                let (named, index) = partition
                    .strip_suffix(']')
                    .and_then(|partition| partition.rsplit_once('['))
                    .ok_or_else(unknown)?;
                let index = index.parse().map_err(|_| unknown())?;
                (named, Some(ranges.range(index)))
            }
        };
        let within = self.fs_id.path(named).ok_or_else(unknown)?;
        let directory = &self.listing.path;
        let path = match directory.is_dir() {
            true => directory.join(within),
            false if self.fs_id.partition(directory)? == named => directory.clone(),
            false => return Err(unknown()),
        };
        let id = match self.listed().get(&path).copied() {
            Some(id) => id,
            None => FileId::of(&check(&path)?),
        };
        let place = Place::new(path, self.compression).known(id);
        let is_regular = place.check(resume.as_ref())?;
        let (format, mut reading) = (self.format.clone(), self.reading);
        let may_wait = is_regular && positions_are_saved();
        reading.unended.get_or_insert(match may_wait {
            true => Unended::Wait,
            false => Unended::Emit,
        });
        let path = place.path.clone();
        // One partition reports for the whole run.
        let tells = self.first.get().is_some_and(|first| first == partition);
        let records =
            move || Records::<F, A>::new(place, &format, reading, range, resume).telling(tells);
        let input = if is_regular {
            Input::Here(Box::new(records()))
        } else {
            let begun = Beside::start(FilePosition::default(), || {
                Ok::<_, Error>(records().eager())
            });
            Input::Beside(begun.map_err(|error| cannot_open(&path, error))?)
        };
        Ok(FilePartition {
            input,
            turn: Turn {
                turns: Arc::clone(&self.turns),
                // Otherwise nobody knows when the reading thread is done with its own.
                waker: is_regular.then(Waker::current),
                taken: false,
            },
        })
    }
}

/// A followed file or a watched directory.
pub struct GrowingPartition<T, P>(Box<dyn StatefulSourcePartition<Item = T, Position = P>>);

impl<T, P> fmt::Debug for GrowingPartition<T, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrowingPartition").finish_non_exhaustive()
    }
}

impl<T: 'static, P: State> StatefulSourcePartition for GrowingPartition<T, P> {
    type Item = T;
    type Position = P;

    fn next_batch(&mut self) -> Result<Poll<T>, StepError> {
        self.0.next_batch()
    }

    fn snapshot(&self) -> P {
        self.0.snapshot()
    }

    fn lag(&self) -> Option<Lag> {
        self.0.lag()
    }
}

/// A file, or a range of one, whose records are read. It is opened when its turn comes.
pub struct FilePartition<T> {
    input: Input<T>,
    turn: Turn,
}

enum Input<T> {
    Here(Box<dyn StatefulSourcePartition<Item = T, Position = FilePosition>>),
    Beside(Beside<T, FilePosition>),
}

impl<T> fmt::Debug for FilePartition<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FilePartition").finish_non_exhaustive()
    }
}

/// The number of open files, and the partitions that wait to open one.
#[derive(Debug, Default)]
struct Turns {
    open: usize,
    waiting: Vec<Waker>,
}

/// A permit to have a file open.
struct Turn {
    turns: Arc<Mutex<Turns>>,
    waker: Option<Waker>,
    taken: bool,
}

impl Turn {
    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Acquires a permit, or wakes the partition when it can try again.
    fn take(&mut self) -> bool {
        if !self.taken {
            let mut turns = self.turns();
            let is_free = turns.open < OPEN_FILES;
            match is_free {
                true => turns.open += 1,
                false => turns.waiting.extend(self.waker.clone()),
            }
            drop(turns);
            self.taken = is_free;
        }
        self.taken
    }
}

impl Turn {
    fn give_back(&mut self) {
        if std::mem::take(&mut self.taken) {
            let mut turns = self.turns();
            turns.open -= 1;
            // Wakes all of them, because another may be faster than the woken one.
            turns.waiting.drain(..).for_each(|waker| waker.wake());
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.give_back();
    }
}

impl<T: Send + 'static> StatefulSourcePartition for FilePartition<T> {
    type Item = T;
    type Position = FilePosition;

    fn next_batch(&mut self) -> Result<Poll<T>, StepError> {
        match &mut self.input {
            Input::Beside(records) => records.next_batch(),
            Input::Here(records) if self.turn.take() => {
                let poll = records.next_batch()?;
                if poll.is_end() {
                    self.turn.give_back();
                }
                Ok(poll)
            }
            Input::Here(_) => Ok(Poll::until_woken().not_idle()),
        }
    }

    fn lag(&self) -> Option<Lag> {
        match &self.input {
            Input::Here(records) => records.lag(),
            Input::Beside(_) => None,
        }
    }

    fn snapshot(&self) -> FilePosition {
        match &self.input {
            Input::Beside(records) => records.position(),
            Input::Here(records) => records.snapshot(),
        }
    }
}
