//! Many rows of one side of a join.

use std::collections::VecDeque;
use std::ops::RangeInclusive;

use super::rows::{Row, at_or_after, at_or_before, insert, within};
use crate::windowing::time::Time;

/// The most rows of a chunk.
const CHUNK: usize = if cfg!(test) { 4 } else { 256 };

/// Rows in the order of time, in chunks: a row that arrives out of order moves the rows of one chunk, not all.
#[derive(Debug)]
pub(crate) struct Chunks<T> {
    /// None is empty.
    chunks: VecDeque<VecDeque<Row<T>>>,
    len: usize,
}

impl<T> Chunks<T> {
    /// Distributes rows that are in the order of time.
    pub(super) fn of(mut rows: VecDeque<Row<T>>) -> Self {
        let mut all = Self {
            chunks: VecDeque::new(),
            len: rows.len(),
        };
        while !rows.is_empty() {
            let few = CHUNK.min(rows.len());
            all.chunks.push_back(rows.drain(..few).collect());
        }
        all
    }

    pub(super) fn take_all(&mut self) -> VecDeque<Row<T>> {
        self.len = 0;
        self.chunks.drain(..).flatten().collect()
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Row<T>> {
        self.chunks.iter().flatten()
    }

    /// The row at a place, which is one of the first: it looks at each chunk before it.
    pub(super) fn get(&self, mut place: usize) -> Option<&Row<T>> {
        for chunk in &self.chunks {
            match chunk.get(place) {
                Some(row) => return Some(row),
                None => place -= chunk.len(),
            }
        }
        None
    }

    /// The number of chunks that begin at or before a time.
    fn begun_by(&self, time: Time) -> usize {
        let begins_by =
            |chunk: &VecDeque<Row<T>>| chunk.front().is_some_and(|row| row.time <= time);
        self.chunks.partition_point(begins_by)
    }

    /// The number of chunks that end before a time.
    fn ended_before(&self, time: Time) -> usize {
        let ends_before =
            |chunk: &VecDeque<Row<T>>| chunk.back().is_some_and(|row| row.time < time);
        self.chunks.partition_point(ends_before)
    }

    pub(super) fn put(&mut self, row: Row<T>) {
        self.len += 1;
        let at = self.begun_by(row.time).saturating_sub(1);
        let is_last = at + 1 == self.chunks.len();
        match self.chunks.get_mut(at) {
            Some(chunk) if chunk.len() < CHUNK => insert(chunk, row),
            // Rows mostly arrive in order: the last chunk then stays full.
            Some(chunk) if is_last && chunk.back().is_some_and(|last| last.time <= row.time) => {
                self.append(row);
            }
            Some(chunk) => {
                let mut second = chunk.split_off(CHUNK / 2);
                match second.front() {
                    Some(first) if first.time <= row.time => insert(&mut second, row),
                    _ => insert(chunk, row),
                }
                self.chunks.insert(at + 1, second);
            }
            None => self.append(row),
        }
    }

    fn append(&mut self, row: Row<T>) {
        let mut chunk = VecDeque::with_capacity(CHUNK);
        chunk.push_back(row);
        self.chunks.push_back(chunk);
    }

    pub(super) fn pop(&mut self) -> Option<Row<T>> {
        let chunk = self.chunks.front_mut()?;
        let first = chunk.pop_front();
        if chunk.is_empty() {
            self.chunks.pop_front();
        }
        self.len -= usize::from(first.is_some());
        first
    }

    pub(super) fn within(
        &mut self,
        times: RangeInclusive<Time>,
    ) -> impl Iterator<Item = &mut Row<T>> {
        let first = self.ended_before(*times.start());
        let behind = self.begun_by(*times.end());
        let chunks = self.chunks.range_mut(first..behind.max(first));
        chunks.flat_map(move |chunk| within(chunk, &times))
    }

    pub(super) fn at_or_before(&self, time: Time) -> Option<&Row<T>> {
        let chunk = self.chunks.get(self.begun_by(time).checked_sub(1)?)?;
        at_or_before(chunk, time)
    }

    pub(super) fn at_or_after(&self, time: Time) -> Option<&Row<T>> {
        at_or_after(self.chunks.get(self.ended_before(time))?, time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cost of a row out of order is bounded by the length of a chunk, and by the number of chunks.
    #[test]
    fn chunks_stay_short_and_are_not_many_in_any_order_of_rows() {
        for order in [
            |number: i64| number,
            |number: i64| -number,
            |number: i64| number * 7919 % 10_007,
        ] {
            let mut rows = Chunks::of(VecDeque::new());
            for number in 0..10_000 {
                rows.put(Row {
                    time: order(number),
                    matched: false,
                    value: (),
                });
            }
            assert_eq!(rows.len(), 10_000);
            assert!(rows.chunks.iter().all(|chunk| chunk.len() <= CHUNK));
            assert!(rows.chunks.len() <= 2 * 10_000 / CHUNK + 1);
        }
    }
}
