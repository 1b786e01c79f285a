//! The sum goes on where the last run ended, whatever the ways of the two.

use cli_tests::{Ended, command, run};

fn sum(numbers: &str, way: &str) -> Ended {
    run(command(
        env!("CARGO_BIN_EXE_running_sum"),
        &format!("{numbers} -- {way}"),
    ))
    .code(0)
}

#[test]
fn goes_on() {
    for (first, second) in [("", ""), ("-w 3", "-p 2"), ("-s 0 -p 2", "-s 0 -w 2")] {
        let directory = tempfile::tempdir().expect("there is room");
        let store = directory.path().to_str().expect("it is UTF-8");
        let ended = sum("0 1 2", &format!("-r {store} {first}"));
        let expect = ["(\"ALL\", 0)", "(\"ALL\", 1)", "(\"ALL\", 3)"];
        assert_eq!(ended.out, expect, "{first}");
        let ended = sum("0 1 2 3 4", &format!("-r {store} {second}"));
        assert_eq!(ended.out, ["(\"ALL\", 6)", "(\"ALL\", 10)"], "{second}");
    }
}

/// Twice from the same flags; the machine is replaced between the two if it is to be lost.
fn goes_on_with(flags: &str, lost: Option<&std::path::Path>) {
    for (numbers, way, expect) in [
        ("0 1 2", "", "(\"ALL\", 0) (\"ALL\", 1) (\"ALL\", 3)"),
        ("0 1 2 3 4", "-w 2", "(\"ALL\", 6) (\"ALL\", 10)"),
    ] {
        let ended = sum(numbers, &format!("{flags} {way}"));
        assert_eq!(ended.out.join(" "), expect, "{flags}");
        if let Some(lost) = lost {
            std::fs::remove_dir_all(lost).expect("it is there");
        }
    }
}

#[test]
fn goes_on_from_a_local_store() {
    let directory = tempfile::tempdir().expect("there is room");
    let local = directory.path().join("local");
    goes_on_with(&format!("-d {}", local.display()), None);
}

#[test]
fn goes_on_from_a_backup_on_another_machine() {
    let directory = tempfile::tempdir().expect("there is room");
    let (local, backup) = (
        directory.path().join("local"),
        directory.path().join("backup"),
    );
    std::fs::create_dir(&backup).expect("there is room");
    let flags = format!("-d {} -b {}", local.display(), backup.display());
    goes_on_with(&flags, Some(&local));
}

#[test]
fn begins_anew_without_a_store() {
    for _ in 0..2 {
        assert_eq!(sum("1 2", "").out, ["(\"ALL\", 1)", "(\"ALL\", 3)"]);
    }
}
