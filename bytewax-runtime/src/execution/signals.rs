//! Stops a run on SIGINT and SIGTERM: cleanly, within a time limit, and immediately on a second signal.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag::register_conditional_default;
use signal_hook::iterator::{Handle, Signals};

use super::progress::BesideProgress;
use super::stopping::{StoppedBy, stop_cleanly};
use crate::error::{RunError, RunErrorKind};
use crate::kit::Shared;

const STOPPING: [i32; 2] = [SIGINT, SIGTERM];

/// Stops a run on SIGINT or SIGTERM, until it is dropped.
pub(crate) struct SignalGuard {
    handle: Handle,
    listener: Option<JoinHandle<()>>,
    _listening: Listening,
}

/// Stops a run cleanly, and the process if the run does not end.
pub(super) fn stop(shared: &Arc<Shared>, by: StoppedBy) {
    let code = match by {
        StoppedBy::Interrupt => 128 + SIGINT,
        _ => 128 + SIGTERM,
    };
    stop_cleanly(shared, by, move |text| {
        // It is stuck in user code. Without standard error, no report is possible.
        let text =
            format!("error: {text}; a worker does not end, so the process ends without it\n");
        let _ = BesideProgress.write_all(text.as_bytes());
        signal_hook::low_level::exit(code);
    });
}

impl SignalGuard {
    pub(crate) fn listen(shared: &Arc<Shared>) -> Result<Self, RunError> {
        Self::start(Arc::clone(shared)).map_err(|error| {
            let text = "the signals SIGINT and SIGTERM cannot be listened for";
            RunError::new(RunErrorKind::Config, text).caused_by(error)
        })
    }

    fn start(shared: Arc<Shared>) -> io::Result<Self> {
        // First the handler, then the end of the default: no signal is lost between them.
        let mut signals = Signals::new(STOPPING)?;
        let handle = signals.handle();
        let listening = Listening::begin()?;
        let listener = thread::Builder::new()
            .name("bytewax-signals".to_owned())
            .spawn(move || {
                let mut stopped = false;
                for signal in signals.forever() {
                    if stopped {
                        // The user is in a hurry: the workers may be stuck in user code.
                        signal_hook::low_level::exit(128 + signal);
                    }
                    stopped = true;
                    stop(
                        &shared,
                        match signal {
                            SIGINT => StoppedBy::Interrupt,
                            _ => StoppedBy::Terminate,
                        },
                    );
                }
            })?;
        Ok(Self {
            handle,
            listener: Some(listener),
            _listening: listening,
        })
    }
}

impl Drop for SignalGuard {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(listener) = self.listener.take() {
            // It cannot have panicked; if it has, there is nothing left to stop.
            let _ = listener.join();
        }
    }
}

/// The number of runs in this process that listen, and a flag that none does.
static RUNS: Mutex<Option<Runs>> = Mutex::new(None);

struct Runs {
    listening: usize,
    /// While it is set, the signals have their default effect.
    none: Arc<AtomicBool>,
}

/// Prevents the signals from ending the process until it is dropped.
struct Listening;

impl Listening {
    fn begin() -> io::Result<Self> {
        let mut runs = RUNS.lock().unwrap_or_else(PoisonError::into_inner);
        let runs = match &mut *runs {
            Some(runs) => runs,
            // A handler once set stays for the life of the process, so this happens once.
            none => {
                let flag = Arc::new(AtomicBool::new(false));
                for signal in STOPPING {
                    register_conditional_default(signal, Arc::clone(&flag))?;
                }
                none.insert(Runs {
                    listening: 0,
                    none: flag,
                })
            }
        };
        runs.listening += 1;
        runs.none.store(false, Ordering::SeqCst);
        Ok(Self)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if let Some(runs) = &mut *RUNS.lock().unwrap_or_else(PoisonError::into_inner) {
            runs.listening -= 1;
            runs.none.store(runs.listening == 0, Ordering::SeqCst);
        }
    }
}
