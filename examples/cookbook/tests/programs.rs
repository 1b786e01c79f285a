//! Each program prints what a model says of the data that ships with it: with one worker and with two, when the data
//! arrive in two parts, and under kills.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use cli_tests::{END, Ended, Programs, command, kill_until_done, run};

/// A program and its data.
struct Case {
    program: &'static str,
    /// Its files in `examples/sample_data`, and the line after which each is cut in two.
    inputs: &'static [(&'static str, usize)],
    /// The files that it writes, which are in `tests/expected`.
    outputs: &'static [&'static str],
    /// What it prints, in `tests/expected`.
    prints: Option<&'static str>,
    /// Lines that it prints on standard error, in `tests/expected`.
    complains: Option<&'static str>,
}

const CASE: Case = Case {
    program: "",
    inputs: &[],
    outputs: &[],
    prints: None,
    complains: None,
};

const TOTALS: Case = Case {
    program: env!("CARGO_BIN_EXE_sales"),
    inputs: &[("sales.csv", 0)],
    outputs: &["totals.jsonl", "bad.txt"],
    ..CASE
};

const VISITS: Case = Case {
    program: env!("CARGO_BIN_EXE_visits"),
    inputs: &[("access.log", 90)],
    prints: Some("visits.txt"),
    ..CASE
};

const DEDUPE: Case = Case {
    program: env!("CARGO_BIN_EXE_dedupe"),
    inputs: &[("events.jsonl", 70)],
    outputs: &["dedupe.jsonl"],
    ..CASE
};

const ENRICH: Case = Case {
    program: env!("CARGO_BIN_EXE_enrich"),
    inputs: &[("orders.csv", 45), ("products.csv", 8)],
    prints: Some("enrich.txt"),
    complains: Some("enrich_unknown.txt"),
    ..CASE
};

const FRAUD: Case = Case {
    program: env!("CARGO_BIN_EXE_fraud"),
    inputs: &[("card_events.csv", 60)],
    prints: Some("fraud.txt"),
    ..CASE
};

const TOP_TEN: Case = Case {
    program: env!("CARGO_BIN_EXE_top_ten"),
    inputs: &[("plays.csv", 200)],
    prints: Some("top_ten.txt"),
    ..CASE
};

const SILENT: Case = Case {
    program: env!("CARGO_BIN_EXE_silent"),
    inputs: &[("heartbeats.csv", 200)],
    prints: Some("silent.txt"),
    ..CASE
};

const CHANGES: Case = Case {
    program: env!("CARGO_BIN_EXE_changes"),
    inputs: &[("statuses.csv", 90)],
    prints: Some("changes.txt"),
    ..CASE
};

const ALERTS: Case = Case {
    program: env!("CARGO_BIN_EXE_alerts"),
    inputs: &[("alerts.csv", 50)],
    prints: Some("alerts.txt"),
    ..CASE
};

const ATTRIBUTION: Case = Case {
    program: env!("CARGO_BIN_EXE_attribution"),
    inputs: &[("purchases.csv", 9), ("clicks.csv", 55)],
    prints: Some("attribution.txt"),
    ..CASE
};

/// All but `errors`, which does not end by itself.
const CASES: [Case; 10] = [
    TOTALS,
    VISITS,
    DEDUPE,
    ENRICH,
    FRAUD,
    TOP_TEN,
    SILENT,
    CHANGES,
    ALERTS,
    ATTRIBUTION,
];

fn data(name: &str) -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.join("../sample_data").join(name)
}

fn sorted(text: &str) -> Vec<String> {
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    lines.sort_unstable();
    lines
}

fn expected(name: &str) -> Vec<String> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let lines = sorted(&fs::read_to_string(here.join("tests/expected").join(name)).unwrap());
    assert!(!lines.is_empty());
    lines
}

impl Case {
    fn command(&self, place: &Path, inputs: &[PathBuf], args: &str) -> Command {
        let mut command = command(self.program, args);
        command.args(inputs);
        command.args(self.outputs.iter().map(|name| place.join(name)));
        command
    }

    /// Compares what was written, and what these runs printed.
    #[track_caller]
    fn check(&self, place: &Path, runs: &[Ended], how: &str) {
        let how = format!("{}, {how}", self.program);
        for name in self.outputs {
            let lines = sorted(&fs::read_to_string(place.join(name)).unwrap());
            assert_eq!(lines, expected(name), "{how}");
        }
        let printed: Vec<_> = runs.iter().flat_map(|ended| ended.out.clone()).collect();
        let wanted = self.prints.map(expected).unwrap_or_default();
        assert_eq!(sorted(&printed.join("\n")), wanted, "{how}");
        if let Some(name) = self.complains {
            let errors: String = runs.iter().map(|ended| ended.err.as_str()).collect();
            let errors = errors.lines().filter(|line| line.starts_with("order "));
            let errors: Vec<_> = errors.collect();
            assert_eq!(sorted(&errors.join("\n")), expected(name), "{how}");
        }
    }
}

#[test]
fn one_worker_and_two() {
    for case in CASES {
        for way in ["-w 1", "-w 2"] {
            let place = tempfile::tempdir().unwrap();
            let inputs: Vec<_> = case.inputs.iter().map(|(name, _)| data(name)).collect();
            let ended = run(case.command(place.path(), &inputs, way)).code(0);
            case.check(place.path(), &[ended], way);
        }
    }
}

