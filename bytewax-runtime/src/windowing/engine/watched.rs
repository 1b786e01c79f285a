//! A window step with a time for each key, and a probe that may look at it.

use crate::error::RunError;
use crate::key::Key;
use crate::kit::keyed::Routed;
use crate::kit::logic::{ItemHead, KeyLogic, Timed};
use crate::kit::saving::KeyedLogic;
use crate::kit::{Cx, EdgeId, Flush, HeadLogic};
use crate::state::KeyTable;
use crate::windowing::clock::KeyClock;
use crate::windowing::engine::WindowEngine;
use crate::windowing::engine::per_key::{KeyWindows, PerKey};
use crate::windowing::engine::queue::Waiters;
use crate::windowing::probe::{Tally, WindowProbe};

pub(crate) struct Watched<K, V, C, B, Q>
where
    PerKey<V, C, B, Q>: KeyLogic<K>,
{
    pub(super) head: ItemHead<K, V, PerKey<V, C, B, Q>>,
    /// The logic of the head once more, to ask it what is open.
    pub(super) engine: B,
    pub(super) probe: Option<WindowProbe>,
}

impl<K, V, C, B, Q> Watched<K, V, C, B, Q>
where
    K: Key,
    V: Clone + 'static,
    C: KeyClock<V>,
    B: WindowEngine<V>,
    Q: Waiters<V>,
{
    fn tell(&mut self, cx: &Cx) {
        let Some(probe) = &self.probe else { return };
        let keys = KeyedLogic::<K, V>::table(&mut self.head).iter();
        let keys = keys.map(|(key, timed)| {
            let (status, mark) = timed.state.status(&self.engine);
            (key, status, mark)
        });
        probe.tell(cx.worker.index, &Tally::of(keys), None);
    }
}

impl<K, V, C, B, Q> HeadLogic<Routed<K, V>> for Watched<K, V, C, B, Q>
where
    K: Key,
    V: Clone + 'static,
    C: KeyClock<V>,
    B: WindowEngine<V>,
    Q: Waiters<V>,
{
    fn batch(&mut self, items: &mut Vec<Routed<K, V>>, cx: &mut Cx) -> Result<(), RunError> {
        let keys = items.iter().map(|(hash, key, _)| (*hash, key));
        let table = KeyedLogic::<K, V>::table(&mut self.head);
        table.prefetch(keys, |timed| timed.state.prefetch(&self.engine));
        self.head.batch(items, cx)
    }

    fn settle(&mut self, edges: &[EdgeId], cx: &mut Cx) -> Result<bool, RunError> {
        self.head.settle(edges, cx)
    }

    fn end_epoch(&mut self, cx: &mut Cx) -> Result<(), RunError> {
        self.head.end_epoch(cx)?;
        self.tell(cx);
        Ok(())
    }

    fn end_input(&mut self, cx: &mut Cx) -> Result<(), RunError> {
        self.head.end_input(cx)
    }

    fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError> {
        self.head.flush(what, cx)
    }
}

impl<K, V, C, B, Q> KeyedLogic<K, V> for Watched<K, V, C, B, Q>
where
    K: Key,
    V: Clone + 'static,
    C: KeyClock<V>,
    B: WindowEngine<V>,
    Q: Waiters<V>,
{
    type Cell = Timed<KeyWindows<B::KeyState, Q>>;

    fn table(&mut self) -> &mut KeyTable<K, Self::Cell> {
        self.head.table()
    }

    fn restore(&mut self, hash: u64, key: K, saved: KeyWindows<B::KeyState, Q>) {
        self.head.restore(hash, key, saved);
    }
}
