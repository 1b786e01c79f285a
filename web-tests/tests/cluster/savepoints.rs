//! Savepoints of runs on several machines, of which some are killed.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use web_tests::{PATIENCE, Run, post};

use super::{STAGED, signal};

const TOKEN: &str = "0123456789abcdef";

/// A flow that fails if a state and a position are not of the same epoch.
const WORDS: &str = "checked --rate 20000 --control-token 0123456789abcdef -s 0";

/// Two machines, each with a directory.
struct Machines(tempfile::TempDir);

impl Machines {
    fn new() -> Self {
        let machines = Self(tempfile::tempdir().expect("there is a place for files"));
        for dir in machines.dirs() {
            fs::create_dir(dir).expect("it can be made");
        }
        machines
    }

    fn dirs(&self) -> [PathBuf; 2] {
        ["a", "b"].map(|name| self.0.path().join(name))
    }

    fn start(&self, words: &str) -> [Run; 2] {
        let [first, second] = self.dirs();
        Run::cluster(STAGED, [&first, &second], &format!("{WORDS} {words}"))
    }

    /// Creates a store, of which each machine has a part.
    fn divide(&self) {
        for dir in self.dirs() {
            fs::create_dir(dir.join("state")).expect("it can be made");
        }
        let [first, second] = self.dirs().map(|dir| dir.join("state"));
        let mut init = std::process::Command::new(STAGED);
        init.args(["checked", "recovery", "init"])
            .arg(&first)
            .arg("4");
        let made = init.output().expect("the program starts");
        assert!(made.status.success(), "{made:?}");
        for index in [1, 3] {
            let name = format!("part-{index}.sqlite3");
            fs::rename(first.join(&name), second.join(&name)).expect("it is made");
        }
    }
}

