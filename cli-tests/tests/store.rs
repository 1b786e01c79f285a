//! Recovery stores that a program cannot use.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use cli_tests::{PATIENCE, Programs, command, run};

const TELLERS: &str = env!("CARGO_BIN_EXE_tellers");

fn tellers(what: &str, store: &Path) -> Command {
    let mut command = command(TELLERS, what);
    command.arg("-r").arg(store);
    command
}

#[test]
fn a_store_that_a_run_is_using_is_refused() {
    let store = tempfile::tempdir().unwrap();
    let mut programs = Programs::new();
    programs.start(tellers("endless", store.path()));
    let begun = programs.line(0, "that it runs", |line| line.starts_with("worker"));
    begun.unwrap();
    let second = run(tellers("workers", store.path())).code(1);
    second.says_once("is in use by another process; stop that run of the flow first");
    programs.signal_all(0, "-TERM");
    programs.ended(0, PATIENCE).unwrap().code(143);
    run(tellers("workers", store.path())).code(0);
}

#[test]
fn a_directory_that_cannot_be_written_is_told() {
    // Root may write everywhere, so it becomes somebody else, who gets a copy of the program.
    let place = tempfile::tempdir().unwrap();
    fs::set_permissions(place.path(), Permissions::from_mode(0o755)).unwrap();
    let program = place.path().join("tellers");
    fs::copy(TELLERS, &program).unwrap();
    let store = place.path().join("store");
    fs::create_dir(&store).unwrap();
    let as_nobody = |args: &str| {
        let mut command = command(program.to_str().unwrap(), args);
        if fs::metadata(&store).unwrap().uid() == 0 {
            command.uid(65534).gid(65534);
        }
        command
    };
    fs::set_permissions(&store, Permissions::from_mode(0o555)).unwrap();
    let mut first_use = as_nobody("workers");
    first_use.arg("-r").arg(&store);
    let ended = run(first_use).code(1);
    ended.says_once("its directory and its disk writable for this user");

    fs::set_permissions(&store, Permissions::from_mode(0o755)).unwrap();
    run(tellers("workers", &store)).code(0);
    fs::set_permissions(&store, Permissions::from_mode(0o555)).unwrap();
    let mut again = as_nobody("workers");
    again.arg("-r").arg(&store);
    let ended = run(again).code(1);
    ended.says_once("its directory and its disk writable for this user");
    fs::set_permissions(&store, Permissions::from_mode(0o755)).unwrap();
}
