//! Finds files of a directory that were renamed since their positions were saved.
//!
//! The number on the device and the content up to the position identify a file. A number alone may be reused
//! for another file, and content alone may be that of a copy.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use bytewax_runtime::source::Reconciled;

use super::files::Files;
use super::identity::FileId;
use super::place::Place;
use super::position::FilePosition;
use super::reading::Format;
use super::rotation::matches;

/// The partitions of one file, with their positions, by the suffix of their names.
type Ranges<'a> = BTreeMap<&'a str, &'a FilePosition>;

/// The position with the most information about the file.
fn farthest(ranges: &Ranges<'_>) -> Option<FilePosition> {
    let known = ranges.values().filter(|at| at.number().is_some());
    known.max_by_key(|at| at.byte()).map(|at| **at)
}

/// An existing file: its path and its number.
struct There {
    place: Place,
    id: FileId,
}

impl There {
    /// Whether this is the file that was read up to a position.
    fn is(&self, position: &FilePosition) -> bool {
        position.number() == Some(self.id.number) && self.has(position)
    }

    /// Whether it contains the data read up to a position.
    fn has(&self, position: &FilePosition) -> bool {
        matches(&self.place, self.id, position, self.id).is_some()
    }
}

impl<F: Format> Files<F> {
    /// Matches saved positions with the existing files.
    pub(crate) fn reconcile(
        &self,
        partitions: &[&str],
        saved: &BTreeMap<String, FilePosition>,
    ) -> Reconciled {
        let listed: BTreeSet<&str> = partitions.iter().copied().collect();
        let lost = saved
            .iter()
            .filter(|(name, _)| !listed.contains(name.as_str()));
        let ended = lost.filter(|(_, position)| position.has_ended());
        let mut reconciled = Reconciled {
            renamed: BTreeMap::new(),
            gone: ended.map(|(name, _)| name.clone()).collect(),
        };
        if !self.listing.path.is_dir() {
            return reconciled;
        }
        let mut earlier: BTreeMap<&str, Ranges<'_>> = BTreeMap::new();
        for (name, position) in saved {
            let (file, range) = self.split(name);
            earlier.entry(file).or_default().insert(range, position);
        }
        let now = self.there(&listed);
        let before = self.earlier_names(&now, &earlier);
        let moved: BTreeSet<&str> = before.values().copied().collect();
        for name in &listed {
            let (file, range) = self.split(name);
            let renamed = match (before.get(file), now.get(file), earlier.get(file)) {
                (Some(other), ..) => {
                    let position = earlier.get(other).and_then(|ranges| ranges.get(range));
                    position.map(|_| format!("{other}{range}"))
                }
                // The former file of this name has another now.
                (None, Some(there), Some(own))
                    if moved.contains(file)
                        && farthest(own).is_some_and(|position| !there.is(&position)) =>
                {
                    None
                }
                _ => continue,
            };
            reconciled.renamed.insert((*name).to_owned(), renamed);
        }
        reconciled
    }

    /// Splits a partition's name into the name of the file and the range.
    fn split<'a>(&self, partition: &'a str) -> (&'a str, &'a str) {
        let range = self.ranges.as_ref().and_then(|_| partition.rfind('['));
        partition.split_at(range.unwrap_or(partition.len()))
    }

    /// The files of these partitions on this machine.
    fn there<'a>(&self, partitions: &BTreeSet<&'a str>) -> BTreeMap<&'a str, There> {
        let mut there = BTreeMap::new();
        for partition in partitions {
            let (file, _) = self.split(partition);
            let Some(within) = self.fs_id.path(file) else {
                continue;
            };
            let path = self.listing.path.join(Path::new(within));
            // An unreadable one cannot be opened either, which reports the reason.
            let Ok(metadata) = path.metadata() else {
                continue;
            };
            let (place, id) = (Place::new(path, self.compression), FileId::of(&metadata));
            there.entry(file).or_insert(There { place, id });
        }
        there
    }

    /// The files that were renamed since their positions were saved, with their new names.
    fn earlier_names<'a>(
        &self,
        now: &BTreeMap<&'a str, There>,
        earlier: &BTreeMap<&'a str, Ranges<'a>>,
    ) -> BTreeMap<&'a str, &'a str> {
        let mut by_number: HashMap<u64, Vec<(&'a str, FilePosition)>> = HashMap::new();
        for (file, ranges) in earlier {
            if let Some(position) = farthest(ranges) {
                let number = position.number().unwrap_or_default();
                by_number.entry(number).or_default().push((file, position));
            }
        }
        let mut renamed = BTreeMap::new();
        for (file, there) in now {
            let own = earlier.get(file).and_then(farthest);
            let is_own = |own: FilePosition| there.is(&own) || own.byte() > 0 && there.has(&own);
            if own.is_some_and(is_own) {
                continue;
            }
            let others = by_number.get(&there.id.number).into_iter().flatten();
            let same = others.filter(|(other, position)| other != file && there.is(position));
            if let Some((other, _)) = same.max_by_key(|(_, position)| position.byte()) {
                renamed.insert(*file, *other);
            }
        }
        renamed
    }
}
