//! A watched directory.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use bytewax_runtime::StepError;
use bytewax_runtime::source::{Poll, StatefulSourcePartition};
use bytewax_runtime::state::{Field, Saved, Schema, State, StateError};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::compression::Compression;
use super::identity::FileId;
use super::listing::Listing;
use super::place::{Place, cannot_open};
use super::position::{FilePosition, UnnumberedPosition};
use super::reading::{Answer, Format, Reading, Records};
use super::rotation::modified;
use crate::files::Error;

/// The criteria for complete files and for the end of the input.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// How often the directory is checked.
    pub(crate) every: Duration,
    /// How long a file must stay unchanged.
    pub(crate) quiet: Option<Duration>,
    /// The suffix of a marker file that declares another file complete.
    pub(crate) marker: Option<String>,
    /// The name of the file that ends the input.
    pub(crate) end: Option<String>,
}

/// The position in a watched directory: the finished files, and the start of the next record in the current
/// one.
///
/// A finished file that no longer exists is dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchPosition {
    /// By a hash of their names: their lengths and modification times, in nanoseconds since 1970.
    done: BTreeMap<u64, (u64, u64)>,
    current: Option<(String, UnnumberedPosition)>,
    /// By the same hashes: the numbers of the files on their device.
    #[serde(default)]
    numbers: BTreeMap<u64, u64>,
}

impl WatchPosition {
    /// Returns the number of finished files at the last check of the directory.
    #[must_use]
    pub fn files_done(&self) -> usize {
        self.done.len()
    }

    /// Returns the path of the current file within the directory, and the position in it.
    #[must_use]
    pub fn current(&self) -> Option<(&str, FilePosition)> {
        let current = self.current.as_ref();
        current.map(|(name, position)| (name.as_str(), (*position).into()))
    }
}

impl State for WatchPosition {
    const SCHEMA: Schema = Schema::new(
        "WatchPosition",
        2,
        &[
            Field::of::<BTreeMap<u64, (u64, u64)>>("done"),
            Field::of::<Option<(String, UnnumberedPosition)>>("current"),
            Field::of::<BTreeMap<u64, u64>>("numbers"),
        ],
    );

    /// Also reads the format before file numbers were saved.
    fn load(saved: Saved<'_>) -> Result<Self, StateError> {
        match saved.version() {
            1 => saved.decode_older(&[2]),
            _ => saved.decode(),
        }
    }
}

/// A watched directory.
pub(crate) struct Watch<F: Format, A> {
    pub(crate) listing: Listing,
    pub(crate) compression: Option<Compression>,
    pub(crate) format: F,
    pub(crate) reading: Reading,
    pub(crate) rules: Rules,
    pub(crate) position: WatchPosition,
    pub(crate) progress: Progress<F, A>,
}

/// The state of a run that is not saved.
pub(crate) struct Progress<F: Format, A> {
    /// The current file, and its stamp when it was opened.
    records: Option<(Records<F, A>, Option<Seen>)>,
    /// The complete files that are waiting.
    queue: VecDeque<String>,
    /// The stamps of files that may still be written, and since when.
    young: BTreeMap<String, (Stamp, Instant)>,
    directory: Option<FileId>,
    /// Whether the reading mode was reported.
    has_told: bool,
}

impl<F: Format, A> Default for Progress<F, A> {
    fn default() -> Self {
        Self {
            records: None,
            queue: VecDeque::new(),
            young: BTreeMap::new(),
            directory: None,
            has_told: false,
        }
    }
}

/// The length and the modification time of a file.
type Stamp = (u64, u64);

/// A found file: its stamp, and its number on the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Seen {
    stamp: Stamp,
    number: u64,
}

/// The status of a found file.
enum Known {
    /// It was read, perhaps under another name.
    Done,
    /// It was read at this length, and has changed since.
    Changed(u64),
    New,
}

