//! Runs a flow on threads of its own, and hands out a handle to wait for it, to read and to stop it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::thread;

use super::config::RunConfig;
use super::stopping::{StoppedBy, stop_cleanly};
use crate::error::{RunError, RunErrorKind};
use crate::flow::Dataflow;
use crate::kit::Shared;
use crate::logged::Logged;
use crate::report::RunReport;
use crate::worker::Monitor;

/// A run on threads of its own: see [`RunConfig::spawn`].
///
/// [`wait`](Self::wait) blocks until it ends. It is also a future, for `async` programs, whatever their
/// executor. Dropping it does not stop the run.
#[must_use = "its result tells whether the run failed: call `wait`, or await it"]
pub struct Run {
    monitor: Monitor,
    state: Arc<State>,
}

/// The state that the handle and the run share.
struct State {
    inner: Mutex<Inner>,
    ended: Condvar,
}

struct Inner {
    /// The run, once it has started.
    shared: Weak<Shared>,
    is_stopped: bool,
    outcome: Option<Result<(), RunError>>,
    waker: Option<Waker>,
}

impl State {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers the run, and stops it if that was asked for before.
    fn started(&self, shared: &Arc<Shared>) {
        let mut inner = self.lock();
        inner.shared = Arc::downgrade(shared);
        let is_stopped = inner.is_stopped;
        drop(inner);
        if is_stopped {
            stop(shared);
        }
    }

    fn end(&self, outcome: Result<(), RunError>) {
        let mut inner = self.lock();
        let outcome = match outcome {
            Err(error) if error.kind() == RunErrorKind::Requested => Ok(()),
            outcome => outcome,
        };
        inner.outcome = Some(outcome);
        let waker = inner.waker.take();
        drop(inner);
        self.ended.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

fn stop(shared: &Arc<Shared>) {
    // The process belongs to the program: a worker that is stuck in its code stays.
    stop_cleanly(shared, StoppedBy::Handle, |_| {});
}

/// Ends the wait for a run, even if it panics.
struct Ending {
    state: Arc<State>,
    outcome: Option<Result<(), RunError>>,
}

impl Ending {
    fn with(mut self, outcome: Result<(), RunError>) {
        self.outcome = Some(outcome);
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        let panicked = || {
            let text =
                "the thread of the run panicked; this is a defect of the runtime, please report it";
            Err(RunError::new(RunErrorKind::Panic, text))
        };
        self.state.end(self.outcome.take().unwrap_or_else(panicked));
    }
}

impl RunConfig {
    /// Starts a flow on threads of its own, and returns at once.
    ///
    /// The program can do something else meanwhile, and read, stop or await the run. Signals do not stop it;
    /// that is left to the program.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_macros::source;
    /// use bytewax_runtime::RunConfig;
    /// use bytewax_runtime::prelude::*;
    /// use bytewax_runtime::source::Poll;
    /// use bytewax_runtime::testing::TestingSink;
    ///
    /// /// All numbers: it does not end by itself.
    /// #[source(crate = "bytewax_runtime")]
    /// fn numbers(#[resume] next: &mut u64) -> Poll<u64> {
    ///     *next += 1;
    ///     Poll::item(*next)
    /// }
    ///
    /// let out = TestingSink::new();
    /// let flow = Dataflow::build("numbers", |flow| {
    ///     flow.input(numbers()).named("numbers").output(out.clone()).named("out");
    /// });
    /// let run = RunConfig::new().spawn(flow);
    /// while out.items().is_empty() {
    ///     std::thread::yield_now();
    /// }
    /// assert!(!run.is_finished());
    /// run.stop();
    /// run.wait()?;
    /// assert_eq!(out.items()[0], 1);
    /// # Ok::<(), bytewax_runtime::RunError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Run::wait`] returns the errors of [`run`](Self::run), and an error if the thread cannot be started.
    pub fn spawn(&self, flow: Dataflow) -> Run {
        let state = Arc::new(State {
            inner: Mutex::new(Inner {
                shared: Weak::new(),
                is_stopped: false,
                outcome: None,
                waker: None,
            }),
            ended: Condvar::new(),
        });
        let monitor = self.own_monitor().cloned().unwrap_or_default();
        let config = self.clone().monitor(&monitor);
        let ending = Ending {
            state: Arc::clone(&state),
            outcome: None,
        };
        let logged = Logged::here();
        let run = move || {
            let state = Arc::clone(&ending.state);
            let ended = logged.run(|| {
                config.run_with(&flow, |shared, _| {
                    state.started(shared);
                    Ok(())
                })
            });
            ending.with(ended.map_err(RunError::from));
        };
        let thread = thread::Builder::new().name("bytewax-run".to_owned());
        if let Err(error) = thread.spawn(run) {
            let text = "the thread of the run could not be started";
            state.end(Err(
                RunError::new(RunErrorKind::Config, text).caused_by(error)
            ));
        }
        Run { monitor, state }
    }
}

impl Run {
    /// Stops the run cleanly, on all processes of its cluster: its epoch ends and is saved, and the next run
    /// continues after it. This is not the end of input: windows stay open, and sinks are not closed.
    ///
    /// Returns at once; [`wait`](Self::wait) returns when the run has stopped. Saving may take
    /// 10 seconds; then the workers stop after their current batch, and the next run repeats the epoch.
    pub fn stop(&self) {
        let mut inner = self.state.lock();
        inner.is_stopped = true;
        let shared = inner.shared.upgrade();
        drop(inner);
        if let Some(shared) = shared {
            stop(&shared);
        }
    }

    /// Returns the current metrics of the workers of this process; `None` before the run has started.
    #[must_use]
    pub fn report(&self) -> Option<RunReport> {
        self.monitor.report()
    }

    /// Returns whether the run has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.state.lock().outcome.is_some()
    }

    /// Waits until the input has ended, or the run was stopped on request: by [`stop`](Self::stop), or by
    /// `POST /stop`, in any process of its cluster.
    ///
    /// # Errors
    ///
    /// The errors of [`RunConfig::run`].
    pub fn wait(self) -> Result<(), RunError> {
        let mut inner = self.state.lock();
        loop {
            if let Some(outcome) = inner.outcome.take() {
                return outcome;
            }
            let waited = self.state.ended.wait(inner);
            inner = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Future for Run {
    type Output = Result<(), RunError>;

    /// # Panics
    ///
    /// Panics if it is polled after it was ready.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut inner = self.state.lock();
        match inner.outcome.take() {
            Some(outcome) => Poll::Ready(outcome),
            None => {
                inner.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_finished = self.is_finished();
        f.debug_struct("Run")
            .field("is_finished", &is_finished)
            .finish_non_exhaustive()
    }
}
