//! The rows of one side of a join, in the order of time.

use std::collections::VecDeque;
use std::ops::RangeInclusive;

use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::chunks::Chunks;
use crate::state::{Field, Schema, State};
use crate::windowing::time::Time;

/// From this many rows on, they are in chunks.
const MANY: usize = if cfg!(test) { 8 } else { 512 };

/// With this many rows or fewer, they are not.
const FEW: usize = MANY / 4;

/// Rows in the order of their times; those with equal times in order of arrival.
///
/// Most keys have few rows, and one list takes the least memory for them. A row that arrives out of order moves all later
/// rows of a list, so many rows are in [chunks](Chunks).
#[derive(Debug)]
pub(crate) enum Rows<T> {
    Few(VecDeque<Row<T>>),
    Many(Box<Chunks<T>>),
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Row<T> {
    pub(crate) time: Time,
    /// Whether it has matched a row of the other side, or was emitted without a match.
    pub(crate) matched: bool,
    pub(crate) value: T,
}

impl<T: State> State for Rows<T> {
    const SCHEMA: Schema = Schema::of_library("Rows", 1, &[Field::of::<Vec<(i64, bool, T)>>("0")]);
}

/// The saved form.
#[derive(Serialize, Deserialize)]
#[serde(rename = "Rows")]
struct Saved<R>(R);

/// The rows as one sequence.
struct Sequence<'a, T>(&'a Rows<T>);

impl<T: Serialize> Serialize for Sequence<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut sequence = serializer.serialize_seq(Some(self.0.len()))?;
        for row in self.0.iter() {
            sequence.serialize_element(row)?;
        }
        sequence.end()
    }
}

impl<T: Serialize> Serialize for Rows<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Saved(Sequence(self)).serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Rows<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Saved(rows) = Saved::<VecDeque<Row<T>>>::deserialize(deserializer)?;
        let mut rows = Self::Few(rows);
        rows.part_if_many();
        Ok(rows)
    }
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self::Few(VecDeque::new())
    }
}

impl<T> Rows<T> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Few(rows) => rows.len(),
            Self::Many(rows) => rows.len(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn iter(&self) -> impl Iterator<Item = &Row<T>> {
        let (few, many) = match self {
            Self::Few(rows) => (Some(rows), None),
            Self::Many(rows) => (None, Some(rows)),
        };
        let many = many.into_iter().flat_map(|rows| rows.iter());
        few.into_iter().flatten().chain(many)
    }

    /// Rows mostly arrive in order, so most are appended.
    pub(crate) fn put(&mut self, time: Time, matched: bool, value: T) {
        let row = Row {
            time,
            matched,
            value,
        };
        match self {
            Self::Few(rows) => {
                if rows.len() == rows.capacity() {
                    // Many keys have few rows each: doubling would leave half of the memory unused.
                    rows.reserve_exact((rows.len() / 4).max(1));
                }
                insert(rows, row);
                self.part_if_many();
            }
            Self::Many(rows) => rows.put(row),
        }
    }

    fn part_if_many(&mut self) {
        if let Self::Few(rows) = self
            && rows.len() >= MANY
        {
            *self = Self::Many(Box::new(Chunks::of(std::mem::take(rows))));
        }
    }

    /// The rows of these times.
    pub(crate) fn within(
        &mut self,
        times: &RangeInclusive<Time>,
    ) -> impl Iterator<Item = &mut Row<T>> {
        let (few, many) = match self {
            Self::Few(rows) => (Some(within(rows, times)), None),
            Self::Many(rows) => (None, Some(rows.within(times.clone()))),
        };
        let many = many.into_iter().flatten();
        few.into_iter().flatten().chain(many)
    }

    /// The rows that were not emitted yet.
    pub(crate) fn unmatched(&mut self) -> impl Iterator<Item = &mut Row<T>> {
        let all = self.within(&(Time::MIN..=Time::MAX));
        all.filter(|row| !row.matched)
    }

    pub(crate) fn first(&self) -> Option<&Row<T>> {
        match self {
            Self::Few(rows) => rows.front(),
            Self::Many(rows) => rows.get(0),
        }
    }

    pub(crate) fn second(&self) -> Option<&Row<T>> {
        match self {
            Self::Few(rows) => rows.get(1),
            Self::Many(rows) => rows.get(1),
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Row<T>> {
        match self {
            Self::Few(rows) => {
                let first = rows.pop_front();
                if rows.capacity() > 4 * rows.len() + 16 {
                    rows.shrink_to(2 * rows.len());
                }
                first
            }
            Self::Many(rows) => {
                let first = rows.pop();
                if rows.len() <= FEW {
                    *self = Self::Few(rows.take_all());
                }
                first
            }
        }
    }

    /// The last row at or before a time.
    pub(crate) fn at_or_before(&self, time: Time) -> Option<&Row<T>> {
        match self {
            Self::Few(rows) => at_or_before(rows, time),
            Self::Many(rows) => rows.at_or_before(time),
        }
    }

    /// The first row at or after a time.
    pub(crate) fn at_or_after(&self, time: Time) -> Option<&Row<T>> {
        match self {
            Self::Few(rows) => at_or_after(rows, time),
            Self::Many(rows) => rows.at_or_after(time),
        }
    }
}

/// Inserts a row after those of its time.
pub(super) fn insert<T>(rows: &mut VecDeque<Row<T>>, row: Row<T>) {
    let place = match rows.back() {
        Some(last) if last.time > row.time => rows.partition_point(|other| other.time <= row.time),
        _ => rows.len(),
    };
    rows.insert(place, row);
}

pub(super) fn within<'a, T>(
    rows: &'a mut VecDeque<Row<T>>,
    times: &RangeInclusive<Time>,
) -> impl Iterator<Item = &'a mut Row<T>> + use<'a, T> {
    let first = rows.partition_point(|row| row.time < *times.start());
    let behind = rows.partition_point(|row| row.time <= *times.end());
    rows.range_mut(first..behind.max(first))
}

pub(super) fn at_or_before<T>(rows: &VecDeque<Row<T>>, time: Time) -> Option<&Row<T>> {
    let behind = rows.partition_point(|row| row.time <= time);
    rows.get(behind.checked_sub(1)?)
}

pub(super) fn at_or_after<T>(rows: &VecDeque<Row<T>>, time: Time) -> Option<&Row<T>> {
    rows.get(rows.partition_point(|row| row.time < time))
}

/// The state of a key: the rows of both sides.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Both<A, B> {
    pub(crate) left: Rows<A>,
    pub(crate) right: Rows<B>,
}

