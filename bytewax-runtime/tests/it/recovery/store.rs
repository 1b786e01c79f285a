//! Which stores a run accepts: rows 85 to 87 and 97 to 102.

use std::fs;
use std::path::{Path, PathBuf};

use bytewax_runtime::RecoveryConfig;
use bytewax_runtime::prelude::*;
use bytewax_runtime::testing::{TestingItem, TestingSink, TestingSource};

use super::{LONG, Store, ZERO, config_at, init, refusal, runs};
use crate::shared::{flow_of, sorted};

use TestingItem::{Abort, Eof, Item};

/// A flow that counts, and the list it writes to.
fn counting() -> (Dataflow, TestingSink<(char, u32)>) {
    let out = TestingSink::new();
    let elements = [Item('a'), Item('b'), Abort, Item('a'), Eof, Item('b')];
    let counts = |s: Stream<char>| {
        let step = s.key_on(|key| *key).stateful_map(|count: &mut u32, _| {
            *count += 1;
            *count
        });
        step.named("counts")
    };
    let flow = flow_of(TestingSource::with_marks(elements), counts, out.clone());
    (flow, out)
}

/// The file of a partition.
fn file(store: &Path, index: u32) -> PathBuf {
    store.join(format!("part-{index}.sqlite3"))
}

#[track_caller]
fn check_refusal(store: &Path, expect: &[&str]) {
    let text = refusal(&counting().0, config_at(store, ZERO));
    for expect in expect {
        assert!(text.contains(expect), "{expect} is not told: {text}");
    }
}

#[test]
fn r85_a_store_is_made_on_first_use() {
    let directory = tempfile::tempdir().unwrap();
    let (flow, out) = counting();
    let config = config_at(directory.path(), ZERO);
    let got = runs(&flow, &out, [config.clone(), config]);
    assert_eq!(got, [vec![('a', 1), ('b', 1)], vec![('a', 2)]]);
    assert!(file(directory.path(), 15).exists());
}

#[test]
fn r86_a_partition_is_missing() {
    let store = Store::new(3);
    fs::remove_file(file(store.path(), 0)).unwrap();
    check_refusal(store.path(), &["of 3", "missing", ": 0;"]);
}

#[test]
fn r87_a_partition_is_from_before_the_first_run() {
    let store = Store::new(3);
    let pristine = tempfile::tempdir().unwrap();
    let kept = pristine.path().join("kept");
    fs::copy(file(store.path(), 0), &kept).unwrap();
    let (flow, out) = counting();
    // What the second run begins with is no longer kept as it was before the first.
    runs(&flow, &out, [store.config(ZERO), store.config(ZERO)]);
    fs::copy(&kept, file(store.path(), 0)).unwrap();
    check_refusal(store.path(), &["part-0"]);
}

#[test]
fn r97_r98_a_store_is_made_once() {
    let store = Store::new(2);
    let files = || {
        let entries = fs::read_dir(store.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        sorted(names.filter(|name| name.ends_with(".sqlite3")))
    };
    assert_eq!(files(), ["part-0.sqlite3", "part-1.sqlite3"]);
    let again = ["recovery", "init", store.path().to_str().unwrap(), "3"];
    let code = bytewax_runtime::run_from(Dataflow::build("f", |_| ()), again);
    assert_eq!(code, std::process::ExitCode::FAILURE);
    assert_eq!(files(), ["part-0.sqlite3", "part-1.sqlite3"]);
    let (flow, out) = counting();
    runs(&flow, &out, [store.config(ZERO)]);
}

#[test]
fn r99_a_directory_is_made_by_a_run_alone() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing");
    let init = ["recovery", "init", missing.to_str().unwrap(), "2"];
    let code = bytewax_runtime::run_from(Dataflow::build("f", |_| ()), init);
    assert_eq!(code, std::process::ExitCode::FAILURE);
    assert!(!missing.exists());
    let (flow, out) = counting();
    runs(&flow, &out, [config_at(&missing, ZERO)]);
    assert!(file(&missing, 0).exists());
}

#[test]
fn r100_partitions_of_stores_of_different_sizes() {
    let store = Store::new(3);
    let other = Store::new(2);
    fs::copy(file(other.path(), 0), file(store.path(), 0)).unwrap();
    check_refusal(store.path(), &["part-0"]);
}

#[test]
fn r101_names_of_files_do_not_matter() {
    let store = Store::new(2);
    let (flow, out) = counting();
    runs(&flow, &out, [store.config(ZERO)]);
    fs::rename(file(store.path(), 0), store.path().join("renamed.sqlite3")).unwrap();
    fs::write(store.path().join("notes.txt"), "mine").unwrap();
    assert_eq!(runs(&flow, &out, [store.config(ZERO)]), [[('a', 2)]]);
}

