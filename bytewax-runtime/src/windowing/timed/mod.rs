//! Steps with one state per key that follow a clock: a key waits for the next time that its state requests.

mod expiring;
mod out;
mod pattern;
mod sort;
mod stages;
mod stateful;
#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};

pub use expiring::{
    EachValue, Expiring, ExpiringAll, ExpiringOut, ExpiringStreams, JoinAllExpiring, Renewal,
    SomeValues,
};
pub use out::TimedOut;
pub use pattern::{Pattern, PatternOut, PatternWithin};
pub use stages::Stages;
#[doc(hidden)]
pub use stages::{And, Begin, FollowedBy, Next, Without};

use super::engine::{Event, Events, WindowEngine};
use super::time::{END, Time};
use super::window::{Label, WindowId};
use crate::kit::logic::Emit;
use crate::state::State;

/// The reactions of a key's state to values and times.
pub(super) trait TimedLogic<V>: 'static {
    /// The state of a key.
    type State: State;
    type Out: 'static;

    /// Handles a value with a time. Everything due by then has been handled.
    fn on_value(
        &self,
        kept: &mut Option<Self::State>,
        at: Time,
        value: V,
        emit: &mut impl FnMut(Self::Out),
    );

    /// The timer of the key; [`END`] for none.
    fn due(&self, _state: &Self::State) -> Time {
        END
    }

    /// The timer has fired. Afterwards the key has another timer, or none.
    fn on_due(
        &self,
        _kept: &mut Option<Self::State>,
        _due: Time,
        _emit: &mut impl FnMut(Self::Out),
    ) {
    }

    /// No more values arrive in this run; the watermark is at `mark`.
    fn on_end(
        &self,
        _kept: &mut Option<Self::State>,
        _mark: Time,
        _emit: &mut impl FnMut(Self::Out),
    ) {
    }
}

/// Stores the state of a key, and calls it when its timer fires.
pub(super) struct ByTime<L>(pub(super) L);

/// Emits output that belongs to no window.
fn emitter<U, V>(out: &mut Emit<Event<U, V>>) -> impl FnMut(U) {
    |value| out.emit(Event::Down(Label::NONE, value))
}

impl<L> ByTime<L> {
    fn due<V>(&self, kept: &Option<L::State>) -> Time
    where
        L: TimedLogic<V>,
    {
        kept.as_ref().map_or(END, |state| self.0.due(state))
    }

    /// Fires the timers up to a time, in order.
    fn wake<V>(&self, kept: &mut Option<L::State>, until: Time, out: &mut Emit<Event<L::Out, V>>)
    where
        L: TimedLogic<V>,
    {
        loop {
            let due = self.due(kept);
            if due > until || due == END {
                return;
            }
            self.0.on_due(kept, due, &mut emitter(out));
        }
    }
}

impl<V: 'static, L: TimedLogic<V>> WindowEngine<V> for ByTime<L> {
    type KeyState = Option<L::State>;
    type Out = L::Out;

    const FORGETS: bool = true;
    const IN_ORDER: bool = true;

    fn begin(&self, _: DateTime<Utc>) {}

    fn add(
        &self,
        kept: &mut Self::KeyState,
        time: Time,
        value: V,
        _: Time,
        out: &mut Events<Self, V>,
    ) -> Time {
        // Whether the watermark has got there in one step or in several makes no difference.
        self.wake(kept, time, out);
        self.0.on_value(kept, time, value, &mut emitter(out));
        if kept.is_none() {
            // The key is looked at, and forgotten.
            return Time::MIN;
        }
        self.due(kept)
    }

    fn close(&self, kept: &mut Self::KeyState, mark: Time, out: &mut Events<Self, V>) -> Time {
        self.wake(kept, mark, out);
        self.due(kept)
    }

    fn end(&self, kept: &mut Self::KeyState, mark: Time, out: &mut Events<Self, V>) {
        self.0.on_end(kept, mark, &mut emitter(out));
    }

    fn next(&self, kept: &Self::KeyState) -> Time {
        self.due(kept)
    }

    fn prefetch(&self, kept: &Self::KeyState) -> i64 {
        i64::from(kept.is_some())
    }

    fn is_empty(&self, kept: &Self::KeyState) -> bool {
        kept.is_none()
    }

    fn fire_early(&self, _: &mut Self::KeyState, _: Time, _: &mut Events<Self, V>) {}

    fn open(&self, kept: &Self::KeyState) -> (usize, Option<Time>) {
        (usize::from(kept.is_some()), None)
    }

    fn late(&self, _: Time, value: V, out: &mut Events<Self, V>) {
        out.emit(Event::Late(WindowId::NONE, true, value));
    }
}
