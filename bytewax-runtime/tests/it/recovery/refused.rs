//! A run that is refused leaves the store as it was, whatever it is refused for: nothing is written before all
//! workers have accepted all of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use bytewax_runtime::prelude::*;
use bytewax_runtime::sink::FixedPartitionedSink;
use bytewax_runtime::source::{FixedPartitionedSource, Poll, StatefulSourcePartition};
use bytewax_runtime::state::{Schema, State};
use bytewax_runtime::testing::{RunConfig, TestingItem, TestingSink, TestingSource};
use bytewax_runtime::windowing::{CountWindower, SystemClock};
use bytewax_runtime::{RecoveryConfig, ResumePolicy, StepError};
use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize};

use super::kept::{KeptList, KeptSink, Lists};
use super::{Store, ZERO, refusal, runs};
use crate::shared::{Call, EachWorker, EachWrites};

/// What is changed before the second run. All but the first also drop the step `old`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edit {
    None,
    StepRenamed,
    StepStateless,
    StepOfOtherKind,
    StateOfOtherShape,
    WindowsOfOtherLength,
    PartitionOfSourceGone,
    PartitionOfSinkGone,
    PositionOfOtherType,
    PositionUnreadable,
    SourceUnlisted,
    SourceUnopened,
    SinkUnopened,
    DynamicSourceUnbuilt,
    DynamicSinkUnbuilt,
    ResumeForbidden,
}

use Edit::*;

/// All reasons for which a run is refused after the store was found, each with a part of what is said.
const REFUSALS: [(Edit, &str); 15] = [
    (StepRenamed, "the saved state of the stateful `f.sums`"),
    (StepStateless, "saves nothing"),
    (StepOfOtherKind, "is a source, but the state saved"),
    (
        StateOfOtherShape,
        "saved state is version 1 of another shape",
    ),
    (WindowsOfOtherLength, "`count 50`"),
    (PartitionOfSourceGone, "does not list any more: `1`"),
    (PartitionOfSinkGone, "does not list any more"),
    (PositionOfOtherType, "the position of `f.numbers`"),
    (PositionUnreadable, "the saved position cannot be read"),
    (SourceUnlisted, "the lists are gone"),
    (SourceUnopened, "the list was cut"),
    (SinkUnopened, "the file was cut"),
    (DynamicSourceUnbuilt, "no device"),
    (DynamicSinkUnbuilt, "no socket"),
    (ResumeForbidden, "there is something to resume"),
];

/// Where items go: `sums` as they are written to files, and what `old` and `windows` give.
#[derive(Clone, Default)]
struct Outs {
    files: KeptSink,
    old: TestingSink<(char, u64)>,
    windows: TestingSink<(char, u64)>,
}

fn lists() -> Vec<TestingSource<u64>> {
    let list = |runs: [[u64; 3]; 2]| {
        let runs = runs.map(|run| run.map(TestingItem::Item));
        let elements = runs
            .into_iter()
            .flat_map(|run| run.into_iter().chain([TestingItem::Eof]));
        TestingSource::with_marks(elements)
    };
    vec![
        list([[1, 2, 3], [7, 8, 9]]),
        list([[4, 5, 6], [10, 11, 12]]),
    ]
}

fn key(n: u64) -> char {
    ['a', 'b', 'c'][n as usize % 3]
}

fn flow(edit: Edit, outs: &Outs) -> Dataflow {
    Dataflow::build("f", |flow| {
        let numbers = match edit {
            PartitionOfSourceGone => flow.input(Lists(vec![lists().remove(0)])),
            PositionOfOtherType => flow.input(Faulty::<String>::new(edit)),
            PositionUnreadable => flow.input(Faulty::<Unreadable>::new(edit)),
            SourceUnlisted | SourceUnopened => flow.input(Faulty::<u64>::new(edit)),
            _ => flow.input(Lists(lists())),
        };
        let numbers = numbers.named("numbers").map(|n| (key(n), n));
        let add = |sum: &mut u64, n| {
            *sum += n;
            *sum
        };
        let sums = match edit {
            StepRenamed => numbers.clone().stateful_map(add).named("totals"),
            StepStateless => numbers.clone().map_value(|n| n).named("sums"),
            StepOfOtherKind => {
                let more = flow.input(Lists(lists())).named("sums");
                more.map(|n| (key(n), n))
            }
            StateOfOtherShape => {
                let sums = numbers.clone().stateful_map(|text: &mut String, n| {
                    text.push('.');
                    n
                });
                sums.named("sums")
            }
            _ => numbers.clone().stateful_map(add).named("sums"),
        };
        let lines = sums.map(|(key, sum)| (key, format!("{key} {sum}")));
        match edit {
            PartitionOfSinkGone => lines.output(Files(outs.files.clone(), &["x"], true)),
            SinkUnopened => lines.output(Files(outs.files.clone(), &["x", "y", "z"], false)),
            _ => lines.output(outs.files.clone()),
        }
        .named("files");

        let count = if edit == WindowsOfOtherLength {
            50
        } else {
            100
        };
        let windower = CountWindower::new(count);
        let windows = numbers.clone().count_window(SystemClock::new(), windower);
        let windows = windows.down.named("windows").map_value(|(_, n)| n);
        windows.output(outs.windows.clone()).named("windows_out");

        if edit == None {
            let old = numbers.stateful_map(add).named("old");
            old.output(outs.old.clone()).named("old_out");
        } else {
            flow.dropped("old", "nobody reads it");
        }
        if edit == DynamicSourceUnbuilt {
            let build = |worker: bytewax_runtime::WorkerIndex| match worker.0 {
                0 => Err(StepError::msg("no device")),
                _ => Ok(|| Ok(Poll::<u64>::end())),
            };
            let source = flow.input(EachWorker(build)).named("device");
            source.output(TestingSink::new()).named("device_out");
        }
        if edit == DynamicSinkUnbuilt {
            let build = |worker: bytewax_runtime::WorkerIndex, call: Call<u64>| match call {
                Call::Build if worker.0 == 0 => Err(StepError::msg("no socket")),
                _ => Ok(()),
            };
            let more = flow.input(TestingSource::new([1_u64])).named("more");
            more.output(EachWrites::new(build)).named("socket");
        }
    })
}

