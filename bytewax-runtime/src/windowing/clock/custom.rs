//! `CustomClock`.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::{Clock, KeyMark, Standing, Timing, Watermark, forget_fault};
use crate::windowing::fault::Fault;
use crate::windowing::probe::WindowProbe;
use crate::windowing::time::{FIRST, LAST, Time, date, span};

/// The times of values, and the watermarks of keys, of a [`CustomClock`].
///
/// The name and the pace are part of the saved state, so both are types or constants.
pub trait KeyMarks<V>: Send + Sync + 'static {
    /// Whether watermarks also advance with the system time: [`WithValues`] or [`WithTime`].
    type Pace: Pace;

    /// The name under which watermarks are saved, in one line. A step whose saved watermarks have another name is
    /// refused.
    const NAME: &'static str;

    /// Returns the time of a value that arrives at `now` on the system clock.
    fn time(&self, value: &V, now: DateTime<Utc>) -> DateTime<Utc>;

    /// Returns the time before which no values of the same key are expected after this one. With `None`, or a time
    /// before the present watermark, the watermark stays. `time` is the time of the value.
    fn watermark(&self, value: &V, time: DateTime<Utc>) -> Option<DateTime<Utc>>;
}

/// What moves the watermarks of a [`CustomClock`]: [`WithValues`] or [`WithTime`].
#[expect(private_bounds, reason = "paces are those of this crate")]
pub trait Pace: Moves + Send + Sync + 'static {}

/// The kind of a key's watermark.
pub(crate) trait Moves {
    type Mark: KeyMark;

    /// Creates the watermark of a key with its first value.
    fn begin(mark: &mut Self::Mark, now: Time);

    /// Raises the watermark, and returns it.
    fn raise(mark: &mut Self::Mark, bound: Option<Time>, now: Time) -> Time;
}

/// Values alone move watermarks. Without new values, the windows of a key stay open until the end of input.
#[derive(Clone, Copy, Debug)]
pub struct WithValues;

/// Watermarks advance with the system time from where a value has moved them, as with
/// [`EventClock::new`](crate::windowing::EventClock::new). The time also advances while the program is stopped.
#[derive(Clone, Copy, Debug)]
pub struct WithTime;

impl Pace for WithValues {}
impl Pace for WithTime {}

impl Moves for WithValues {
    type Mark = Standing;

    #[inline]
    fn begin(mark: &mut Standing, now: Time) {
        mark.0.begin(FIRST, now);
    }

    #[inline]
    fn raise(mark: &mut Standing, bound: Option<Time>, _: Time) -> Time {
        mark.0.raise(bound)
    }
}

impl Moves for WithTime {
    type Mark = Watermark;

    #[inline]
    fn begin(mark: &mut Watermark, now: Time) {
        mark.begin(FIRST, now);
    }

    #[inline]
    fn raise(mark: &mut Watermark, bound: Option<Time>, now: Time) -> Time {
        mark.pass(now);
        mark.raise(bound)
    }
}

/// A clock for the [`KeyMarks`] of a program. Each key has its own watermark, which never moves back.
///
/// # Examples
///
/// A device sends readings in any order, and then a mark that says up to when it has sent all:
///
/// ```
/// use bytewax_macros::stateful;
/// use bytewax_runtime::testing::run_keyed;
/// use bytewax_runtime::windowing::{CustomClock, KeyMarks, TumblingWindower, WithValues};
/// use chrono::{DateTime, TimeDelta, Utc};
///
/// #[stateful(crate = "bytewax_runtime")]
/// #[derive(Clone, Copy)]
/// struct Reading {
///     second: i64,
///     is_mark: bool,
/// }
///
/// struct Marks;
///
/// impl KeyMarks<Reading> for Marks {
///     type Pace = WithValues;
///
///     const NAME: &'static str = "marks of devices";
///
///     fn time(&self, reading: &Reading, _: DateTime<Utc>) -> DateTime<Utc> {
///         DateTime::from_timestamp(reading.second, 0).unwrap_or_default()
///     }
///
///     fn watermark(&self, reading: &Reading, time: DateTime<Utc>) -> Option<DateTime<Utc>> {
///         reading.is_mark.then_some(time)
///     }
/// }
///
/// let reading = |second| ('a', Reading { second, is_mark: false });
/// let mark = |second| ('a', Reading { second, is_mark: true });
/// let readings = [reading(7), reading(25), reading(2), mark(20), reading(9), reading(21)];
/// let out = run_keyed(readings, |readings| {
///     let tens = TumblingWindower::new(TimeDelta::seconds(10), DateTime::UNIX_EPOCH);
///     let counts = readings.count_window(CustomClock::new(Marks), tens).named("counts");
///     // The reading of 9 came after the mark.
///     counts.down.merge(counts.late.map_value(|(window, _)| (window, 0)))
/// });
/// let mut counts: Vec<_> = out.into_iter().map(|(_, (window, count))| (window.0, count)).collect();
/// counts.sort_unstable();
/// assert_eq!(counts, [(0, 0), (0, 2), (2, 3)]);
/// ```
///
/// # State
///
/// The watermark of each key, which outlives the key's last window by [`forget_after`](Self::forget_after).
#[must_use]
pub struct CustomClock<T> {
    marks: Arc<T>,
    forget_after: i64,
    keep_open: bool,
    probe: Option<WindowProbe>,
}

