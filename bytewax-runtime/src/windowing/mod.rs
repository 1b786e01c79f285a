//! Windows: groups of values of a key that are close in time.
//!
//! A window step has a *clock*, which determines the time of a value and the watermark, and a *windower*,
//! which determines the windows:
//!
//! | | |
//! | --- | --- |
//! | [`StreamClock`] | reads the event time from values; all keys share the watermark of the stream, which [`event_time`] declares near the source |
//! | [`EventClock::per_partition`] | the same for windows directly after the source, declared and used in one step |
//! | [`EventClock::new`] | reads the event time from values; each key has its own watermark, which advances with the system time |
//! | [`SystemClock`] | uses the time of arrival |
//! | [`CustomClock`] | custom times and watermarks of each key |
//! | [`TumblingWindower`] | windows of one length, one after the other |
//! | [`SlidingWindower`] | windows of one length that overlap |
//! | [`CumulateWindower`] | windows with a common start whose ends are one step apart |
//! | `CalendarWindower` (feature `calendar`) | days, weeks and months in a time zone |
//! | [`SessionWindower`] | values separated by silence |
//! | [`CountWindower`] | a number of values |
//! | [`GlobalWindower`] | all values of a key |
//! | [`CustomWindower`] | custom windows, defined by their times |
//!
//! The operator determines what happens to the values of a window: [`count_window`], [`max_window`],
//! [`min_window`], [`top_n_window`], [`reduce_window`], [`fold_window`], [`collect_window`], [`join_window`], or
//! [`window`] with your own logic. Each returns three streams, [`WindowOut`].
//!
//! # Which clock
//!
//! Declare the time of the stream with [`event_time`], and use [`StreamClock`]. It depends on the values
//! alone: values in order are on time, after a stop of any length, in a slow or fast replay, and with any
//! number of workers. Windows can follow joins, stateful steps and other windows. In return, the windows of a
//! key wait for values of other keys, and for all partitions. [`EventClock::per_partition`] is a short form
//! of both for windows directly after the source; with several partitions, lateness then depends on how they
//! are read.
//!
//! [`EventClock::new`] closes the windows of a key by the system time, even if no value arrives. But the
//! system time also advances while the program is stopped: after a stop that is longer than the wait, and in
//! a replay, values in order may be late. With [`SystemClock`], no value is ever late, and the contents of a
//! window depend on when the flow ran.
//!
//! Late values are on the stream `late`. If nothing reads it, they are counted, and their number is logged
//! when the run ends.
//!
//! # When a window is over
//!
//! The *watermark* of a key is a lower bound of its expected times. A window is over when the watermark
//! reaches its end; then it emits its value. A value with a time before the watermark is *late*. This is
//! determined when it arrives, and a late value goes only to the stream `late`, even if its window is still
//! open. At the end of input, all windows are over.
//!
//! ```
//! use bytewax_runtime::testing::run_keyed;
//! use bytewax_runtime::windowing::{EventClock, Millis, SlidingWindower, WindowId};
//! use chrono::{DateTime, TimeDelta};
//!
//! let ms = TimeDelta::milliseconds;
//! let out = run_keyed([('a', 4), ('a', 9), ('a', 7), ('a', 18)], |times| {
//!     // The watermark is 3 ms behind the newest value: 7 is in time, although 9 was before it.
//!     let clock = EventClock::per_partition(|at: &i64| Millis(*at), ms(3));
//!     let windower = SlidingWindower::new(ms(10), ms(5), DateTime::UNIX_EPOCH);
//!     times.collect_window::<Vec<_>, _, _>(clock, windower).named("lists").down
//! });
//! let lists: Vec<_> = out.into_iter().map(|(_, (id, list))| (id.0, list)).collect();
//! let expect = [(-1, vec![4]), (0, vec![4, 7, 9]), (1, vec![7, 9]), (2, vec![18]), (3, vec![18])];
//! assert_eq!(lists, expect);
//! ```
//!
//! # Windows of windows
//!
//! With [`with_times`](TumblingWindower::with_times), windows emit [`Windowed`] values, which contain their
//! times. Another window step reads them with [`Windowed::time`]: [`StreamClock`] has an example. The
//! watermark follows the output of the first step, so nothing is late in the second.
//!
//! # Steps without windows
//!
//! Other steps use a clock too: [`stateful_by_time`], [`match_pattern`] and [`sort_by_time`], which process
//! values in the order of event time; [`expire_after`], which drops states that were not written for some
//! time; and [`join_interval`], [`join_as_of`] and [`join_table`].
//!
//! # More than one value a window
//!
//! With [`fire_early`](TumblingWindower::fire_early), windows emit their current values after some time, and
//! with [`fire_every`](TumblingWindower::fire_every) after a number of values. With
//! [`allow_late`](TumblingWindower::allow_late), they accept late values and emit corrections. Each value is
//! then [`Fired`], which contains the reason.
//!
//! # Windows without values
//!
//! A window starts with its first value, so a window without values emits nothing. With
//! [`emit_empty`](TumblingWindower::emit_empty), windows that follow one with values emit too, for example a count of 0.
//!
//! # Why is it open?
//!
//! A [`WindowProbe`] on the clock reports the open windows of a running step, the watermark, and what holds
//! it back.
//!
//! # State
//!
//! For each key: the state of its open windows, the values that wait for the watermark, and the watermark.
//! All of it is dropped some time after the last window of the key closes: see [`EventClock::forget_after`].
//! Until then, older values are late, and session ids continue, even across the end of input and a resume.
//! With [`SystemClock`] and tumbling or sliding windows, a key without windows is dropped immediately.
//!
//! Saved windows depend on their windower: its lengths and alignment, and the kind of its clock, are saved
//! with the step and recorded in the lock file. If a step has another windower or clock, the flow does not
//! compile where `dataflow!` can read them, and a resume refuses it. Restore them, or give the step another
//! name and declare [`flow.dropped`](crate::flow::Flow::dropped) for the old one, so that it starts empty.
//! All other parameters can change: the wait of a clock, the allowed lateness, early results and empty windows.
//!
//! [`stateful_by_time`]: crate::flow::Stream::stateful_by_time
//! [`match_pattern`]: crate::flow::Stream::match_pattern
//! [`sort_by_time`]: crate::flow::Stream::sort_by_time
//! [`expire_after`]: crate::flow::Stream::expire_after
//! [`join_interval`]: crate::flow::Stream::join_interval
//! [`join_as_of`]: crate::flow::Stream::join_as_of
//! [`join_table`]: crate::flow::Stream::join_table
//! [`event_time`]: crate::flow::Stream::event_time
//! [`count_window`]: crate::flow::Stream::count_window
//! [`max_window`]: crate::flow::Stream::max_window
//! [`min_window`]: crate::flow::Stream::min_window
//! [`top_n_window`]: crate::flow::Stream::top_n_window
//! [`reduce_window`]: crate::flow::Stream::reduce_window
//! [`fold_window`]: crate::flow::Stream::fold_window
//! [`collect_window`]: crate::flow::Stream::collect_window
//! [`join_window`]: crate::flow::Stream::join_window
//! [`window`]: crate::flow::Stream::window

