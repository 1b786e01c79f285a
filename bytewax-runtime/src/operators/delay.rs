//! `delay`.

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::flow::{KeyOf, Keyed, KeyedStream, Stream, ValueOf};
use crate::key::Key;
use crate::kit::Exchange;
use crate::kit::logic::{Emit, ItemLogic, Keep, KeyLogic};
use crate::state::State;

impl<T: 'static> Stream<T> {
    /// Delays each value by `time`, by the clock of the worker.
    ///
    /// The values of a key keep their order. At the end of input, all delayed values are emitted immediately.
    /// After a crash, a value keeps its original release time. A `time` that ends after the last supported
    /// date, such as [`Duration::MAX`], delays values until the end of input.
    ///
    /// The watermark of the stream does not wait for the values, so they may be late for a later step that reads
    /// event time.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use bytewax_runtime::testing::run_keyed;
    ///
    /// let out = run_keyed([('a', 1), ('a', 2)], |numbers| {
    ///     numbers.delay(Duration::from_millis(10)).named("later")
    /// });
    /// assert_eq!(out, [('a', 1), ('a', 2)]);
    /// ```
    ///
    /// # State
    ///
    /// Each delayed value and its release time. A key without values is dropped.
    #[track_caller]
    #[must_use]
    pub fn delay(self, time: Duration) -> KeyedStream<KeyOf<Self>, ValueOf<Self>>
    where
        Self: Keyed<Key: Key, Value: State + Exchange>,
    {
        // `None` is longer than any time.
        let time = TimeDelta::from_std(time).ok();
        self.pairs().item_step("delay", move || Delay {
            time,
            values: PhantomData,
        })
    }
}

struct Delay<V> {
    /// `None` never ends.
    time: Option<TimeDelta>,
    values: PhantomData<fn(V)>,
}

/// Values with the times at which they are emitted, in the order in which they came.
type Held<V> = VecDeque<(Option<DateTime<Utc>>, V)>;

/// Emits the values whose time has come.
fn release<V>(held: &mut Held<V>, out: &mut Emit<V>) -> Keep {
    let now = out.now();
    while held
        .front()
        .is_some_and(|(due, _)| due.is_some_and(|due| due <= now))
    {
        out.extend(held.pop_front().map(|(_, value)| value));
    }
    if held.is_empty() { Keep::No } else { Keep::Yes }
}

impl<K, V: State> KeyLogic<K> for Delay<V> {
    type State = Held<V>;
    type Out = V;

    fn new_state(&self, _: &K) -> Held<V> {
        VecDeque::new()
    }

    fn on_notify(&self, held: &mut Held<V>, out: &mut Emit<V>) -> Keep {
        release(held, out)
    }

    fn on_eof(&self, held: &mut Held<V>, out: &mut Emit<V>) -> Keep {
        out.extend(held.drain(..).map(|(_, value)| value));
        Keep::No
    }

    #[inline]
    fn notify_at(&self, held: &Held<V>) -> Option<DateTime<Utc>> {
        held.front().and_then(|(due, _)| *due)
    }
}

impl<K, V: State> ItemLogic<K, V> for Delay<V> {
    fn on_item(&self, held: &mut Held<V>, value: V, out: &mut Emit<V>) -> Keep {
        let due = self
            .time
            .and_then(|time| out.now().checked_add_signed(time));
        held.push_back((due, value));
        release(held, out)
    }
}
