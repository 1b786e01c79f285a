//! Steps with one state for each key, which go by a clock: a key waits for the next time that its state asks for.

mod expiring;
mod out;
mod pattern;
mod sort;
mod stages;
mod stateful;
#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};

pub use expiring::{Expiring, ExpiringOut};
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

/// What a step does with the state of a key, and when.
pub(super) trait TimedLogic<V>: 'static {
    /// What is kept of a key.
    type State: State;
    type Out: 'static;

    /// Takes a value of a time. All that was due by then is done.
    fn on_value(
        &self,
        kept: &mut Option<Self::State>,
        at: Time,
        value: V,
        emit: &mut impl FnMut(Self::Out),
    );

    /// The time that a key waits for; [`END`] if it waits for none.
    fn due(&self, _state: &Self::State) -> Time {
        END
    }

    /// That time has come. Afterwards the key waits for another one, or for none.
    fn on_due(
        &self,
        _kept: &mut Option<Self::State>,
        _due: Time,
        _emit: &mut impl FnMut(Self::Out),
    ) {
    }

    /// No more values come in this run, when the watermark is at `mark`.
    fn on_end(
        &self,
        _kept: &mut Option<Self::State>,
        _mark: Time,
        _emit: &mut impl FnMut(Self::Out),
    ) {
    }
}

/// Keeps the state of a key, and wakes it when time has got to what it waits for.
pub(super) struct ByTime<L>(pub(super) L);

/// Emits what belongs to no window.
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

    /// Does what is due up to a time, in the order of times.
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

    fn close(&self, kept: &mut Self::KeyState, mark: Time, out: &mut Events<Self, V>) {
        self.wake(kept, mark, out);
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
