//! The times at which windows emit values: options of a windower.

use std::fmt::Debug;
use std::marker::PhantomData;

use chrono::TimeDelta;

use super::fault::Fault;
use super::time::{date, span};
use super::window::{Fired, Label, Windowed};
#[cfg(feature = "calendar")]
use super::windower::CalendarWindower;
use super::windower::{
    CountWindower, CumulateWindower, CustomWindower, FixedWindows, GlobalWindower, MOST_WINDOWS,
    SessionWindower, SessionsUntil, SlidingWindower, TimeWindows, TumblingWindower, Windower,
};
use crate::state::facts::Text;

/// The labels of window results by the reason of their emission.
pub trait Emission: Copy + Debug + Send + Sync + 'static {
    /// The emitted type.
    type Out<V: 'static>: 'static;
    /// The same for windows that may emit before and after their ends.
    type Labelled: Emission;

    #[doc(hidden)]
    #[expect(private_interfaces, reason = "modes are those of this crate")]
    fn label<V: 'static>(label: &Label, value: V) -> Self::Out<V>;
}

/// Each window emits its value once, at its end, without a label.
#[derive(Clone, Copy, Debug)]
pub struct Once;

/// Windows may emit values before and after their ends, with a label.
#[derive(Clone, Copy, Debug)]
pub struct Labelled;

/// Windows emit the values of `M` with their times.
#[derive(Clone, Copy, Debug)]
pub struct WithTimes<M>(PhantomData<M>);

#[expect(private_interfaces, reason = "modes are those of this crate")]
impl Emission for Once {
    type Out<V: 'static> = V;
    type Labelled = Labelled;

    #[inline]
    fn label<V: 'static>(_: &Label, value: V) -> V {
        value
    }
}

#[expect(private_interfaces, reason = "modes are those of this crate")]
impl<M: Emission> Emission for WithTimes<M> {
    type Out<V: 'static> = Windowed<M::Out<V>>;
    type Labelled = WithTimes<M::Labelled>;

    #[inline]
    fn label<V: 'static>(label: &Label, value: V) -> Self::Out<V> {
        let (begin, end) = label.span;
        Windowed {
            begin: date(begin),
            end: date(end),
            value: M::label(label, value),
        }
    }
}

#[expect(private_interfaces, reason = "modes are those of this crate")]
impl Emission for Labelled {
    type Out<V: 'static> = Fired<V>;
    type Labelled = Self;

    #[inline]
    fn label<V: 'static>(label: &Label, value: V) -> Fired<V> {
        let firing = label.firing;
        Fired { firing, value }
    }
}

/// A windower with options about when its windows emit values; see for example
/// [`TumblingWindower::allow_late`].
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct WithOptions<W, M> {
    pub(super) windower: W,
    pub(super) firings: Firings,
    mode: PhantomData<M>,
}

/// The given options.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Firings {
    pub(crate) lateness: i64,
    pub(crate) early: Option<i64>,
    /// After how many values windows emit early.
    pub(crate) every: Option<u64>,
    /// How many windows without values may follow one with values.
    pub(crate) empty: u32,
    pub(crate) in_arrival_order: bool,
    pub(crate) keep_open: bool,
}

impl Firings {
    pub(crate) fn faults(&self) -> Vec<Fault> {
        let early = self.early.and_then(early_fault);
        let every = self.every.filter(|values| *values == 0).map(|_| {
            Fault::new(
                "windows are to emit after no values",
                "fire after every value or more",
            )
        });
        let faults = late_fault(self.lateness).into_iter().chain(early);
        faults.chain(every).chain(empty_fault(self.empty)).collect()
    }
}

/// Checks the number of empty windows in a row.
fn empty_fault(windows: u32) -> Option<Fault> {
    (i64::from(windows) > MOST_WINDOWS).then(|| {
        let fault = Text::new("each key may emit ").number(i64::from(windows));
        let help = Text::new("emit no more than ").number(MOST_WINDOWS);
        Fault::of(fault.text(" windows without values in a row"), help)
    })
}

/// Checks the allowed lateness.
pub(super) const fn late_fault(lateness: i64) -> Option<Fault> {
    Fault::if_negative(
        lateness,
        "the time for which late values are allowed",
        "allow late values for zero or more",
    )
}

/// Checks the interval of early results.
pub(super) const fn early_fault(every: i64) -> Option<Fault> {
    Fault::if_not_positive(
        every,
        "windows are to emit early without any time between",
        "fire early after a microsecond or more",
    )
}

/// The windows of a step and the times at which they emit: a windower, or one with options.
pub trait Windowing: Sized {
    /// The windower.
    type Windower: Windower;
    /// Whether values are labelled with the reason of their emission.
    type Mode: Emission;

