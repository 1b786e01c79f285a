//! Returns the results of calls to the worker.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use tokio::task::AbortHandle;

use crate::error::RunError;
use crate::executor::{Executor, Guarded};
use crate::kit::RemoteAlarm;

/// The result of one attempt.
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
    /// Whether a wake-up of the worker is pending.
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

    /// Starts an attempt, whose reply will wake the worker.
    pub(super) fn spawn<E: Display>(
        &self,
        slot: usize,
        attempt: u64,
        future: impl Future<Output = Result<U, E>> + Send + 'static,
        executor: &Executor,
        waker: &RemoteAlarm,
    ) -> AbortHandle {
        let (sender, woken, waker) = (self.sender.clone(), Arc::clone(&self.woken), waker.clone());
        let future = async move { future.await.map_err(|error| error.to_string()) };
        let future = Guarded::new(future);
        executor.spawn(async move {
            let result = future.await;
            let reply = Reply {
                slot,
                attempt,
                result,
            };
            // Nobody receives it when the run has stopped.
            if sender.send(reply).is_ok() && !woken.swap(true, Ordering::AcqRel) {
                waker.wake();
            }
        })
    }

    /// Returns the replies so far. Later replies wake the worker again.
    pub(super) fn take(&self) -> impl Iterator<Item = Reply<U>> + '_ {
        self.woken.store(false, Ordering::Release);
        self.receiver.try_iter()
    }
}
