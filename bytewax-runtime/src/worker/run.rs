//! Runs a flow on the workers of one process.

use std::rc::Rc;
use std::sync::Arc;

use timely::WorkerConfig;
use timely::communication::allocator::thread::Thread;
use timely::communication::allocator::{AllocatorBuilder, ProcessBuilder};
use timely::communication::{Allocator, Hooks, initialize_from};
use timely::worker::Worker;

use super::build::build;
use super::store::RecoveryConfig;
use crate::client::Caller;
use crate::error::{RunError, RunErrorKind};
use crate::flow::Graph;
use crate::guard::guard;
use crate::ids::WorkerIndex;
use crate::kit::{Shared, WorkerCx};
use crate::logged::Logged;

/// A job: a flow, and its recovery store.
#[derive(Clone)]
pub(crate) struct Job {
    pub(crate) graph: Arc<Graph>,
    /// Without it, nothing is saved.
    pub(crate) recovery: Option<RecoveryConfig>,
}

/// Runs the flow on the calling thread.
pub(crate) fn run_here(job: &Arc<Job>, shared: &Arc<Shared>) -> Result<(), RunError> {
    work(Allocator::Thread(Thread::default()), job, shared);
    shared.outcome()
}

/// Runs the flow on `workers` threads of this process.
pub(crate) fn run_threads(
    job: &Arc<Job>,
    shared: &Arc<Shared>,
    workers: usize,
) -> Result<(), RunError> {
    let hooks = Hooks::default();
    let builders = ProcessBuilder::new_typed_vector(workers, hooks.refill, hooks.spill);
    let builders = builders
        .into_iter()
        .map(AllocatorBuilder::Process)
        .collect();
    run_allocators(builders, job, shared);
    shared.outcome()
}

/// Runs the flow on one thread for each allocator, until all have ended.
pub(crate) fn run_allocators(
    builders: Vec<AllocatorBuilder>,
    job: &Arc<Job>,
    shared: &Arc<Shared>,
) {
    let (job, workers_shared) = (Arc::clone(job), Arc::clone(shared));
    let logged = Logged::here();
    let started = initialize_from(builders, Box::new(()), move |allocator| {
        let logged = logged.clone();
        logged.run(|| work(allocator, &job, &workers_shared));
    });
    match started {
        Ok(guards) => {
            for ended in guards.join() {
                if let Err(text) = ended {
                    shared.fail(RunError::new(RunErrorKind::Panic, text));
                }
            }
        }
        Err(text) => shared.fail(RunError::new(
            RunErrorKind::Config,
            format!("the worker threads could not be started: {text}"),
        )),
    }
}

/// Runs one worker.
fn work(allocator: Allocator, job: &Arc<Job>, shared: &Arc<Shared>) {
    shared.register_thread();
    let _span = tracing::info_span!("worker", index = allocator.index()).entered();
    let mut worker = Worker::new(
        WorkerConfig::default(),
        allocator,
        Some(std::time::Instant::now()),
    );
    let cx = Rc::new(WorkerCx::new(
        WorkerIndex(worker.index()),
        worker.peers(),
        Rc::new(job.graph.steps()),
        Arc::clone(shared),
    ));
    let running = Rc::clone(&cx);
    let step = move || Some(running.steps.get(running.running()?).id.clone());
    Caller::on_worker(step, shared.stopping(), || {
        let ended = guard(|| {
            if build(&mut worker, &cx, job)? {
                turn(&mut worker, &cx);
            }
            Ok(())
        });
        if let Err(error) = ended {
            cx.fail(error);
        }
        // If the run stops early, dropping sources and sinks here closes them.
        let dropped = guard(|| {
            for dataflow in worker.installed_dataflows() {
                worker.drop_dataflow(dataflow);
            }
            cx.epochs.listeners.clear();
            Ok(())
        });
        if let Err(error) = dropped {
            cx.fail(error);
        }
    });
}

/// Steps the worker until the flow ends or the run stops. An idle worker sleeps.
fn turn(worker: &mut Worker, cx: &WorkerCx) {
    while worker.has_dataflows() && !cx.shared.is_stopping() && !cx.epochs.has_stopped() {
        let sleep = cx.timers.fire(&cx.clock, &cx.dates, &cx.timing);
        worker.step_or_park(sleep);
    }
}
