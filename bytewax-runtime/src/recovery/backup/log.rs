//! The log of a partition: which objects there are, and which of them count.
//!
//! | name | what it is |
//! | --- | --- |
//! | `orders/store` | what all partitions say of the store |
//! | `orders/part-0003/000000000041.segment` | what one epoch changed in partition 3; object 41 of its log |
//! | `orders/part-0003/000000000041.base-00000` | the first piece of what objects 1 to 41 amount to |
//! | `orders/part-0003/000000000041.base-00001-last` | its last piece |

use std::collections::BTreeMap;

use super::super::parts::PartitionIndex;
use super::{Backup, BackupError};

/// Where the objects of a flow are.
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

    /// Whether an object of a log has this number by its name.
    pub(super) fn is_numbered(name: &str, sequence: u64) -> bool {
        let own = name.rsplit_once('/').and_then(|(_, own)| parse(own));
        own.is_some_and(|(number, _)| number == sequence)
    }

    /// What all objects of the flow begin with.
    pub(super) fn all(&self) -> String {
        format!("{}/", self.flow)
    }

    pub(super) fn store(&self) -> String {
        format!("{}/store", self.flow)
    }

    /// What the objects of a log begin with.
    pub(super) fn log(&self, index: PartitionIndex) -> String {
        format!("{}/part-{:04}/", self.flow, index.0)
    }

    pub(super) fn segment(&self, index: PartitionIndex, sequence: u64) -> String {
        format!("{}{sequence:012}.segment", self.log(index))
    }

    pub(super) fn base(
        &self,
        index: PartitionIndex,
        sequence: u64,
        piece: u32,
        is_last: bool,
    ) -> String {
        let last = if is_last { "-last" } else { "" };
        format!("{}{sequence:012}.base-{piece:05}{last}", self.log(index))
    }
}

/// What the name of an object of a log says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Segment,
    Piece { number: u32, is_last: bool },
}

fn parse(name: &str) -> Option<(u64, Kind)> {
    let (sequence, kind) = name.split_once('.')?;
    let sequence = sequence.parse().ok()?;
    let Some(piece) = kind.strip_prefix("base-") else {
        return (kind == "segment").then_some((sequence, Kind::Segment));
    };
    let last = piece.strip_suffix("-last");
    let number = last.unwrap_or(piece).parse().ok()?;
    let is_last = last.is_some();
    Some((sequence, Kind::Piece { number, is_last }))
}

/// The objects of a log.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Log {
    /// The objects that amount to the partition: the pieces of a base, then the segments after it.
    pub(super) live: Vec<String>,
    /// How many of them are pieces of the base.
    pub(super) pieces: usize,
    /// The number of the next object.
    pub(super) next: u64,
    /// Objects that a base has replaced, and that were not removed yet.
    pub(super) replaced: Vec<String>,
}

impl Log {
    pub(super) fn read(
        backup: &dyn Backup,
        names: &Names,
        index: PartitionIndex,
    ) -> Result<Self, BackupError> {
        let prefix = names.log(index);
        let listed = backup.list(&prefix);
        let listed = listed.map_err(|cause| BackupError::io("listing", &prefix, cause))?;
        Self::of(&prefix, listed)
    }

    fn of(prefix: &str, listed: Vec<String>) -> Result<Self, BackupError> {
        let mut segments = BTreeMap::new();
        // By sequence, then by piece; whether it is the last one.
        let mut bases: BTreeMap<u64, BTreeMap<u32, (String, bool)>> = BTreeMap::new();
        for name in listed {
            let own = name.strip_prefix(prefix).and_then(parse);
            match own {
                Some((sequence, Kind::Segment)) => {
                    segments.insert(sequence, name);
                }
                Some((sequence, Kind::Piece { number, is_last })) => {
                    let pieces = bases.entry(sequence).or_default();
                    pieces.insert(number, (name, is_last));
                }
                None => {
                    return Err(BackupError::Foreign {
                        name,
                        what: "nothing of a log has such a name",
                    });
                }
            }
        }
        let mut log = Self::default();
        let mut first = 1;
        let mut unfinished = 0;
        while let Some((sequence, pieces)) = bases.pop_last() {
            let is_whole = pieces.values().any(|(_, is_last)| *is_last);
            let names = pieces.values().map(|(name, _)| name.clone());
            if first > 1 {
                log.replaced.extend(names);
            } else if is_whole {
                if let Some(gap) = (0..).zip(pieces.keys()).find(|(place, key)| place != *key) {
                    return Err(BackupError::Missing {
                        name: format!("{prefix}{sequence:012}.base-{:05}", gap.0),
                    });
                }
                log.live.extend(names);
                log.pieces = pieces.len();
                first = sequence + 1;
            } else {
                // Somebody may be writing it. It is replaced when a newer one is whole.
                unfinished = unfinished.max(sequence);
            }
        }
        log.next = first;
        for (sequence, name) in segments {
            if sequence < first {
                log.replaced.push(name);
                continue;
            }
            if sequence != log.next {
                return Err(BackupError::Missing {
                    name: format!("{prefix}{:012}.segment", log.next),
                });
            }
            log.live.push(name);
            log.next += 1;
        }
        if log.live.is_empty() {
            // A log that begins with a base: its number is not taken a second time.
            log.next = log.next.max(unfinished + 1);
        }
        Ok(log)
    }

