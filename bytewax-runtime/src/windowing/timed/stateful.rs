//! `stateful_by_time`.

use std::cell::RefCell;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::TimedLogic;
use super::out::{TimedOut, TimedStep};
use crate::flow::{KeyOf, Keyed, Stream, ValueOf};
use crate::key::Key;
use crate::kit::Exchange;
use crate::kit::logic::{Emit, Keep};
use crate::operators::StatefulLogic;
use crate::state::{Field, Schema, State};
use crate::windowing::clock::Clock;
use crate::windowing::time::{END, LAST, Time, date};

impl<T: 'static> Stream<T> {
    /// Keeps a logic for each key, like [`stateful`](Stream::stateful), by the time of `clock`. With a
    /// [`StreamClock`](crate::windowing::StreamClock), this is event time.
    ///
    /// `make` creates the logic of a new key. The differences from [`stateful`](Stream::stateful) are:
    ///
    /// - The step processes values in the order of their times, once the watermark reaches them. Values with
    ///   equal times keep their order of arrival. A value before the watermark is late and goes to `late`
    ///   only.
    /// - [`notify_at`](StatefulLogic::notify_at) returns a time of the clock. The step calls
    ///   [`on_notify`](StatefulLogic::on_notify) when the time is reached, before all values of this time or
    ///   later. A time in the past is reached immediately. The same time is not notified twice in a row, so
    ///   `on_notify` need not reset it.
    /// - [`Emit::now`] is the time of the value or of the notification.
    ///
    /// The result therefore depends on the values alone: not on the speed of a replay, the sizes of batches,
    /// or the number of workers. At the end of input, the step processes the waiting values, and then calls
    /// [`on_eof`](StatefulLogic::on_eof) at the time of the watermark, which has moved to the last of them. Times
    /// that are not reached are not notified. With a recovery store, a value of the next run before the watermark is
    /// late. If the next run continues the input, let the clock
    /// [`keep_open`](crate::windowing::StreamClock::keep_open) what waits; `on_eof` is then not called.
    ///
    /// # Examples
    ///
    /// Auctions whose end is a time in their data:
    ///
    /// ```
    /// use bytewax_macros::stateful;
    /// use bytewax_runtime::prelude::*;
    /// use bytewax_runtime::testing::run_keyed;
    /// use bytewax_runtime::windowing::{Lateness, StreamClock};
    /// use chrono::{DateTime, TimeDelta, Utc};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[stateful(crate = "bytewax_runtime")]
    /// #[derive(Clone)]
    /// struct Event {
    ///     at: DateTime<Utc>,
    ///     /// The end of an auction, or else a bid.
    ///     ends: Option<DateTime<Utc>>,
    ///     bid: u32,
    /// }
    ///
    /// #[stateful(crate = "bytewax_runtime")]
    /// #[derive(Default)]
    /// struct Auction {
    ///     ends: Option<DateTime<Utc>>,
    ///     best: u32,
    /// }
    ///
    /// impl StatefulLogic for Auction {
    ///     type In = Event;
    ///     type Out = u32;
    ///
    ///     fn on_item(&mut self, event: Event, _: &mut Emit<u32>) -> Keep {
    ///         self.ends = self.ends.or(event.ends);
    ///         self.best = self.best.max(event.bid);
    ///         if self.ends.is_some() { Keep::Yes } else { Keep::No }
    ///     }
    ///
    ///     fn notify_at(&self) -> Option<DateTime<Utc>> {
    ///         self.ends
    ///     }
    ///
    ///     fn on_notify(&mut self, out: &mut Emit<u32>) -> Keep {
    ///         out.emit(self.best);
    ///         Keep::No
    ///     }
    /// }
    ///
    /// let second = |second| DateTime::from_timestamp(second, 0).unwrap();
    /// let begin = Event { at: second(0), ends: Some(second(10)), bid: 0 };
    /// let bid = |at, bid| Event { at: second(at), ends: None, bid };
    /// // The bid of 9 comes after the end; the one of 7 came late, and was in time.
    /// let events = [begin, bid(3, 5), bid(11, 9), bid(8, 7)].map(|event| ('a', event));
    /// let best = run_keyed(events, |events| {
    ///     let lateness = Lateness::bounded(TimeDelta::seconds(5));
    ///     let events = events.event_time(|(_, event)| event.at, lateness).named("times").down;
    ///     let clock = StreamClock::new(|event: &Event| event.at);
    ///     events.stateful_by_time(clock, Auction::default).named("auctions").down
    /// });
    /// assert_eq!(best, [('a', 7)]);
    /// ```
    ///
    /// # State
    ///
    /// For each key: its logic until a call returns [`Keep::No`], and the values that wait for the watermark.
    /// A logic that never returns it is never dropped, so use a timer to drop keys.
    #[track_caller]
    pub fn stateful_by_time<C, L, F>(
        self,
        clock: C,
        make: F,
    ) -> TimedOut<KeyOf<Self>, L::Out, ValueOf<Self>>
    where
        Self: Keyed<Key: Key, Value: State + Exchange + Clone>,
        C: Clock<ValueOf<Self>>,
        L: StatefulLogic<In = ValueOf<Self>>,
        F: Fn() -> L + Send + Sync + 'static,
    {
        let step = TimedStep {
            operator: "stateful_by_time",
            clock,
            held_back: 0,
            facts: Vec::new(),
            faults: Vec::new(),
        };
        let make = Arc::new(make);
        step.ordered(&self.pairs(), move || Own::<L, F>::new(Arc::clone(&make)))
    }
}

