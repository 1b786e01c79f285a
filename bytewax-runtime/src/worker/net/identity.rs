//! The settings that all processes of a cluster must agree on.

use serde::{Deserialize, Serialize};

/// The program and those settings of a process that must be equal on all.
#[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
pub(crate) struct Identity {
    /// Version of this crate.
    pub(crate) release: String,
    /// Name of the dataflow.
    pub(crate) flow: String,
    /// Hash of its step ids and operators.
    pub(crate) fingerprint: u64,
    /// Number of processes.
    pub(crate) processes: usize,
    /// Number of workers in each.
    pub(crate) workers_per_process: usize,
    /// Milliseconds from one epoch to the next.
    pub(crate) epoch_interval_ms: u64,
}

impl Identity {
    /// The first difference to `other`, the identity of `who`, and how to fix it.
    pub(super) fn difference(&self, other: &Self, who: &str) -> Option<String> {
        let text = if self.release != other.release {
            format!(
                "{who} runs release `{}` of bytewax, this process runs `{}`; build all processes of a cluster from the same release",
                other.release, self.release
            )
        } else if self.flow != other.flow {
            format!(
                "{who} runs dataflow `{}`, this process runs `{}`; start all processes of a cluster from the same program",
                other.flow, self.flow
            )
        } else if self.fingerprint != other.fingerprint {
            format!(
                "{who} runs another version of the program: the steps of its dataflow `{}` differ; start all processes of a cluster from the same build",
                other.flow
            )
        } else if self.processes != other.processes {
            format!(
                "{who} has a list of `{}` addresses, this process has one of `{}`; give all processes the same list of addresses",
                other.processes, self.processes
            )
        } else if self.workers_per_process != other.workers_per_process {
            format!(
                "{who} runs `{}` workers, this process runs `{}`; give all processes the same `--workers-per-process`",
                other.workers_per_process, self.workers_per_process
            )
        } else if self.epoch_interval_ms != other.epoch_interval_ms {
            format!(
                "{who} starts an epoch every `{}` ms, this process every `{}` ms; give all processes the same `--snapshot-interval`",
                other.epoch_interval_ms, self.epoch_interval_ms
            )
        } else {
            return None;
        };
        Some(text)
    }
}