/// A position with the schema of a number, but for values that it does not take.
#[derive(Serialize)]
struct Unreadable(u64);

impl State for Unreadable {
    const SCHEMA: Schema = u64::SCHEMA;
}

impl<'de> Deserialize<'de> for Unreadable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u64::deserialize(deserializer)?;
        Err(D::Error::custom(format!("{number} is no place")))
    }
}

/// A source of the two lists that cannot be listed or opened.
struct Faulty<P> {
    edit: Edit,
    position: std::marker::PhantomData<fn(P)>,
}

impl<P> Faulty<P> {
    fn new(edit: Edit) -> Self {
        Self {
            edit,
            position: std::marker::PhantomData,
        }
    }
}

struct Never<P>(P);

impl<P: State + Sync> FixedPartitionedSource for Faulty<P> {
    type Item = u64;
    type Position = P;
    type Partition = Never<P>;

    fn partitions(&self) -> Result<Vec<String>, StepError> {
        match self.edit {
            SourceUnlisted => Err(StepError::msg("the lists are gone")),
            _ => Ok(vec!["0".to_owned(), "1".to_owned()]),
        }
    }

    fn open(&self, _: &str, _: Option<P>) -> Result<Never<P>, StepError> {
        Err(StepError::msg("the list was cut"))
    }
}

impl<P: State> StatefulSourcePartition for Never<P> {
    type Item = u64;
    type Position = P;

    fn next_batch(&mut self) -> Result<Poll<u64>, StepError> {
        unreachable!("it is never opened")
    }

    fn snapshot(&self) -> P {
        unreachable!("it is never opened")
    }
}

/// Files of a sink: those that it lists, and whether they can be opened.
struct Files(KeptSink, &'static [&'static str], bool);

impl FixedPartitionedSink<char, String> for Files {
    type Position = u64;
    type Partition = KeptList;

    fn partitions(&self) -> Result<Vec<String>, StepError> {
        Ok(self.1.iter().map(ToString::to_string).collect())
    }

    fn open(&self, partition: &str, resume: Option<u64>) -> Result<KeptList, StepError> {
        match self.2 {
            true => FixedPartitionedSink::<char, String>::open(&self.0, partition, resume),
            false => Err(StepError::msg("the file was cut")),
        }
    }
}

/// The bytes of all files of a store but locks, and of logs only if there is anything in them.
fn bytes(store: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(store).unwrap().map(|entry| {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        (name, fs::read(entry.path()).unwrap())
    });
    files
        .filter(|(name, bytes)| {
            !name.ends_with(".lock") && !name.ends_with("-shm") && !bytes.is_empty()
        })
        .collect()
}

/// The greatest value of each key.
fn last(values: impl IntoIterator<Item = (char, u64)>) -> BTreeMap<char, u64> {
    let mut last = BTreeMap::new();
    for (key, value) in values {
        let greatest = last.entry(key).or_insert(value);
        *greatest = value.max(*greatest);
    }
    last
}

#[test]
fn nothing_is_written_before_everything_is_accepted() {
    for workers in [1, 2] {
        let config = |store: &Path| {
            RunConfig::new()
                .workers(workers)
                .epoch_interval(ZERO)
                .recovery(RecoveryConfig::new(store))
        };
        let store = Store::new(2);
        let outs = Outs::default();
        runs(&flow(None, &outs), &outs.old, [config(store.path())]);
        let saved = bytes(store.path());
        assert!(saved.len() >= 2, "{:?}", saved.keys());

        for (edit, expect) in REFUSALS {
            let recovery = RecoveryConfig::new(store.path());
            let config = match edit {
                ResumeForbidden => {
                    config(store.path()).recovery(recovery.resume(ResumePolicy::Never))
                }
                _ => config(store.path()),
            };
            let text = refusal(&flow(edit, &outs), config);
            assert!(text.contains(expect), "{edit:?}: {text}");
            let now = bytes(store.path());
            assert!(now == saved, "{edit:?} has written to {:?}", now.keys());
        }

        // What was to be dropped is there too.
        outs.old.take();
        runs(&flow(None, &outs), &outs.windows, [config(store.path())]);
        let sums = [('a', 30), ('b', 22), ('c', 26)];
        assert_eq!(last(outs.old.take()), BTreeMap::from(sums));
        let files = outs.files.by_key().into_iter();
        let lines = files.flat_map(|(key, sums)| {
            let key = key.parse().unwrap();
            sums.into_iter().map(move |sum| (key, sum.parse().unwrap()))
        });
        assert_eq!(last(lines), BTreeMap::from(sums));
    }
}