/// A user's logic.
pub(super) struct Own<L: StatefulLogic, F> {
    make: Arc<F>,
    out: RefCell<Emit<L::Out>>,
}

/// The saved data of a key.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Waiting<L> {
    logic: L,
    /// The last time for which it was notified.
    told: Option<Time>,
}

impl<L: State> State for Waiting<L> {
    const SCHEMA: Schema = Schema::of_library(
        "Waiting",
        1,
        &[Field::of::<L>("logic"), Field::of::<Option<i64>>("told")],
    );
}

impl<L: StatefulLogic, F: Fn() -> L> Own<L, F> {
    pub(super) fn new(make: Arc<F>) -> Self {
        Self {
            make,
            out: RefCell::new(Emit::new()),
        }
    }

    /// Calls the logic of a key, and drops the key if the logic requests it.
    fn call(
        &self,
        kept: &mut Option<Waiting<L>>,
        at: Time,
        emit: &mut impl FnMut(L::Out),
        call: impl FnOnce(&mut L, &mut Emit<L::Out>) -> Keep,
    ) {
        let Some(waiting) = kept else { return };
        let mut out = self.out.borrow_mut();
        out.set_now(date(at));
        let keep = call(&mut waiting.logic, &mut out);
        out.drain().for_each(emit);
        if keep == Keep::No {
            *kept = None;
        }
    }
}

/// The first microsecond at or after a date.
fn reached(date: chrono::DateTime<chrono::Utc>) -> Time {
    let whole = date.timestamp_subsec_nanos().is_multiple_of(1000);
    date.timestamp_micros() + Time::from(!whole)
}

impl<L, F> TimedLogic<L::In> for Own<L, F>
where
    L: StatefulLogic,
    F: Fn() -> L + 'static,
{
    type State = Waiting<L>;
    type Out = L::Out;

    fn on_value(
        &self,
        kept: &mut Option<Waiting<L>>,
        at: Time,
        value: L::In,
        emit: &mut impl FnMut(L::Out),
    ) {
        kept.get_or_insert_with(|| Waiting {
            logic: (self.make)(),
            told: None,
        });
        self.call(kept, at, emit, |logic, out| logic.on_item(value, out));
    }

    fn due(&self, waiting: &Waiting<L>) -> Time {
        let due = waiting.logic.notify_at().map(reached);
        match due.filter(|due| *due <= LAST && Some(*due) != waiting.told) {
            Some(due) => due,
            None => END,
        }
    }

    fn on_due(&self, kept: &mut Option<Waiting<L>>, due: Time, emit: &mut impl FnMut(L::Out)) {
        if let Some(waiting) = kept {
            waiting.told = Some(due);
        }
        self.call(kept, due, emit, L::on_notify);
    }

    fn on_end(&self, kept: &mut Option<Waiting<L>>, mark: Time, emit: &mut impl FnMut(L::Out)) {
        self.call(kept, mark, emit, L::on_eof);
    }
}
