//! State that older releases have saved is there again.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::process::Command;

use bytewax::ExitCode;
use bytewax::chrono::{DateTime, Utc};
use bytewax::operators::{Emit, Keep, StatefulLogic};
use bytewax::prelude::*;
use bytewax::testing::{TestingItem, TestingSink, TestingSource};

/// The stores that releases have written.
const STORES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/stores");

#[stateful]
#[derive(Default)]
struct Sum {
    total: i64,
    count: u64,
}

/// Waits for a time that does not come.
#[stateful]
#[derive(Default)]
struct Alarm {
    items: Vec<i64>,
}

impl StatefulLogic for Alarm {
    type In = i64;
    type Out = String;

    fn on_item(&mut self, item: i64, out: &mut Emit<String>) -> Keep {
        self.items.push(item);
        out.emit(format!("{:?}", self.items));
        Keep::Yes
    }

    fn notify_at(&self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp(4_102_444_800, 0)
    }
}

/// Never change it, but for steps with other names: the stores are of this flow.
fn flow(out: &TestingSink<String>) -> Dataflow {
    let item = |key: &str, n| TestingItem::Item((key.to_owned(), n));
    let first = [item("ann", 1), item("bob", 2), item("cyd", 5)];
    let second = [item("ann", 10), item("bob", 20), item("cyd", 50)];
    // The first run gives the first items, the second none, the third the others.
    let ends = [TestingItem::Eof, TestingItem::Eof];
    let marks = first.into_iter().chain(ends).chain(second);
    let marks: Vec<TestingItem<(String, i64)>> = marks.collect();
    Dataflow::build("kept", |flow| {
        let items = flow.input(TestingSource::with_marks(marks)).named("items");
        let told = |name: &'static str| {
            move |(key, value): (String, String)| format!("{name} {key}: {value}")
        };
        let by_name = items.key_on(|(key, _)| key.clone()).map_value(|(_, n)| n);
        let sums = by_name.clone().stateful_map(|sum: &mut Sum, n| {
            sum.total += n;
            sum.count += 1;
            format!("{} of {}", sum.total, sum.count)
        });
        let sums = sums.named("sums");
        sums.map(told("sum")).output(out.clone()).named("sums_out");
        // Of `bob`, nothing is kept.
        let kept = by_name
            .clone()
            .stateful_flat_map(|last: &mut Option<i64>, n| {
                let before = last.replace(n);
                if n % 2 == 0 && n % 5 != 0 || n == 20 {
                    *last = None;
                }
                [format!("{before:?}")]
            });
        let kept = kept.named("last");
        kept.map(told("last")).output(out.clone()).named("last_out");
        let alarms = by_name.clone().stateful::<Alarm>().named("alarms");
        alarms
            .map(told("alarm"))
            .output(out.clone())
            .named("alarms_out");
        // Integers as keys.
        let by_parity = by_name.map(|(_, n)| n).key_on(|n| n.unsigned_abs() % 2);
        let most = by_parity.stateful_map(|most: &mut i64, n| {
            *most = n.max(*most);
            *most
        });
        let most = most
            .named("most")
            .map(|(key, most)| format!("most {key}: {most}"));
        most.output(out.clone()).named("most_out");
    })
}

/// Runs the flow once; the lines that it gives, sorted.
fn run(args: &[&str]) -> Vec<String> {
    let out = TestingSink::new();
    assert_eq!(bytewax::run_from(flow(&out), args), ExitCode::SUCCESS);
    out.sorted()
}

const BEFORE: [&str; 12] = [
    "alarm ann: [1]",
    "alarm bob: [2]",
    "alarm cyd: [5]",
    "last ann: None",
    "last bob: None",
    "last cyd: None",
    "most 0: 2",
    "most 1: 1",
    "most 1: 5",
    "sum ann: 1 of 1",
    "sum bob: 2 of 1",
    "sum cyd: 5 of 1",
];

const AFTER: [&str; 12] = [
    "alarm ann: [1, 10]",
    "alarm bob: [2, 20]",
    "alarm cyd: [5, 50]",
    "last ann: Some(1)",
    "last bob: None",
    "last cyd: Some(5)",
    "most 0: 10",
    "most 0: 20",
    "most 0: 50",
    "sum ann: 11 of 2",
    "sum bob: 22 of 2",
    "sum cyd: 55 of 2",
];

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Writes what a release of today writes.
fn make(stores: &Path) {
    let (store, backup) = (stores.join("v3"), stores.join("backup-v3"));
    fs::create_dir(&store).unwrap();
    assert!(run(&["recovery", "init", text(&store), "2"]).is_empty());
    assert_eq!(run(&["-r", text(&store)]), BEFORE);
    for lock in ["init", "part-0", "part-1"] {
        fs::remove_file(store.join(lock).with_extension("lock")).unwrap();
    }
    // The backup has a base, of the store, and a segment of the second run.
    let local = tempfile::tempdir().unwrap();
    copy(&store, local.path());
    let args = ["-d", text(local.path()), "-b", text(&backup)];
    assert!(run(&args).is_empty());
}

/// What the program `bytewax` says.
fn bytewax(args: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_store-tool"));
    let output = command.args(args).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn stores_of_all_formats_are_resumed() {
    let made = tempfile::tempdir().unwrap();
    let new = std::env::var_os("MAKE_STORES").map_or(made.path().to_owned(), Into::into);
    make(&new);
    let stores = Path::new(STORES);
    for (stores, version) in [(stores, "v1"), (stores, "v2"), (stores, "v3"), (&new, "v3")] {
        let place = tempfile::tempdir().unwrap();
        let (store, backup) = (place.path().join("store"), place.path().join("backup"));
        copy(&stores.join(version), &store);
        copy(&stores.join(format!("backup-{version}")), &backup);
        // On a machine that has never seen the flow.
        let local = place.path().join("local");
        let restored = place.path().join("restored");
        let args = [
            "recovery",
            "restore",
            "--flow",
            "kept",
            text(&backup),
            text(&restored),
        ];
        assert!(bytewax(&args).starts_with("restored 2 partitions of flow `kept`"));
        for store in [&store, &restored] {
            let sound = bytewax(&["recovery", "verify", text(store)]);
            assert!(sound.ends_with(" rows read, all sound\n"), "{sound}");
            let key = ["--step", "kept.alarms", "--key", "bob"];
            let alarm = bytewax(&[&["recovery", "dump", text(store)], &key[..]].concat());
            assert!(
                alarm.contains("waits for  2100-01-01T00:00:00+00:00\n"),
                "{alarm}"
            );
        }
        for [first, second] in [["3", "1"], ["1", "3"]] {
            let copied = place.path().join(format!("workers-{first}"));
            copy(&store, &copied);
            assert!(run(&["-r", text(&copied), "-w", first]).is_empty());
            assert_eq!(run(&["-r", text(&copied), "-w", second]), AFTER);
        }
        assert_eq!(run(&["-r", text(&restored)]), AFTER);
        let args = ["-d", text(&local), "-b", text(&backup), "-w", "2"];
        assert_eq!(run(&args), AFTER);
        assert!(run(&args).is_empty());
    }
}