    /// Returns the windower with its options.
    fn with_options(self) -> WithOptions<Self::Windower, Self::Mode>;
}

/// The type that a window of `W` emits for a value `V`: the value itself, or [`Fired`] if windows may emit
/// before and after their ends.
pub type Emitted<W, V> = <<W as Windowing>::Mode as Emission>::Out<V>;

/// The options of a windower, or of one with options. `$with` returns it as [`WithOptions`].
macro_rules! options {
    ($windower:ty, $mode:ty, $with:path) => {
        /// Accepts late values up to `lateness` behind the watermark.
        ///
        /// Each late value makes its windows emit their values again, as a
        /// [`Firing::Correction`](crate::windowing::Firing::Correction). A window closes, and emits its
        /// metadata, when nothing can change it any more. Later values are late.
        pub fn allow_late(
            self,
            lateness: TimeDelta,
        ) -> WithOptions<$windower, <$mode as Emission>::Labelled> {
            let mut with = $with(self);
            with.firings.lateness = span(lateness);
            with
        }

        /// Emits the current value of open windows, as [`Firing::Early`](crate::windowing::Firing::Early),
        /// when `every` has passed on the system clock since a value arrived.
        ///
        /// A window that has not changed since its last emission emits nothing. Values that wait for the
        /// watermark are not included; see [`in_arrival_order`](Self::in_arrival_order).
        pub fn fire_early(
            self,
            every: TimeDelta,
        ) -> WithOptions<$windower, <$mode as Emission>::Labelled> {
            let mut with = $with(self);
            with.firings.early = Some(span(every));
            with
        }

        /// Emits the current value of an open window, as [`Firing::Early`](crate::windowing::Firing::Early),
        /// whenever `values` values have been added to it since it last emitted. With 1, it emits on each change.
        ///
        /// Unlike [`fire_early`](Self::fire_early), this depends on the values alone. The number is saved with the
        /// window, so a resume continues it.
        ///
        /// With more than 1, windows that overlap are not combined from slices, because each counts its own values. A
        /// step with saved windows that overlap can therefore not change to it or back.
        ///
        /// # Examples
        ///
        /// ```
        /// use bytewax_runtime::testing::run_keyed;
        /// use bytewax_runtime::windowing::{EventClock, Firing, Millis, TumblingWindower};
        /// use chrono::{DateTime, TimeDelta};
        ///
        /// let ms = TimeDelta::milliseconds;
        /// let out = run_keyed([1, 2, 3, 4, 5, 12].map(|at| ('a', at)), |times| {
        ///     let clock = EventClock::per_partition(|at: &i64| Millis(*at), ms(0));
        ///     let tens = TumblingWindower::new(ms(10), DateTime::UNIX_EPOCH).fire_every(2);
        ///     times.count_window(clock, tens).named("counts").down
        /// });
        /// let counts = out.into_iter().map(|(_, (window, fired))| (window.0, fired.firing, fired.value));
        /// let (early, on_time) = (Firing::Early, Firing::OnTime);
        /// assert!(counts.eq([(0, early, 2), (0, early, 4), (0, on_time, 5), (1, on_time, 1)]));
        /// ```
        pub fn fire_every(
            self,
            values: u64,
        ) -> WithOptions<$windower, <$mode as Emission>::Labelled> {
            let mut with = $with(self);
            with.firings.every = Some(values);
            with
        }

        /// Emits the values of windows with their times, as [`Windowed`], so that a second window step can
        /// group them.
        pub fn with_times(self) -> WithOptions<$windower, WithTimes<$mode>> {
            $with(self)
        }

        /// Keeps windows open at the end of input, for a run that resumes and continues.
        ///
        /// Use it for input that is read in parts, such as a file that grows every day. By default, each run
        /// closes its windows, and the next run opens them again. A window closes when a later value moves
        /// the watermark to its end. Values that wait for the watermark continue to wait.
        pub fn keep_open(self) -> WithOptions<$windower, $mode> {
            let mut with = $with(self);
            with.firings.keep_open = true;
            with
        }

        /// Processes values in order of arrival, instead of in the order of their times once the watermark
        /// reaches them.
        ///
        /// Values then do not wait; sessions may merge, and results that depend on the order of values depend
        /// on the order of arrival. `count_window`, `reduce_window`, `max_window` and `min_window` always do
        /// so.
        pub fn in_arrival_order(self) -> WithOptions<$windower, $mode> {
            let mut with = $with(self);
            with.firings.in_arrival_order = true;
            with
        }
    };
}

