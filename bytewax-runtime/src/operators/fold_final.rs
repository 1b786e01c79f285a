//! `fold_final`.

use std::sync::Arc;

use super::combine::Final;
use crate::flow::{KeyOf, Keyed, KeyedStream, Stream, ValueOf};
use crate::key::Key;
use crate::kit::keyed::Route;
use crate::kit::{AnyPush, Exchange};
use crate::state::State;

impl<T: 'static> Stream<T> {
    /// Folds the values of each key into an accumulator, and emits it at the end of input.
    ///
    /// Values from one worker are folded in order. On each worker, keys are emitted in ascending order. If
    /// values can be combined with each other, [`reduce_final`](Stream::reduce_final) sends less between
    /// workers.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::testing::run_keyed;
    ///
    /// let out = run_keyed([('a', 1), ('b', 2), ('a', 3)], |numbers| {
    ///     numbers.fold_final(Vec::new, |list, n| list.push(n)).named("lists")
    /// });
    /// assert_eq!(out, [('a', vec![1, 3]), ('b', vec![2])]);
    /// ```
    ///
    /// # State
    ///
    /// One `A` for each key seen since the beginning, dropped at the end of input. It grows with what `fold`
    /// adds to it.
    #[track_caller]
    #[must_use]
    pub fn fold_final<A, I, F>(self, init: I, fold: F) -> KeyedStream<KeyOf<Self>, A>
    where
        Self: Keyed<Key: Key, Value: Exchange>,
        A: State,
        I: Fn() -> A + Send + Sync + 'static,
        F: Fn(&mut A, ValueOf<Self>) + Send + Sync + 'static,
    {
        let functions = Arc::new((init, fold));
        self.pairs().keyed_step(
            "fold_final",
            |step, out| AnyPush::before(step, Route::new(step, out)),
            move |build, outputs| {
                let (init, fold) = (Arc::clone(&functions), Arc::clone(&functions));
                let init = move || init.0();
                let fold = move |state: &mut A, value| fold.1(state, value);
                Final::new(build.step, init, fold, Some, outputs.next(0))
            },
        )
    }
}
