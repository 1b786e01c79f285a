//! The options, each in one place: its name, its variable, its value and its default.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::values::{
    Addresses, Bytes, Seconds, at_least_one, listen_address, peer_timeout, process_id, some_bytes,
};
use crate::execution::config::{
    BUFFER_MEMORY, CONNECT_TIMEOUT, EPOCH_INTERVAL, PEER_TIMEOUT, STOP_TIMEOUT, WORKERS,
};
use crate::execution::log::{LogFilter, LogFormat};
use crate::execution::token::Token;
use crate::kit::{ResumePolicy, SnapshotMode};

/// Defines the struct of the options. Each also reads the environment, may follow a subcommand, and has an id
/// with a prefix, because ids share one space with the fields of the user's parser.
macro_rules! flags {
    ($(
        $(#[doc = $help:literal])+
        $field:ident: $type:ty = $name:literal $value:literal $variable:literal { $($more:tt)* }
    )*) => {
        // No doc comment here: it would become the description of the program.
        #[derive(Clone, Debug, Args)]
        #[command(next_help_heading = "Run options")]
        #[group(skip)]
        pub(crate) struct Flags {
            $(
                $(#[doc = $help])+
                #[arg(
                    id = concat!("bytewax-", $name),
                    long = $name,
                    value_name = $value,
                    env = concat!("BYTEWAX_", $variable),
                    allow_negative_numbers = true,
                    global = true,
                    $($more)*
                )]
                pub(crate) $field: $type,
            )*
        }
    };
}

flags! {
    /// Worker threads in each process
    workers: usize = "workers-per-process" "N" "WORKERS_PER_PROCESS" {
        short = 'w', value_parser = at_least_one, default_value_t = WORKERS
    }

    /// Start N processes on this machine
    processes: Option<usize> = "processes" "N" "PROCESSES" {
        short = 'p', value_parser = at_least_one
    }

    /// Number of this process in `--addresses`, from 0
    process_id: Option<usize> = "process-id" "I" "PROCESS_ID" {
        short = 'i', value_parser = process_id
    }

    /// `host:port` of each process, separated by `;`
    addresses: Option<Addresses> = "addresses" "LIST" "ADDRESSES" { short = 'a' }

    /// Read the secret of the cluster from this file: 64 hexadecimal digits, the same for all processes. Or set it in
    /// BYTEWAX_CLUSTER_SECRET
    cluster_secret_file: Option<PathBuf> = "cluster-secret-file" "FILE" "CLUSTER_SECRET_FILE" {}

    /// Connect to other machines without a secret, in a network that you trust
    insecure: bool = "insecure" "BOOL" "INSECURE" {
        action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_value_t = false,
        default_missing_value = "true", hide_possible_values = true
    }

    /// Length of an epoch, in whole seconds
    snapshot_interval: Seconds = "snapshot-interval" "SECONDS" "SNAPSHOT_INTERVAL" {
        short = 's', default_value_t = Seconds(EPOCH_INTERVAL)
    }

    /// Save state in this directory, and resume from it; repeat the option to use several directories
    recovery: Vec<PathBuf> = "recovery-directory" "DIR" "RECOVERY_DIRECTORY" { short = 'r' }

    /// Save state in this local directory, and copy each epoch to `--backup`; replaces
    /// `--recovery-directory`
    local_state: Option<PathBuf> = "local-state" "DIR" "LOCAL_STATE" { short = 'd' }

    /// Backup of the local state: a directory, or the address of an object store [default: backup]
    backup: Option<String> = "backup" "PLACE" "BACKUP" { short = 'b' }

    /// Keep replaced states for this many seconds, so that copies of recovery partitions fit together
    /// [default: 0]
    backup_interval: Option<Seconds> = "backup-interval" "SECONDS" "RECOVERY_BACKUP_INTERVAL" {}

    /// Limit the memory for states in each process, such as `512MiB`; the least recently used keys are
    /// evicted to disk
    state_memory: Option<Bytes> = "state-memory" "BYTES" "STATE_MEMORY" {}

    /// Limit the memory for items between steps in each process, such as `256MiB`
    buffer_memory: Bytes = "buffer-memory" "BYTES" "BUFFER_MEMORY" {
        value_parser = some_bytes, default_value_t = Bytes(BUFFER_MEMORY)
    }

    /// When to write changed states to the store
    snapshot_mode: SnapshotMode = "snapshot-mode" "MODE" "SNAPSHOT_MODE" { value_enum, default_value_t }

    /// Whether the run must, may or must not resume from saved state
    resume: ResumePolicy = "resume" "POLICY" "RESUME" { value_enum, default_value_t }

    /// Serve the metrics of the run to Prometheus at this address, such as `127.0.0.1:9464`
    metrics: Option<SocketAddr> = "metrics" "ADDRESS" "METRICS" { value_parser = listen_address }

    /// Serve the live page of the run at this address, such as `127.0.0.1:8088`
    web: Option<SocketAddr> = "web" "ADDRESS" "WEB" { value_parser = listen_address }

    /// Show the page only to those who know this token; use the variable to hide it from others
    web_token: Option<Token> = "web-token" "TOKEN" "WEB_TOKEN" { hide_env_values = true }

    /// Allow clients of `--metrics` and `--web` with this token to stop the run and create savepoints; use the
    /// variable to hide it from others
    control_token: Option<Token> = "control-token" "TOKEN" "CONTROL_TOKEN" { hide_env_values = true }

    /// Push metrics and spans to the collector at this URL, such as `http://localhost:4318`, by OTLP over HTTP
    otlp: Option<String> = "otlp" "URL" "OTLP" {}

    /// Log events of this level, or of levels by target, such as `debug` or `warn,bytewax=debug`
    /// [default: bytewax=info]
    log: Option<LogFilter> = "log" "FILTER" "LOG" {}

    /// Format of the log on standard error
    log_format: LogFormat = "log-format" "FORMAT" "LOG_FORMAT" { value_enum, default_value_t }

    /// Wait this many seconds for the other processes at the start
    connect_timeout: Seconds = "connect-timeout" "SECONDS" "CONNECT_TIMEOUT" {
        default_value_t = Seconds(CONNECT_TIMEOUT)
    }

    /// Fail when another process is silent for this many seconds, at least 3
    peer_timeout: Seconds = "peer-timeout" "SECONDS" "PEER_TIMEOUT" {
        value_parser = peer_timeout, default_value_t = Seconds(PEER_TIMEOUT)
    }

    /// Limit the seconds to save the last epoch when a signal stops the run
    stop_timeout: Seconds = "stop-timeout" "SECONDS" "STOP_TIMEOUT" {
        default_value_t = Seconds(STOP_TIMEOUT)
    }
}
