//! The last two operators of a flow. When the first has seen the end of an epoch, all operators of the
//! cluster have finished it, and it is saved. When the second has seen its end, it is saved on the whole
//! cluster, and only then complete. Neither runs before the execution has begun on this worker: another
//! worker that has already begun may send positions to save.

use std::rc::Rc;
use std::sync::atomic::Ordering;

use timely::dataflow::Scope;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

use super::store::{Retention, Store};
use crate::clock::Monotonic;
use crate::error::RunError;
use crate::guard::guard;
use crate::ids::{Epoch, StepIndex};
use crate::kit::{
    Frontier, Note, NoteBody, ProgressStream, RemoteAlarm, STOPPED, Wake, WorkerCx, frontier,
};

/// Adds the operators after the progress streams of all others.
pub(super) fn complete<'s>(
    scope: Scope<'s, u64>,
    cx: &Rc<WorkerCx>,
    store: Option<Rc<Store>>,
    progress: Vec<ProgressStream<'s>>,
) {
    let mut operator = OperatorBuilder::new("completion".to_owned(), scope);
    let mut inputs: Vec<_> = progress
        .into_iter()
        .map(|stream| {
            let to_target = Exchange::new(|note: &Note| u64::from(note.target));
            operator.new_input(stream, to_target)
        })
        .collect();
    let (_, saved) = operator.new_output::<Vec<()>>();
    let wake = wake_at_begin(&operator, scope, cx);
    if let Some(store) = &store {
        store.wake_on_commit(wake);
    }
    let worker = Rc::clone(cx);
    let saves = store.clone();
    operator.build(move |mut capabilities| {
        move |frontiers| {
            if !worker.has_begun() {
                return;
            }
            let frontier = Frontier::from(frontier(frontiers).map(Epoch));
            worker.leave();
            let ended = guard(|| {
                for input in &mut inputs {
                    let mut taken = Ok(());
                    input.for_each(|time, batch| {
                        for note in batch.drain(..) {
                            let epoch = Epoch(*time.time());
                            if taken.is_ok() {
                                taken = take(note.body, epoch, saves.as_deref(), &worker);
                            }
                        }
                    });
                    taken?;
                }
                match &saves {
                    Some(store) => commit(frontier, store, &worker),
                    None => worker.complete_epochs(frontier).map(|()| frontier),
                }
            });
            match ended {
                Ok(Frontier::At(epoch)) => capabilities
                    .iter_mut()
                    .for_each(|it| it.downgrade(&epoch.0)),
                Ok(Frontier::Stopped) => capabilities
                    .iter_mut()
                    .for_each(|it| it.downgrade(&STOPPED.0)),
                Ok(Frontier::Ended) => capabilities.clear(),
                Err(error) => worker.fail(error),
            }
        }
    });

    let mut operator = OperatorBuilder::new("collection".to_owned(), scope);
    // Only the frontier matters; nothing is ever sent.
    let _input = operator.new_input(saved, Pipeline);
    wake_at_begin(&operator, scope, cx);
    let worker = Rc::clone(cx);
    let mut collects = store.map(|store| Collects::new(store, cx));
    operator.build(move |_| {
        move |frontiers| {
            let (Some(collects), true) = (&mut collects, worker.has_begun()) else {
                return;
            };
            let frontier = Frontier::from(frontier(frontiers).map(Epoch));
            worker.leave();
            let completed = guard(|| {
                worker.complete_epochs(frontier)?;
                worker.leave();
                collects.saved(worker.epochs.protocol().complete_before(), &worker)
            });
            if let Err(error) = completed {
                worker.fail(error);
            }
        }
    });
}

/// Wakes an operator when the execution begins. Returns the handle that wakes it from other threads.
fn wake_at_begin<'s>(
    operator: &OperatorBuilder<'s, u64>,
    scope: Scope<'s, u64>,
    cx: &WorkerCx,
) -> RemoteAlarm {
    let address = Rc::clone(&operator.operator_info().address);
    let wake = scope.worker().sync_activator_for(address.to_vec());
    let remote = RemoteAlarm::Timely(wake);
    let here = Wake::Timely(scope.activator_for(address));
    cx.timers.register(here, remote.clone());
    remote
}

/// Processes a note of an operator.
fn take(
    body: NoteBody,
    epoch: Epoch,
    store: Option<&Store>,
    cx: &WorkerCx,
) -> Result<(), RunError> {
    match body {
        NoteBody::Ends => cx.epochs.protocol().ended(epoch),
        NoteBody::Position {
            step,
            partition,
            bytes,
        } => {
            if let Some(store) = store {
                store.save_position(StepIndex(step), partition, epoch, bytes)?;
            }
        }
    }
    Ok(())
}

/// Saves the epochs that all operators of the cluster have finished. Returns the progress of this worker.
fn commit(frontier: Frontier, store: &Store, cx: &WorkerCx) -> Result<Frontier, RunError> {
    let left = cx.epochs.protocol().left(frontier);
    if let Some(epoch) = left {
        store.commit(epoch)?;
    }
    Ok(cx.epochs.protocol().saved(store.durable(), frontier))
}

/// Removes data from the store that no resume needs any more.
struct Collects {
    store: Rc<Store>,
    retention: Retention,
    began: Monotonic,
    /// The first epoch that is not known to be saved on the whole cluster.
    next: Epoch,
}

impl Collects {
    fn new(store: Rc<Store>, cx: &WorkerCx) -> Self {
        Self {
            began: cx.clock.monotonic(),
            retention: store.retention(),
            next: store.resume(),
            store,
        }
    }

    fn saved(&mut self, before: Epoch, cx: &WorkerCx) -> Result<(), RunError> {
        if before <= self.next {
            return Ok(());
        }
        self.next = before;
        let saved = Epoch(before.0 - 1);
        let now = cx.clock.monotonic().since(self.began);
        match self.retention.committed(saved, now) {
            Some(oldest) if !cx.shared.is_copied.load(Ordering::Acquire) => {
                self.store.collect(oldest)
            }
            // What is kept now is collected with a later epoch.
            _ => Ok(()),
        }
    }
}