impl WatchPosition {
    /// The status of a file, given all finished and all existing files.
    fn knows(
        &self,
        name: &str,
        seen: Seen,
        known: &BTreeSet<Seen>,
        there: &BTreeSet<Seen>,
    ) -> Known {
        let own = self.done.get(&hash(name)).copied();
        if own == Some(seen.stamp) || known.contains(&seen) {
            return Known::Done;
        }
        let Some(stamp) = own else { return Known::New };
        let number = self.numbers.get(&hash(name)).copied().unwrap_or(0);
        match there.contains(&Seen { stamp, number }) {
            // The former file of this name has another now.
            true => Known::New,
            false => Known::Changed(stamp.0),
        }
    }

    /// Records that the file of this name is finished.
    fn add(&mut self, name: &str, seen: Seen) {
        self.done.insert(hash(name), seen.stamp);
        self.numbers.insert(hash(name), seen.number);
    }

    /// The finished files with known numbers.
    fn seen(&self) -> BTreeSet<Seen> {
        let stamps = self.done.iter();
        let seen = stamps.filter_map(|(name, stamp)| {
            let number = self.numbers.get(name).copied().unwrap_or(0);
            (number > 0).then_some(Seen {
                stamp: *stamp,
                number,
            })
        });
        seen.collect()
    }
}

fn hash(name: &str) -> u64 {
    xxh3_64(name.as_bytes())
}

impl<F: Format, A: Answer<F::Item>> Watch<F, A> {
    fn place(&self, name: &str) -> Place {
        Place::new(self.listing.path.join(name), self.compression)
    }

