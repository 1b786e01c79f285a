//! Processes that do not fit together refuse each other.

use std::process::Command;

use cli_tests::{PATIENCE, Programs, command, with_ports};

use super::{member, numbers};

/// Starts both as the processes of a cluster: each must say how the other differs.
#[track_caller]
fn refuse(start: impl Fn() -> [Command; 2], texts: [&str; 2]) {
    with_ports(2, |addresses| {
        let mut programs = Programs::new();
        for (process, command) in start().into_iter().enumerate() {
            programs.start(member(command, process, addresses));
        }
        for (process, ended) in programs.all_ended(PATIENCE)?.into_iter().enumerate() {
            let other = 1 - process;
            let (address, text) = (addresses[other], texts[process]);
            let text = format!("error: process {other} at `{address}` {text}\n");
            ended.code(1).says(&text);
        }
        Ok(())
    });
}

#[test]
fn of_two_programs() {
    refuse(
        || {
            [
                numbers(""),
                command(env!("CARGO_BIN_EXE_tellers"), "endless"),
            ]
        },
        [
            "runs dataflow `tellers`, this process runs `numbers`; start all processes of a \
             cluster from the same program",
            "runs dataflow `numbers`, this process runs `tellers`; start all processes of a \
             cluster from the same program",
        ],
    );
}

#[test]
fn of_two_versions_of_a_program() {
    let text = "runs another version of the program: the steps of its dataflow `numbers` differ; \
                start all processes of a cluster from the same build";
    refuse(|| [numbers("--longer"), numbers("")], [text, text]);
}

#[test]
fn of_different_numbers_of_workers() {
    refuse(
        || [numbers("-w 1"), numbers("-w 2")],
        [
            "runs `2` workers, this process runs `1`; give all processes the same \
             `--workers-per-process`",
            "runs `1` workers, this process runs `2`; give all processes the same \
             `--workers-per-process`",
        ],
    );
}

#[test]
fn of_epochs_of_different_lengths() {
    refuse(
        || [numbers("-s 1"), numbers("-s 10")],
        [
            "starts an epoch every `10000` ms, this process every `1000` ms; give all processes \
             the same `--snapshot-interval`",
            "starts an epoch every `1000` ms, this process every `10000` ms; give all processes \
             the same `--snapshot-interval`",
        ],
    );
}
