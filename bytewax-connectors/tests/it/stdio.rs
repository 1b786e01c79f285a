//! Flows that write to standard output, each in a process of its own.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::env;
use std::process::Command;

use bytewax_connectors::stdio::StdOutSink;
use bytewax_runtime::prelude::*;
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
