//! The example of hot pages: its lines are those of a plain loop, from one file and from five, with any number of
//! workers, and under kills.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use cli_tests::{command, kill_until_done, run};

const HEADER: &str = "at,visitor,path,ms\n";

/// The time of a second of the first of November, as a log has it.
fn text_of(second: u64) -> String {
    let (hours, minutes) = (second / 3600, second / 60 % 60);
    format!("2026-11-01T{hours:02}:{minutes:02}:{:02}Z", second % 60)
}

/// Rows of ten hours, each up to ten minutes before its place; and the lines that are expected.
fn log(rows: u64) -> (Vec<String>, Vec<String>) {
    let mut counts: BTreeMap<u64, BTreeMap<String, u64>> = BTreeMap::new();
    let (mut lines, mut random) = (Vec::new(), 7_u64);
    for n in 0..rows {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let back = (random >> 33) % 601;
        let second = 600 + n * 36_000 / rows - back;
        // Some minutes have no hits.
        if second / 60 % 17 == 5 {
            continue;
        }
        let path = format!("/p/{}", (random >> 40) % 5);
        lines.push(format!("{},v{n},{path},{}\n", text_of(second), n % 900));
        *counts
            .entry(second / 60)
            .or_default()
            .entry(path)
            .or_default() += 1;
    }
    let hottest = counts.into_iter().map(|(minute, pages)| {
        let (path, hits) = pages
            .into_iter()
            .rev()
            .max_by_key(|(_, hits)| *hits)
            .unwrap();
        format!("{} {path} {hits}", text_of(minute * 60))
    });
    (lines, hottest.collect())
}

/// Writes a log to one file, and deals its rows to five files of a directory.
fn write_logs(place: &Path, rows: u64) -> Vec<String> {
    let (lines, expect) = log(rows);
    fs::write(place.join("log.csv"), HEADER.to_owned() + &lines.concat()).unwrap();
    fs::create_dir(place.join("logs")).unwrap();
    for file in 0..5 {
        let mut text = HEADER.to_owned();
        for line in lines.iter().skip(file).step_by(5) {
            let _ = write!(text, "{line}");
        }
        fs::write(place.join(format!("logs/{file}.csv")), text).unwrap();
    }
    expect
}

fn program(log: &Path, args: &str) -> Command {
    let mut command = command(env!("CARGO_BIN_EXE_hot_pages"), args);
    command.arg(log);
    command
}

#[test]
fn any_number_of_workers_and_files() {
    let place = tempfile::tempdir().unwrap();
    let expect = write_logs(place.path(), 20_000);
    for log in ["log.csv", "logs"] {
        for way in ["-w 1", "-w 2", "-w 4", "-p 2", "-p 2 -w 2"] {
            let ended = run(program(&place.path().join(log), way)).code(0);
            assert!(!ended.err.contains("step `"), "{way}, {log}: {}", ended.err);
            assert!(ended.out == expect, "{way}, {log}: {:?}", ended.out);
        }
    }
}

#[test]
fn rows_that_cannot_be_read_are_reported() {
    let place = tempfile::tempdir().unwrap();
    let log = place.path().join("log.csv");
    let rows = "2026-11-01T01:00:10+01:00,v,/b,1\nyesterday,v,/a,1\n2026-11-01T00:00:59.5,v,/a,1\n";
    fs::write(&log, HEADER.to_owned() + rows).unwrap();
    let ended = run(program(&log, "-w 2")).code(0);
    assert_eq!(ended.out, ["2026-11-01T00:00:00Z /a 1"]);
    assert!(ended.err.contains("line 3 of the file"), "{}", ended.err);
    assert!(
        ended.err.contains("`yesterday` is no time"),
        "{}",
        ended.err
    );
}

/// Killed again and again, each time with other workers, it prints the lines of one run. Those of an epoch that was
/// not complete are printed again.
#[test]
fn killed_again_and_again() {
    for log in ["log.csv", "logs"] {
        let place = tempfile::tempdir().unwrap();
        let place = place.path();
        fs::create_dir(place.join("store")).unwrap();
        let store = format!("-r {}", place.join("store").display());
        let expect = write_logs(place, 150_000);
        let ways = ["-w 1", "-p 2", "-w 4", "-p 2 -w 2"];
        let runs = kill_until_done(&ways, |way| {
            program(&place.join(log), &format!("{store} -s 0 {way}"))
        });
        let mut lines: Vec<_> = runs.into_iter().flat_map(|ended| ended.out).collect();
        lines.sort_unstable();
        lines.dedup();
        assert!(lines == expect, "{log}: {lines:?}");
    }
}
