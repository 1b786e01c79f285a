//! Flows that write to standard output, each in a process of its own.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::env;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;

use bytewax_connectors::stdio::{StdErrSink, StdOutSink};
use bytewax_runtime::prelude::*;
use bytewax_runtime::testing::connector::check_sink_in_flows;
use bytewax_runtime::testing::{TestingSource, run_main};

/// Set in the process that is to write.
const WRITES: &str = "BYTEWAX_TEST_WRITES";

fn check_output(test: &str, flow: impl FnOnce() -> Dataflow, expect: &str) {
    if env::var_os(WRITES).is_some() {
        run_main(flow()).unwrap();
        return;
    }
    let mut child = Command::new(env::current_exe().unwrap());
    let output = child
        .args(["--exact", test, "--nocapture"])
        .env(WRITES, "1")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains(expect), "{text}");
}

#[test]
fn displayed() {
    let flow = || {
        Dataflow::build("words", |flow| {
            let words = flow.input(TestingSource::new(["a", "b"])).named("words");
            words.output(StdOutSink::new()).named("out");
        })
    };
    check_output("stdio::displayed", flow, "a\nb\n");
}

#[test]
fn debugged_pairs() {
    let flow = || {
        Dataflow::build("counts", |flow| {
            let counts = flow
                .input(TestingSource::new([("a", 1), ("b", 2)]))
                .named("counts");
            counts.output(StdOutSink::debug()).named("out");
        })
    };
    check_output("stdio::debugged_pairs", flow, "(\"a\", 1)\n(\"b\", 2)\n");
}

/// What a sink writes to a stream of the process, from here on.
fn read_from_here() -> impl Fn() -> Vec<u64> {
    let read = || fs::read_to_string(PathBuf::from(env::var_os(WRITES).unwrap())).unwrap();
    let before = read().len();
    move || {
        let text = read();
        // There may be lines of the process itself.
        let lines = text[before..].lines();
        lines.filter_map(|line| line.parse().ok()).collect()
    }
}

/// Runs the rest of a test in a process that has a file for a standard stream.
fn in_process(test: &str, set: impl FnOnce(&mut Command, File), check: impl FnOnce()) {
    if env::var_os(WRITES).is_some() {
        return check();
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("written");
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["--exact", test, "--nocapture"]);
    set(&mut child, File::create(&path).unwrap());
    let output = child.env(WRITES, &path).output().unwrap();
    let written = fs::read_to_string(&path).unwrap();
    assert!(output.status.success(), "{output:?}: {written}");
    assert!(written.lines().any(|line| line == "5"), "{written}");
}

/// Standard streams cannot be cut back, so what belongs to no complete epoch is written again.
#[test]
fn standard_output_keeps_its_promise() {
    let check = || {
        let make = || (StdOutSink::new, read_from_here());
        let numbers = [1, 2, 3, 4, 5];
        check_sink_in_flows(make, &numbers, &numbers).unwrap();
    };
    let set = |child: &mut Command, file| {
        child.stdout(file);
    };
    in_process("stdio::standard_output_keeps_its_promise", set, check);
}

#[test]
fn standard_error_keeps_its_promise() {
    let check = || {
        let make = || (StdErrSink::new, read_from_here());
        let numbers = [1, 2, 3, 4, 5];
        check_sink_in_flows(make, &numbers, &numbers).unwrap();
    };
    let set = |child: &mut Command, file| {
        child.stderr(file);
    };
    in_process("stdio::standard_error_keeps_its_promise", set, check);
}
