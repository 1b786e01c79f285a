//! `event_time`: the time of a stream, declared near its source.

mod lateness;
mod stage;

use std::sync::Arc;

pub use lateness::Lateness;

use self::stage::{Declare, LostItems};
use super::clock::TimeOf;
use super::time::Timestamp;
use crate::flow::{OutputSpec, StepKind, Stream};
use crate::kit::{Outputs, Plan, StagePlan};
use crate::state::StepSchema;

/// The streams of [`event_time`](Stream::event_time).
///
/// Unread items of `late` and `future` are counted, and their number is logged when the run ends.
#[derive(Debug)]
#[must_use]
pub struct EventTimeOut<T> {
    /// The items that are on time.
    pub down: Stream<T>,
    /// The late items: further behind the newest item of their partition than the wait.
    pub late: Stream<T>,
    /// The items that are too far in the future: see [`Lateness::future`].
    pub future: Stream<T>,
}

const DOWN: usize = 0;
const LATE: usize = 1;
const FUTURE: usize = 2;

impl<T: 'static> EventTimeOut<T> {
    /// Names the step; see [`Stream::named`].
    pub fn named(self, name: &str) -> Self {
        Self {
            down: self.down.named(name),
            ..self
        }
    }
}

impl<T: 'static> Stream<T> {
    /// Declares the event time of the items of a stream, and how late they may be.
    ///
    /// The watermark of each partition of the source trails its newest item by `lateness`; the *watermark* of
    /// the stream is the lowest of all partitions on all workers. No older item is expected. The watermark
    /// travels with the items through all later steps; window steps with a
    /// [`StreamClock`](crate::windowing::StreamClock) read it.
    ///
    /// This step detects late items, by the order of the items of their partition alone. The result therefore
    /// does not depend on the number of workers, the speed of partitions, stops or replays. Late items go
    /// only to `late`.
    ///
    /// Only stateless steps may be between the source and this step, because the partition of an item is
    /// unknown after other steps. Declare the time of each stream before you merge or join streams.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::testing::run_keyed;
    /// use bytewax_runtime::windowing::{Lateness, Millis, StreamClock, TumblingWindower, WindowId};
    /// use chrono::{DateTime, TimeDelta};
    ///
    /// let ms = TimeDelta::milliseconds;
    /// let out = run_keyed([('a', 1), ('b', 12), ('a', 11), ('a', 4)], |times| {
    ///     let times = times.event_time(|(_, at)| Millis(*at), Lateness::bounded(ms(5))).named("times");
    ///     // When 4 came, the watermark was at 7.
    ///     let late = times.late.map(|(key, at)| (key, (WindowId::NONE, at as u64)));
    ///     let tens = TumblingWindower::new(ms(10), DateTime::UNIX_EPOCH);
    ///     let clock = StreamClock::new(|at: &i64| Millis(*at));
    ///     times.down.count_window(clock, tens).named("counts").down.merge(late)
    /// });
    /// let (w0, w1) = (WindowId(0), WindowId(1));
    /// let mut counts = out;
    /// counts.sort_unstable();
    /// assert_eq!(counts, [('a', (WindowId::NONE, 4)), ('a', (w0, 1)), ('a', (w1, 1)), ('b', (w1, 1))]);
    /// ```
    ///
    /// # State
    ///
    /// For each partition, the time of its newest item. It is saved, so a resume makes no other items late.
    ///
    /// # Panics
    ///
    /// A panic of `timestamp_of` fails the run, with its message and location.
    #[track_caller]
    pub fn event_time<F, A>(self, timestamp_of: F, lateness: Lateness) -> EventTimeOut<T>
    where
        F: Fn(&T) -> A + Send + Sync + 'static,
        A: Timestamp,
    {
        let getter = Arc::new(TimeOf::new(timestamp_of));
        let lost = LostItems::default();
        let plan = StagePlan::new::<T, _>(move |build, outputs: &mut Outputs| {
            Declare::new(build, outputs, Arc::clone(&getter), lateness, &lost)
        });
        let plan = Plan::Stage(plan.declaring(StepSchema::of::<i64>()));
        let outputs = ["down", "late", "future"].map(OutputSpec::field).into();
        let (flow, step) = self.then("event_time", StepKind::Stateful, outputs, plan);
        for fault in lateness.faults() {
            flow.fault(step, fault.fault.to_string(), fault.help.to_string());
        }
        let stream = |output: usize| Stream::from_port(&flow, step, output as u16);
        EventTimeOut {
            down: stream(DOWN),
            late: stream(LATE),
            future: stream(FUTURE),
        }
    }
}
