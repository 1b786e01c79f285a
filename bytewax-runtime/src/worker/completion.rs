//! The last two operators of a flow. An epoch that the first has seen the end of has left all operators
//! of the cluster; then it is saved, and one that the second has seen the end of is saved on the whole
//! cluster. Only then it is complete.

use std::cell::Cell;
use std::rc::Rc;

use timely::dataflow::Scope;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

use super::store::{Retention, Store};
use crate::error::RunError;
use crate::guard::guard;
use crate::ids::{Epoch, StepIndex};
use crate::kit::{self, Note, ProgressStream, Said, WorkerCx, frontier};

/// Adds the operators behind the progress streams of all others.
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
    let address = Rc::clone(&operator.operator_info().address);
    if let Some(store) = &store {
        store.wake_on_commit(scope.worker().sync_activator_for(address.to_vec()));
    }
    let last = Rc::new(Cell::new(Epoch(0)));
    let worker = Rc::clone(cx);
    let mut commits = store.clone().map(|store| Commits {
        next: store.resume(),
        last: Rc::clone(&last),
        store,
    });
    operator.build(move |mut capabilities| {
        move |frontiers| {
            let frontier = frontier(frontiers).map(Epoch);
            worker.leave();
            let ended = guard(|| {
                let mut notes = Vec::new();
                for input in &mut inputs {
                    input.for_each(|time, batch| {
                        let epoch = Epoch(*time.time());
                        notes.extend(batch.drain(..).map(|note| (epoch, note.said)));
                    });
                }
                let Some(commits) = &mut commits else {
                    return Ok(None);
                };
                notes
                    .into_iter()
                    .try_for_each(|(epoch, said)| commits.take(epoch, said))?;
                commits.commit(frontier)
            });
            match ended {
                Ok(Some(durable)) => {
                    for capability in &mut capabilities {
                        capability.downgrade(&durable.next().0);
                    }
                }
                Ok(None) if frontier.is_none() => capabilities.clear(),
                Ok(None) => {}
                Err(error) => worker.fail(error),
            }
            if commits.is_none() {
                let complete = frontier.unwrap_or(Epoch(u64::MAX));
                worker.epochs.complete(complete, &worker.timers);
            }
        }
    });

    let mut operator = OperatorBuilder::new("collection".to_owned(), scope);
    // Only the frontier matters; nothing is ever sent.
    let _input = operator.new_input(saved, Pipeline);
    let worker = Rc::clone(cx);
    let mut collects = store.map(|store| Collects::new(store, cx));
    operator.build(move |_| {
        move |frontiers| {
            let Some(collects) = &mut collects else {
                return;
            };
            let saved_before = frontier(frontiers).map_or(last.get().next(), Epoch);
            worker.leave();
            if let Err(error) = guard(|| collects.saved(saved_before, &worker)) {
                worker.fail(error);
            }
            worker.epochs.complete(saved_before, &worker.timers);
        }
    });
}

/// Has epochs committed that are complete on the whole cluster.
struct Commits {
    store: Rc<Store>,
    /// The first epoch that the writer was not told to commit.
    next: Epoch,
    /// The last epoch in which a source of the cluster has ended.
    last: Rc<Cell<Epoch>>,
}

impl Commits {
    fn take(&mut self, epoch: Epoch, said: Said) -> Result<(), RunError> {
        match said {
            Said::Ends => self.last.set(self.last.get().max(epoch)),
            Said::Position {
                step,
                partition,
                bytes,
            } => {
                let step = StepIndex(step);
                self.store.save_position(step, partition, epoch, bytes)?;
            }
        }
        Ok(())
    }

    /// Commits what is complete before this frontier. Gives the last epoch that is durable, or none
    /// when that is the last of all.
    fn commit(&mut self, frontier: Option<Epoch>) -> Result<Option<Epoch>, RunError> {
        let end = frontier.unwrap_or(self.last.get().next());
        if end > self.next {
            self.store.commit(Epoch(end.0 - 1))?;
            self.next = end;
        }
        let durable = kit::Store::durable(&*self.store);
        let is_over = frontier.is_none() && durable.next() >= end;
        Ok((!is_over).then_some(durable))
    }
}

/// Has what no resume needs any more removed from the store.
struct Collects {
    store: Rc<Store>,
    retention: Retention,
    /// The first epoch that is not known to be saved on the whole cluster.
    next: Epoch,
}

impl Collects {
    fn new(store: Rc<Store>, cx: &WorkerCx) -> Self {
        Self {
            retention: store.retention(cx.clock.now()),
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
        match self.retention.committed(saved, cx.clock.now()) {
            Some(oldest) => self.store.collect(oldest),
            None => Ok(()),
        }
    }
}
