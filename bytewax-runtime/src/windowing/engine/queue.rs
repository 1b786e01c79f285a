//! Values that wait until the watermark has reached their time.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use serde::{Deserialize, Serialize};

use crate::state::{Field, Schema, State};
use crate::windowing::time::Time;

/// Where values wait that come before their time: a [`Queue`], or `()` if all are taken as they come.
pub(crate) trait Waiters<V>: State + Default {
    /// Whether values wait.
    const ORDERED: bool;

    fn is_empty(&self) -> bool;

    fn len(&self) -> usize;

    fn push(&mut self, time: Time, value: V);

    /// The time of the first value.
    fn first(&self) -> Option<Time>;

    /// Takes the first value, if the watermark has reached it.
    fn pop(&mut self, mark: Time) -> Option<(Time, V)>;
}

impl<V> Waiters<V> for () {
    const ORDERED: bool = false;

    #[inline]
    fn is_empty(&self) -> bool {
        true
    }

    fn len(&self) -> usize {
        0
    }

    fn push(&mut self, _: Time, _: V) {
        unreachable!("values that are taken as they come do not wait");
    }

    #[inline]
    fn first(&self) -> Option<Time> {
        None
    }

    #[inline]
    fn pop(&mut self, _: Time) -> Option<(Time, V)> {
        None
    }
}

/// Values in the order of their times; of equal times, in the order in which they came.
///
/// Most keys have none most of the time, and there are many keys.
#[derive(Serialize, Deserialize)]
pub(crate) struct Queue<V>(Option<Box<Waitlist<V>>>);

#[derive(Serialize, Deserialize)]
struct Waitlist<V> {
    waiting: BinaryHeap<Waiting<V>>,
    came: u64,
}

#[derive(Serialize, Deserialize)]
struct Waiting<V> {
    time: Time,
    came: u64,
    value: V,
}

impl<V: State> State for Queue<V> {
    const SCHEMA: Schema = Schema::of_library(
        "Queue",
        1,
        &[Field::of::<Option<(Vec<(i64, u64, V)>, u64)>>("0")],
    );
}

impl<V> Default for Queue<V> {
    fn default() -> Self {
        Self(None)
    }
}

impl<V: State> Waiters<V> for Queue<V> {
    const ORDERED: bool = true;

    #[inline]
    fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |line| line.waiting.len())
    }

    fn push(&mut self, time: Time, value: V) {
        let line = self.0.get_or_insert_with(|| {
            Box::new(Waitlist {
                waiting: BinaryHeap::new(),
                came: 0,
            })
        });
        let came = line.came;
        line.came += 1;
        line.waiting.push(Waiting { time, came, value });
    }

    #[inline]
    fn first(&self) -> Option<Time> {
        self.0.as_ref()?.waiting.peek().map(|first| first.time)
    }

    #[inline]
    fn pop(&mut self, mark: Time) -> Option<(Time, V)> {
        match &self.0 {
            Some(_) => self.pop_waiting(mark),
            None => None,
        }
    }
}

impl<V> Queue<V> {
    /// Apart from [`pop`](Waiters::pop), which is inlined: most keys have no values that wait.
    #[inline(never)]
    fn pop_waiting(&mut self, mark: Time) -> Option<(Time, V)> {
        let list = self.0.as_mut()?;
        if list.waiting.peek()?.time > mark {
            return None;
        }
        let first = list.waiting.pop()?;
        if list.waiting.is_empty() {
            self.0 = None;
        }
        Some((first.time, first.value))
    }
}

// The greatest is the first to go.
impl<V> Ord for Waiting<V> {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.time, other.came).cmp(&(self.time, self.came))
    }
}

impl<V> PartialOrd for Waiting<V> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<V> PartialEq for Waiting<V> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<V> Eq for Waiting<V> {}
