//! Windows: values of a key that are near to each other in time, taken together.
//!
//! A window step has a *clock*, which says when a value happened and how far time has got, and a *windower*,
//! which says which windows there are:
//!
//! | | |
//! | --- | --- |
//! | [`StreamClock`] | values say when they happened, and all keys have the time of the stream, which [`event_time`] declares near the source |
//! | [`EventClock::per_partition`] | the same for windows right behind the source, declared and used in one step |
//! | [`EventClock::new`] | values say when they happened, but each key has a time of its own, which goes on with the system's |
//! | [`SystemClock`] | a value happened when it arrives |
//! | [`TumblingWindower`] | windows of one length that follow each other |
//! | [`SlidingWindower`] | windows of one length that overlap |
//! | [`SessionWindower`] | values between two silences |
//! | [`CountWindower`] | a number of values |
//!
//! What is done with the values of a window is said by the operator: [`count_window`], [`max_window`],
//! [`min_window`], [`reduce_window`], [`fold_window`], [`collect_window`], [`join_window`], or [`window`] with a
//! logic of your own. Each gives three streams, [`WindowOut`].
//!
//! # Which clock
//!
//! Declare the time of the stream by [`event_time`], and take [`StreamClock`]. It goes by the values alone: whatever
//! comes in order is in time, after a stop of any length, in a replay that is slower or faster than the events
//! were, and with any number of workers. Windows can stand behind joins, steps with state and other windows. In
//! return, the windows of a key wait for values of other keys, and for all partitions.
//! [`EventClock::per_partition`] is short for both, where windows stand right behind the source; there what
//! is late depends on how the partitions are read, if there are several.
//!
//! [`EventClock::new`] closes the windows of a key when the system's time says so, even if nothing comes. But the
//! system's time also goes on while nothing runs: after a stop that is longer than the wait, and in a
//! replay, values that are in order may be late. With [`SystemClock`] nothing is ever late, and what
//! is in a window depends on when the flow was run.
//!
//! Late values are on the stream `late`. Where nothing reads it, they are counted, and the number is told on
//! standard error when the run ends.
//!
//! # When a window is over
//!
//! The *watermark* of a key is a bound to the times that are still expected of it. A window is over when the
//! watermark has reached its end; then it emits its value. A value with a time before the watermark is
//! *late*. That is decided when it arrives, and a late value goes to the stream `late` and nowhere else, even
//! if its window is still open. At the end of input, all windows are over.
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
//! A windower [`with_times`](TumblingWindower::with_times) has its windows emit [`Windowed`] values, which know their
//! times. Another window step takes them by [`Windowed::time`]: [`StreamClock`] has an example. The watermark passes
//! through the first step behind what it has emitted, so nothing is late in the second.
//!
//! # More than one value a window
//!
//! A windower with [`fire_early`](TumblingWindower::fire_early) has windows tell what they hold so far, and one
//! with [`allow_late`](TumblingWindower::allow_late) has them take late values and correct what they have
//! told. Then each value is [`Fired`], which says which it is.
//!
//! # Why is it open?
//!
//! A [`WindowProbe`] that is given to the clock tells of the running step which windows are open, how far the
//! watermark is, and what holds it back.
//!
//! # State
//!
//! For each key: the state of its open windows, the values that wait until the watermark has reached them,
//! and the watermark. All of it is forgotten some time after the last window of the key was closed: see
//! [`EventClock::forget_after`]. Until then older values are late, and sessions are counted on; so it is
//! also across the end of input and a resume. With [`SystemClock`] there is nothing to remember of a key
//! without tumbling or sliding windows, and it is forgotten at once.
//!
//! Saved windows are windows of their windower: its lengths and its alignment, and whether times are those of
//! keys, of partitions or of the system, are saved with the step and stand in the lock file. A flow in which a
//! step has another windower or clock does not compile where `dataflow!` can read them, and is refused
//! when it resumes. Write them as they were; or give the step another name and say
//! [`flow.dropped`](crate::flow::Flow::dropped) of the old one, so that it begins anew. All other
//! parameters can change: the wait of a clock, how long late values are allowed, when windows emit early.
//!
//! [`event_time`]: crate::flow::Stream::event_time
//! [`count_window`]: crate::flow::Stream::count_window
//! [`max_window`]: crate::flow::Stream::max_window
//! [`min_window`]: crate::flow::Stream::min_window
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
mod window;
mod windowed;
mod windower;

pub use clock::{
    Clock, EventClock, JoinClock, PartitionClock, StreamClock, SystemClock, TimeOf, TimeOfSides,
};
pub use event_time::{EventTimeOut, Lateness};
pub use firing::{Emission, Emitted, Labelled, Once, Windowing, WithOptions, WithTimes};
pub use joins::{AsOf, FullOuter, Inner, Interval, JoinKind, Kept, LeftOuter, RightOuter, RowsOut};
pub use logic::{Collection, WindowLogic};
pub use operators::{JoinAllWindows, JoinWindowOut, WindowedStreams};
pub use probe::{WindowProbe, WindowReport};
pub use time::{Micros, Millis, Timestamp};
pub use window::{Fired, Firing, WindowId, WindowMetadata, Windowed};
pub use windowed::WindowOut;
pub use windower::{CountWindower, SessionWindower, SlidingWindower, TumblingWindower, Windower};