mod clock;
#[doc(hidden)]
pub mod compiled;
mod engine;
mod event_time;
mod fault;
mod firing;
mod joins;
mod logic;
mod operators;
mod probe;
mod time;
mod timed;
mod window;
mod windowed;
mod windower;

pub use clock::{
    Clock, CustomClock, EventClock, JoinClock, KeyMarks, Pace, PartitionClock, StreamClock,
    SystemClock, TimeOf, TimeOfSides, WithTime, WithValues,
};
pub use event_time::{EventTimeOut, Lateness};
pub use firing::{Emission, Emitted, Labelled, Once, Windowing, WithOptions, WithTimes};
pub use joins::{
    AsOf, FullOuter, Inner, Interval, JoinKind, Kept, LeftOuter, RightOuter, RowsOut, TableKind,
    Versions,
};
pub use logic::{Collection, WindowLogic};
pub use operators::{JoinAllWindows, JoinWindowOut, WindowedStreams};
pub use probe::{WindowProbe, WindowReport};
pub use time::{Micros, Millis, Timestamp};
#[doc(hidden)]
pub use timed::{And, Begin, FollowedBy, Next, Without};
pub use timed::{
    EachValue, Expiring, ExpiringAll, ExpiringOut, ExpiringStreams, JoinAllExpiring, Renewal,
    SomeValues,
};
pub use timed::{Pattern, PatternOut, PatternWithin, Stages, TimedOut};
pub use window::{Fired, Firing, WindowId, WindowMetadata, Windowed};
pub use windowed::WindowOut;
#[cfg(feature = "calendar")]
pub use windower::CalendarWindower;
pub use windower::{
    CountWindower, CumulateWindower, CustomWindower, FixedWindows, GlobalWindower, SessionWindower,
    SessionsUntil, SlidingWindower, TimeWindows, TumblingWindower, Windower,
};