#[test]
fn r102_a_foreign_file() {
    let store = Store::new(2);
    fs::write(store.path().join("mine.sqlite3"), "this is no database").unwrap();
    check_refusal(store.path(), &["mine.sqlite3"]);
}

#[test]
fn partitions_in_several_directories() {
    let store = Store::new(3);
    let other = tempfile::tempdir().unwrap();
    fs::rename(file(store.path(), 1), file(other.path(), 1)).unwrap();
    let config = store
        .config(ZERO)
        .recovery(RecoveryConfig::new(store.path()).dir(other.path()));
    let (flow, out) = counting();
    let got = runs(&flow, &out, [config.clone().workers(2), config]);
    assert_eq!(got[1], [('a', 2)]);
    check_refusal(store.path(), &["missing", ": 1;"]);
}

#[test]
fn the_store_of_another_flow() {
    let store = Store::new(2);
    let out = TestingSink::new();
    let flow = Dataflow::build("other", |flow| {
        let items = flow.input(TestingSource::new([1])).named("in");
        items.output(out.clone()).named("out");
    });
    let text = refusal(&flow, store.config(ZERO));
    assert!(text.contains("`f`") && text.contains("`other`"), "{text}");
}

/// A step that is renamed would lose its state; the text says how to go on.
#[test]
fn state_that_no_step_claims() {
    let store = Store::new(2);
    let (flow, out) = counting();
    runs(&flow, &out, [store.config(ZERO)]);
    let renamed = flow_of(
        TestingSource::new(['a']),
        |s| {
            let keyed = s.key_on(|key| *key);
            keyed
                .stateful_map(|count: &mut u32, _| *count)
                .named("renamed")
        },
        out.clone(),
    );
    let text = refusal(&renamed, store.config(ZERO));
    let ways = [
        ".named(\"counts\")",
        "flow.dropped(\"counts\", \"why\")",
        "recovery drop-step",
    ];
    for expect in [&["f.counts"][..], &ways[..]].concat() {
        assert!(text.contains(expect), "{expect} is not told: {text}");
    }
}

/// A step that is dropped on purpose leaves nothing behind, not even for a later step of its name.
#[test]
fn state_that_is_dropped() {
    let store = Store::new(2);
    let (flow, out) = counting();
    let first = runs(&flow, &out, [store.config(ZERO)]);
    assert_eq!(first, [vec![('a', 1), ('b', 1)]]);
    let without = Dataflow::build("f", |flow| {
        flow.dropped("counts", "nobody counts any more");
        let items = flow.input(TestingSource::new(['a', 'b'])).named("in");
        items.map(|key| (key, 0)).output(out.clone()).named("out");
    });
    runs(&without, &out, [store.config(ZERO)]);
    let again = runs(&flow, &out, [store.config(ZERO).workers(2)]);
    assert_eq!(again, [vec![('a', 1)]]);
}

#[test]
fn a_step_with_state_of_another_type() {
    let store = Store::new(2);
    let (flow, out) = counting();
    runs(&flow, &out, [store.config(ZERO)]);
    let changed = flow_of(
        TestingSource::new(['a']),
        |s| {
            let keyed = s.key_on(|key| *key);
            let step = keyed.stateful_map(|text: &mut String, _| text.len() as u32);
            step.named("counts")
        },
        out.clone(),
    );
    let text = refusal(&changed, store.config(ZERO));
    for expect in ["f.counts", "u32", "String"] {
        assert!(text.contains(expect), "{expect} is not told: {text}");
    }
}

/// Two clusters cannot write to one store.
#[test]
fn a_store_in_use() {
    let store = Store::new(2);
    let path = store.path().to_owned();
    let inner = flow_of(TestingSource::new(['a']), |s| s, TestingSink::new());
    let (sender, seen) = std::sync::mpsc::channel();
    let look = move |s: Stream<char>| {
        s.inspect(move |_| {
            sender
                .send(refusal(&inner, config_at(&path, ZERO)))
                .unwrap();
        })
    };
    let outer = flow_of(TestingSource::new(['a']), look, TestingSink::new());
    runs(&outer, &TestingSink::<char>::new(), [store.config(LONG)]);
    let text = seen.recv().unwrap();
    assert!(text.contains("part-0"), "{text}");
}

/// A store that was made for nothing is as good as new.
#[test]
fn a_store_of_one_partition() {
    let directory = tempfile::tempdir().unwrap();
    init(directory.path(), 1);
    let (flow, out) = counting();
    let configs = [3, 4, 2].map(|workers| config_at(directory.path(), ZERO).workers(workers));
    let got = runs(&flow, &out, configs);
    assert_eq!(got[1..], [vec![('a', 2)], vec![('b', 2)]]);
}