    /// The name of the newest object.
    pub(super) fn head(&self) -> Option<&str> {
        self.live.last().map(String::as_str)
    }

    /// How many segments come after the base.
    pub(super) fn segments(&self) -> usize {
        self.live.len() - self.pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(names: &[&str]) -> Result<Log, String> {
        let names = names.iter().map(|name| format!("p/{name}")).collect();
        Log::of("p/", names).map_err(|error| error.to_string())
    }

    #[track_caller]
    fn check(names: &[&str], live: &[&str], pieces: usize, next: u64, replaced: &[&str]) {
        let own = |names: &[&str]| names.iter().map(|name| format!("p/{name}")).collect();
        let expected = Log {
            live: own(live),
            pieces,
            next,
            replaced: own(replaced),
        };
        assert_eq!(log(names), Ok(expected));
    }

    #[test]
    fn segments_follow_each_other_from_the_first() {
        check(&[], &[], 0, 1, &[]);
        let two = ["2.segment", "1.segment"];
        check(&two, &["1.segment", "2.segment"], 0, 3, &[]);
    }

    #[test]
    fn the_newest_whole_base_replaces_what_is_older() {
        let names = [
            "1.segment",
            "2.segment",
            "3.segment",
            "4.segment",
            "1.base-00000-last",
            "2.base-00000",
            "3.base-00000",
            "3.base-00001-last",
            "4.base-00000",
        ];
        let live = ["3.base-00000", "3.base-00001-last", "4.segment"];
        let replaced = [
            "2.base-00000",
            "1.base-00000-last",
            "1.segment",
            "2.segment",
            "3.segment",
        ];
        check(&names, &live, 2, 5, &replaced);
    }

    #[test]
    fn a_base_that_was_never_finished_counts_for_nothing_but_its_number() {
        check(&["1.base-00000"], &[], 0, 2, &[]);
        let names = ["1.segment", "1.base-00000"];
        check(&names, &["1.segment"], 0, 2, &[]);
    }

    #[test]
    fn a_gap_is_told() {
        let missing = |name: &str| {
            Err(format!(
                "`p/{name}` is missing in the backup; bring it back from a copy of the backup, or, \
                 when another run of the flow is using the backup, stop that run first"
            ))
        };
        assert_eq!(log(&["2.segment"]), missing("000000000001.segment"));
        let names = ["3.base-00000-last", "5.segment"];
        assert_eq!(log(&names), missing("000000000004.segment"));
        let names = ["3.base-00001-last", "4.segment"];
        assert_eq!(log(&names), missing("000000000003.base-00000"));
    }

    #[test]
    fn foreign_names_are_told() {
        for name in ["x", "1.segments", "a.segment", "1.base-", "1.base-1-first"] {
            let expected = format!(
                "`p/{name}` is not an object of a backup: nothing of a log has such a name; move it \
                 away, or name the right backup"
            );
            assert_eq!(log(&[name]), Err(expected));
        }
    }

    #[test]
    fn names_are_what_the_format_says() {
        let names = Names::new("orders");
        let index = PartitionIndex(3);
        assert_eq!(
            names.segment(index, 41),
            "orders/part-0003/000000000041.segment"
        );
        let last = names.base(index, 41, 1, true);
        assert_eq!(last, "orders/part-0003/000000000041.base-00001-last");
        for name in [
            names.segment(index, 41),
            names.base(index, 41, 0, false),
            last,
        ] {
            let own = name.strip_prefix(&names.log(index)).and_then(parse);
            assert_eq!(own.map(|(sequence, _)| sequence), Some(41));
        }
    }
}
