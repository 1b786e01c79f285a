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

/// Local state and a backup, each where the flags say; the machine is lost between two runs, or not.
#[test]
fn goes_on_from_local_state_or_from_its_backup() {
    for (flags, backup, lost) in [
        ("-d local", "backup", false),
        ("-d local", "backup", true),
        ("-d local -b copies", "copies", true),
    ] {
        let machine = tempfile::tempdir().expect("there is room");
        let sum = |numbers: &str, way: &str| {
            let args = format!("{numbers} -- {flags} {way}");
            let mut command = command(env!("CARGO_BIN_EXE_running_sum"), &args);
            command.current_dir(machine.path());
            run(command).code(0).out
        };
        let expect = ["(\"ALL\", 0)", "(\"ALL\", 1)", "(\"ALL\", 3)"];
        assert_eq!(sum("0 1 2", "-w 3"), expect, "{flags}");
        assert!(machine.path().join(backup).is_dir(), "{flags}");
        if lost {
            std::fs::remove_dir_all(machine.path().join("local")).expect("it is there");
        }
        let expect = ["(\"ALL\", 6)", "(\"ALL\", 10)"];
        assert_eq!(sum("0 1 2 3 4", "-p 2"), expect, "{flags} {lost}");
    }
}

#[test]
fn begins_anew_without_a_store() {
    for _ in 0..2 {
        assert_eq!(sum("1 2", "").out, ["(\"ALL\", 1)", "(\"ALL\", 3)"]);
    }
}
