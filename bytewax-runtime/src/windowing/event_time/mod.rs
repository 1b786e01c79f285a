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
/// What nobody reads of `late` and `future` is counted, and the number is told on standard error when the run
/// ends.
#[derive(Debug)]
#[must_use]
pub struct EventTimeOut<T> {
    /// The items that are in time.
    pub down: Stream<T>,
    /// The items that came too late: further than the wait behind the newest of their partition.
    pub late: Stream<T>,
    /// The items that are further in the future than any can be: see [`Lateness::future`].
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
    /// Declares when the items of a stream happened, and how late they may come.
    ///
    /// Each partition of the source is `lateness` behind its newest item; the *watermark* of the stream is that of
    /// the partition that is furthest behind, of all workers. It says that no older item is expected. It
    /// travels with the items through all steps behind this one, and window steps with a
    /// [`StreamClock`](crate::windowing::StreamClock) go by it.
    ///
    /// What is late is decided here, and by the order of the items of its partition alone: so it does not depend on
    /// the number of workers, on how fast the partitions are read, on stops or on replays. Late items go to
    /// `late`, and nowhere else.
    ///
    /// The step stands near the source, with nothing but stateless steps in between: behind others it cannot be
    /// known which partition an item comes from. Declare the time of each stream before streams are merged or
    /// joined.
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
    /// For each partition, the time of its newest item. It is saved, so that a resume makes nothing else late.
    ///
    /// # Panics
    ///
    /// A panic of `timestamp_of` fails the run, with its text and place.
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
