//! A program of a user, run as a process: its exit codes, messages, variables and signals.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

/// How long a program may take to end after it was told to.
const PATIENCE: Duration = Duration::from_secs(30);

/// The program of this package, with the words of `args`.
fn program(args: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tellers"));
    for (variable, _) in std::env::vars().filter(|(name, _)| name.starts_with("BYTEWAX_")) {
        command.env_remove(variable);
    }
    command.args(args.split_whitespace());
    command
}

/// Runs a program to its end; gives its exit code, and the sorted lines it printed.
#[track_caller]
fn check(command: &mut Command, code: i32, lines: &[&str], message: &str) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("it starts");
    let (stdout, stderr) = (
        String::from_utf8_lossy(&stdout),
        String::from_utf8_lossy(&stderr),
    );
    assert_eq!(status.code(), Some(code), "{command:?}\n{stdout}\n{stderr}");
    let mut found: Vec<_> = stdout.lines().collect();
    found.sort_unstable();
    assert_eq!(found, lines, "{command:?}\n{stderr}");
    assert!(
        stderr.contains(message),
        "{command:?}\nexpected {message}\nfound {stderr}"
    );
    let errors = stderr.matches("error: ").count();
    assert_eq!(
        errors,
        usize::from(code != 0),
        "an error is told once: {stderr}"
    );
}

#[test]
fn the_end_of_input_is_a_success() {
    check(&mut program("workers"), 0, &["worker 0 of 1"], "");
    check(&mut program("workers run"), 0, &["worker 0 of 1"], "");
    check(
        &mut program("workers -w 2"),
        0,
        &["worker 0 of 2", "worker 1 of 2"],
        "",
    );
    check(
        &mut program("workers run -w 2"),
        0,
        &["worker 0 of 2", "worker 1 of 2"],
        "",
    );
}

#[test]
fn a_single_address_is_a_cluster_of_one_process() {
    check(
        &mut program("workers -a localhost:2101"),
        0,
        &["worker 0 of 1"],
        "",
    );
}

#[test]
fn an_abort_is_a_success() {
    check(&mut program("abort"), 0, &["worker 0 of 1"], "");
}

#[test]
fn an_error_is_told_with_its_cause() {
    let step = "error: step `tellers.texts`, ";
    check(&mut program("fail"), 1, &["worker 0 of 1"], step);
    let cause = ": the source failed\n  caused by: invalid digit found in string\n";
    check(&mut program("fail"), 1, &["worker 0 of 1"], cause);
}

#[test]
fn a_panic_is_told_with_its_place() {
    let message = "main.rs:";
    check(&mut program("panic"), 1, &["worker 0 of 1"], message);
    check(
        &mut program("panic"),
        1,
        &["worker 0 of 1"],
        "this was asked for",
    );
}

#[test]
fn a_defect_is_told_before_anything_runs() {
    check(
        &mut program("defect"),
        1,
        &[],
        "it needs at least one output",
    );
}

#[test]
fn usage_errors_have_the_code_2() {
    for args in [
        "",
        "workers -w 0",
        "workers -s 1.5",
        "workers -i 0",
        "workers graph --format svg",
    ] {
        check(&mut program(args), 2, &[], "error: ");
    }
    check(
        &mut program("workers -p 2 -i 0"),
        2,
        &[],
        "cannot be used with `--process-id`",
    );
}

#[test]
fn a_flag_goes_before_its_variable_and_the_variable_before_the_default() {
    let three = ["worker 0 of 3", "worker 1 of 3", "worker 2 of 3"];
    let variable = "BYTEWAX_WORKERS_PER_PROCESS";
    check(program("workers").env(variable, "3"), 0, &three, "");
    check(program("workers run").env(variable, "3"), 0, &three, "");
    check(
        program("workers -w 1").env(variable, "3"),
        0,
        &["worker 0 of 1"],
        "",
    );
    check(
        program("workers -w 1 run").env(variable, "3"),
        0,
        &["worker 0 of 1"],
        "",
    );
    check(
        program("workers run -w 1").env(variable, "3"),
        0,
        &["worker 0 of 1"],
        "",
    );
    check(
        program("workers").env(variable, "x"),
        2,
        &[],
        "invalid value 'x' for '--workers-per",
    );
    check(
        program("workers").env("BYTEWAX_SNAPSHOT_INTERVAL", "1.5"),
        2,
        &[],
        "whole seconds",
    );
    let message = "cannot be used with `--process-id` (BYTEWAX_PROCESS_ID)";
    check(
        program("workers -p 2").env("BYTEWAX_PROCESS_ID", "0"),
        2,
        &[],
        message,
    );
}

#[test]
fn help_is_a_success() {
    let help = program("--help").output().expect("it starts");
    assert!(help.status.success());
    let text = String::from_utf8_lossy(&help.stdout);
    assert!(
        text.contains("Run options:\n  -w, --workers-per-process <N>"),
        "{text}"
    );
}

#[test]
fn a_graph_is_drawn_and_nothing_runs() {
    let graph = program("fail -w 2 graph").output().expect("it starts");
    assert!(graph.status.success());
    let text = String::from_utf8_lossy(&graph.stdout);
    assert!(
        text.starts_with("flowchart TD\nsubgraph \"tellers (Dataflow)\"\nn0"),
        "{text}"
    );
    assert!(text.ends_with("\nend\n"), "{text}");
}

