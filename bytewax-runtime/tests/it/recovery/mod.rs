//! What is saved is there again: flows that are stopped and go on, with the same store.

mod backup;
mod basics;
mod damage;
mod failures;
mod joins;
mod kept;
mod law;
mod logic;
mod many;
mod memory;
mod processes;
mod refused;
mod runs;
mod schemas;
mod sinks;
mod sources;
mod store;
mod timers;
mod together;
mod windows;

use std::path::Path;
use std::time::Duration;

use bytewax_runtime::prelude::*;
use bytewax_runtime::testing::{RunConfig, TestingSink, cluster_main};
use bytewax_runtime::{RecoveryConfig, run_from};
use tempfile::TempDir;

const ZERO: Duration = Duration::ZERO;

/// Longer than any run.
const LONG: Duration = Duration::from_secs(3600);

/// The store of a flow `f`.
struct Store(TempDir);

impl Store {
    /// A store with a few partitions.
    fn new(partitions: u32) -> Self {
        let store = Self(tempfile::tempdir().unwrap());
        init(store.path(), partitions);
        store
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// One worker, and epochs of this length.
    fn config(&self, epoch: Duration) -> RunConfig {
        config_at(self.path(), epoch)
    }
}

fn config_at(path: &Path, epoch: Duration) -> RunConfig {
    RunConfig::new()
        .epoch_interval(epoch)
        .recovery(RecoveryConfig::new(path))
}

/// Makes the partitions of a flow `f` in a directory.
fn init(path: &Path, partitions: u32) {
    let flow = Dataflow::build("f", |_| ());
    let partitions = partitions.to_string();
    let args = ["recovery", "init", path.to_str().unwrap(), &partitions];
    assert_eq!(run_from(flow, args), std::process::ExitCode::SUCCESS);
}

/// Runs a flow once for each of these settings, and tells what each run gives.
fn runs<T: Send + 'static>(
    flow: &Dataflow,
    out: &TestingSink<T>,
    configs: impl IntoIterator<Item = RunConfig>,
) -> Vec<Vec<T>> {
    let run = |config| match cluster_main(flow.clone(), config) {
        Ok(()) => out.take(),
        Err(error) => panic!("{}", error.report()),
    };
    configs.into_iter().map(run).collect()
}

/// The error of a run, with its causes.
fn refusal(flow: &Dataflow, config: RunConfig) -> String {
    match cluster_main(flow.clone(), config) {
        Ok(()) => panic!("the run is not refused"),
        Err(error) => error.report(),
    }
}