    fn see(&self, name: &str) -> Result<Option<Seen>, Error> {
        let path = self.listing.path.join(name);
        match path.metadata() {
            Ok(metadata) => {
                let written = modified(&metadata).duration_since(SystemTime::UNIX_EPOCH);
                let nanos = written.map_or(0, |time| time.as_nanos());
                let nanos = u64::try_from(nanos).unwrap_or(u64::MAX);
                Ok(Some(Seen {
                    stamp: (metadata.len(), nanos),
                    number: FileId::of(&metadata).number,
                }))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(cannot_open(&path, error)),
        }
    }

    /// Searches for files that have become complete. Returns whether the input has ended.
    fn look(&mut self) -> Result<bool, Error> {
        self.check_directory()?;
        let end = self.rules.end.clone();
        // Checked first, so that the search finds all files that existed before it.
        let has_end = match &end {
            Some(end) => self.see(end)?.is_some(),
            None => false,
        };
        let mut found = BTreeMap::new();
        for name in self.listing.within()? {
            if end.as_ref() != Some(&name) && !self.is_marker(&name) {
                found.extend(self.see(&name)?.map(|seen| (name, seen)));
            }
        }
        let is_there = |name: &String| found.contains_key(name);
        self.progress.young.retain(|name, _| is_there(name));
        let earlier = std::mem::take(&mut self.position.done);
        let numbers = std::mem::take(&mut self.position.numbers);
        let earlier = WatchPosition {
            done: earlier,
            numbers,
            current: None,
        };
        let (known, there) = (earlier.seen(), found.values().copied().collect());
        let mut waits = false;
        for (name, seen) in &found {
            match earlier.knows(name, *seen, &known, &there) {
                Known::Done => self.position.add(name, *seen),
                Known::Changed(length) => return Err(self.not_complete(name, length)),
                Known::New if self.is_complete(name, seen.stamp)? => {
                    self.progress.queue.push_back(name.clone());
                }
                Known::New => waits = true,
            }
        }
        Ok(has_end && !waits && self.progress.queue.is_empty())
    }

    /// Checks that the directory is the same as at the start of the run; otherwise all its files would count
    /// as new.
    fn check_directory(&mut self) -> Result<(), Error> {
        let path: &Path = &self.listing.path;
        let metadata = path.metadata().map_err(|source| Error::List {
            path: path.to_owned(),
            source,
        })?;
        let id = FileId::of(&metadata);
        match *self.progress.directory.get_or_insert(id) == id {
            true => Ok(()),
            false => Err(Error::OtherDirectory {
                path: path.to_owned(),
            }),
        }
    }

    fn not_complete(&self, name: &str, length: u64) -> Error {
        Error::NotComplete {
            path: self.listing.path.join(name),
            length,
        }
    }

    fn is_marker(&self, name: &str) -> bool {
        let marker = self.rules.marker.as_ref();
        marker.is_some_and(|marker| name.ends_with(marker.as_str()))
    }

    fn is_complete(&mut self, name: &str, stamp: Stamp) -> Result<bool, Error> {
        if let Some(marker) = &self.rules.marker {
            let marked = format!("{name}{marker}");
            if self.see(&marked)?.is_none() {
                return Ok(false);
            }
        }
        let Some(quiet) = self.rules.quiet else {
            return Ok(true);
        };
        let now = Instant::now();
        let young = &mut self.progress.young;
        match young.get(name) {
            Some((seen, since)) if *seen == stamp => {
                Ok(now.saturating_duration_since(*since) >= quiet)
            }
            _ => {
                young.insert(name.to_owned(), (stamp, now));
                Ok(false)
            }
        }
    }

    /// The next records; `None` if no file is readable now. The flag is whether the input has ended.
    fn next_records(&mut self) -> Result<(Vec<A::Item>, bool), Error> {
        let mut has_looked = false;
        loop {
            if self.progress.records.is_none() {
                let position = match &self.position.current {
                    Some((name, position)) => Some((self.name_now(name)?, (*position).into())),
                    None => self
                        .progress
                        .queue
                        .pop_front()
                        .map(|name| (name, FilePosition::default())),
                };
                let Some((name, position)) = position else {
                    if has_looked {
                        return Ok((Vec::new(), false));
                    }
                    has_looked = true;
                    if self.look()? {
                        return Ok((Vec::new(), true));
                    }
                    continue;
                };
                let place = self.place(&name);
                place.check(Some(&position))?;
                let begun = self.see(&name)?;
                let resume = Some(position);
                let records = Records::new(place, &self.format, self.reading, None, resume);
                let tells = !std::mem::replace(&mut self.progress.has_told, true);
                self.progress.records = Some((records.telling(tells), begun));
                if let Some((before, _)) = &self.position.current {
                    self.position.numbers.remove(&hash(before));
                }
                let number = begun.map_or(0, |begun| begun.number);
                self.position.numbers.insert(hash(&name), number);
                self.position.current = Some((name, position.into()));
            }
            let Some(((records, begun), (name, position))) = self
                .progress
                .records
                .as_mut()
                .zip(self.position.current.as_mut())
            else {
                continue;
            };
            let items = records.next_records()?;
            let at = records.position();
            *position = at.into();
            if !items.is_empty() {
                return Ok((items, false));
            }
            let (name, begun) = (name.clone(), *begun);
            let now = self.name_now(&name)?;
            let seen = self.see(&now)?;
            if seen.is_some() && seen != begun {
                return Err(self.not_complete(&now, at.byte()));
            }
            self.progress.records = None;
            self.progress.young.remove(&name);
            self.position.current = None;
            self.position.numbers.remove(&hash(&name));
            if let Some(seen) = seen {
                self.position.add(&now, seen);
            }
        }
    }

    /// The present name of the current file.
    fn name_now(&self, name: &str) -> Result<String, Error> {
        let known = self.position.numbers.get(&hash(name)).copied();
        let Some(number) = known.filter(|number| *number > 0) else {
            return Ok(name.to_owned());
        };
        let is_it = |seen: Option<Seen>| seen.is_some_and(|seen| seen.number == number);
        if is_it(self.see(name)?) {
            return Ok(name.to_owned());
        }
        for other in self.listing.within()? {
            if is_it(self.see(&other)?) {
                return Ok(other);
            }
        }
        Ok(name.to_owned())
    }
}

impl<F: Format, A: Answer<F::Item>> StatefulSourcePartition for Watch<F, A> {
    type Item = A::Item;
    type Position = WatchPosition;

    fn next_batch(&mut self) -> Result<Poll<A::Item>, StepError> {
        let (records, has_ended) = self.next_records()?;
        Ok(match records.is_empty() {
            true if has_ended => Poll::end(),
            true => Poll::idle(self.rules.every),
            false => Poll::batch(records),
        })
    }

    fn snapshot(&self) -> WatchPosition {
        self.position.clone()
    }
}

#[cfg(test)]
mod tests;
