//! A slow sink holds back the source that it is slow for, in another process too.

use std::fs;
use std::path::Path;
use std::process::Command;

use cli_tests::{PATIENCE, PortTaken, Programs, command, with_ports};

use super::member;

/// What the source has to give.
#[derive(Clone, Copy)]
struct Flood {
    count: u64,
    size: u64,
    /// The most items that may be under way to a sink that takes nothing. It is far more than the edges
    /// of the flow hold, and far less than what there is to give.
    under_way: u64,
}

const SMALL: Flood = Flood {
    count: 2_000_000,
    size: 0,
    under_way: 500_000,
};

/// The buffer memory that large items have.
const MEMORY: &str = "--buffer-memory=32MiB";

/// What a process may take that is given so much: as much again for the bytes of items that are being
/// sent and received, and what the program takes without items.
const MOST_KIB: u64 = (32 + 32 + 64) << 10;

impl Flood {
    /// Items of this size, many times as many as fit in the buffer memory.
    fn of(size: u64) -> Self {
        let count = (600 << 20) / (size + 48);
        Self {
            count,
            size,
            under_way: count / 5,
        }
    }

    fn command(self, gate: &Path, args: &str) -> Command {
        let mut command = command(env!("CARGO_BIN_EXE_flood"), args);
        command.arg(gate).args(["--count", &self.count.to_string()]);
        command.args(["--size", &self.size.to_string()]);
        // The run reports that its sink stalls, if the gate is shut for long.
        command.env("BYTEWAX_LOG", "error");
        command
    }
}

/// Runs until the source is held back, opens the gate, and checks that everything arrives.
///
/// The gate is shut until the source is not polled any more. Without flow control it never comes to
/// that, because the source gives everything first. `source` and `sink` are the programs with the
/// workers 0 and 1.
#[track_caller]
fn check(
    programs: &mut Programs,
    flood: Flood,
    gate: &Path,
    source: usize,
    sink: usize,
) -> Result<Vec<u64>, PortTaken> {
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
        given < flood.under_way,
        "{given} items were given to a sink that takes none"
    );
    fs::write(gate, "").expect("there is room");
    let ended = programs.all_ended(PATIENCE)?;
    let mut lines = Vec::new();
    for ended in ended {
        lines.extend(ended.code(0).says("").out);
    }
    let taken = lines.iter().filter(|line| line.contains(" took "));
    let taken: Vec<u64> = taken.filter_map(|line| last(line)).collect();
    let count = flood.count;
    assert_eq!((taken.len(), taken.iter().sum()), (2, count), "{taken:?}");
    assert!(taken.iter().all(|taken| *taken > count / 4), "{taken:?}");
    let peaks = lines.iter().filter_map(|line| {
        let (_, peak) = line.split_once(" peaked at ")?;
        peak.strip_suffix(" KiB")?.parse().ok()
    });
    Ok(peaks.collect())
}

#[test]
fn in_another_thread_or_process() {
    for args in ["-w 2", "-p 2"] {
        let directory = tempfile::tempdir().expect("there is room");
        let gate = directory.path().join("gate");
        let mut programs = Programs::new();
        programs.start(SMALL.command(&gate, args));
        check(&mut programs, SMALL, &gate, 0, 0).expect("the system chooses the ports");
    }
}

/// However large items are, a process takes no more than its buffer memory for those under way.
#[test]
fn large_items_take_no_more_memory_than_small_ones() {
    for args in ["-w 2", "-p 2"] {
        for size in [100, 10 << 10, 1 << 20] {
            let flood = Flood::of(size);
            let directory = tempfile::tempdir().expect("there is room");
            let gate = directory.path().join("gate");
            let mut programs = Programs::new();
            let mut command = flood.command(&gate, args);
            command.arg(MEMORY);
            programs.start(command);
            let peaks = check(&mut programs, flood, &gate, 0, 0);
            let peaks = peaks.expect("the system chooses the ports");
            assert!(
                peaks.len() == 2 && peaks.iter().all(|peak| *peak < MOST_KIB),
                "with {args}, items of {size} bytes took {peaks:?} KiB"
            );
        }
    }
}

/// With room for nothing, one item after the other goes on.
#[test]
fn a_byte_is_enough_memory() {
    for args in ["-w 2", "-p 2", "-p 2 -w 2"] {
        for size in [0, 100_000] {
            let count = 500;
            let directory = tempfile::tempdir().expect("there is room");
            let gate = directory.path().join("gate");
            fs::write(&gate, "").expect("there is room");
            let mut programs = Programs::new();
            let flood = Flood {
                count,
                size,
                under_way: count,
            };
            let mut command = flood.command(&gate, args);
            command.arg("--buffer-memory=1");
            programs.start(command);
            let ended = programs.ended(0, PATIENCE);
            let ended = ended.expect("the system chooses the ports");
            let taken = ended.code(0).says("").out;
            let taken = taken.iter().filter_map(|line| line.split_once(" took "));
            let taken = taken.filter_map(|(_, taken)| taken.parse::<u64>().ok());
            assert_eq!(taken.sum::<u64>(), count);
        }
    }
}

#[test]
fn in_a_process_started_by_hand() {
    with_ports(2, |addresses| {
        let directory = tempfile::tempdir().expect("there is room");
        let gate = directory.path().join("gate");
        let mut programs = Programs::new();
        for process in 0..2 {
            programs.start(member(SMALL.command(&gate, ""), process, addresses));
        }
        check(&mut programs, SMALL, &gate, 0, 1).map(|_| ())
    });
}
