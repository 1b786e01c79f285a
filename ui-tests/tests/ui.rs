//! Each message that we word, as users see it.
//!
//! The texts are those of the compiler in `rust-toolchain.toml`. After a change of wording, run with
//! `TRYBUILD=overwrite`, and read the difference as a user would.

use trybuild::TestCases;

#[test]
fn dataflow_fail() {
    TestCases::new().compile_fail("tests/fail/dataflow/*.rs");
}

#[test]
fn delivery_fail() {
    TestCases::new().compile_fail("tests/fail/delivery/*.rs");
}

#[test]
fn key_fail() {
    TestCases::new().compile_fail("tests/fail/key/*.rs");
}

#[test]
fn stateful_fail() {
    TestCases::new().compile_fail("tests/fail/stateful/*.rs");
}

#[test]
fn types_fail() {
    TestCases::new().compile_fail("tests/fail/types/*.rs");
}

#[test]
fn operator_fail() {
    TestCases::new().compile_fail("tests/fail/operator/*.rs");
}

#[test]
fn source_fail() {
    TestCases::new().compile_fail("tests/fail/source/*.rs");
}

#[test]
fn sink_fail() {
    TestCases::new().compile_fail("tests/fail/sink/*.rs");
}

/// Puts the lock file beside the manifest of the package that the cases are compiled in.
fn lock() {
    let program = std::env::current_exe().expect("this program has a place");
    let target = program
        .ancestors()
        .nth(3)
        .expect("it is deep in the target directory");
    let package = target.join("tests/trybuild/ui-tests");
    std::fs::create_dir_all(&package).expect("there is room");
    let lock = include_str!("../dataflow.lock");
    std::fs::write(package.join("dataflow.lock"), lock).expect("there is room");
}

#[test]
fn lock_fail() {
    lock();
    TestCases::new().compile_fail("tests/fail/lock/*.rs");
}
