//! The rows of one side of a join, in the order of time.

use std::collections::VecDeque;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::state::{Field, Schema, State};
use crate::windowing::time::Time;

/// Rows in the order of their times; those with equal times in order of arrival.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Rows<T>(VecDeque<Row<T>>);

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

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T> Rows<T> {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Rows mostly arrive in order, so most are appended.
    pub(crate) fn put(&mut self, time: Time, matched: bool, value: T) {
        let rows = &mut self.0;
        if rows.len() == rows.capacity() {
            // Many keys have few rows each: doubling would leave half of the memory unused.
            rows.reserve_exact((rows.len() / 4).max(1));
        }
        let place = match rows.back() {
            Some(last) if last.time > time => rows.partition_point(|row| row.time <= time),
            _ => rows.len(),
        };
        rows.insert(
            place,
            Row {
                time,
                matched,
                value,
            },
        );
    }

    /// The rows of these times.
    pub(crate) fn within(
        &mut self,
        times: &RangeInclusive<Time>,
    ) -> impl Iterator<Item = &mut Row<T>> {
        let first = self.0.partition_point(|row| row.time < *times.start());
        let behind = self.0.partition_point(|row| row.time <= *times.end());
        self.0.range_mut(first..behind.max(first))
    }

    /// The rows that were not emitted yet.
    pub(crate) fn unmatched(&mut self) -> impl Iterator<Item = &mut Row<T>> {
        self.0.iter_mut().filter(|row| !row.matched)
    }

    pub(crate) fn first(&self) -> Option<&Row<T>> {
        self.0.front()
    }

    pub(crate) fn second(&self) -> Option<&Row<T>> {
        self.0.get(1)
    }

    pub(crate) fn pop(&mut self) -> Option<Row<T>> {
        let first = self.0.pop_front();
        if self.0.capacity() > 4 * self.0.len() + 16 {
            self.0.shrink_to(2 * self.0.len());
        }
        first
    }

    /// The last row at or before a time.
    pub(crate) fn at_or_before(&self, time: Time) -> Option<&Row<T>> {
        let behind = self.0.partition_point(|row| row.time <= time);
        self.0.get(behind.checked_sub(1)?)
    }

    /// The first row at or after a time.
    pub(crate) fn at_or_after(&self, time: Time) -> Option<&Row<T>> {
        let first = self.0.partition_point(|row| row.time < time);
        self.0.get(first)
    }
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
