//! The configuration from options and environment.

use clap::error::ErrorKind;

use super::args::{Addresses, Flags};
#[cfg(feature = "recovery")]
use super::args::{Bytes, Seconds};
use super::config::{Placement, RunConfig};
#[cfg(feature = "otlp")]
use super::otlp::Collector;
#[cfg(feature = "serve")]
use super::serve::Serving;
use crate::kit::ResumePolicy;
#[cfg(feature = "recovery")]
use crate::recovery::open_backup;
use crate::worker::{ClusterKey, Peers, RecoveryConfig};

/// The default backup of local state.
#[cfg(feature = "recovery")]
pub(super) const BACKUP: &str = "backup";

/// Reads an environment variable. Tests pass their own.
pub(crate) type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Flags {
    /// Checks the options, and adds the settings of the environment.
    pub(crate) fn config(&self, env: Env<'_>) -> Result<RunConfig, clap::Error> {
        let config = RunConfig::new()
            .workers(self.workers)
            .at(self.placement(env)?)
            .epoch_interval(self.snapshot_interval.0)
            .maybe_cluster_key(self.cluster_key(env)?)
            .insecure(self.insecure)
            .connect_timeout(self.connect_timeout.0)
            .peer_timeout(self.peer_timeout.0)
            .stop_timeout(self.stop_timeout.0)
            .buffer_memory(self.buffer_memory.0)
            .maybe_recovery(self.recovery()?);
        self.pushed(self.served(config)?)
    }

    /// The same with the collector.
    #[cfg(feature = "otlp")]
    fn pushed(&self, config: RunConfig) -> Result<RunConfig, clap::Error> {
        Ok(config.maybe_otlp(self.collector()?))
    }

    /// Refuses a collector that nothing is sent to.
    #[cfg(not(feature = "otlp"))]
    fn pushed(&self, config: RunConfig) -> Result<RunConfig, clap::Error> {
        match self.otlp {
            Some(_) => Err(lacks("`--otlp` (BYTEWAX_OTLP)", "otlp")),
            None => Ok(config),
        }
    }

    /// The collector that receives metrics and spans.
    #[cfg(feature = "otlp")]
    pub(crate) fn collector(&self) -> Result<Option<Collector>, clap::Error> {
        let collector = self.otlp.as_deref().map(str::parse).transpose();
        collector.map_err(|fault: String| {
            let text = format!("`--otlp` (BYTEWAX_OTLP) cannot be used: {fault}");
            usage(ErrorKind::InvalidValue, &text)
        })
    }

    /// The same with what the run serves. Refuses options of features that the program lacks.
    fn served(&self, config: RunConfig) -> Result<RunConfig, clap::Error> {
        if cfg!(not(feature = "metrics")) && self.metrics.is_some() {
            return Err(lacks("`--metrics` (BYTEWAX_METRICS)", "metrics"));
        }
        if cfg!(not(feature = "web")) && (self.web.is_some() || self.web_token.is_some()) {
            let options = "`--web` (BYTEWAX_WEB) and `--web-token` (BYTEWAX_WEB_TOKEN)";
            return Err(lacks(options, "web"));
        }
        self.with_server(config)
    }

    #[cfg(feature = "serve")]
    fn with_server(&self, config: RunConfig) -> Result<RunConfig, clap::Error> {
        let serving = Serving {
            metrics: self.metrics,
            page: self.web,
            control: self.control_token.clone(),
            viewers: self.web_token.clone(),
        };
        match serving.fault() {
            Some(fault) => Err(usage(ErrorKind::MissingRequiredArgument, fault)),
            None => Ok(config.serving(serving)),
        }
    }

    #[cfg(not(feature = "serve"))]
    fn with_server(&self, config: RunConfig) -> Result<RunConfig, clap::Error> {
        match self.control_token {
            Some(_) => Err(lacks(
                "`--control-token` (BYTEWAX_CONTROL_TOKEN)",
                "metrics",
            )),
            None => Ok(config),
        }
    }

    /// Refuses options that would lose state.
    #[cfg(not(feature = "recovery"))]
    fn recovery(&self) -> Result<Option<RecoveryConfig>, clap::Error> {
        let is_given = !self.recovery.is_empty()
            || self.local_state.is_some()
            || self.backup.is_some()
            || self.resume == ResumePolicy::Require;
        if !is_given {
            return Ok(None);
        }
        let text = "`--recovery-directory` (BYTEWAX_RECOVERY_DIRECTORY), `--local-state` \
                    (BYTEWAX_LOCAL_STATE), `--backup` (BYTEWAX_BACKUP) and `--resume=require` \
                    (BYTEWAX_RESUME) cannot be used: the program was \
                    built without the feature `recovery`; build it with this feature, or omit the options";
        Err(usage(ErrorKind::InvalidValue, text))
    }

    #[cfg(feature = "recovery")]
    pub(super) fn recovery(&self) -> Result<Option<RecoveryConfig>, clap::Error> {
        let config = match (self.recovery.split_first(), &self.local_state) {
            (Some(_), Some(_)) => {
                let text = "`--local-state` (BYTEWAX_LOCAL_STATE) cannot be used with \
                            `--recovery-directory` (BYTEWAX_RECOVERY_DIRECTORY): either the \
                            partitions outlive the machine, or their backup does; omit one of the two";
                return Err(usage(ErrorKind::ArgumentConflict, text));
            }
            (None, None) if self.backup.is_some() => {
                let text = "`--backup` (BYTEWAX_BACKUP) is given without `--local-state` \
                            (BYTEWAX_LOCAL_STATE); name the directory that is copied to the backup";
                return Err(usage(ErrorKind::MissingRequiredArgument, text));
            }
            (None, None) if self.resume == ResumePolicy::Require => {
                let text = "`--resume=require` (BYTEWAX_RESUME) is given without \
                            `--recovery-directory` (BYTEWAX_RECOVERY_DIRECTORY) and without \
                            `--local-state` (BYTEWAX_LOCAL_STATE); name the directory that holds \
                            what is to be resumed";
                return Err(usage(ErrorKind::MissingRequiredArgument, text));
            }
            (None, None) => return Ok(None),
            (None, Some(dir)) => {
                let place = self.backup.as_deref().unwrap_or(BACKUP);
                let invalid =
                    |text| usage(ErrorKind::ValueValidation, format!("`--backup`: {text}"));
                RecoveryConfig::new(dir).with_backup(open_backup(place).map_err(invalid)?)
            }
            (Some(_), None) if self.backup.is_some() => {
                let text = "`--backup` (BYTEWAX_BACKUP) cannot be used with \
                            `--recovery-directory` (BYTEWAX_RECOVERY_DIRECTORY), whose partitions \
                            are copied by other means; keep the state in `--local-state`, or omit `--backup`";
                return Err(usage(ErrorKind::ArgumentConflict, text));
            }
            (Some((first, others)), None) => others
                .iter()
                .fold(RecoveryConfig::new(first), RecoveryConfig::dir),
        };
        let config = config.snapshot_mode(self.snapshot_mode).resume(self.resume);
        let config = match self.backup_interval {
            Some(Seconds(interval)) => config.backup_interval(interval),
            None => config,
        };
        Ok(Some(match self.state_memory {
            Some(Bytes(bytes)) => config.state_memory(bytes),
            None => config,
        }))
    }

    /// Returns the place of the workers.
    pub(super) fn placement(&self, env: Env<'_>) -> Result<Placement, clap::Error> {
        if let Some(processes) = self.processes {
            let other = match (&self.addresses, self.process_id) {
                (Some(_), _) => "`--addresses` (BYTEWAX_ADDRESSES)",
                (None, Some(_)) => "`--process-id` (BYTEWAX_PROCESS_ID)",
                (None, None) if processes == 1 => return Ok(Placement::Here),
                (None, None) => return Ok(Placement::Spawned { processes }),
            };
            let text = format!(
                "`--processes` (BYTEWAX_PROCESSES) cannot be used with {other}: it starts all \
                 processes on this machine by itself; omit one of the two"
            );
            return Err(usage(ErrorKind::ArgumentConflict, text));
        }

        let process = match self.process_id {
            Some(process) => Some(process),
            None => process_of_pod(env)?,
        };
        let addresses = match (&self.addresses, process) {
            (Some(addresses), _) => Some(addresses.clone()),
            (None, Some(_)) => addresses_of_hostfile(env)?,
            (None, None) => return Ok(Placement::Here),
        };
        match (process, addresses) {
            (Some(process), Some(addresses)) => self.member(process, &addresses),
            (None, Some(addresses)) if addresses.as_slice().len() == 1 => Ok(Placement::Here),
            (None, Some(addresses)) => {
                let count = addresses.as_slice().len();
                let text = format!(
                    "`--addresses` names {count} processes, but not which of them this is; give \
                     `--process-id` (BYTEWAX_PROCESS_ID), from 0 to {}",
                    count - 1
                );
                Err(usage(ErrorKind::MissingRequiredArgument, text))
            }
            (_, None) => {
                let text = "`--process-id` is given without `--addresses` (BYTEWAX_ADDRESSES); \
                            give `host:port` of each process, separated by `;`, or name a file of \
                            them, one on a line, in BYTEWAX_HOSTFILE_PATH";
                Err(usage(ErrorKind::MissingRequiredArgument, text))
            }
        }
    }

    /// The key of the cluster: from the file, or else from the environment. No option has it as its value, because
    /// others see the options of a process.
    pub(super) fn cluster_key(&self, env: Env<'_>) -> Result<Option<ClusterKey>, clap::Error> {
        let (text, from) = match &self.cluster_secret_file {
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| {
                    let text = format!(
                        "cannot read `{}`, the file that `--cluster-secret-file` (BYTEWAX_CLUSTER_SECRET_FILE) names: \
                         {error}",
                        path.display()
                    );
                    usage(ErrorKind::Io, text)
                })?;
                let from = "`--cluster-secret-file` (BYTEWAX_CLUSTER_SECRET_FILE)";
                (text, from)
            }
            None => match env("BYTEWAX_CLUSTER_SECRET") {
                Some(text) => (text, "BYTEWAX_CLUSTER_SECRET"),
                None => return Ok(None),
            },
        };
        let key = text.parse().map_err(|fault: String| {
            usage(
                ErrorKind::ValueValidation,
                format!("{from} cannot be used: {fault}"),
            )
        })?;
        Ok(Some(key))
    }

    fn member(&self, process: usize, addresses: &Addresses) -> Result<Placement, clap::Error> {
        let addresses = addresses.as_slice();
        if process >= addresses.len() {
            let text = format!(
                "`--process-id` is {process}, but `--addresses` names {} process{}; the first id \
                 is 0 and the last is {}",
                addresses.len(),
                if addresses.len() == 1 { "" } else { "es" },
                addresses.len() - 1
            );
            return Err(usage(ErrorKind::ValueValidation, text));
        }
        if addresses.len() == 1 {
            return Ok(Placement::Here);
        }
        Ok(Placement::Member(Peers {
            index: process,
            addresses: addresses.to_vec(),
        }))
    }
}

