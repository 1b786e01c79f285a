//! Information about the run for connectors.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::ids::StepId;

thread_local! {
    static WORKER: RefCell<Option<Worker>> = const { RefCell::new(None) };
}

/// The information that a worker passes to connectors.
struct Worker {
    step: Box<dyn Fn() -> Option<StepId>>,
    ended: Arc<AtomicBool>,
}

/// The step that calls a connector, and whether its run still waits for the call.
///
/// Create it where the connector is opened or called; it can move to other threads. With it, a connector
/// names its step in messages, and ends a wait when the run ends.
///
/// # Examples
///
/// A sink that waits for a service, and stops waiting when the run stops:
///
/// ```
/// use std::time::Duration;
///
/// use bytewax_runtime::StepError;
/// use bytewax_runtime::client::Caller;
///
/// fn wait_for(is_ready: impl Fn() -> bool) -> Result<(), StepError> {
///     let caller = Caller::current();
///     while !is_ready() {
///         if caller.has_ended() {
///             return Err(StepError::msg("the run has ended meanwhile"));
///         }
///         std::thread::sleep(Duration::from_millis(1));
///     }
///     Ok(())
/// }
/// # wait_for(|| true).unwrap();
/// ```
#[derive(Clone, Default)]
pub struct Caller {
    step: Option<StepId>,
    ended: Arc<AtomicBool>,
}

impl Caller {
    /// Returns the step whose code runs on this thread. Outside of a worker, it has no step and never ends.
    #[must_use]
    pub fn current() -> Self {
        WORKER.with_borrow(|worker| match worker {
            Some(worker) => Self {
                step: (worker.step)(),
                ended: Arc::clone(&worker.ended),
            },
            None => Self::default(),
        })
    }

    /// Returns the id of the step, if a step calls.
    #[must_use]
    pub fn step(&self) -> Option<&StepId> {
        self.step.as_ref()
    }

    /// Whether the run ends immediately, because it has failed or the time-out of a stop has passed. The
    /// result of the call is then ignored, and an error is not reported.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Runs the code of a worker with the current step; its run ends when the flag is set.
    pub(crate) fn on_worker<R>(
        step: impl Fn() -> Option<StepId> + 'static,
        ended: Arc<AtomicBool>,
        work: impl FnOnce() -> R,
    ) -> R {
        /// Restores the previous value, even if `work` panics.
        struct Back(Option<Worker>);
        impl Drop for Back {
            fn drop(&mut self) {
                WORKER.set(self.0.take());
            }
        }
        let worker = Worker {
            step: Box::new(step),
            ended,
        };
        let _back = Back(WORKER.replace(Some(worker)));
        work()
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller")
            .field("step", &self.step)
            .field("has_ended", &self.has_ended())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_says_which_step_calls_and_when_its_run_ends() {
        let ended = Arc::new(AtomicBool::new(false));
        let step = || Some(StepId::new("f.in"));
        let caller = Caller::on_worker(step, Arc::clone(&ended), || {
            assert_eq!(Caller::current().step(), Some(&StepId::new("f.in")));
            Caller::current()
        });
        assert_eq!(Caller::current().step(), None);
        assert!(!caller.has_ended());
        ended.store(true, Ordering::Release);
        assert!(caller.has_ended());
        assert!(!Caller::current().has_ended());
    }
}
