//! Which rows of a slot to merge, and when.

use std::ops::Range;

use super::sql::RowSize;
use crate::ids::Epoch;

/// More rows than this of one slot are merged even when they are small: each costs a look-up when
/// the slot is loaded.
const MOST_DELTAS: usize = 16;

/// The rows to merge into one, if it is time: some of the rows that no resume tells apart.
///
/// `rows` go from the oldest (the base) to the newest. Rows before `oldest`, the oldest epoch that
/// can be resumed, are never wanted one by one. They are merged when the newer ones outweigh the
/// base, or when half of its keys were removed, so that the store stays within about twice the
/// live states; each byte is then rewritten about twice. When there are many deltas, the newest
/// are merged among themselves, which leaves a few rows of sizes that grow geometrically.
pub(super) fn plan(rows: &[RowSize], oldest: Epoch) -> Option<Range<usize>> {
    let count = rows.partition_point(|row| row.epoch < oldest);
    let (base, deltas) = rows[..count].split_first()?;
    let outweighed = deltas.iter().map(|row| row.bytes).sum::<u64>() >= base.bytes;
    let removed: u64 = rows[..count].iter().map(|row| u64::from(row.removed)).sum();
    let hollow = removed > 0 && removed * 2 >= u64::from(base.kept);
    if hollow || (outweighed && !deltas.is_empty()) {
        return Some(0..count);
    }
    if deltas.len() < MOST_DELTAS {
        return None;
    }
    let mut first = count - 1;
    let mut bytes = rows[first].bytes;
    while first > 0 && rows[first - 1].bytes <= 2 * bytes {
        first -= 1;
        bytes += rows[first].bytes;
    }
    (first < count - 1).then_some(first..count)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of epochs from 1: bytes, keys with a state, removed keys.
    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "a range reads best as it is")]
    fn check(rows: &[(u64, u32, u32)], oldest: u64, expected: Option<Range<usize>>) {
        let sizes = rows
            .iter()
            .zip(1..)
            .map(|(&(bytes, kept, removed), epoch)| RowSize {
                epoch: Epoch(epoch),
                bytes,
                kept,
                removed,
            });
        assert_eq!(plan(&sizes.collect::<Vec<_>>(), Epoch(oldest)), expected);
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
        let mut rows = vec![RowSize {
            epoch: Epoch(1),
            bytes: 1 << 40,
            kept: 1 << 30,
            removed: 0,
        }];
        let mut rewritten = 0;
        for epoch in 2..10_000 {
            rows.push(RowSize {
                epoch: Epoch(epoch),
                bytes: 10,
                kept: 1,
                removed: 0,
            });
            if let Some(merged) = plan(&rows, Epoch(epoch + 1)) {
                let bytes = rows[merged.clone()].iter().map(|row| row.bytes).sum();
                rewritten += bytes;
                let newest = rows[merged.end - 1];
                rows.splice(merged, [RowSize { bytes, ..newest }]);
            }
            assert!(rows.len() <= MOST_DELTAS + 1);
        }
        assert!(
            rewritten < 10 * 10_000 * 6,
            "{rewritten} bytes were rewritten"
        );
    }
}
