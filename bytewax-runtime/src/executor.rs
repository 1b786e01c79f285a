//! Runs futures on a thread, and turns their panics into errors.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::task::AbortHandle;

use crate::error::RunError;
use crate::guard::guard;
use crate::logged::Logged;

/// A thread that runs futures until it is dropped.
#[derive(Debug)]
pub(crate) struct Executor {
    handle: Handle,
    /// A task for which the thread waits.
    life: AbortHandle,
}

impl Executor {
    pub(crate) fn start(step: &str) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let life = runtime.spawn(std::future::pending::<()>());
        let executor = Self {
            handle,
            life: life.abort_handle(),
        };
        let logged = Logged::here();
        thread::Builder::new()
            .name(format!("{step} calls"))
            .spawn(move || {
                logged.run(|| {
                    // It ends because it is aborted, which is no fault.
                    let _ = runtime.block_on(life);
                    // Does not wait for an obsolete call that blocks a thread.
                    runtime.shutdown_background();
                });
            })?;
        Ok(executor)
    }

    /// Runs a future on the thread.
    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        self.handle.spawn(future).abort_handle()
    }

    /// Runs code that may access the runtime, as constructors of futures often do.
    pub(crate) fn within<R>(&self, f: impl FnOnce() -> R) -> R {
        let _entered = self.handle.enter();
        f()
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        self.life.abort();
    }
}

/// A future that turns a panic into an error.
pub(crate) struct Guarded<F>(Pin<Box<F>>);

impl<F> Guarded<F> {
    pub(crate) fn new(future: F) -> Self {
        Self(Box::pin(future))
    }
}

impl<F: Future> Future for Guarded<F> {
    type Output = Result<F::Output, RunError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match guard(|| Ok(self.0.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Ok),
            Err(panicked) => Poll::Ready(Err(panicked)),
        }
    }
}
