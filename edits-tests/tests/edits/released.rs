//! A store and a lock file that an earlier release has written, when a type already had its second version.

use std::path::Path;

use super::*;

/// Of a program that has read two keys with the first version of a type, and one of them again with the second. The end of its input has
/// had `stateful` save all keys anew, but not `stateful_map`.
const PLACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/stores/versions-v3");

fn items() -> TestingSource<(String, i64)> {
    let item = |key: &str, n| TestingItem::Item((key.to_owned(), n));
    let first = [item("ann", 1), item("bob", 2), TestingItem::Eof];
    let second = [item("ann", 10), TestingItem::Eof];
    let third = [item("ann", 100), item("bob", 200)];
    TestingSource::with_marks(first.into_iter().chain(second).chain(third))
}

/// A module of the program with types of its own.
macro_rules! programs {
    ($($module:ident { $($item:item)+ })+) => {$(
        mod $module {
            use super::*;

            $($item)+

            #[stateful]
            impl Sum {
                fn on_item(&mut self, n: i64, out: &mut Emit<i64>) -> Keep {
                    self.total += n;
                    out.emit(self.total);
                    Keep::Yes
                }
            }

            pub(super) fn program(out: &TestingSink<String>, patch: &Patch) -> Dataflow {
                dataflow!("versions", |flow| {
                    patch.say(flow);
                    let items = flow.input(items());
                    let sums = items.clone().stateful::<Sum>();
                    sums.map(line).output(out.clone()).named("sums.output");
                    let totals = items.stateful_map(|sum: &mut Sum, n| {
                        sum.total += n;
                        sum.total
                    });
                    totals.map(line).output(out.clone()).named("totals.output");
                })
            }
        }
    )+};
}

programs! {
    today {
        #[stateful]
        struct OldSum {
            total: i32,
        }

        #[stateful(version = 2, from(OldSum))]
        #[derive(Default)]
        struct Sum {
            total: i64,
            count: u64,
        }

        impl From<OldSum> for Sum {
            fn from(old: OldSum) -> Self {
                Self { total: old.total.into(), count: 1 }
            }
        }
    }
    without_the_way {
        #[stateful(version = 2)]
        #[derive(Default)]
        struct Sum {
            total: i64,
            count: u64,
        }
    }
    another {
        #[stateful(version = 2)]
        #[derive(Default)]
        struct Sum {
            total: i64,
            count: i64,
        }
    }
}

const TEXT: &str = "|flow| {
    let items = flow.input(items());
    let sums = items.clone().stateful::<Sum>();
    sums.map(line).output(out.clone()).named(\"sums.output\");
    let totals = items.stateful_map(|sum: &mut Sum, n| 0);
    totals.map(line).output(out.clone()).named(\"totals.output\");
}";

/// It lists no versions: all values are read, and what is found is said and saved.
#[test]
fn a_store_of_two_versions_is_resumed() {
    let store = copy(Path::new(PLACE));
    let twice = |line: &str| [line.to_owned(), line.to_owned()];
    let lines = ["(\"ann\", 111)", "(\"bob\", 202)"].map(twice).concat();
    assert_eq!(run(today::program, &copy(store.path())).unwrap(), lines);
    // Another program is told what is still there, before it needs it.
    let text = run(without_the_way::program, &store).unwrap_err();
    assert!(
        text.contains("states of the step `versions.totals.stateful_map` ")
            && text.contains("still saved as version 1"),
        "{text}"
    );
    assert_eq!(run(today::program, &store).unwrap(), lines);
    // Now each has the second version, but older epochs are not forgotten at once.
    let words = ["recovery", "migrate", store.path().to_str().unwrap()];
    for _ in 0..2 {
        let flow = today::program(&TestingSink::new(), &Patch::default());
        assert_eq!(bytewax::run_from(flow, words), bytewax::ExitCode::SUCCESS);
    }
    assert!(run(without_the_way::program, &store).unwrap().is_empty());
}

/// The file has version 1. It is held against the flow as before, and `lock` writes what it lacks.
#[test]
fn a_lock_file_of_version_1_is_read() {
    let released = std::fs::read_to_string(Path::new(PLACE).join("dataflow.lock")).unwrap();
    assert!(!released.contains("version = 2\n"), "{released}");
    let judged = |lock: &str| edits_tests::judge("versions", TEXT, Some(lock));
    assert_eq!(judged(&released).errors, [""; 0]);
    let [check, _] = &judged(&released).checks[..] else {
        panic!("the type is checked, in two ways: {:?}", judged(&released));
    };
    assert!(
        check.contains("the state of `sums.stateful` is `Sum` version 2"),
        "{check}"
    );
    let entry = released
        .lines()
        .find(|line| line.starts_with("\"sums.stateful\""));
    let (_, rest) = entry.unwrap().split_once("fingerprint = \"").unwrap();
    let fingerprint = u64::from_str_radix(&rest[..16], 16).unwrap();
    let reads = |program: Program| {
        let flow = program(&TestingSink::new(), &Patch::default());
        flow.reads_state("sums.stateful", 2, fingerprint)
    };
    assert!(reads(today::program) && reads(without_the_way::program));
    assert!(!reads(another::program));
    let renamed = released.replace("sums.stateful", "totals.stateful");
    assert!(judged(&renamed).errors[0].contains("has no step in this flow"));

    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("dataflow.lock");
    std::fs::write(&file, &released).unwrap();
    let lock = |words: &[&str]| {
        let flow = today::program(&TestingSink::new(), &Patch::default());
        let words = [&["lock", "--file", file.to_str().unwrap()], words].concat();
        bytewax::run_from(flow, words)
    };
    assert_ne!(lock(&["--check"]), bytewax::ExitCode::SUCCESS);
    assert_eq!(lock(&[]), bytewax::ExitCode::SUCCESS);
    assert_eq!(lock(&["--check"]), bytewax::ExitCode::SUCCESS);
    let written = std::fs::read_to_string(&file).unwrap();
    assert!(written.contains("version = 2\n\n[versions"), "{written}");
    assert!(written.contains("key = \"str\""), "{written}");
    let written = written.replace("[versions.edits]", "[versions]");
    assert_eq!(judged(&written).errors, [""; 0]);
    assert!(
        judged(&written)
            .checks
            .iter()
            .any(|it| it.contains("the type of the keys"))
    );
}
