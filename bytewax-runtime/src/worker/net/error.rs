//! Errors between processes.

use std::time::Duration;

use super::text::{list, span, who};

/// The cluster did not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NetError {
    /// The process id does not fit the list of addresses.
    #[error("{}", out_of_range(*.index, *.count))]
    Index {
        /// Id of this process.
        index: usize,
        /// Number of addresses.
        count: usize,
    },
    /// An address is invalid.
    #[error(
        "address `{address}` of process {process} is malformed: {why}; write it as `host:port`"
    )]
    Address {
        /// The process with this address.
        process: usize,
        /// The address as given.
        address: String,
        /// The defect.
        why: &'static str,
    },
    /// Two processes have the same address.
    #[error(
        "processes {first} and {second} have the same address `{address}`; give each process its own"
    )]
    SameAddress {
        /// The first of the two.
        first: usize,
        /// The second of the two.
        second: usize,
        /// Their address.
        address: String,
    },
    /// This process cannot listen on its own address.
    #[error(
        "process {process} cannot listen on its address `{address}`: {why}; end what uses the port, or give the process another address of this machine"
    )]
    Listen {
        /// Id of this process.
        process: usize,
        /// Its address.
        address: String,
        /// The system's reason.
        why: String,
    },
    /// The processes are incompatible.
    #[error("{0}")]
    Refused(String),
    /// Processes are missing after the time limit.
    #[error("{}", not_up(.missing, *.limit))]
    NotUp {
        /// The processes that are missing.
        missing: Vec<Missing>,
        /// The time they had.
        limit: Duration,
    },
    /// Another process gave up the start-up.
    #[error("{0}")]
    PeerFailed(String),
    /// This process was told to stop.
    #[error("stopped while the processes of the cluster were connecting")]
    Stopped,
    /// A thread or a socket of this process could not be set up.
    #[error("cannot set up {what}: {why}; raise the limits of the system for this process")]
    Setup {
        /// What was to be set up.
        what: String,
        /// The system's reason.
        why: String,
    },
    /// A process of `-p` could not be started.
    #[error("cannot start process {process} of {count} from `{program}`: {why}")]
    Spawn {
        /// Its index.
        process: usize,
        /// Number of processes.
        count: usize,
        /// The program.
        program: String,
        /// The system's reason.
        why: String,
    },
    /// The process that started this one is gone.
    #[error(
        "process {parent}, which started this process, is gone: {why}; start the program again, or unset `BYTEWAX_SPAWNED` to run this process alone"
    )]
    ParentGone {
        /// Its process id in the system.
        parent: u32,
        /// How that was noticed.
        why: String,
    },
    /// The variable that a spawning process sets cannot be read.
    #[error("the environment variable `BYTEWAX_SPAWNED` has the invalid value `{value}`; unset it")]
    Variable {
        /// Its value.
        value: String,
    },
}

/// A process that did not come up in time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Missing {
    /// Its index.
    pub(crate) process: usize,
    /// Its address.
    pub(crate) address: String,
    /// Why the last attempt failed.
    pub(crate) why: String,
}

fn out_of_range(index: usize, count: usize) -> String {
    let ids = match count {
        0 => {
            return format!(
                "process id `{index}` has no address: the list of addresses is empty; give one address per process"
            );
        }
        1 => "the only process id is 0".to_owned(),
        _ => format!("process ids run from 0 to {}", count - 1),
    };
    let addresses = if count == 1 { "address" } else { "addresses" };
    format!(
        "process id `{index}` is out of range: there are {count} {addresses}, so {ids}; give one address per process"
    )
}

fn not_up(missing: &[Missing], limit: Duration) -> String {
    let limit = span(limit);
    match missing {
        [one] => format!(
            "{} did not come up within {limit}: {}; start it, or raise the limit with `--connect-timeout`",
            who(one.process, &one.address),
            one.why
        ),
        _ => {
            let parts: Vec<String> = missing
                .iter()
                .map(|m| format!("{} at `{}` ({})", m.process, m.address, m.why))
                .collect();
            format!(
                "processes {} did not come up within {limit}; start them, or raise the limit with `--connect-timeout`",
                list(&parts)
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_processes_are_named() {
        let missing = |process: usize, why: &str| Missing {
            process,
            address: format!("host{process}:2101"),
            why: why.to_owned(),
        };
        let limit = Duration::from_secs(60);
        let one = NetError::NotUp {
            missing: vec![missing(1, "connection refused")],
            limit,
        };
        assert_eq!(
            one.to_string(),
            "process 1 at `host1:2101` did not come up within 60 s: connection refused; start it, or raise the limit with `--connect-timeout`"
        );
        let two = NetError::NotUp {
            missing: vec![
                missing(1, "connection refused"),
                missing(2, "it has not connected"),
            ],
            limit,
        };
        assert_eq!(
            two.to_string(),
            "processes 1 at `host1:2101` (connection refused) and 2 at `host2:2101` (it has not connected) did not come up within 60 s; start them, or raise the limit with `--connect-timeout`"
        );
    }

    #[test]
    fn ids_out_of_range_name_the_range() {
        assert_eq!(
            NetError::Index { index: 3, count: 2 }.to_string(),
            "process id `3` is out of range: there are 2 addresses, so process ids run from 0 to 1; give one address per process"
        );
    }
}
