//! The example of slow requests: its output is that of a plain loop, under kills and with any number of workers.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use cli_tests::{command, kill_until_done, run};

/// What is expected of a log.
struct Expected {
    slow: Vec<String>,
    bad: Vec<String>,
    summary: String,
}

/// Writes a log of so many rows, with quotes, blank lines and bad rows.
fn write_log(path: &Path, rows: u64) -> Expected {
    let mut log = "at,visitor,path,ms\n".to_owned();
    let (mut slow, mut bad, mut line) = (Vec::new(), Vec::new(), 2);
    for n in 0..rows {
        let ms = n * 7919 % 1000;
        let at = format!("2024-01-31T10:00:{:02}", n % 60);
        match n % 101 {
            50 => {
                let row = format!("{at},v{n},/p,many");
                bad.push(format!("{line}\t{row}"));
                log += &row;
                log.push('\n');
            }
            51 => {
                let _ = write!(log, "{at},v{n},\"/a,\nb\",{ms}\r\n\n");
                line += 2;
                if ms > 500 {
                    slow.push(format!(
                        r#"{{"at":"{at}","visitor":"v{n}","path":"/a,\nb","ms":{ms}}}"#
                    ));
                }
            }
            _ => {
                let _ = writeln!(log, "{at},v{n},/p,{ms}");
                if ms > 500 {
                    slow.push(format!(
                        r#"{{"at":"{at}","visitor":"v{n}","path":"/p","ms":{ms}}}"#
                    ));
                }
            }
        }
        line += 1;
    }
    fs::write(path, log).unwrap();
    let summary = format!("{rows} rows, {} bad", bad.len());
    slow.sort_unstable();
    bad.sort_unstable();
    Expected { slow, bad, summary }
}

fn program(place: &Path, args: &str) -> Command {
    let mut command = command(env!("CARGO_BIN_EXE_slow_requests"), args);
    for name in ["log.csv", "out.jsonl", "bad.txt"] {
        command.arg(place.join(name));
    }
    command
}

fn sorted(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort_unstable();
    lines
}

#[track_caller]
fn check(place: &Path, expected: &Expected, errors: &str, how: &str) {
    assert!(
        errors.lines().any(|line| line == expected.summary),
        "{how}: {errors}"
    );
    assert!(
        sorted(&place.join("bad.txt")) == expected.bad,
        "bad rows, {how}"
    );
    assert!(
        sorted(&place.join("out.jsonl")) == expected.slow,
        "slow rows, {how}"
    );
}

#[test]
fn any_number_of_workers() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    let expected = write_log(&place.join("log.csv"), 20_000);
    for way in ["-w 1", "-w 2", "-w 4", "-p 2", "-p 2 -w 2"] {
        for ranges in ["", "--range-bytes 40000"] {
            let how = format!("{way} {ranges}");
            let ended = run(program(place, &how)).code(0);
            check(place, &expected, &ended.err, &how);
            // One worker tells for all how the file is read.
            let told = "log.csv` is read as CSV: `,` between cells, the first row names the columns `at`, \
                        `visitor`, `path`, `ms`\n";
            ended.says_once(told);
        }
    }
}

/// Killed again and again, each time with other workers, its output is that of one run.
#[test]
fn killed_again_and_again() {
    kill_again_and_again("");
}

/// The same, with one log that all workers read.
#[test]
fn killed_again_and_again_with_one_log_for_all_workers() {
    kill_again_and_again("--range-bytes 100000");
}

fn kill_again_and_again(ranges: &str) {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    fs::create_dir(place.join("store")).unwrap();
    let store = format!("-r {}", place.join("store").display());
    let expected = write_log(&place.join("log.csv"), 120_000);
    let ways = ["-w 2", "-p 2", "-w 1", "-w 4", "-p 2 -w 2"];
    let runs = kill_until_done(&ways, |way| {
        program(place, &format!("{store} -s 0 {way} {ranges}"))
    });
    // A run that is killed right before its exit has written the summary, and saved that it has.
    let errors: String = runs.iter().map(|ended| ended.err.as_str()).collect();
    check(place, &expected, &errors, ranges);
}