/// The option of windowers with fixed windows. `$with` returns the windower as [`WithOptions`].
macro_rules! empty {
    ($windower:ty, $mode:ty, $with:path) => {
        /// Emits windows without values too: up to `windows` of them after each window of a key that has values.
        ///
        /// The result of an empty window is what its operator makes of no values: a count of 0, an empty list, the
        /// initial state of `fold_window`. `reduce_window`, `max_window`, `min_window` and joins have no such result,
        /// so a flow with them is refused.
        ///
        /// Once it had a value, a key thus emits each window, until `windows` windows in a row were empty. It is then
        /// dropped, and its next value starts again. At the end of input, these windows close like all others.
        ///
        /// Each key keeps a window open for as long. The number can change between runs. Windows that overlap are
        /// not combined from slices, so a step with saved windows that overlap can neither add nor remove the option.
        ///
        /// # Examples
        ///
        /// ```
        /// use bytewax_runtime::testing::run_keyed;
        /// use bytewax_runtime::windowing::{EventClock, Millis, TumblingWindower};
        /// use chrono::{DateTime, TimeDelta};
        ///
        /// let ms = TimeDelta::milliseconds;
        /// let out = run_keyed([1, 2, 31, 90].map(|at| ('a', at)), |times| {
        ///     let clock = EventClock::per_partition(|at: &i64| Millis(*at), ms(0));
        ///     let tens = TumblingWindower::new(ms(10), DateTime::UNIX_EPOCH).emit_empty(3);
        ///     times.count_window(clock, tens).named("counts").down
        /// });
        /// let counts: Vec<_> = out.into_iter().map(|(_, (window, count))| (window.0, count)).collect();
        /// // Windows 1 and 2 are empty; the key is silent for longer after 3 and at the end.
        /// let expect = [(0, 2), (1, 0), (2, 0), (3, 1), (4, 0), (5, 0), (6, 0), (9, 1), (10, 0), (11, 0), (12, 0)];
        /// assert_eq!(counts, expect);
        /// ```
        pub fn emit_empty(self, windows: u32) -> WithOptions<$windower, $mode> {
            let mut with = $with(self);
            with.firings.empty = windows;
            with
        }
    };
}

impl<W: FixedWindows, M: Emission> WithOptions<W, M> {
    empty!(W, M, WithOptions::like);
}

macro_rules! fixed {
    ($($windower:ident)+) => { $(
        impl $windower {
            empty!($windower, Once, WithOptions::new);
        }
    )+ };
}

fixed!(TumblingWindower SlidingWindower CumulateWindower);
#[cfg(feature = "calendar")]
fixed!(CalendarWindower);

impl<W, M: Emission> WithOptions<W, M> {
    fn new(windower: W) -> Self {
        Self {
            windower,
            firings: Firings::default(),
            mode: PhantomData,
        }
    }

    fn like<N>(other: WithOptions<W, N>) -> Self {
        Self {
            windower: other.windower,
            firings: other.firings,
            mode: PhantomData,
        }
    }

    options!(W, M, WithOptions::like);
}

macro_rules! windowers {
    ($($windower:ident)+) => { $(
        impl $windower {
            options!($windower, Once, WithOptions::new);
        }

        impl Windowing for $windower {
            type Windower = Self;
            type Mode = Once;

            fn with_options(self) -> WithOptions<Self, Once> {
                WithOptions::new(self)
            }
        }
    )+ };
}

windowers!(TumblingWindower SlidingWindower CumulateWindower SessionWindower CountWindower GlobalWindower);
#[cfg(feature = "calendar")]
windowers!(CalendarWindower);

impl<T: TimeWindows> CustomWindower<T> {
    options!(Self, Once, WithOptions::new);
}

impl<T: TimeWindows> Windowing for CustomWindower<T> {
    type Windower = Self;
    type Mode = Once;

    fn with_options(self) -> WithOptions<Self, Once> {
        WithOptions::new(self)
    }
}

impl<V: 'static, F: Fn(&V) -> bool + Clone + Send + Sync + 'static> SessionsUntil<V, F> {
    options!(Self, Once, WithOptions::new);
}

impl<V: 'static, F: Fn(&V) -> bool + Clone + Send + Sync + 'static> Windowing
    for SessionsUntil<V, F>
{
    type Windower = Self;
    type Mode = Once;

    fn with_options(self) -> WithOptions<Self, Once> {
        WithOptions::new(self)
    }
}

impl<W: Windower, M: Emission> Windowing for WithOptions<W, M> {
    type Windower = W;
    type Mode = M;

    fn with_options(self) -> Self {
        self
    }
}
