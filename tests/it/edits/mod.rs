//! Programs that are edited between two runs: what is saved is either right or refused, before the first item
//! comes out, and never taken for something else.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod keys;
mod moves;
mod off;
mod operators;
mod sources;
mod states;

use std::time::Duration;

use bytewax::RecoveryConfig;
use bytewax::prelude::*;
use bytewax::testing::{RunConfig, TestingItem, TestingSink, TestingSource, cluster_main};
use tempfile::TempDir;

/// What becomes of the state that a program has saved.
#[derive(Clone, Copy, Debug)]
enum Verdict {
    /// It goes on.
    Kept,
    /// The next program is refused, with these words.
    Refused(&'static [&'static str]),
}

use Verdict::{Kept, Refused};

/// Numbers, half of them in each run.
fn numbers() -> TestingSource<u64> {
    numbers_until(TestingItem::Eof)
}

/// The same for steps that would emit at the end what they keep.
fn numbers_cut_off() -> TestingSource<u64> {
    numbers_until(TestingItem::Abort)
}

fn numbers_until(mark: TestingItem<u64>) -> TestingSource<u64> {
    let half = || (0..6).map(TestingItem::Item);
    let elements = half().chain([mark]).chain(half());
    TestingSource::with_marks(elements.collect::<Vec<_>>())
}

/// A store of one partition.
fn new_store() -> TempDir {
    let store = tempfile::tempdir().unwrap();
    let args = ["recovery", "init", store.path().to_str().unwrap(), "1"];
    let made = bytewax::run_from(Dataflow::build("f", |_| ()), args);
    assert_eq!(made, bytewax::ExitCode::SUCCESS);
    store
}

/// A program: a flow that writes lines.
type Program = fn(&TestingSink<String>) -> Dataflow;

fn run(program: Program, store: &TempDir) -> Result<Vec<String>, String> {
    let out = TestingSink::new();
    let recovery = RecoveryConfig::new(store.path());
    let config = RunConfig::new().epoch_interval(Duration::ZERO);
    let config = config.recovery(recovery);
    let ended = cluster_main(program(&out), config);
    let lines = out.sorted();
    match ended {
        Ok(()) => Ok(lines),
        Err(error) => {
            assert!(lines.is_empty(), "it is refused after {lines:?} came out");
            Err(error.report())
        }
    }
}

/// Runs the one program and then the other on its store. What is refused leaves the store for the first.
#[track_caller]
fn edit(name: &str, before: Program, after: Program, verdict: Verdict) {
    let [store, unbroken] = [new_store(), new_store()];
    run(before, &store).unwrap();
    run(before, &unbroken).unwrap();
    let expect = run(before, &unbroken).unwrap();
    let found = run(after, &store);
    match (verdict, found) {
        (Kept, found) => assert_eq!(found.as_ref(), Ok(&expect), "{name}"),
        (Refused(words), Err(text)) => {
            for word in words {
                assert!(text.contains(word), "{name}: no {word:?} in\n{text}");
            }
            assert_eq!(
                run(before, &store).as_ref(),
                Ok(&expect),
                "{name}, taken back"
            );
        }
        (Refused(_), Ok(lines)) => panic!("{name} is not refused: {lines:?}"),
    }
}
