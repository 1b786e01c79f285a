//! What a terminal shows of a run. The terminal is one that `script` (of Debian's `bsdutils`) makes.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

/// A shell within a terminal that executes this line; what it shows can be read.
fn terminal(line: &str) -> Command {
    let mut command = Command::new("script");
    for (variable, _) in std::env::vars().filter(|(name, _)| name.starts_with("BYTEWAX_")) {
        command.env_remove(variable);
    }
    command.env("TERM", "xterm").env("SHELL", "/bin/sh");
    command.args(["--quiet", "--return", "--command", line, "/dev/null"]);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// What such a line shows until it ends, with the control sequences.
#[track_caller]
fn shown(line: &str) -> String {
    let output = terminal(line).output();
    let output = output.expect("the program `script` is there; Debian has it in `bsdutils`");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn quoted(path: &Path) -> String {
    format!("'{}'", path.display())
}

#[test]
fn a_line_shows_how_far_a_run_is_and_stays_out_of_its_results() {
    let dir = tempfile::tempdir().expect("there is a place for files");
    let (out, id) = (dir.path().join("out"), dir.path().join("id"));
    let line = format!(
        "echo $$ > {}; exec {} endless -s 0 > {}",
        quoted(&id),
        env!("CARGO_BIN_EXE_tellers"),
        quoted(&out),
    );
    let mut script = terminal(&line)
        .spawn()
        .expect("the program `script` starts");
    let mut terminal = script.stdout.take().expect("it is piped");
    let mut shown = Vec::new();
    let mut some = [0; 4096];
    let mut stopped = false;
    loop {
        let count = terminal.read(&mut some).expect("it can be read");
        if count == 0 {
            break;
        }
        shown.extend_from_slice(&some[..count]);
        if !stopped && String::from_utf8_lossy(&shown).contains(" a second") {
            stopped = true;
            let id = fs::read_to_string(&id).expect("it was written first");
            let kill = Command::new("kill").args(["-INT", id.trim()]).status();
            assert!(kill.expect("there is a program `kill`").success());
        }
    }
    script.wait().expect("it is a child of this process");
    let shown = String::from_utf8_lossy(&shown);
    assert!(stopped, "{shown:?}");
    let line = "\r\u{1b}[K\u{1b}[?7ltellers: ";
    assert!(shown.contains(line), "{shown:?}");
    // The line is cleared before the summary, and the error follows it.
    let (_, end) = shown.rsplit_once("\r\u{1b}[K").expect("it is cleared");
    assert!(end.starts_with("tellers ended after "), "{shown:?}");
    assert!(
        end.ends_with("error: stopped by SIGINT (Ctrl-C)\r\n"),
        "{shown:?}"
    );
    let out = fs::read_to_string(&out).expect("the results are there");
    let mut results = out.lines();
    assert!(results.all(|line| line == "worker 0 of 1"), "{out:?}");
}

#[test]
fn results_on_the_same_terminal_are_left_alone() {
    let shown = shown(&format!("{} workers", env!("CARGO_BIN_EXE_tellers")));
    let (results, summary) = shown.split_once("\r\n").expect("there are lines");
    assert_eq!(results, "worker 0 of 1");
    assert!(summary.starts_with("tellers ended after "), "{shown:?}");
    assert!(summary.contains(": 1 items, "), "{shown:?}");
    assert!(!shown.contains("[?7l"), "{shown:?}");
}

#[test]
fn in_a_pipe_there_is_neither_line_nor_summary() {
    let program = env!("CARGO_BIN_EXE_tellers");
    let output = Command::new(program).arg("workers").output();
    let output = output.expect("the program starts");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "worker 0 of 1\n");
}
