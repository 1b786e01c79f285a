//! Recovery stores that a program cannot use.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use cli_tests::{PATIENCE, Programs, command, run, signal};

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
fn a_limit_of_open_files_is_told() {
    let place = tempfile::tempdir().unwrap();
    let store = place.path().to_str().unwrap();
    run(command(
        TELLERS,
        &format!("workers recovery init {store} 64"),
    ))
    .code(0);
    // Each partition takes several files: its lock, its database, and what the database keeps beside it.
    // Each of them meets the limit in one of these runs.
    for limit in 90..102 {
        let mut limited = Command::new("sh");
        let script = format!("ulimit -n {limit}; exec \"$0\" workers -r \"$1\"");
        limited.args(["-c", &script, TELLERS, store]);
        let ended = run(limited).code(1);
        ended.says_once("this process may not open more files while ");
    }
    run(tellers("workers", place.path())).code(0);
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

/// Programs that have begun to run on a store, and what they are told to save, they save at once.
fn running(store: &Path) -> Programs {
    let mut programs = Programs::new();
    let mut program = tellers("endless", store);
    program.args(["-s", "0"]);
    programs.start(program);
    let begun = programs.line(0, "that it runs", |line| line.starts_with("worker"));
    begun.expect("the program says that it runs");
    programs
}

#[test]
fn a_store_that_is_removed_stops_the_run() {
    let place = tempfile::tempdir().unwrap();
    let store = place.path().join("store");
    for moved in [true, false] {
        let mut programs = running(&store);
        if moved {
            fs::rename(&store, place.path().join("elsewhere")).unwrap();
        } else {
            fs::remove_dir_all(&store).unwrap();
        }
        let ended = programs.ended(0, PATIENCE).unwrap().code(1);
        let ended = ended.says_once("was lost while the flow ran: it is not there any more");
        ended.says_once("bring the file back, or mount its volume again, and run the flow again");
        assert!(!store.exists(), "it is not made anew");
    }
    // What was moved can be resumed.
    let mut again = tellers("workers", &place.path().join("elsewhere"));
    again.arg("--resume=require");
    run(again).code(0).says_once("recovery: resuming at epoch ");
}

#[test]
fn a_run_says_what_it_resumes_and_can_be_told_whether_to() {
    let place = tempfile::tempdir().unwrap();
    let store = place.path().join("store");
    let resume = |policy: &str| {
        let mut command = tellers("workers", &store);
        command.env("BYTEWAX_RESUME", policy);
        run(command)
    };
    let ended = resume("require").code(1);
    ended.says_once("there is nothing to resume: no recovery partition is in `");
    assert!(!store.exists(), "no store is made");
    let told = format!("the store of 16 partitions in `{}`", store.display());
    let new = format!("recovery: beginning anew at epoch 1: {told} is new\n");
    assert_eq!(resume("never").code(0).err, new);
    let ended = resume("never").code(1);
    let ended = ended.says_once("there is something to resume: `");
    assert!(!ended.err.contains("recovery:"), "{ended}");
    for (policy, execution) in [("require", 1), ("allow", 2)] {
        let err = resume(policy).code(0).err;
        let line = err.strip_prefix("recovery: resuming at epoch ").unwrap();
        let by = format!(
            " ago by execution {}, as execution {execution}: {told}\n",
            execution - 1
        );
        assert!(line.ends_with(&by), "{line}");
    }
}

/// A run that is stopped by the system, and goes on when another has taken over its backup.
#[test]
fn a_run_that_is_paused_while_another_takes_over_its_backup_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let backup = place.path().join("backup");
    let on = |what: &str, local: &str, more: &[&str]| {
        let mut command = command(TELLERS, what);
        command.arg("-d").arg(place.path().join(local));
        command.arg("-b").arg(&backup).args(more);
        command
    };
    // The epoch with which the next run begins.
    let restored = |dir: &str| {
        let mut command = command(TELLERS, "workers");
        let command_line = command.args(["recovery", "restore"]).arg(&backup);
        command_line.arg(place.path().join(dir));
        let out = run(command).code(0).out.join("\n");
        let (_, epoch) = out.rsplit_once(' ').unwrap();
        epoch.parse::<u64>().unwrap()
    };
    // One partition, so that epochs are short.
    let first = place.path().join("first");
    fs::create_dir(&first).unwrap();
    let mut init = command(TELLERS, "workers");
    init.args(["recovery", "init"]).arg(&first).arg("1");
    run(init).code(0);
    let tells = |line: &str| line.starts_with("worker");
    let mut programs = Programs::new();
    programs.start(on("endless", "first", &["-s", "0"]));
    let begun = programs.lines(0, "that it runs", 20, tells);
    begun.unwrap();
    signal("-STOP", programs.id(0));
    programs.start(on("endless", "second", &["-s", "0"]));
    // So many epochs that all that the first has written is replaced.
    let done = programs.lines(1, "that it runs", 200, tells);
    done.unwrap();
    programs.signal_all(1, "-TERM");
    programs.ended(1, PATIENCE).unwrap().code(143);
    let before = restored("before");
    assert!(before > 150, "{before}");
    signal("-CONT", programs.id(0));
    let ended = programs.ended(0, PATIENCE).unwrap().code(1);
    ended.says_once("another run of the flow has taken over the backup at ");
    assert_eq!(restored("after"), before);
    let third = run(on("workers", "third", &["--resume=require"])).code(0);
    third.says_once("recovery: resuming at epoch ");
}
