//! The thread that runs the futures of one step, and how their results come back.

use std::fmt::Display;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Context, Poll};
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::task::AbortHandle;

use crate::error::RunError;
use crate::worker::{Waker, guard};

/// A thread that runs futures, until this is dropped.
#[derive(Debug)]
pub(crate) struct Executor {
    handle: Handle,
    /// A task that the thread waits for.
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
        thread::Builder::new()
            .name(format!("{step} calls"))
            .spawn(move || {
                // It ends as it is aborted, which is no fault.
                let _ = runtime.block_on(life);
                // A call that blocks a thread, and is not needed any more, is not waited for.
                runtime.shutdown_background();
            })?;
        Ok(executor)
    }

    /// Runs a future on the thread.
    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.handle.spawn(future);
    }

    /// Runs code that may ask for the runtime, as what makes futures often does.
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

/// What came of one try.
pub(super) struct Reply<U> {
    pub(super) slot: usize,
    pub(super) attempt: u64,
    /// The result or the text of its error; or how the future panicked.
    pub(super) result: Result<Result<U, String>, RunError>,
}

/// Where the replies to one worker arrive.
pub(super) struct Mailbox<U> {
    sender: Sender<Reply<U>>,
    receiver: Receiver<Reply<U>>,
    /// Whether the worker is being woken for what has arrived.
    woken: Arc<AtomicBool>,
}

impl<U: Send + 'static> Mailbox<U> {
    pub(super) fn new() -> Self {
        let (sender, receiver) = channel();
        Self {
            sender,
            receiver,
            woken: Arc::default(),
        }
    }

    /// Begins a try, whose reply will wake the worker.
    pub(super) fn spawn<E: Display>(
        &self,
        slot: usize,
        attempt: u64,
        future: impl Future<Output = Result<U, E>> + Send + 'static,
        executor: &Executor,
        waker: &Waker,
    ) -> AbortHandle {
        let (sender, woken, waker) = (self.sender.clone(), Arc::clone(&self.woken), waker.clone());
        let future = async move { future.await.map_err(|error| error.to_string()) };
        let future = Guarded::new(future);
        let task = executor.handle.spawn(async move {
            let result = future.await;
            let reply = Reply {
                slot,
                attempt,
                result,
            };
            // Nobody takes it when the run has stopped.
            if sender.send(reply).is_ok() && !woken.swap(true, Ordering::AcqRel) {
                waker.wake();
            }
        });
        task.abort_handle()
    }

    /// What has arrived. What arrives from now on wakes the worker again.
    pub(super) fn take(&self) -> impl Iterator<Item = Reply<U>> + '_ {
        self.woken.store(false, Ordering::Release);
        self.receiver.try_iter()
    }
}

/// A future whose panic is an error.
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
