//! Stops a run from outside: after the current epoch, or when the time limit is over.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::error::{RunError, RunErrorKind};
use crate::kit::Shared;

/// How long a run may take to end after its last epoch exceeded the time limit.
const GRACE: Duration = Duration::from_secs(5);

/// The reasons to stop a run from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StoppedBy {
    #[cfg(feature = "cli")]
    Interrupt,
    #[cfg(feature = "cli")]
    Terminate,
    #[cfg(any(feature = "cli", feature = "serve"))]
    Request,
    /// A call of `Run::stop`.
    Handle,
}

impl StoppedBy {
    /// The error of a run that was stopped for this reason.
    pub(super) fn error(self) -> RunError {
        let (kind, by) = match self {
            #[cfg(feature = "cli")]
            Self::Interrupt => (RunErrorKind::Interrupted, "SIGINT (Ctrl-C)"),
            #[cfg(feature = "cli")]
            Self::Terminate => (RunErrorKind::Terminated, "SIGTERM"),
            #[cfg(any(feature = "cli", feature = "serve"))]
            Self::Request => (RunErrorKind::Requested, "a request to `/stop`"),
            Self::Handle => (RunErrorKind::Requested, "`Run::stop`"),
        };
        RunError::new(kind, format!("stopped by {by}"))
    }
}

/// Stops a run after its current epoch, or when the time limit is over. If a worker does not end even then,
/// calls `give_up` with a description.
pub(super) fn stop_cleanly(
    shared: &Arc<Shared>,
    by: StoppedBy,
    give_up: impl FnOnce(&str) + Send + 'static,
) {
    if !shared.stop_cleanly(by.error()) {
        return;
    }
    let limit = shared.settings.stop_timeout;
    let late = Arc::downgrade(shared);
    let timer = move || {
        thread::sleep(limit);
        let Some(shared) = late.upgrade() else { return };
        let error = by.error();
        let text = format!(
            "{error} before the last epoch was complete, which took longer than {limit:?}, the time \
             that `--stop-timeout` gives it"
        );
        shared.fail(RunError::new(error.kind(), text.clone()));
        drop(shared);
        thread::sleep(GRACE);
        if late.strong_count() > 0 {
            give_up(&text);
        }
    };
    let timer = thread::Builder::new()
        .name("bytewax-stop".to_owned())
        .spawn(timer);
    if timer.is_err() {
        // Without a thread, the time limit cannot be checked.
        shared.fail(by.error());
    }
}
