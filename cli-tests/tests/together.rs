//! Programs that want one recovery store at the same time.
//!
//! `PAIRS=200 cargo test -p cli-tests --test together` starts more pairs than the usual 20.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::process::Command;

use cli_tests::{Ended, PATIENCE, Programs, command, run};

/// What is said when another has the store.
const IN_USE: &str = "is in use by another process; stop that run of the flow first";

const SHAPES: [&str; 4] = ["-w 1", "-w 4", "-p 2", "-p 3 -w 2"];

fn pairs() -> usize {
    let text = std::env::var("PAIRS");
    text.map_or(20, |text| text.parse().expect("PAIRS is a number"))
}

/// Starts the flow on a store, in a shape.
fn on(store: &Path, what: &str, shape: &str) -> Command {
    let mut command = command(env!("CARGO_BIN_EXE_tellers"), what);
    command.arg("-r").arg(store).args(shape.split(' '));
    command
}

/// The last number that a run has told.
#[track_caller]
fn count(ended: &Ended) -> u64 {
    let counts = ended.out.iter().rev();
    let last = counts.filter_map(|line| line.strip_prefix("count ")).next();
    let last = last.unwrap_or_else(|| panic!("no count is told\n{ended}"));
    last.parse().unwrap()
}

/// Whether a run has ended well; it may only be refused because the store is in use.
#[track_caller]
fn is_good(ended: Ended) -> bool {
    if ended.code == Some(0) {
        return true;
    }
    ended.code(1).says_once(IN_USE);
    false
}

/// Two that start at once: both count, or one is refused and the other counts.
#[test]
fn none_of_two_runs_loses_what_the_other_has_saved() {
    let (mut both, mut one) = (0, 0);
    for pair in 0..pairs() {
        let shapes = [pair / 2, pair / 2 + pair / 8].map(|n| SHAPES[n % SHAPES.len()]);
        let place = tempfile::tempdir().unwrap();
        let store = place.path().join("store");
        let earlier = pair % 2;
        for _ in 0..earlier {
            run(on(&store, "count", SHAPES[pair / 3 % SHAPES.len()])).code(0);
        }
        let mut programs = Programs::new();
        for shape in shapes {
            programs.start(on(&store, "count", shape));
        }
        let ended = programs.all_ended(PATIENCE).unwrap();
        let refusals: Vec<_> = ended.iter().map(ToString::to_string).collect();
        let good = ended.into_iter().map(is_good).filter(|good| *good).count();
        assert!(good > 0, "pair {pair}, {shapes:?}: {}", refusals.join("\n"));
        (both, one) = (both + good / 2, one + good % 2);
        let last = run(on(&store, "count", "-w 1")).code(0);
        let expected = (earlier + good + 1) as u64;
        assert_eq!(
            count(&last),
            expected,
            "pair {pair}, {shapes:?}: {}",
            refusals.join("\n")
        );
    }
    println!(
        "of {} pairs, both ended well in {both}, one was refused in {one}",
        pairs()
    );
}

/// Of two copies, that of a tool has what the run before it has saved last, whenever it starts.
#[test]
fn a_store_is_repartitioned_beside_the_end_of_a_run() {
    for round in 0..pairs().div_ceil(2) {
        let place = tempfile::tempdir().unwrap();
        let (store, new) = (place.path().join("store"), place.path().join("new"));
        fs::create_dir(&new).unwrap();
        let mut programs = Programs::new();
        let shape = SHAPES[round / 2 % SHAPES.len()];
        programs.start(on(&store, "counting", &format!("{shape} -s 0")));
        let counts = programs.lines(0, "counts", 5, |line| line.starts_with("count "));
        counts.unwrap();
        // Stop, then repartition; or both at once, and then again.
        let copy = || {
            let mut copy = command(env!("CARGO_BIN_EXE_tellers"), "count recovery repartition");
            copy.arg(&store).arg("3").arg(&new);
            copy
        };
        if round % 2 == 0 {
            programs.signal_all(0, "-TERM");
        }
        programs.start(copy());
        if round % 2 == 1 {
            programs.signal_all(0, "-TERM");
        }
        let mut copied = is_good(programs.ended(1, PATIENCE).unwrap());
        while !copied {
            copied = is_good(run(copy()));
        }
        programs.ended(0, PATIENCE).unwrap().code(143);
        let next = [&store, &new].map(|store| count(&run(on(store, "count", "-w 2")).code(0)));
        assert_eq!(next[0], next[1], "round {round}, {shape}");
    }
}
