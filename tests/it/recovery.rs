//! The program `bytewax`, run as a process.

use std::path::Path;
use std::process::Command;

use bytewax::ExitCode;
use bytewax::prelude::*;
use bytewax::testing::{TestingItem, TestingSink, TestingSource};

/// Runs the program in a directory; its exit code and what it prints.
fn bytewax(dir: &Path, args: &str) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_store-tool"));
    command.current_dir(dir).args(args.split_whitespace());
    let output = command.output().expect("it starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it prints text");
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn a_store_is_made_shown_checked_and_copied() {
    let dir = tempfile::tempdir().expect("there is a place for files");
    let dir = dir.path();
    std::fs::create_dir(dir.join("old")).expect("it can be written");
    std::fs::create_dir(dir.join("new")).expect("it can be written");
    let check = |args: &str, expected: &str| {
        let (code, out, err) = bytewax(dir, args);
        assert_eq!(
            (code, out.as_str(), err.as_str()),
            (Some(0), expected, ""),
            "{args}"
        );
    };
    let made = "made 3 partitions for flow `orders` in `old`\n";
    check("recovery init --flow orders old 3", made);
    check("recovery verify old", "0 rows read, all sound\n");
    let copied = "copied the state in `old` to 1 partition in `new`\n";
    check("recovery repartition old 1 new", copied);
    let (code, out, _) = bytewax(dir, "recovery show --json new");
    assert_eq!(code, Some(0));
    let shown: serde_json::Value = serde_json::from_str(&out).expect("it is JSON");
    assert_eq!(shown["flow"], "orders");
    assert_eq!(shown["partitions"].as_array().map(Vec::len), Some(1));
}

#[test]
fn errors_have_the_code_1_and_are_told_once() {
    let dir = tempfile::tempdir().expect("there is a place for files");
    let (code, out, err) = bytewax(dir.path(), "recovery show missing");
    let text = "error: the recovery directory `missing` does not exist; create it, or name the \
                right one\n";
    assert_eq!((code, out.as_str(), err.as_str()), (Some(1), "", text));
    let (code, _, err) = bytewax(dir.path(), "recovery verify .");
    let text = "error: no recovery partition was found";
    assert_eq!((code, err.starts_with(text)), (Some(1), true), "{err}");
}

#[test]
fn usage_errors_have_the_code_2() {
    let dir = tempfile::tempdir().expect("there is a place for files");
    for args in [
        "",
        "recovery",
        "recovery init DIR 3",
        "recovery init --flow orders DIR -3",
        "recovery dump DIR --step orders.total",
        "recovery dump DIR --step orders.total --key-bytes 0",
        "recovery drop-step DIR",
        "recovery show",
    ] {
        assert_eq!(bytewax(dir.path(), args).0, Some(2), "{args}");
    }
}

/// Sums that are broken off twice within an epoch; what three runs give.
fn broken_off(dir: &Path, more: &[&str]) -> Vec<Vec<u64>> {
    let numbers = |numbers: std::ops::Range<u64>| numbers.map(TestingItem::Item);
    let marks = numbers(1..4)
        .chain([TestingItem::Abort])
        .chain(numbers(4..6))
        .chain([TestingItem::Eof])
        .chain(numbers(6..7));
    let out = TestingSink::new();
    let flow = Dataflow::build("sums", |flow| {
        let numbers = flow
            .input(TestingSource::with_marks(marks))
            .named("numbers");
        let sums = numbers.key_on(|n| n % 2).stateful_map(|sum: &mut u64, n| {
            *sum += n;
            *sum
        });
        sums.named("sums").key_rm().output(out.clone()).named("out");
    });
    let dir = dir.to_str().expect("it is text");
    let args = [&["-r", dir, "-s", "3600"], more].concat();
    let run = |_| {
        assert_eq!(bytewax::run_from(flow.clone(), &args), ExitCode::SUCCESS);
        if out.items().len() == 3 && !more.is_empty() {
            // The epoch was not completed, and what was written of it counts for nothing.
            let (_, shown, _) = bytewax(Path::new("."), &format!("recovery show {dir} --json"));
            let shown: serde_json::Value = serde_json::from_str(&shown).expect("it is JSON");
            assert_eq!(shown["next"]["epoch"], 1);
            assert_eq!(shown["steps"][1]["id"], "sums.sums");
            assert_ne!(shown["steps"][1]["rows"], 0);
            assert_eq!(shown["steps"][1]["keys"], 0);
        }
        out.take()
    };
    (0..3).map(run).collect()
}

#[test]
fn what_is_saved_at_once_counts_at_the_end_of_the_epoch_too() {
    let dirs = [(); 2].map(|()| tempfile::tempdir().expect("there is a place for files"));
    let batch = broken_off(dirs[0].path(), &[]);
    let expected = [vec![1, 2, 4], vec![1, 2, 4, 6, 9], vec![12]];
    assert_eq!(batch, expected);
    let immediate = broken_off(dirs[1].path(), &["--snapshot-mode", "immediate"]);
    assert_eq!(immediate, expected);
}
