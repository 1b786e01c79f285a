//! A slow sink holds back the source that it is slow for, in another process too.

use std::fs;
use std::path::Path;
use std::process::Command;

use cli_tests::{PATIENCE, PortTaken, Programs, command, with_ports};

use super::member;

const COUNT: u64 = 2_000_000;

/// The most that may be under way to a sink that takes nothing. It is far more than the edges of
/// the flow hold, and far less than what there is to give.
const UNDER_WAY: u64 = 500_000;

fn flood(gate: &Path, args: &str) -> Command {
    let mut command = command(env!("CARGO_BIN_EXE_flood"), args);
    command.arg(gate).args(["--count", &COUNT.to_string()]);
    command
}

/// Runs until the source is held back, opens the gate, and checks that everything arrives.
///
/// The gate is shut until the source is not polled any more. Without flow control it never comes to
/// that, because the source gives everything first. `source` and `sink` are the programs with the
/// workers 0 and 1.
#[track_caller]
fn check(
    programs: &mut Programs,
    gate: &Path,
    source: usize,
    sink: usize,
) -> Result<(), PortTaken> {
    let last = |line: &str| line.rsplit(' ').next().and_then(|n| n.parse::<u64>().ok());
    programs.line(sink, "that its sink waits", |line| line == "worker 1 waits")?;
    let line = programs.line(source, "what it has given", |line| {
        line.starts_with("held back after ") || line.starts_with("given ") && line != "given 0"
    })?;
    assert!(
        line.starts_with("held back after "),
        "it is not held back: {line}"
    );
    let given = last(&line).expect("it ends with a number");
    assert!(
        given < UNDER_WAY,
        "{given} numbers were given to a sink that takes none"
    );
    fs::write(gate, "").expect("there is room");
    let ended = programs.all_ended(PATIENCE)?;
    let mut taken = Vec::new();
    for ended in ended {
        let lines = ended.code(0).says("").out;
        taken.extend(
            lines
                .iter()
                .filter(|line| line.contains(" took "))
                .filter_map(|line| last(line)),
        );
    }
    assert_eq!((taken.len(), taken.iter().sum()), (2, COUNT), "{taken:?}");
    assert!(taken.iter().all(|taken| *taken > COUNT / 4), "{taken:?}");
    Ok(())
}

#[test]
fn in_another_thread_or_process() {
    for args in ["-w 2", "-p 2"] {
        let directory = tempfile::tempdir().expect("there is room");
        let gate = directory.path().join("gate");
        let mut programs = Programs::new();
        programs.start(flood(&gate, args));
        check(&mut programs, &gate, 0, 0).expect("the system chooses the ports");
    }
}

#[test]
fn in_a_process_started_by_hand() {
    with_ports(2, |addresses| {
        let directory = tempfile::tempdir().expect("there is room");
        let gate = directory.path().join("gate");
        let mut programs = Programs::new();
        for process in 0..2 {
            programs.start(member(flood(&gate, ""), process, addresses));
        }
        check(&mut programs, &gate, 0, 1)
    });
}
