//! The outputs of a window step: sends the results of each key to one of several streams.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::Event;
use crate::error::RunError;
use crate::ids::StepId;
use crate::kit::{Cx, Flush, Next, Outputs, Push};
use crate::windowing::firing::Emission;
use crate::windowing::window::{WindowId, WindowMetadata};

/// The numbers of the outputs; late values are last, because a join has more than one stream of them.
pub(crate) const DOWN: usize = 0;
pub(crate) const META: usize = 1;
pub(crate) const LATE: usize = 2;

/// An item of `down`, `late` or `meta`.
type Item<K, V> = (K, (WindowId, V));

/// Late values that a step dropped on the workers of this process because nothing reads them. Logs their
/// number when the last worker has ended, for whatever reason.
#[derive(Debug)]
pub(crate) struct Lost {
    step: StepId,
    what: What,
    count: AtomicU64,
}

/// The lost values, and the fix.
#[derive(Clone, Copy, Debug)]
struct What {
    name: &'static str,
    help: &'static str,
}

impl Lost {
    fn report(&self) -> Option<String> {
        let count = self.count.load(Ordering::Relaxed);
        (count > 0).then(|| {
            let (step, What { name, help }) = (&self.step, self.what);
            format!(
                "step `{step}`: {count} {name} were dropped, because nothing reads them: {help}"
            )
        })
    }

    pub(crate) fn add(&self, count: u64) {
        self.count.fetch_add(count, Ordering::Relaxed);
    }
}

impl Drop for Lost {
    fn drop(&mut self) {
        if let Some(report) = self.report() {
            let (step, count) = (&self.step, self.count.load(Ordering::Relaxed));
            tracing::warn!(%step, count, "{report}");
        }
    }
}

/// The shared state of a process's workers: one [`Lost`] of the step in each run.
#[derive(Debug)]
pub(crate) struct LostOfRun {
    what: What,
    of_run: Mutex<Weak<Lost>>,
}

impl LostOfRun {
    pub(crate) fn new(name: &'static str, help: &'static str) -> Self {
        Self {
            what: What { name, help },
            of_run: Mutex::default(),
        }
    }

    /// Of a window step.
    pub(crate) fn late_values() -> Self {
        Self::new(
            "late values",
            "read its `late`, or give its clock a longer wait",
        )
    }

    pub(crate) fn of(&self, step: &StepId) -> Arc<Lost> {
        let mut of_run = self.of_run.lock().unwrap_or_else(PoisonError::into_inner);
        of_run.upgrade().unwrap_or_else(|| {
            let lost = Arc::new(Lost {
                step: step.clone(),
                what: self.what,
                count: AtomicU64::new(0),
            });
            *of_run = Arc::downgrade(&lost);
            lost
        })
    }
}

/// The output for items that are not in time: they are sent to the reader, or counted.
pub(crate) struct Aside<T> {
    next: Next<T>,
    is_read: bool,
    /// The number of unread items.
    dropped: u64,
    lost: Arc<Lost>,
}

impl<T: 'static> Aside<T> {
    pub(crate) fn new(outputs: &mut Outputs, output: usize, lost: &Arc<Lost>) -> Self {
        Self {
            is_read: outputs.is_read(output),
            next: outputs.next(output),
            dropped: 0,
            lost: Arc::clone(lost),
        }
    }

    /// Sends an item, which counts as one lost item, or none, if nothing reads it.
    pub(crate) fn put_as(&mut self, item: T, one: bool) {
        if self.is_read {
            self.next.buffer.push(item);
        } else {
            self.dropped += u64::from(one);
        }
    }

    pub(crate) fn put(&mut self, item: T) {
        self.put_as(item, true);
    }

    pub(crate) fn send(&mut self, cx: &mut Cx) -> Result<(), RunError> {
        self.next.meter().dropped.set(self.dropped);
        self.next.send(cx)
    }

    pub(crate) fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError> {
        self.next.meter().dropped.set(self.dropped);
        self.next.flush(what, cx)
    }
}

/// The output for the late values of one stream.
pub(crate) type LateOut<K, V> = Aside<Item<K, V>>;

impl<T> Drop for Aside<T> {
    fn drop(&mut self) {
        self.lost.add(self.dropped);
    }
}

/// The destination of late values.
pub(crate) trait LateWay<K, V>: 'static {
    /// Takes its outputs, the first of which is [`LATE`].
    fn new(outputs: &mut Outputs, lost: &Arc<Lost>) -> Self;

    /// Sends a value with one of its labels, and whether it is the last of them.
    fn put(&mut self, key: K, label: (WindowId, bool), value: V);

    fn send(&mut self, cx: &mut Cx) -> Result<(), RunError>;

    fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError>;
}

impl<K: 'static, V: 'static> LateWay<K, V> for LateOut<K, V> {
    fn new(outputs: &mut Outputs, lost: &Arc<Lost>) -> Self {
        Self::new(outputs, LATE, lost)
    }

    fn put(&mut self, key: K, label: (WindowId, bool), value: V) {
        let (id, is_last) = label;
        self.put_as((key, (id, value)), is_last);
    }

    fn send(&mut self, cx: &mut Cx) -> Result<(), RunError> {
        Self::send(self, cx)
    }

    fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError> {
        Self::flush(self, what, cx)
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
    pub(crate) fn new(outputs: &mut Outputs, lost: &Arc<Lost>) -> Self {
        Self {
            down: outputs.next(DOWN),
            meta: outputs.next(META),
            late: L::new(outputs, lost),
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
                Event::Down(label, value) => {
                    let value = M::label(&label, value);
                    self.down.buffer.push((key, (label.id, value)));
                }
                Event::Late(id, is_last, value) => self.late.put(key, (id, is_last), value),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_values_of_all_workers_are_told_together() {
        let (step, of_run) = (StepId::new("f.counts"), LostOfRun::late_values());
        let here = of_run.of(&step);
        let there = of_run.of(&step);
        assert_eq!(here.report(), None);
        here.count.fetch_add(3, Ordering::Relaxed);
        assert_eq!(
            there.report().as_deref(),
            Some(
                "step `f.counts`: 3 late values were dropped, because nothing reads them: read its `late`, \
                 or give its clock a longer wait"
            )
        );
        drop((here, there));
        assert_eq!(of_run.of(&step).report(), None, "another run counts anew");
    }
}
