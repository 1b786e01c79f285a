//! Programs that are edited between two runs: what is saved is either right or refused, before the first item
//! comes out, and never taken for something else.
//!
//! Each row of [`table`] is one edit and one test, and `docs/edits.md` is written from the rows.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[macro_use]
mod table;

mod by_hand;
mod docs;
mod keys;
mod loops;
mod moves;
mod names;
mod off;
mod operators;
mod released;
mod sources;
mod states;
mod versions;
mod windows;
mod wrappers;

use std::path::Path;
use std::time::Duration;

use bytewax::RecoveryConfig;
use bytewax::prelude::*;
use bytewax::testing::{RunConfig, TestingItem, TestingSink, TestingSource, cluster_main};
use tempfile::TempDir;

use table::{Part, Patch, Section, row};

fn half() -> impl Iterator<Item = TestingItem<u64>> {
    (0..6).map(TestingItem::Item)
}

fn marked(mark: Option<TestingItem<u64>>) -> TestingSource<u64> {
    let elements = half().chain(mark).chain(half());
    TestingSource::with_marks(elements.collect::<Vec<_>>())
}

/// Numbers, half of them in each run.
fn numbers() -> TestingSource<u64> {
    marked(Some(TestingItem::Eof))
}

fn numbers_to_the_end(_: &Patch) -> TestingSource<u64> {
    numbers()
}

/// The same for steps that would emit at the end what they keep: the first run is cut off.
fn numbers_cut_off(patch: &Patch) -> TestingSource<u64> {
    match patch.part {
        Part::First => marked(Some(TestingItem::Abort)),
        // Something stands in the place of the mark.
        Part::Rest => marked(Some(TestingItem::Pause(Duration::ZERO))),
        Part::Fresh => TestingSource::with_marks(half().collect::<Vec<_>>()),
    }
}

/// A store of one partition.
fn new_store() -> TempDir {
    let store = tempfile::tempdir().unwrap();
    command(&["recovery", "init", store.path().to_str().unwrap(), "1"]);
    store
}

/// Runs a command on a store.
fn command(words: &[&str]) {
    let done = bytewax::run_from(Dataflow::build("f", |_| ()), words);
    assert_eq!(done, bytewax::ExitCode::SUCCESS, "{words:?}");
}

/// A store with the files of a directory.
fn copy(of: &Path) -> TempDir {
    let store = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(of).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), store.path().join(entry.file_name())).unwrap();
    }
    store
}

/// A line of what comes of a step.
fn line<T: std::fmt::Debug>(item: T) -> String {
    format!("{item:?}")
}

/// A program: a flow that writes lines, with what a message asks to change.
type Program = fn(&TestingSink<String>, &Patch) -> Dataflow;

fn run(program: Program, store: &TempDir) -> Result<Vec<String>, String> {
    run_patched(program, &Patch::default(), store)
}

fn run_patched(program: Program, patch: &Patch, store: &TempDir) -> Result<Vec<String>, String> {
    let out = TestingSink::new();
    let recovery = RecoveryConfig::new(store.path());
    let config = RunConfig::new().epoch_interval(Duration::ZERO);
    let config = config.recovery(recovery);
    let ended = cluster_main(program(&out, patch), config);
    let lines = out.sorted();
    match ended {
        Ok(()) => Ok(lines),
        Err(error) => {
            assert!(lines.is_empty(), "it is refused after {lines:?} came out");
            Err(error.report())
        }
    }
}
