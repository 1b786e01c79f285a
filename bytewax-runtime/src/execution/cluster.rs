//! Runs of several processes.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::config::RunConfig;
use super::signals;
use super::stopping::StoppedBy;
use crate::error::{RunError, RunErrorKind};
use crate::kit::{Settings, Shared};
use crate::worker::{
    Child, Job, Reading, SpawnOutcome, StopReason, child, network_error, run_cluster,
    spawn_processes,
};

/// The failure of a run of several processes in one of them.
pub(crate) struct Ended {
    pub(crate) error: RunError,
    /// The report of a child process.
    report: Option<String>,
    /// The exit code, where it does not follow from the error.
    pub(crate) code: Option<u8>,
    /// Whether another process of this machine reports it.
    told: bool,
}

impl Ended {
    /// Reports it on standard error, unless another process does.
    pub(crate) fn print(&self) {
        if self.told {
            return;
        }
        let mut text = String::new();
        for error in self.report.iter().chain([&self.error.report()]) {
            text.push_str("error: ");
            text.push_str(error);
            text.push('\n');
        }
        // In one piece, so that it does not mix with other output. Without standard error, no report is
        // possible.
        let _ = io::stderr().write_all(text.as_bytes());
    }
}

impl From<StopReason> for StoppedBy {
    fn from(reason: StopReason) -> Self {
        match reason {
            StopReason::Interrupted | StopReason::Aborted => Self::Interrupt,
            StopReason::Terminated => Self::Terminate,
            StopReason::Requested => Self::Request,
        }
    }
}

impl From<RunError> for Ended {
    fn from(error: RunError) -> Self {
        Self {
            error,
            report: None,
            code: None,
            told: false,
        }
    }
}

impl From<Ended> for RunError {
    /// The report of a child process becomes the cause.
    fn from(ended: Ended) -> Self {
        match ended.report {
            Some(report) => ended.error.caused_by(report),
            None => ended.error,
        }
    }
}

impl RunConfig {
    /// Starts the processes of a run, or runs as one of them.
    pub(super) fn run_spawned<G>(
        &self,
        processes: usize,
        job: &Arc<Job>,
        listen: impl Fn(&Arc<Shared>, Option<&Reading>) -> Result<G, RunError>,
    ) -> Result<(), Ended> {
        match child() {
            Some(child) => self.be_child(job, child.map_err(network_error)?, listen),
            None => be_parent(processes, self.settings(), listen),
        }
    }

    /// Runs a child process.
    fn be_child<G>(
        &self,
        job: &Arc<Job>,
        child: Child,
        listen: impl Fn(&Arc<Shared>, Option<&Reading>) -> Result<G, RunError>,
    ) -> Result<(), Ended> {
        let place = self.place(child.peers, Some(child.listener));
        let shared = Arc::new(Shared::new(self.settings(), place.workers()));
        let _listening = self.attach(job, &shared, listen)?;
        let (stopped, orphaned) = (Arc::clone(&shared), Arc::clone(&shared));
        let on_stop = move |reason: StopReason| {
            signals::stop(&stopped, reason.into());
        };
        let is_orphan = Arc::new(AtomicBool::new(false));
        let lost = Arc::clone(&is_orphan);
        let on_parent_lost = move || {
            lost.store(true, Ordering::Release);
            let text = "the process that started this one is gone, so it ends too";
            orphaned.fail(RunError::new(RunErrorKind::Network, text));
        };
        let mut reporter = child.link.reporter().map_err(network_error)?;
        child
            .link
            .watch(on_stop, on_parent_lost)
            .map_err(network_error)?;
        run_cluster(job, &shared, place).map_err(|error| {
            use RunErrorKind::{Interrupted, Peer, Requested, Terminated};
            // All processes write to the same terminal, and errors that follow from another process are
            // redundant. Of several simultaneous errors, the parent reports the first one it receives.
            let follows = matches!(error.kind(), Interrupted | Peer | Requested | Terminated);
            let heard =
                !is_orphan.load(Ordering::Acquire) && reporter.report(&error.report(), follows);
            let told = follows || heard;
            Ended {
                told,
                ..Ended::from(error)
            }
        })
    }
}

/// Runs the parent process, which starts the children and waits for them.
fn be_parent<G>(
    processes: usize,
    settings: Settings,
    listen: impl Fn(&Arc<Shared>, Option<&Reading>) -> Result<G, RunError>,
) -> Result<(), Ended> {
    let shared = Arc::new(Shared::new(settings, 0..0));
    let _listening = listen(&shared, None)?;
    let stopping = || {
        Some(match shared.stop_kind()? {
            RunErrorKind::Terminated => StopReason::Terminated,
            _ => StopReason::Interrupted,
        })
    };
    match spawn_processes(processes, shared.settings.stop_timeout, &stopping)
        .map_err(network_error)?
    {
        SpawnOutcome::Finished => Ok(()),
        SpawnOutcome::Stopped(reason) => Err(shared
            .outcome()
            .err()
            .unwrap_or_else(|| StoppedBy::from(reason).error())
            .into()),
        SpawnOutcome::Failed { text, report, code } => Err(Ended {
            report,
            code: Some(code),
            ..Ended::from(RunError::new(RunErrorKind::Peer, text))
        }),
    }
}
