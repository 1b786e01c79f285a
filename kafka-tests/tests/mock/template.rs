//! The template of `bytewax new` that reads and writes topics.

use std::fs;
use std::process::Command;

/// The lock file of the template, which a package contains beside the program.
const LOCK: &str = include_str!("../../../examples/template/kafka/dataflow.lock");

#[test]
fn its_lock_file_is_that_of_its_program() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("dataflow.lock");
    fs::write(&path, LOCK.replace("[my_flow.my_flow]", "[my_flow.totals]")).unwrap();
    let mut check = Command::new(env!("CARGO_BIN_EXE_totals"));
    check.args(["lock", "--check", "--file"]).arg(&path);
    let ended = check.output().unwrap();
    let error = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{error}");
}
