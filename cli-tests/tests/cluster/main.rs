//! Processes that run one flow together: how they start, stop and fail.

mod failures;
mod flow_control;
mod flows;
mod plan;
mod startup;
mod stopping;

use std::net::SocketAddr;
use std::process::Command;

use cli_tests::{PortTaken, Programs, command, list};

/// The program of numbers, with the words of `args`.
fn numbers(args: &str) -> Command {
    command(env!("CARGO_BIN_EXE_numbers"), args)
}

/// Makes a program a process of a cluster.
fn member(mut command: Command, process: usize, addresses: &[SocketAddr]) -> Command {
    command.args(["-i", &process.to_string(), "-a", &list(addresses)]);
    command
}

/// Whether a line tells of a number that has come from one of these workers to one of those.
fn crosses(line: &str, from: &[usize], to: &[usize]) -> bool {
    let place = || {
        let (place, on) = line.split_once(" on ")?;
        let (worker, _) = place.split_once(':')?;
        Some((worker.parse().ok()?, on.parse().ok()?))
    };
    place().is_some_and(|(worker, on)| from.contains(&worker) && to.contains(&on))
}

/// Waits until a program has told of `count` processes, and gives their ids, by worker.
fn workers(programs: &mut Programs, program: usize, count: usize) -> Result<Vec<u32>, PortTaken> {
    let is = |line: &str| line.starts_with("process ");
    let lines = programs.lines(program, "the processes of its workers", count, is)?;
    let mut found: Vec<(usize, u32)> = Vec::new();
    for line in lines {
        let words: Vec<_> = line.split(' ').collect();
        let &["process", id, "has", "worker", worker, "of", _] = words.as_slice() else {
            panic!("what is this line: {line}");
        };
        let numbers = (worker.parse().ok()).zip(id.parse().ok());
        found.push(numbers.unwrap_or_else(|| panic!("no numbers in {line}")));
    }
    found.sort_unstable();
    Ok(found.into_iter().map(|(_, id)| id).collect())
}

/// Starts an endless run of `-p`, and waits until numbers have crossed in both directions between
/// the first and the last worker; gives the ids of the processes, by worker.
fn children(programs: &mut Programs, args: &str, count: usize) -> Vec<u32> {
    programs.start(numbers(args));
    let mut start = || {
        let ids = workers(programs, 0, count)?;
        let last = count - 1;
        programs.line(0, "what has come from the first", |line| {
            crosses(line, &[0], &[last])
        })?;
        programs.line(0, "what has come from the last", |line| {
            crosses(line, &[last], &[0])
        })?;
        Ok::<_, PortTaken>(ids)
    };
    start().expect("the system chooses the ports")
}

/// Starts two processes by hand, with a worker each, and waits until numbers have crossed in both
/// directions.
fn pair(programs: &mut Programs, args: &str, addresses: &[SocketAddr]) -> Result<(), PortTaken> {
    for process in 0..2 {
        programs.start(member(numbers(args), process, addresses));
    }
    programs.line(1, "what has come from worker 0", |line| {
        crosses(line, &[0], &[1])
    })?;
    programs.line(0, "what has come from worker 1", |line| {
        crosses(line, &[1], &[0])
    })?;
    Ok(())
}
