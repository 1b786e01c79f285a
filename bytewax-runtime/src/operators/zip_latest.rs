//! `zip_latest`.

use std::marker::PhantomData;

use super::join::{JoinSides, Of2};
use super::keyed::keyed_step_of;
use crate::flow::{KeyOf, Keyed, KeyedStream, Stream, ValueOf};
use crate::key::Key;
use crate::kit::logic::{Emit, ItemHead, ItemLogic, Keep, KeyLogic};
use crate::state::State;

impl<T: 'static> Stream<T> {
    /// Emits the newest values of two streams for a key, whenever either has a new one, once both have a
    /// value.
    ///
    /// Values of a key from one worker are processed in order; the order between the streams is undefined.
    /// The operator is [`join_running`](Stream::join_running) without incomplete rows.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::testing::run_keyed;
    ///
    /// let out = run_keyed([('a', 1), ('a', 20), ('a', 2), ('b', 3)], |numbers| {
    ///     let sides = numbers.branch(|(_, n)| *n < 10);
    ///     sides.trues.zip_latest(sides.falses).named("pairs")
    /// });
    /// assert_eq!(out[out.len() - 1], ('a', (2, 20)));
    /// ```
    ///
    /// # State
    ///
    /// For each key ever seen, one value of each stream; they are never dropped.
    ///
    /// # Panics
    ///
    /// Panics if the other stream belongs to another flow.
    #[track_caller]
    #[must_use]
    pub fn zip_latest<B>(
        self,
        other: KeyedStream<KeyOf<Self>, B>,
    ) -> KeyedStream<KeyOf<Self>, (ValueOf<Self>, B)>
    where
        Self: Keyed<Key: Key, Value: State + Clone>,
        B: State + Clone,
    {
        type Both<K, A, B> = (KeyedStream<K, A>, KeyedStream<K, B>);
        let sides: Both<KeyOf<Self>, ValueOf<Self>, B> = (self.pairs(), other);
        let (flow, inputs) = sides.inputs();
        keyed_step_of(
            &flow,
            "zip_latest",
            inputs,
            <Both<KeyOf<Self>, ValueOf<Self>, B> as JoinSides>::enter,
            |build, outputs| ItemHead::new(build, outputs, ZipLatest::default()),
        )
    }
}

/// The logic of `zip_latest`.
pub(crate) struct ZipLatest<A, B>(PhantomData<fn(A, B)>);

impl<A, B> Default for ZipLatest<A, B> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<K, A: State + Clone, B: State + Clone> KeyLogic<K> for ZipLatest<A, B> {
    type State = (Option<A>, Option<B>);
    type Out = (A, B);

    fn new_state(&self, _: &K) -> Self::State {
        (None, None)
    }
}

impl<K, A: State + Clone, B: State + Clone> ItemLogic<K, Of2<A, B>> for ZipLatest<A, B> {
    fn on_item(&self, newest: &mut Self::State, value: Of2<A, B>, out: &mut Emit<(A, B)>) -> Keep {
        match value {
            Of2::A(value) => newest.0 = Some(value),
            Of2::B(value) => newest.1 = Some(value),
        }
        if let (Some(a), Some(b)) = newest {
            out.emit((a.clone(), b.clone()));
        }
        Keep::Yes
    }
}
