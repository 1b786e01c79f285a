//! A flow that is stopped by signals, in the middle of an epoch that has no end, and goes on: nothing is done twice, and
//! its files are those of a run that nothing has broken.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use cli_tests::{Ended, PATIENCE, Programs, list, listen, signal};

use super::output::Output;
use super::program::{kill, prepare};

/// An epoch lasts for longer than any run, and partitions give all they have in 3 s or more.
const ARGS: &str = "-s 3600 --pace-millis 15 --batch 20 -r";

/// How a program is started, once or as several processes that are told of each other.
#[derive(Clone, Copy)]
enum Start {
    One(&'static str),
    Two(&'static str),
}

fn start(start: Start, programs: &mut Programs, life: &Path) {
    let command = |more: &str| {
        let mut command = kill(life, ARGS);
        command.arg(life.join("state"));
        command.args(more.split_whitespace());
        command
    };
    match start {
        Start::One(more) => {
            programs.start(command(more));
        }
        Start::Two(more) => {
            let held = [listen(), listen()];
            let addresses = held.each_ref().map(|(_, address)| *address);
            drop(held);
            for process in 0..2 {
                programs.start(command(&format!(
                    "{more} -i {process} -a {}",
                    list(&addresses)
                )));
            }
        }
    }
}

fn written(life: &Path) -> u64 {
    fs::metadata(life.join("out/mixed")).map_or(0, |file| file.len())
}

/// Where the partitions of the source begin, added up.
fn begins_at(ended: &[Ended]) -> usize {
    let lines = ended.iter().flat_map(|ended| &ended.out);
    let places =
        lines.filter_map(|line| line.strip_prefix("partition ")?.split_once(" begins at "));
    let places: Vec<usize> = places.map(|(_, place)| place.parse().unwrap()).collect();
    assert_eq!(places.len(), 3, "each partition is opened once");
    places.iter().sum()
}

fn check(how: Start, name: &str, code: i32) {
    let life = tempfile::tempdir().unwrap();
    let life = life.path();
    prepare(life);
    let mut saved = 0;
    for round in 1..=3 {
        let mut programs = Programs::new();
        start(how, &mut programs, life);
        if round < 3 {
            let (before, since) = (written(life), Instant::now());
            while written(life) < before + 2000 {
                assert!(since.elapsed() < PATIENCE, "nothing is written");
                assert!(
                    programs.run_for(Duration::from_millis(5)),
                    "it has ended too soon"
                );
            }
            signal(name, programs.id(0));
        }
        // If another program has taken a port, this fails, and says so.
        let ended = programs.all_ended(PATIENCE).unwrap();
        assert_eq!(begins_at(&ended), saved, "it goes on where it was stopped");
        for ended in ended {
            ended.code(if round < 3 { code } else { 0 });
        }
        // All that was given was written, and all that was written is saved.
        saved = Output::of(&life.join("out")).lines("mixed");
        assert!(saved > 0);
    }
    Output::of(&life.join("out")).check(Output::unbroken());
}

#[test]
fn one_process_goes_on_where_it_was_stopped() {
    check(Start::One(""), "-TERM", 143);
    check(Start::One("-w 2"), "-INT", 130);
}

#[test]
fn processes_go_on_where_they_were_stopped() {
    check(Start::One("-p 2"), "-TERM", 143);
    check(Start::One("-p 2 -w 2"), "-INT", 130);
    check(Start::Two(""), "-TERM", 143);
}

/// Without time for the last epoch, the next run begins where the last epoch was complete.
#[test]
fn without_time_for_the_last_epoch_it_is_given_up() {
    let life = tempfile::tempdir().unwrap();
    let life = life.path();
    prepare(life);
    for round in 1..=2 {
        let mut programs = Programs::new();
        start(Start::One("--stop-timeout 0"), &mut programs, life);
        if round == 1 {
            let since = Instant::now();
            while written(life) < 2000 {
                assert!(since.elapsed() < PATIENCE, "nothing is written");
                assert!(
                    programs.run_for(Duration::from_millis(5)),
                    "it has ended too soon"
                );
            }
            signal("-TERM", programs.id(0));
        }
        let ended = programs.all_ended(PATIENCE).unwrap();
        assert_eq!(begins_at(&ended), 0);
        for ended in ended {
            ended.code(if round == 1 { 143 } else { 0 });
        }
    }
    Output::of(&life.join("out")).check(Output::unbroken());
}