impl<T> CustomClock<T> {
    /// Creates a clock with these times and watermarks.
    pub fn new(marks: T) -> Self {
        Self {
            marks: Arc::new(marks),
            forget_after: super::FORGET_AFTER,
            keep_open: false,
            probe: None,
        }
    }

    /// Leaves open at the end of input what the watermark has not reached: windows, values that wait for their turn,
    /// incomplete patterns, and values that wait for a match. By default, the end of input is the end of all times.
    ///
    /// Use it with a recovery store, if the next run continues the input, such as a file that grows. The results of
    /// all runs are then those of one run without ends between. For windows, `keep_open` of the windower does the same.
    pub fn keep_open(mut self) -> Self {
        self.keep_open = true;
        self
    }

    /// Attaches a probe, which reports the open windows of the step with this clock.
    pub fn probe(mut self, probe: &WindowProbe) -> Self {
        self.probe = Some(probe.clone());
        self
    }

    /// Sets how long the watermark of a key, and the number of its next session, are kept after its last
    /// window closes, by the system clock. The default is an hour.
    pub fn forget_after(mut self, time: TimeDelta) -> Self {
        self.forget_after = span(time);
        self
    }
}

impl<T> Clone for CustomClock<T> {
    fn clone(&self) -> Self {
        Self {
            marks: Arc::clone(&self.marks),
            forget_after: self.forget_after,
            keep_open: self.keep_open,
            probe: self.probe.clone(),
        }
    }
}

impl<T> fmt::Debug for CustomClock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CustomClock").finish_non_exhaustive()
    }
}

impl<V: 'static, T: KeyMarks<V>> Clock<V> for CustomClock<T> {}

impl<V: 'static, T: KeyMarks<V>> Timing<V> for CustomClock<T> {
    type Mark = <T::Pace as Moves>::Mark;

    const NAME: &'static str = T::NAME;
    const REMEMBERS: bool = true;

    fn faults(&self) -> Vec<Fault> {
        let name = T::NAME;
        let unnamed = (name.is_empty() || name.contains('\n')).then(|| {
            Fault::new(
                "the name of its watermarks is not one line",
                "make `KeyMarks::NAME` one line",
            )
        });
        unnamed
            .into_iter()
            .chain(forget_fault(self.forget_after))
            .collect()
    }

    #[inline]
    fn time(&self, value: &V, now: Time) -> Time {
        let time = self.marks.time(value, date(now));
        time.timestamp_micros().clamp(FIRST, LAST)
    }

    #[inline]
    fn observe(&self, mark: &mut Self::Mark, (time, value): (Time, &V), now: Time) -> (Time, Time) {
        T::Pace::begin(mark, now);
        let bound = self.marks.watermark(value, date(time));
        let bound = bound.map(|bound| bound.timestamp_micros().clamp(FIRST, LAST));
        (time, T::Pace::raise(mark, bound, now))
    }

    fn forget_after(&self) -> i64 {
        self.forget_after
    }

    fn keeps_open(&self) -> bool {
        self.keep_open
    }

    fn probe(&self) -> Option<&WindowProbe> {
        self.probe.as_ref()
    }
}