impl<A: State, B: State> State for Both<A, B> {
    const SCHEMA: Schema = Schema::of_library(
        "Both",
        1,
        &[Field::of::<Rows<A>>("left"), Field::of::<Rows<B>>("right")],
    );
}

impl<A, B> Default for Both<A, B> {
    fn default() -> Self {
        Self {
            left: Rows::default(),
            right: Rows::default(),
        }
    }
}

impl<A, B> Both<A, B> {
    pub(crate) fn len(&self) -> usize {
        self.left.len() + self.right.len()
    }

    /// The time of the oldest row.
    pub(crate) fn oldest(&self) -> Option<Time> {
        let left = self.left.first().map(|row| row.time);
        let right = self.right.first().map(|row| row.time);
        left.into_iter().chain(right).min()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::{decode_stored, encode_stored};

    #[derive(Clone, Debug)]
    enum Act {
        Put(Time),
        Pop,
        Match(Time, Time),
        Save,
    }

    fn acts() -> impl Strategy<Value = Vec<Act>> {
        let act = prop_oneof![
            8 => (0..40_i64).prop_map(Act::Put),
            3 => Just(Act::Pop),
            2 => (-1..41_i64, -1..41_i64).prop_map(|(from, to)| Act::Match(from, to)),
            1 => Just(Act::Save),
        ];
        prop::collection::vec(act, 0..120)
    }

    fn shown(row: Option<&Row<usize>>) -> Option<(Time, usize)> {
        row.map(|row| (row.time, row.value))
    }

    proptest! {
        /// The rows are a list in the order of time, however many they are.
        #[test]
        fn few_and_many_rows_are_in_the_order_of_time(acts in acts()) {
            let mut rows = Rows::default();
            let mut model: Vec<(Time, usize, bool)> = Vec::new();
            for (number, act) in acts.into_iter().enumerate() {
                match act {
                    Act::Put(time) => {
                        rows.put(time, false, number);
                        let place = model.partition_point(|row| row.0 <= time);
                        model.insert(place, (time, number, false));
                    }
                    Act::Pop => {
                        let first = (!model.is_empty()).then(|| model.remove(0));
                        let popped = rows.pop().map(|row| (row.time, row.value, row.matched));
                        prop_assert_eq!(popped, first);
                    }
                    Act::Match(from, to) => {
                        for row in rows.within(&(from..=to)) {
                            row.matched = true;
                        }
                        let of_model = model.iter_mut().filter(|row| (from..=to).contains(&row.0));
                        of_model.for_each(|row| row.2 = true);
                    }
                    Act::Save => {
                        let mut bytes = Vec::new();
                        encode_stored(&rows, &mut bytes).unwrap();
                        let list: Vec<_> = model.iter().map(|row| (row.0, row.2, row.1)).collect();
                        let mut expected = Vec::new();
                        encode_stored(&list, &mut expected).unwrap();
                        prop_assert_eq!(&bytes, &expected, "the format is that of a list");
                        rows = decode_stored(&bytes).unwrap();
                    }
                }
                let all: Vec<_> = rows.iter().map(|row| (row.time, row.value, row.matched)).collect();
                prop_assert_eq!(&all, &model);
                prop_assert_eq!(rows.len(), model.len());
                let unmatched: Vec<_> = rows.unmatched().map(|row| row.value).collect();
                let of_model = model.iter().filter(|row| !row.2).map(|row| row.1);
                prop_assert_eq!(unmatched, of_model.collect::<Vec<_>>());
                let of_model = |row: Option<&(Time, usize, bool)>| row.map(|row| (row.0, row.1));
                prop_assert_eq!(shown(rows.first()), of_model(model.first()));
                prop_assert_eq!(shown(rows.second()), of_model(model.get(1)));
                for time in [-1, 0, 7, 20, 39, 40] {
                    let before = model.iter().rfind(|row| row.0 <= time);
                    prop_assert_eq!(shown(rows.at_or_before(time)), of_model(before));
                    let after = model.iter().find(|row| row.0 >= time);
                    prop_assert_eq!(shown(rows.at_or_after(time)), of_model(after));
                }
            }
        }
    }
}