#[test]
fn a_flow_with_defects_is_drawn_and_the_defects_are_told() {
    let graph = program("defect graph --format json")
        .output()
        .expect("it starts");
    assert_eq!(graph.status.code(), Some(1));
    assert!(graph.stdout.starts_with(b"{"));
    assert!(String::from_utf8_lossy(&graph.stderr).contains("at least one output"));
}

/// A program that has printed a certain line.
struct Running {
    id: u32,
    ended: Receiver<(Option<i32>, String)>,
}

impl Running {
    fn start(args: &str, until: &str) -> Self {
        let mut command = program(args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child: Child = command.spawn().expect("it starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut line = String::new();
        while !line.starts_with(until) {
            line.clear();
            let length = stdout.read_line(&mut line).expect("it prints");
            assert_ne!(length, 0, "it ended without the line `{until}`");
        }
        let id = child.id();
        let (end, ended) = channel();
        // Its output is read on, or it would wait for somebody to do so.
        thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
        thread::spawn(move || {
            let mut stderr = String::new();
            let mut pipe = child.stderr.take().expect("it is piped");
            pipe.read_to_string(&mut stderr).expect("messages are text");
            let status = child.wait().expect("it is a child of this process");
            end.send((status.code(), stderr))
        });
        Self { id, ended }
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill")
            .args([signal, &self.id.to_string()])
            .status();
        assert!(status.expect("there is a program `kill`").success());
    }

    #[track_caller]
    fn check(&self, code: Option<i32>, message: &str) {
        assert_eq!(self.ended(code), message);
    }

    /// Checks how the messages begin and end.
    #[track_caller]
    fn check_end(&self, code: Option<i32>, begin: &str, end: &str) {
        let stderr = self.ended(code);
        assert!(
            stderr.starts_with(begin) && stderr.ends_with(end),
            "{stderr}"
        );
    }

    /// Returns the messages, after the end.
    #[track_caller]
    fn ended(&self, code: Option<i32>) -> String {
        let Ok((found, stderr)) = self.ended.recv_timeout(PATIENCE) else {
            self.signal("-KILL");
            panic!("it did not end within {PATIENCE:?}");
        };
        assert_eq!(found, code, "{stderr}");
        stderr
    }
}

#[test]
fn sigint_stops_a_run() {
    for workers in 1..=3 {
        let running = Running::start(&format!("endless -w {workers} -s 0"), "worker");
        running.signal("-INT");
        running.check(Some(130), "error: stopped by SIGINT (Ctrl-C)\n");
    }
}

#[test]
fn sigterm_stops_a_run() {
    for workers in 1..=3 {
        let running = Running::start(&format!("endless -w {workers}"), "worker");
        running.signal("-TERM");
        running.check(Some(143), "error: stopped by SIGTERM\n");
    }
}

#[test]
fn a_second_signal_ends_a_program_that_is_stuck() {
    for (name, code) in [("-INT", 130), ("-TERM", 143)] {
        ends_by_second(name, code);
    }
}

#[track_caller]
fn ends_by_second(name: &str, code: i32) {
    let running = Running::start("stuck --stop-timeout 3600", "worker");
    // Two signals that come close to each other can be seen as one, so a few are sent.
    let mut patience = PATIENCE;
    let turn = Duration::from_millis(50);
    while !patience.is_zero() {
        running.signal(name);
        match running.ended.recv_timeout(turn) {
            Ok((found, _)) => return assert_eq!(found, Some(code)),
            Err(RecvTimeoutError::Timeout) => patience = patience.saturating_sub(turn),
            Err(RecvTimeoutError::Disconnected) => panic!("the thread that waits is gone"),
        }
    }
    running.signal("-KILL");
    panic!("it did not end within {PATIENCE:?}");
}

#[test]
fn a_program_that_is_stuck_ends_when_the_time_is_over() {
    let running = Running::start("stuck --stop-timeout 1", "worker");
    running.signal("-TERM");
    running.check_end(
        Some(143),
        "the run has stalled for ",
        "error: stopped by SIGTERM before the last epoch was complete, which took longer than 1s, the time that \
         `--stop-timeout` gives it; a worker does not end, so the process ends without it\n",
    );
}

#[test]
fn after_a_run_the_signals_do_what_they_do_by_default() {
    for signal in ["-INT", "-TERM"] {
        let running = Running::start("linger", "the run has ended");
        running.signal(signal);
        // A process that a signal has ended has no exit code.
        running.check(None, "");
    }
}

#[test]
fn a_program_looks_after_the_recovery_store_of_its_flow() {
    let dir = tempfile::tempdir().expect("there is a place for files");
    let path = dir.path().display();
    let made = format!("made 2 partitions for flow `tellers` in `{path}`");
    check(
        &mut program(&format!("workers recovery init {path} 2")),
        0,
        &[&made],
        "",
    );
    check(
        &mut program(&format!("workers -w 3 recovery init {path} 2")),
        1,
        &[],
        "is already a recovery partition, nothing was changed",
    );
    check(
        &mut program(&format!("workers recovery verify {path}")),
        0,
        &["0 rows read, all sound"],
        "",
    );
    check(
        &mut program(&format!("workers recovery init {path}")),
        2,
        &[],
        "error: the following required arguments were not provided:\n  <N>",
    );
}
