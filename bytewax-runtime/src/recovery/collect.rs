//! Determines which rows of a step to merge, and when.

use std::ops::Range;

use super::rows::Row;
use crate::ids::Epoch;
use crate::state::run::Removed;

/// More generations than this are merged even when they are small: each costs a look-up when a slot is loaded.
const MOST_DELTAS: usize = 16;

/// The rows of one epoch, or of several merged ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Generation {
    /// The first of the epochs.
    pub(super) since: Epoch,
    /// The last.
    pub(super) epoch: Epoch,
    bytes: u64,
    kept: u64,
    removed: u64,
}

impl Generation {
    fn of(row: &Row) -> Self {
        Self {
            since: row.begins(),
            epoch: row.epoch,
            bytes: row.bytes,
            kept: row.kept,
            removed: row.removed,
        }
    }

    fn add(&mut self, row: &Row) {
        self.since = self.since.min(row.begins());
        self.bytes += row.bytes;
        self.kept += row.kept;
        self.removed += row.removed;
    }
}

/// The generations of rows before an epoch, from the oldest (the base) to the newest. `rows` are in order of
/// their epochs.
fn generations(rows: &[Row], before: Epoch) -> Vec<Generation> {
    let mut newest_first: Vec<Generation> = Vec::new();
    let old = rows.partition_point(|row| row.epoch < before);
    for row in rows[..old].iter().rev() {
        match newest_first.last_mut() {
            // An interrupted merge has left rows that it began to replace.
            Some(last) if row.epoch >= last.since => last.add(row),
            _ => newest_first.push(Generation::of(row)),
        }
    }
    newest_first.reverse();
    newest_first
}

/// Returns the epochs whose rows should be merged, if it is time, and whether older rows stay beside them.
///
/// Rows before `oldest`, the oldest epoch that can be resumed, are never needed separately.
pub(super) fn plan(rows: &[Row], oldest: Epoch) -> Option<(Epoch, Epoch, Removed)> {
    let generations = generations(rows, oldest);
    let part = choose(&generations)?;
    let (first, last) = (generations.get(part.start)?, generations.get(part.end - 1)?);
    Some(if part.start == 0 {
        (Epoch(0), last.epoch, Removed::Forget)
    } else {
        (first.since, last.epoch, Removed::Keep)
    })
}

/// Returns the generations to merge into one.
///
/// They are merged when the newer ones outweigh the base, or when half of its keys were removed, so that the
/// store stays within about twice the live states; each byte is then rewritten about twice. If there are many
/// deltas, the newest are merged among themselves, which leaves a few of geometrically growing sizes.
fn choose(generations: &[Generation]) -> Option<Range<usize>> {
    let count = generations.len();
    let (base, deltas) = generations.split_first()?;
    let outweighed = deltas.iter().map(|delta| delta.bytes).sum::<u64>() >= base.bytes;
    let removed: u64 = generations.iter().map(|one| one.removed).sum();
    let hollow = removed > 0 && removed * 2 >= base.kept;
    if hollow || (outweighed && !deltas.is_empty()) {
        return Some(0..count);
    }
    if deltas.len() < MOST_DELTAS {
        return None;
    }
    let mut first = count - 1;
    let mut bytes = generations[first].bytes;
    while first > 0 && generations[first - 1].bytes <= 2 * bytes {
        first -= 1;
        bytes += generations[first].bytes;
    }
    (first < count - 1).then_some(first..count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Slot;
    use crate::recovery::checksum::Checksum;
    use crate::recovery::rows::RowId;

    fn row(since: Option<u64>, epoch: u64, (bytes, kept, removed): (u64, u64, u64)) -> Row {
        Row {
            id: RowId(epoch.cast_signed()),
            first: Slot::of(0),
            last: Slot::of(9),
            since: since.map(Epoch),
            epoch: Epoch(epoch),
            bytes,
            kept,
            removed,
            checksum: Checksum(0),
        }
    }

    /// Rows of epochs from 1: bytes, keys with a state, removed keys. The part of them that is merged.
    #[track_caller]
    fn check(rows: &[(u64, u64, u64)], oldest: u64, expected: Option<Range<usize>>) {
        let rows = rows.iter().zip(1..);
        let rows: Vec<Row> = rows
            .map(|(row, epoch)| self::row(None, epoch, *row))
            .collect();
        let expected = expected.map(|part| match part.start {
            0 => (Epoch(0), Epoch(part.end as u64), Removed::Forget),
            first => (
                Epoch(first as u64 + 1),
                Epoch(part.end as u64),
                Removed::Keep,
            ),
        });
        assert_eq!(plan(&rows, Epoch(oldest)), expected);
    }

    #[test]
    fn what_a_merge_that_was_cut_off_has_left_goes_with_it() {
        let rows = [
            row(None, 1, (1000, 9, 0)),
            row(None, 4, (10, 1, 0)),
            row(None, 6, (10, 1, 0)),
            row(Some(4), 8, (10, 1, 0)),
            row(None, 8, (10, 1, 0)),
            row(None, 9, (10, 1, 0)),
        ];
        let ranges = generations(&rows, Epoch(99));
        let ranges: Vec<_> = ranges
            .iter()
            .map(|one| (one.since.0, one.epoch.0, one.bytes))
            .collect();
        assert_eq!(ranges, [(1, 1, 1000), (4, 8, 40), (9, 9, 10)]);
    }

    #[test]
    fn deltas_that_outweigh_the_base_are_merged_into_it() {
        let rows = [(100, 10, 0), (60, 6, 0), (60, 6, 0), (90, 9, 0)];
        check(&rows, 3, None);
        check(&rows, 4, Some(0..3));
        check(&rows, 5, Some(0..4));
    }

    #[test]
    fn nothing_is_done_without_rows_or_with_a_base_alone() {
        check(&[], 9, None);
        check(&[(100, 10, 0)], 9, None);
        check(&[(100, 10, 0), (100, 10, 0)], 1, None);
    }

    #[test]
    fn removed_keys_are_forgotten_soon() {
        check(&[(100, 10, 0), (20, 0, 4)], 9, None);
        check(&[(100, 10, 0), (20, 0, 5)], 9, Some(0..2));
        // Made and removed within the first epoch.
        check(&[(10, 0, 1)], 9, Some(0..1));
    }

    #[test]
    fn many_small_deltas_are_merged_among_themselves() {
        let mut rows = vec![(10_000, 100, 0)];
        rows.extend([(10, 1, 0); MOST_DELTAS]);
        check(&rows, 99, Some(1..17));
        rows[1].0 = 1000;
        check(&rows, 99, Some(2..17));
    }

    #[test]
    fn the_number_of_rows_stays_small() {
        let mut rows = vec![row(None, 1, (1 << 40, 1 << 30, 0))];
        let mut rewritten = 0;
        for epoch in 2..10_000 {
            rows.push(row(None, epoch, (10, 1, 0)));
            if let Some((since, last, _)) = plan(&rows, Epoch(epoch + 1)) {
                let first = rows.partition_point(|row| row.epoch < since);
                let bytes = rows[first..].iter().map(|row| row.bytes).sum();
                rewritten += bytes;
                rows.truncate(first);
                rows.push(row(Some(since.0), last.0, (bytes, 1, 0)));
            }
            assert!(rows.len() <= MOST_DELTAS + 1);
        }
        assert!(
            rewritten < 10 * 10_000 * 6,
            "{rewritten} bytes were rewritten"
        );
    }
}
