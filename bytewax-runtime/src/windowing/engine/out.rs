//! The outputs of a window step: what each key emits goes to one of several streams.

use std::marker::PhantomData;

use super::Event;
use crate::error::RunError;
use crate::kit::{Cx, Flush, Next, Outs, Push};
use crate::windowing::firing::Emission;
use crate::windowing::window::{WindowId, WindowMetadata};

/// The numbers of the outputs; late values are last, because a join has more than one stream of them.
pub(crate) const DOWN: usize = 0;
pub(crate) const META: usize = 1;
pub(crate) const LATE: usize = 2;

/// An item of `down`, `late` or `meta`.
type Item<K, V> = (K, (WindowId, V));

/// Where late values go.
pub(crate) trait LateWay<K, V>: 'static {
    /// Takes its outputs, the first of which is [`LATE`].
    fn new(outs: &mut Outs) -> Self;

    fn put(&mut self, key: K, id: WindowId, value: V);

    fn send(&mut self, cx: &mut Cx) -> Result<(), RunError>;

    fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError>;
}

impl<K: 'static, V: 'static> LateWay<K, V> for Next<Item<K, V>> {
    fn new(outs: &mut Outs) -> Self {
        outs.next(LATE)
    }

    fn put(&mut self, key: K, id: WindowId, value: V) {
        self.buffer.push((key, (id, value)));
    }

    fn send(&mut self, cx: &mut Cx) -> Result<(), RunError> {
        Next::send(self, cx)
    }

    fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError> {
        Next::flush(self, what, cx)
    }
}

/// Sends the events of a window step to its outputs.
pub(crate) struct Split<K, U: 'static, V, M: Emission, L> {
    down: Next<Item<K, M::Out<U>>>,
    meta: Next<Item<K, WindowMetadata>>,
    late: L,
    events: PhantomData<fn(V)>,
}

impl<K, U, V, M, L> Split<K, U, V, M, L>
where
    K: 'static,
    U: 'static,
    M: Emission,
    L: LateWay<K, V>,
{
    pub(crate) fn new(outs: &mut Outs) -> Self {
        Self {
            down: outs.next(DOWN),
            meta: outs.next(META),
            late: L::new(outs),
            events: PhantomData,
        }
    }
}

impl<K, U, V, M, L> Push<(K, Event<U, V>)> for Split<K, U, V, M, L>
where
    K: 'static,
    U: 'static,
    V: 'static,
    M: Emission,
    L: LateWay<K, V>,
{
    fn push(&mut self, batch: &mut Vec<(K, Event<U, V>)>, cx: &mut Cx) -> Result<(), RunError> {
        for (key, event) in batch.drain(..) {
            match event {
                Event::Down(id, firing, value) => {
                    self.down.buffer.push((key, (id, M::label(firing, value))));
                }
                Event::Late(id, value) => self.late.put(key, id, value),
                Event::Meta(id, metadata) => self.meta.buffer.push((key, (id, metadata))),
            }
        }
        self.down.send(cx)?;
        self.late.send(cx)?;
        self.meta.send(cx)
    }

    fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError> {
        self.down.flush(what, cx)?;
        self.late.flush(what, cx)?;
        self.meta.flush(what, cx)
    }
}