/// Refuses options without the feature that they need.
fn lacks(options: &str, feature: &str) -> clap::Error {
    let text = format!(
        "{options} cannot be used: the program was built without the feature `{feature}`; build it with this \
         feature, or omit the option"
    );
    usage(ErrorKind::InvalidValue, text)
}

/// Returns the process id from the name of a pod of a StatefulSet: the part after the set's name and `-`.
fn process_of_pod(env: Env<'_>) -> Result<Option<usize>, clap::Error> {
    let (Some(pod), Some(set)) = (env("BYTEWAX_POD_NAME"), env("BYTEWAX_STATEFULSET_NAME")) else {
        return Ok(None);
    };
    let process = pod
        .strip_prefix(&set)
        .and_then(|rest| rest.strip_prefix('-'));
    match process.map(str::parse) {
        Some(Ok(process)) => Ok(Some(process)),
        _ => {
            let text = format!(
                "BYTEWAX_POD_NAME is `{pod}`, which is not `{set}-` (BYTEWAX_STATEFULSET_NAME and \
                 `-`) with a number behind it; mend the variables, or give `--process-id`"
            );
            Err(usage(ErrorKind::ValueValidation, text))
        }
    }
}

/// Returns the addresses from the file that the environment names, if any.
fn addresses_of_hostfile(env: Env<'_>) -> Result<Option<Addresses>, clap::Error> {
    let Some(path) = env("BYTEWAX_HOSTFILE_PATH") else {
        return Ok(None);
    };
    let text = std::fs::read_to_string(&path).map_err(|error| {
        let text =
            format!("cannot read `{path}`, the file that BYTEWAX_HOSTFILE_PATH names: {error}");
        usage(ErrorKind::Io, text)
    })?;
    let lines: Vec<_> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    if lines.is_empty() {
        let text = format!(
            "`{path}`, the file that BYTEWAX_HOSTFILE_PATH names, has no addresses; write \
             `host:port` of every process, one on a line"
        );
        return Err(usage(ErrorKind::ValueValidation, text));
    }
    let addresses = Addresses::new(lines).map_err(|error| {
        let text = format!("in `{path}`, the file that BYTEWAX_HOSTFILE_PATH names: {error}");
        usage(ErrorKind::ValueValidation, text)
    })?;
    Ok(Some(addresses))
}

fn usage(kind: ErrorKind, text: impl std::fmt::Display) -> clap::Error {
    clap::Error::raw(kind, text)
}

#[cfg(test)]
mod tests;
