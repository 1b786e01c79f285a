//! The log of a partition: its objects, and the valid ones.
//!
//! | name | contents |
//! | --- | --- |
//! | `orders/store` | the description of the store |
//! | `orders/terms/000000000007` | a run has taken term 7 |
//! | `orders/part-0003/000000000041.segment-7-5` | the changes of one epoch in partition 3; object 41 of its log, written in term 7, after object 40 of term 5 |
//! | `orders/part-0003/000000000041.base-7-00000` | the first piece of the combined result of the objects up to this one |
//! | `orders/part-0003/000000000041.base-7-00001-last` | its last piece |
//!
//! Of several objects with one number, at most one is valid. The newest object of the greatest term is the
//! *head*: the run of that term had seen everything that was reported before. Each segment names the term of
//! the previous object, so the head leads back to the base, or to the first object. All objects outside this
//! chain were written by a run that another had taken over from, and were never reported.
//!
//! A run may replace objects of earlier runs, whose terms the chain names, by a base of its own term. The chain
//! leads to that base if it contains a segment of the run: the run had seen the same chain from there back.
//!
//! Names without terms are of format 1, and have term 0.

use std::collections::{BTreeMap, BTreeSet};

use super::super::parts::PartitionIndex;
use super::{Backup, BackupError};

/// The names of the objects of a flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Names {
    flow: String,
}

impl Names {
    /// The name of a flow can be a part of a name: letters, digits, `_` and `-`.
    pub(super) fn new(flow: &str) -> Self {
        Self {
            flow: flow.to_owned(),
        }
    }

    pub(super) fn flow(&self) -> &str {
        &self.flow
    }

    /// Whether the name of an object of a log has this place.
    pub(super) fn is_at(name: &str, place: Place) -> bool {
        Self::place(name) == Some(place)
    }

    fn place(name: &str) -> Option<Place> {
        let (_, own) = name.rsplit_once('/')?;
        parse(own).map(|(place, _)| place)
    }

    /// Returns the greatest term in the name of an object of a log of the flow.
    pub(super) fn greatest_term_in(&self, name: &str) -> Option<u64> {
        let own = name.strip_prefix(&self.flow)?.strip_prefix("/part-")?;
        let (Place { term, .. }, kind) = parse(own.split_once('/')?.1)?;
        Some(match kind {
            Kind::Segment { after } => term.max(after),
            Kind::Piece { .. } => term,
        })
    }

    /// Returns the prefix of all objects of the flow.
    pub(super) fn all(&self) -> String {
        format!("{}/", self.flow)
    }

    pub(super) fn store(&self) -> String {
        format!("{}/store", self.flow)
    }

    /// Returns the prefix of the names of terms.
    pub(super) fn terms(&self) -> String {
        format!("{}/terms/", self.flow)
    }

    pub(super) fn term(&self, number: u64) -> String {
        format!("{}{number:012}", self.terms())
    }

    /// Returns the prefix of the objects of a log.
    pub(super) fn log(&self, index: PartitionIndex) -> String {
        format!("{}/part-{:04}/", self.flow, index.0)
    }

    /// Returns the name of the segment at a place, after the previous object with the term `after`.
    pub(super) fn segment(&self, index: PartitionIndex, place: Place, after: u64) -> String {
        let Place { term, sequence } = place;
        format!("{}{sequence:012}.segment-{term}-{after}", self.log(index))
    }

    pub(super) fn base(
        &self,
        index: PartitionIndex,
        place: Place,
        piece: u32,
        is_last: bool,
    ) -> String {
        let Place { term, sequence } = place;
        let last = if is_last { "-last" } else { "" };
        format!(
            "{}{sequence:012}.base-{term}-{piece:05}{last}",
            self.log(index)
        )
    }
}

/// The place of an object in a log, ordered by term first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) term: u64,
    pub(super) sequence: u64,
}

