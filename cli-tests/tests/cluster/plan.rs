//! How many processes and workers there are, by flags and by variables.

use std::fs;
use std::process::Command;

use cli_tests::{PATIENCE, Programs, command, run, with_ports};

use super::numbers;

/// The program in which every worker tells its number.
fn tellers(args: &str) -> Command {
    command(env!("CARGO_BIN_EXE_tellers"), &format!("workers {args}"))
}

/// What so many workers tell.
fn told(count: usize) -> Vec<String> {
    (0..count)
        .map(|worker| format!("worker {worker} of {count}"))
        .collect()
}

#[test]
fn usage_errors_name_the_flag() {
    let two = "localhost:2101;localhost:2102";
    for (args, texts) in [
        (
            "-w 0",
            ["'0' for '--workers-per-process <N>'", "give 1 or more"],
        ),
        ("-p 0", ["'0' for '--processes <N>'", "give 1 or more"]),
        ("-i x", ["'x' for '--process-id <I>'", "0 or more"]),
        ("-i 0", ["`--process-id` is given", "without `--addresses`"]),
        ("-i 2 -a TWO", ["`--process-id` is 2", "the last is 1"]),
        ("-a TWO", ["not which of them this is", "`--process-id`"]),
        (
            "-p 2 -a TWO",
            ["`--processes`", "cannot be used with `--addresses`"],
        ),
        (
            "-p 2 -i 0",
            ["`--processes`", "cannot be used with `--process-id`"],
        ),
        (
            "-i 0 -a localhost",
            ["for '--addresses <LIST>'", "`localhost` has no port"],
        ),
        (
            "-i 0 -a a:1;b:0",
            ["for '--addresses <LIST>'", "`0` in `b:0` is not a port"],
        ),
        (
            "-i 0 -a a:1;;b:1",
            ["for '--addresses <LIST>'", "an address is empty"],
        ),
        (
            "-i 0 -a a:1;a:1",
            ["for '--addresses <LIST>'", "`a:1` is there twice"],
        ),
        (
            "--connect-timeout x",
            ["for '--connect-timeout <SECONDS>'", "whole seconds"],
        ),
    ] {
        let ended = run(numbers(&args.replace("TWO", two))).code(2);
        assert!(ended.out.is_empty(), "{ended}");
        let ended = ended.says_once("error: ");
        for text in texts {
            assert!(
                ended.err.contains(text),
                "{args} should say {text}\n{ended}"
            );
        }
    }
}

#[test]
fn variables_go_before_defaults_and_flags_before_variables() {
    let both = |args: &str| {
        let mut command = tellers(args);
        command.env("BYTEWAX_PROCESSES", "2");
        command.env("BYTEWAX_WORKERS_PER_PROCESS", "3");
        command
    };
    for (args, count) in [
        ("", 6),
        ("-w 1", 2),
        ("-p 3", 9),
        ("-p 1", 3),
        ("-p 1 -w 1", 1),
    ] {
        let ended = run(both(args)).code(0).says("");
        assert_eq!(ended.sorted(), told(count), "with {args}");
    }
}

#[test]
fn the_pods_of_a_stateful_set_are_one_cluster() {
    with_ports(2, |addresses| {
        let directory = tempfile::tempdir().expect("there is room");
        let hosts = directory.path().join("hosts.txt");
        let [first, second] = addresses else {
            panic!("there are two");
        };
        fs::write(&hosts, format!("{first}\n\n  {second}  \n")).expect("there is room");
        let mut programs = Programs::new();
        for pod in 0..2 {
            let mut command = tellers("");
            command.env("BYTEWAX_POD_NAME", format!("stateful_set-{pod}"));
            command.env("BYTEWAX_STATEFULSET_NAME", "stateful_set");
            command.env("BYTEWAX_HOSTFILE_PATH", &hosts);
            programs.start(command);
        }
        for (pod, ended) in programs.all_ended(PATIENCE)?.into_iter().enumerate() {
            assert_eq!(ended.code(0).says("").out, told(2)[pod..=pod]);
        }
        Ok(())
    });
}

#[test]
fn variables_make_a_cluster_as_flags_do() {
    with_ports(2, |addresses| {
        let mut programs = Programs::new();
        for process in 0..2 {
            let mut command = tellers("-w 2");
            command.env("BYTEWAX_PROCESS_ID", process.to_string());
            command.env("BYTEWAX_ADDRESSES", cli_tests::list(addresses));
            programs.start(command);
        }
        for (process, ended) in programs.all_ended(PATIENCE)?.into_iter().enumerate() {
            let first = 2 * process;
            assert_eq!(ended.code(0).says("").sorted(), told(4)[first..first + 2]);
        }
        Ok(())
    });
}