/// A first run reads a part of the data. The rest is added, and a second run continues, with other workers.
#[test]
fn data_in_two_parts() {
    // The totals are those of all rows at the end of input.
    for case in CASES.iter().skip(1) {
        let place = tempfile::tempdir().unwrap();
        let store = place.path().join("store");
        fs::create_dir(&store).unwrap();
        let (mut inputs, mut rests) = (Vec::new(), Vec::new());
        for (name, cut) in case.inputs {
            let text = fs::read_to_string(data(name)).unwrap();
            let lines = text.split_inclusive('\n');
            let bytes = lines.take(*cut).map(str::len).sum();
            let path = place.path().join(name);
            fs::write(&path, &text[..bytes]).unwrap();
            rests.push((path.clone(), text[bytes..].to_owned()));
            inputs.push(path);
        }
        let go = |way: &str| {
            let args = format!("{way} -r {}", store.display());
            run(case.command(place.path(), &inputs, &args)).code(0)
        };
        let first = go("-w 1");
        for (path, rest) in rests {
            let mut file = File::options().append(true).open(path).unwrap();
            file.write_all(rest.as_bytes()).unwrap();
        }
        let second = go("-w 2");
        case.check(place.path(), &[first, second], "in two parts");
    }
}

/// It prints errors as they are added, is stopped, and continues after the last line with the counts.
#[test]
fn a_log_that_is_followed() {
    let place = tempfile::tempdir().unwrap();
    let (log, store) = (place.path().join("app.log"), place.path().join("store"));
    fs::create_dir(&store).unwrap();
    let text = fs::read_to_string(data("app.log")).unwrap();
    let lines: Vec<_> = text.split_inclusive('\n').collect();
    let errors = |lines: &[&str]| lines.iter().filter(|line| line.contains(" ERROR ")).count();
    let add = |lines: &[&str]| {
        let mut file = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap();
        file.write_all(lines.concat().as_bytes()).unwrap();
    };
    let mut printed = Vec::new();
    let mut follow = |parts: &[&[&str]]| {
        let args = format!("-r {}", store.display());
        let mut command = command(env!("CARGO_BIN_EXE_errors"), &args);
        command.arg(&log);
        let mut programs = Programs::new();
        let mut count = 0;
        for part in parts {
            add(part);
            if programs.count() == 0 {
                programs.start(std::mem::replace(&mut command, Command::new("true")));
            }
            assert!(errors(part) > 0);
            count += errors(part);
            programs.lines(0, "the errors", count, |_| true).unwrap();
        }
        programs.signal_all(0, "-TERM");
        let ended = programs.ended(0, END).unwrap().code(143);
        printed.extend(ended.out);
    };
    follow(&[&lines[..30], &lines[30..60]]);
    follow(&[&lines[60..80], &lines[80..]]);
    assert_eq!(sorted(&printed.join("\n")), expected("errors.txt"));
}

/// Killed again and again, it writes the totals of one run.
#[test]
fn totals_of_runs_that_are_killed() {
    const TIMES: u64 = 800;
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    fs::create_dir(place.join("store")).unwrap();
    let text = fs::read_to_string(data("sales.csv")).unwrap();
    let (header, sales) = text.split_once('\n').unwrap();
    let (mut rows, mut totals) = (format!("{header}\n"), Vec::new());
    for _ in 0..TIMES {
        rows += sales;
    }
    fs::write(place.join("sales.csv"), rows).unwrap();
    for shop in ["Graz", "Innsbruck", "Linz", "Salzburg", "Wien"] {
        let cents = sales.lines().filter(|row| row.contains(shop));
        let cents = cents.filter_map(|row| row.rsplit_once(',')?.1.parse::<u64>().ok());
        let cents: Vec<_> = cents.collect();
        let (n, sum) = (
            cents.len() as u64 * TIMES,
            cents.iter().sum::<u64>() * TIMES,
        );
        totals.push(format!(r#"{{"shop":"{shop}","sales":{n},"cents":{sum}}}"#));
    }
    let store = place.join("store");
    let _ = kill_until_done(&["-w 2", "-p 2", "-w 1"], |way| {
        let args = format!("-r {} -s 0 {way}", store.display());
        TOTALS.command(place, &[place.join("sales.csv")], &args)
    });
    let written = fs::read_to_string(place.join("totals.jsonl")).unwrap();
    assert_eq!(sorted(&written), totals);
    let bad = fs::read_to_string(place.join("bad.txt")).unwrap();
    assert_eq!(bad.lines().count() as u64, 4 * TIMES);
}

#[test]
fn a_table_that_cannot_be_read_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let table = dir.path().join("products.csv");
    let says = |text: &str| {
        let mut enrich = Command::new(env!("CARGO_BIN_EXE_enrich"));
        let ended = enrich.arg(data("orders.csv")).arg(&table).output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(1), "{said}");
        let text = format!("cannot read `{}`: {text}", table.display());
        assert!(said.contains(&text), "{said}");
    };
    says("No such file or directory");
    fs::write(&table, "sku,name,cents\nA-1,Cup,much\n").unwrap();
    says("CSV deserialize error: record 1 (line: 2, byte: ");
}