/// The contents of the name of an object of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Segment { after: u64 },
    Piece { number: u32, is_last: bool },
}

fn parse(name: &str) -> Option<(Place, Kind)> {
    let (sequence, kind) = name.split_once('.')?;
    let sequence = sequence.parse().ok()?;
    let Some(piece) = kind.strip_prefix("base-") else {
        let (term, after) = match kind.strip_prefix("segment")? {
            "" => (0, 0),
            terms => {
                let (term, after) = terms.strip_prefix('-')?.split_once('-')?;
                (term.parse().ok()?, after.parse().ok()?)
            }
        };
        return Some((Place { term, sequence }, Kind::Segment { after }));
    };
    let last = piece.strip_suffix("-last");
    let piece = last.unwrap_or(piece);
    let (term, number) = match piece.split_once('-') {
        Some((term, number)) => (term.parse().ok()?, number),
        None => (0, piece),
    };
    let number = number.parse().ok()?;
    let is_last = last.is_some();
    Some((Place { term, sequence }, Kind::Piece { number, is_last }))
}

/// The pieces of a base, by number, and the number of the last piece.
#[derive(Debug, Default)]
struct Base {
    pieces: BTreeMap<u32, String>,
    last: Option<u32>,
}

impl Base {
    /// Returns the first missing piece, if one is known to be missing.
    fn gap(&self) -> Option<u32> {
        (0..=self.last?).find(|number| !self.pieces.contains_key(number))
    }

    fn is_whole(&self) -> bool {
        self.last.is_some() && self.gap().is_none()
    }
}

/// All objects of a log, by their names.
#[derive(Debug, Default)]
struct Objects {
    /// With the term of the object before.
    segments: BTreeMap<Place, (String, u64)>,
    bases: BTreeMap<Place, Base>,
}

impl Objects {
    fn read(prefix: &str, listed: Vec<String>) -> Result<Self, BackupError> {
        let mut objects = Self::default();
        for name in listed {
            match name.strip_prefix(prefix).and_then(parse) {
                Some((place, Kind::Segment { after })) => {
                    objects.segments.insert(place, (name, after));
                }
                Some((place, Kind::Piece { number, is_last })) => {
                    let base = objects.bases.entry(place).or_default();
                    base.pieces.insert(number, name);
                    base.last = base.last.or(is_last.then_some(number));
                }
                None => {
                    return Err(BackupError::Foreign {
                        name,
                        what: "nothing of a log has such a name",
                    });
                }
            }
        }
        Ok(objects)
    }

    /// Returns the terms of the whole bases of each number.
    fn terms_of_bases(&self) -> BTreeMap<u64, Vec<u64>> {
        let mut terms: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for (place, _) in self.bases.iter().filter(|(_, base)| base.is_whole()) {
            terms.entry(place.sequence).or_default().push(place.term);
        }
        terms
    }

    fn whole_base(&self, place: Place) -> Option<&Base> {
        self.bases.get(&place).filter(|base| base.is_whole())
    }

    /// Returns the newest object of the greatest term.
    fn head(&self) -> Option<Place> {
        let bases = self.bases.iter().filter(|(_, base)| base.is_whole());
        let bases = bases.map(|(place, _)| *place);
        self.segments.keys().copied().chain(bases).max()
    }

    /// Returns the error of a missing object at a place.
    fn missing(&self, prefix: &str, Place { term, sequence }: Place) -> BackupError {
        let of_term = |kind: &str| match term {
            0 => format!("{prefix}{sequence:012}.{kind}"),
            term => format!("{prefix}{sequence:012}.{kind}-{term}"),
        };
        let base = self.bases.get(&Place { term, sequence });
        let name = match base.and_then(Base::gap) {
            Some(piece) => format!("{}-{piece:05}", of_term("base")),
            None => of_term("segment"),
        };
        BackupError::Missing { name }
    }
}

