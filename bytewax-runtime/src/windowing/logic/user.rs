//! `window`: a user-defined logic per window.

use std::cell::RefCell;

use chrono::{DateTime, Utc};

use super::Fold;
use crate::kit::logic::Emit;
use crate::state::State;

/// The state of a window of a key, and its output. See [`Stream::window`].
///
/// The logic *is* the state of its window: it is saved whole.
///
/// [`Stream::window`]: crate::flow::Stream::window
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a logic for `window`",
    label = "this type does not implement `WindowLogic`",
    note = "implement `State` and `WindowLogic` for `{Self}`; the logic is what is kept for a window"
)]
pub trait WindowLogic: State {
    /// The input values.
    type In: 'static;
    /// The output values, labelled with the id of the window.
    type Out: 'static;

    /// Called for each value of the window.
    fn on_value(&mut self, value: Self::In, out: &mut Emit<Self::Out>);

    /// Called when another window of the key is merged into this one. This happens only for sessions, and
    /// only if values are processed in order of arrival. All other logics need not define it.
    ///
    /// # Panics
    ///
    /// The default panics, because it cannot know what belongs together.
    fn on_merge(&mut self, _other: Self, _out: &mut Emit<Self::Out>) {
        panic!(
            "two sessions became one, and the logic does not define `on_merge`: define it, or process values in the \
             order of their times"
        );
    }

    /// Called once when the window is over, to emit its value. If the windower fires early or allows late
    /// values, it is called before and after that too.
    fn on_close(&mut self, out: &mut Emit<Self::Out>);
}

/// User-defined logics. `make` creates the logic of a new window.
pub(crate) struct Own<L: WindowLogic, F> {
    make: F,
    out: RefCell<Emit<L::Out>>,
}

impl<L: WindowLogic, F> Own<L, F> {
    pub(crate) fn new(make: F) -> Self {
        Self {
            make,
            out: RefCell::new(Emit::new()),
        }
    }

    fn call(&self, emit: &mut impl FnMut(L::Out), call: impl FnOnce(&mut Emit<L::Out>)) {
        let mut out = self.out.borrow_mut();
        call(&mut out);
        out.drain().for_each(emit);
    }
}

impl<L, F> Fold<L::In> for Own<L, F>
where
    L: WindowLogic,
    F: Fn() -> L + 'static,
{
    type State = L;
    type Out = L::Out;

    fn begin(&self, now: DateTime<Utc>) {
        self.out.borrow_mut().set_now(now);
    }

    fn open(&self) -> L {
        (self.make)()
    }

    fn add(&self, state: &mut L, value: L::In, emit: &mut impl FnMut(L::Out)) {
        self.call(emit, |out| state.on_value(value, out));
    }

    fn merge(&self, state: &mut L, other: L, emit: &mut impl FnMut(L::Out)) {
        self.call(emit, |out| state.on_merge(other, out));
    }

    fn fire(&self, state: &mut L, emit: &mut impl FnMut(L::Out)) {
        self.call(emit, |out| state.on_close(out));
    }

    fn close(&self, mut state: L, emit: &mut impl FnMut(L::Out)) {
        self.call(emit, |out| state.on_close(out));
    }
}

#[cfg(test)]
mod tests {
    use bytewax_macros::stateful;

    use super::*;

    #[stateful(crate = "crate")]
    #[derive(Default)]
    struct Last(i64);

    impl WindowLogic for Last {
        type In = i64;
        type Out = i64;

        fn on_value(&mut self, value: i64, _: &mut Emit<i64>) {
            self.0 = value;
        }

        fn on_close(&mut self, out: &mut Emit<i64>) {
            out.emit(self.0);
        }
    }

    #[test]
    #[should_panic(expected = "the logic does not define `on_merge`")]
    fn a_logic_that_is_merged_must_say_how() {
        let own = Own::new(Last::default);
        own.merge(&mut Last(1), Last(2), &mut |_| {});
    }
}
