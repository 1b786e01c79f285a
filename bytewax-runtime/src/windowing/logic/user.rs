//! `window`: a logic of the user's for each window.

use std::cell::RefCell;

use chrono::{DateTime, Utc};

use super::Fold;
use crate::kit::logic::Emit;
use crate::state::State;

/// What is kept for a window of a key, and what it emits. See [`Stream::window`].
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
    /// The values that come in.
    type In: 'static;
    /// The values that go out, labelled with the id of the window.
    type Out: 'static;

    /// A value belongs to the window.
    fn on_value(&mut self, value: Self::In, out: &mut Emit<Self::Out>);

    /// Another window of the key has become part of this one; so it is with sessions only, if values are
    /// taken as they come.
    fn on_merge(&mut self, other: Self, out: &mut Emit<Self::Out>);

    /// The value of the window is asked for: once, when it is over. If the windower fires early or allows
    /// for late values, it is asked for before and after that too.
    fn on_close(&mut self, out: &mut Emit<Self::Out>);
}

/// The logics of a user. `make` gives that of a window that is opened.
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