/// The valid objects of a log.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Log {
    /// The objects that form the partition: the pieces of a base, then the segments after it.
    pub(super) live: Vec<String>,
    /// The number of pieces of the base.
    pub(super) pieces: usize,
    /// The place of the newest of them.
    pub(super) last: Option<Place>,
    /// Obsolete objects that were not removed yet.
    pub(super) replaced: Vec<String>,
}

impl Log {
    pub(super) fn read(
        backup: &dyn Backup,
        names: &Names,
        index: PartitionIndex,
    ) -> Result<Self, BackupError> {
        let prefix = names.log(index);
        Self::of(&prefix, &Objects::read(&prefix, list(backup, &prefix)?)?)
    }

    /// Returns a number that no object in the log of a partition has, valid or not.
    pub(super) fn free_sequence(
        backup: &dyn Backup,
        names: &Names,
        index: PartitionIndex,
    ) -> Result<u64, BackupError> {
        let prefix = names.log(index);
        let objects = Objects::read(&prefix, list(backup, &prefix)?)?;
        let places = objects.segments.keys().chain(objects.bases.keys());
        Ok(places
            .map(|place| place.sequence)
            .max()
            .map_or(1, |last| last + 1))
    }

    fn of(prefix: &str, objects: &Objects) -> Result<Self, BackupError> {
        let head = objects.head();
        // From the head back to the base, or to the first object.
        let mut segments = Vec::new();
        let mut base = None;
        let mut next = head;
        let bases = objects.terms_of_bases();
        // The runs with a segment in the chain.
        let mut runs = BTreeSet::new();
        while let Some(place) = next {
            let terms = bases.get(&place.sequence).into_iter().flatten();
            let mut terms = terms.filter(|term| **term == place.term || runs.contains(*term));
            base = terms.next_back().and_then(|&term| {
                let place = Place { term, ..place };
                Some((place, objects.whole_base(place)?))
            });
            if base.is_some() {
                break;
            }
            let Some((_, after)) = objects.segments.get(&place) else {
                return Err(objects.missing(prefix, place));
            };
            segments.push(place);
            runs.insert(place.term);
            next = place
                .sequence
                .checked_sub(1)
                .filter(|&sequence| sequence > 0)
                .map(|sequence| Place {
                    term: *after,
                    sequence,
                });
        }
        segments.reverse();

        let mut log = Self {
            last: head,
            ..Self::default()
        };
        if let Some((_, base)) = base {
            log.live.extend(base.pieces.values().cloned());
            log.pieces = log.live.len();
        }
        let live = segments
            .iter()
            .filter_map(|place| objects.segments.get(place));
        log.live.extend(live.map(|(name, _)| name.clone()));
        let base = base.map(|(place, _)| place);
        for (place, (name, _)) in &objects.segments {
            if segments
                .binary_search_by_key(&place.sequence, |live| live.sequence)
                .is_ok_and(|found| segments[found] == *place)
            {
                continue;
            }
            log.replaced.push(name.clone());
        }
        for (place, other) in &objects.bases {
            // It may be under construction. It is replaced when a newer one is complete.
            let is_coming = !other.is_whole() && Some(*place) > base;
            if Some(*place) != base && !is_coming {
                log.replaced.extend(other.pieces.values().cloned());
            }
        }
        Ok(log)
    }

    /// Returns the name of the newest object.
    pub(super) fn head(&self) -> Option<&str> {
        self.live.last().map(String::as_str)
    }

    /// Returns the segments after the base, in order.
    pub(super) fn segments(&self) -> impl Iterator<Item = (Place, &str)> {
        let names = self.live.iter().skip(self.pieces);
        names.filter_map(|name| Some((Names::place(name)?, name.as_str())))
    }
}

fn list(backup: &dyn Backup, prefix: &str) -> Result<Vec<String>, BackupError> {
    let listed = backup.list(prefix);
    listed.map_err(|cause| BackupError::io("listing", prefix, cause))
}

#[cfg(test)]
mod tests;
