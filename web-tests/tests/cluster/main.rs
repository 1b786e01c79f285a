//! Process 0 shows the whole cluster, and names the processes that do not answer.

mod savepoints;

use std::fs;
use std::io::Write;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use web_tests::{PATIENCE, Run};

const STAGED: &str = env!("CARGO_BIN_EXE_staged");

fn whole(run: &Run) -> Value {
    serde_json::from_str(&run.get("/api/v1/report?all=true")).expect("it is JSON")
}

/// The numbers of the workers in a list.
fn workers(list: &Value) -> Vec<u64> {
    let list = list.as_array().expect("it is a list");
    list.iter().filter_map(|it| it["worker"].as_u64()).collect()
}

/// The states of the processes.
fn states(report: &Value) -> Vec<&str> {
    let members = report["members"].as_array();
    let members = members.into_iter().flatten();
    members.filter_map(|it| it["state"].as_str()).collect()
}

/// Waits until the report of the cluster is as it should be.
#[track_caller]
fn wait(run: &Run, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    let until = Instant::now() + PATIENCE;
    loop {
        let report = whole(run);
        if is(&report) {
            return report;
        }
        assert!(Instant::now() < until, "not {what}: {report}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// The id of a process that the run has started.
fn child(run: &Run, process: usize) -> String {
    let id = run.id();
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
    let children = children.expect("the kernel lists them");
    let is = |child: &&str| {
        let environment = fs::read(format!("/proc/{child}/environ")).unwrap_or_default();
        let mut variables = environment.split(|byte| *byte == 0);
        variables.any(|it| it.starts_with(format!("BYTEWAX_SPAWNED={process}/").as_bytes()))
    };
    let mut found = children.split_whitespace();
    found.find(is).expect("it runs").to_owned()
}

fn signal(child: &str, signal: &str) {
    let sent = Command::new("kill").args([signal, child]).status();
    assert!(sent.expect("`kill` starts").success());
}

#[test]
fn process_0_shows_all_workers_and_names_a_process_that_does_not_answer() {
    let (run, _) = Run::pair(STAGED, "counted --rate 1000 -p 2 --items 2000");
    let report = wait(&run, "complete", |report| {
        workers(&report["workers"]) == [0, 1] && states(report) == ["current", "current"]
    });
    let of = |report: &Value| {
        let workers = report["workers"].as_array().expect("it is a list");
        let of = workers.iter().map(|it| it["process"].clone());
        of.collect::<Vec<_>>()
    };
    assert_eq!(of(&report), [0, 1].map(|it| json!(it)));
    for step in report["steps"].as_array().expect("it is a list") {
        assert_eq!(workers(&step["workers"]), [0, 1], "{step}");
    }
    // Both partitions are in the report of the whole, and each process alone knows its own.
    let items = |report: &Value| -> u64 {
        let workers = report["steps"][0]["workers"].as_array();
        let items = workers.into_iter().flatten();
        items.filter_map(|it| it["items_out"].as_u64()).sum()
    };
    wait(&run, "at the end", |report| items(report) == 4000);
    assert_eq!(workers(&run.report()["workers"]), [0]);
    assert!(run.report().get("members").is_none());
    let errors: Value = serde_json::from_str(&run.get("/api/v1/errors?all=true")).expect("JSON");
    let errors = errors["errors"].as_array().expect("it is a list");
    for worker in [0, 1] {
        let mut workers = errors.iter().map(|it| &it["worker"]);
        assert!(workers.any(|it| *it == worker), "{worker}: {errors:?}");
    }

    // A process that is stopped is named, and not waited for.
    let second = child(&run, 1);
    signal(&second, "-STOP");
    let slow = wait(&run, "slow", |report| states(report) == ["current", "slow"]);
    assert_eq!(workers(&slow["workers"]), [0, 1], "its last numbers stay");
    thread::sleep(Duration::from_millis(600));
    let began = Instant::now();
    let slow = whole(&run);
    assert!(
        began.elapsed() < Duration::from_millis(450),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(states(&slow), ["current", "slow"]);
    let age = slow["members"][1]["age_seconds"].as_f64();
    assert!(age > Some(0.5), "{age:?}");
    signal(&second, "-CONT");
    wait(&run, "current again", |report| {
        states(report) == ["current", "current"]
    });
}

#[test]
fn the_metrics_of_all_processes_are_those_of_each() {
    // The processes have a secret, so all that they send is sealed.
    let mut secret = tempfile::NamedTempFile::new().expect("there is a place for files");
    writeln!(secret, "{}", "c0ffee99".repeat(8)).expect("it can be written");
    let secret = secret.path().display();
    let words =
        format!("counted --rate 1000 -p 2 --items 2000 --cluster-secret-file {secret} --metrics");
    // The metrics have the address of the page.
    let (run, _) = Run::pair_with(STAGED, |port| format!("{words} {port}"));
    let until = Instant::now() + PATIENCE;
    let series = |text: &str, name: &str| -> Vec<(String, f64)> {
        let lines = text.lines().filter(|line| line.starts_with(name));
        let samples = lines.filter_map(|line| line.rsplit_once(' '));
        let samples =
            samples.map(|(labels, value)| (labels.to_owned(), value.parse().unwrap_or(f64::NAN)));
        samples.collect()
    };
    loop {
        let text = run.get("/metrics?all=true");
        let current = series(&text, "bytewax_process_current{");
        let counts = series(
            &text,
            "bytewax_item_out_count_total{step_id=\"counted.numbers\"",
        );
        let items: f64 = counts.iter().map(|(_, value)| value).sum();
        let all_answer = current.iter().all(|(_, value)| *value == 1.0);
        if current.len() == 2 && all_answer && counts.len() == 2 && items == 4000.0 {
            assert!(text.ends_with("# EOF\n"));
            break;
        }
        assert!(Instant::now() < until, "{current:?} {counts:?}");
        thread::sleep(Duration::from_millis(100));
    }
    // Without `all`, the series are those of this process.
    let text = run.get("/metrics");
    assert_eq!(series(&text, "bytewax_process_current").len(), 0);
    let counts = series(
        &text,
        "bytewax_item_out_count_total{step_id=\"counted.numbers\"",
    );
    assert_eq!(counts.len(), 1);
}