/// Waits until so many more epochs are complete.
#[track_caller]
fn epochs(run: &Run, more: u64) {
    let complete = || run.report()["workers"][0]["epochs_complete"].as_u64();
    let until = complete().unwrap_or_default() + more;
    let limit = Instant::now() + PATIENCE;
    while complete() < Some(until) {
        assert!(Instant::now() < limit, "no epoch is complete");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Runs from a store, and stops; it fails if anything in it does not fit.
#[track_caller]
fn check(machines: &Machines, words: &str) {
    let mut runs = machines.start(&format!("{words} --resume require"));
    epochs(&runs[0], 3);
    let stopped = post(&runs[1].address, "/stop", TOKEN);
    assert_eq!(stopped.map(|(status, _)| status), Some(202));
    for run in &mut runs {
        assert_eq!(run.ended(), Some(143), "{words}");
    }
}

#[test]
fn each_machine_has_its_part_of_a_savepoint() {
    let machines = Machines::new();
    machines.divide();
    let runs = machines.start("-r state");
    epochs(&runs[0], 3);
    // Any process can be asked.
    for (run, name) in runs.iter().zip(["one", "two"]) {
        let (status, text) =
            post(&run.address, &format!("/savepoint/{name}"), TOKEN).expect("it runs");
        assert_eq!(status, 201, "{text}");
        let place = format!("`state/savepoints/{name}` of each of 2 processes, in 4 partitions");
        assert!(text.contains(&place), "{text}");
        epochs(run, 2);
    }
    let (status, text) = post(&runs[1].address, "/savepoint/one", TOKEN).expect("it runs");
    assert_eq!(status, 409, "{text}");
    // Of two at once, at most one is made at a time, and each is whole or refused.
    let both = thread::scope(|scope| {
        let asks = [&runs[0], &runs[1]].map(|run| {
            let address = &run.address;
            scope.spawn(|| post(address, "/savepoint/three", TOKEN))
        });
        asks.map(|ask| ask.join().expect("it is asked").expect("it runs"))
    });
    assert!(
        both.iter().all(|(status, _)| [201, 409].contains(status)),
        "{both:?}"
    );
    if both.iter().all(|(status, _)| *status == 409) {
        let (status, text) = post(&runs[0].address, "/savepoint/three", TOKEN).expect("it runs");
        assert_eq!(status, 201, "{text}");
    }
    for run in runs {
        run.kill();
    }
    for name in ["one", "two", "three"] {
        check(&machines, &format!("-r state/savepoints/{name}"));
    }
    check(&machines, "-r state");
}

/// Kills a process while a savepoint is made. Afterwards, it can be made, and a run goes on from it.
#[test]
fn a_killed_process_leaves_no_half_of_a_savepoint() {
    let machines = Machines::new();
    machines.divide();
    let mut was_made = 0;
    for (round, delay) in [0, 4, 12, 40].into_iter().enumerate() {
        let name = format!("s{round}");
        let path = format!("/savepoint/{name}");
        let runs = machines.start("-r state");
        epochs(&runs[0], 3);
        let (asked, killed) = (round % 2, round / 2 % 2);
        thread::scope(|scope| {
            let address = &runs[asked].address;
            let asked = scope.spawn(|| post(address, &path, TOKEN));
            thread::sleep(Duration::from_millis(delay));
            signal(&runs[killed].id().to_string(), "-KILL");
            let answer = asked.join().expect("it is asked");
            was_made += usize::from(answer.is_some_and(|(status, _)| status == 201));
        });
        drop(runs);

        let runs = machines.start("-r state");
        epochs(&runs[0], 3);
        let (status, text) = post(&runs[1 - asked].address, &path, TOKEN).expect("it runs");
        let exists = text.contains("exists;");
        assert!(status == 201 || status == 409 && exists, "{status}: {text}");
        for run in runs {
            run.kill();
        }
        check(&machines, &format!("-r state/savepoints/{name}"));
        for dir in machines.dirs() {
            no_drafts(&dir.join("state/savepoints"));
        }
    }
    assert!(was_made < 4, "no kill was in time");
}

#[track_caller]
fn no_drafts(dir: &Path) {
    for entry in fs::read_dir(dir).expect("it is there") {
        let name = entry.expect("it is read").file_name();
        assert!(!name.to_string_lossy().starts_with('.'), "{name:?}");
    }
}

#[test]
fn with_a_backup_the_savepoint_is_in_the_backup() {
    let machines = Machines::new();
    let backup = machines.0.path().join("backup");
    let backup = backup.display();
    let runs = machines.start(&format!("-d state -b {backup}"));
    epochs(&runs[0], 3);
    let mut names = Vec::new();
    for (run, name) in runs.iter().zip(["one", "two"]) {
        let (status, text) =
            post(&run.address, &format!("/savepoint/{name}"), TOKEN).expect("it runs");
        assert_eq!(status, 201, "{text}");
        let place = format!("the backup as `checked/savepoints/{name}`");
        assert!(text.contains(&place), "{text}");
        epochs(run, 2);
        names.push(name.to_owned());
    }
    thread::scope(|scope| {
        let address = &runs[0].address;
        let asked = scope.spawn(|| post(address, "/savepoint/three", TOKEN));
        thread::sleep(Duration::from_millis(3));
        signal(&runs[0].id().to_string(), "-KILL");
        let _ = asked.join();
    });
    drop(runs);
    let runs = machines.start(&format!("-d state -b {backup}"));
    epochs(&runs[0], 1);
    let (status, text) = post(&runs[0].address, "/savepoint/three", TOKEN).expect("it runs");
    assert!(
        status == 201 || status == 409 && text.contains("exists;"),
        "{text}"
    );
    names.push("three".to_owned());
    drop(runs);
    // New machines.
    for name in names {
        check(
            &machines,
            &format!("-d new-{name} -b {backup}/checked/savepoints/{name}"),
        );
    }
    check(&machines, &format!("-d state -b {backup}"));
}
