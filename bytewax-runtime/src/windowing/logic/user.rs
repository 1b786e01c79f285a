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
    /// only if values are processed in order of arrival.
    fn on_merge(&mut self, other: Self, out: &mut Emit<Self::Out>);

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
