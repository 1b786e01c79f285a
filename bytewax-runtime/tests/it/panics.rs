//! At which item and key the code of a step panicked.

use bytewax_macros::stateful;
use bytewax_runtime::operators::CacheConfig;
use bytewax_runtime::prelude::*;
use bytewax_runtime::sink::{FixedPartitionedSink, StatefulSinkPartition};
use bytewax_runtime::source::{FixedPartitionedSource, Poll, StatefulSourcePartition};
use bytewax_runtime::testing::{RunConfig, TestingSink, TestingSource, cluster_main, run_main};
use bytewax_runtime::{Epoch, RecoveryConfig, RunErrorKind, StepError};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::rows::rows;
use crate::shared::{failure, flow_of};

/// What is told of the place when a step panics at the third of five items.
fn place(body: fn(Stream<u64>) -> Stream<u64>) -> String {
    let source = TestingSource::new(0..5).batch_size(5);
    let report = failure(flow_of(source, body, TestingSink::new()), 1);
    let (place, _) = report.split_once(": panicked at ").unwrap();
    place.replace("step `f.", "").replace("`, worker 0", "")
}

fn boom(n: u64) -> u64 {
    if n == 2 { panic!("two") } else { n }
}

/// So many that they go on in several batches.
fn many(n: u64) -> impl Iterator<Item = u64> {
    (0..5000).map(move |m| n * 5000 + m)
}

#[test]
fn each_operator_tells_its_item() {
    type Body = fn(Stream<u64>) -> Stream<u64>;
    let bodies: [Body; 16] = [
        |s| s.map(boom).named("m"),
        |s| s.key_on(|n| *n).map_value(boom).named("m").key_rm(),
        |s| s.map_with(|| (), |(), n| boom(n)).named("m"),
        |s| s.filter(|n| boom(*n) < 9).named("m"),
        |s| {
            s.key_on(|n| *n)
                .filter_value(|n| boom(*n) < 9)
                .named("m")
                .key_rm()
        },
        |s| s.filter_map(|n| Some(boom(n))).named("m"),
        |s| {
            s.key_on(|n| *n)
                .filter_map_value(|n| Some(boom(n)))
                .named("m")
                .key_rm()
        },
        |s| s.flat_map(|n| [boom(n)]).named("m"),
        |s| {
            s.key_on(|n| *n)
                .flat_map_value(|n| [boom(n)])
                .named("m")
                .key_rm()
        },
        |s| s.map(|n| std::iter::once(n).map(boom)).flatten().named("m"),
        |s| s.branch(|n| boom(*n) < 9).named("m").trues,
        |s| s.key_on(|n| boom(*n)).named("m").key_rm(),
        |s| s.inspect(|n| assert_eq!(boom(*n), *n)).named("m"),
        |s| {
            s.inspect_debug_with(|_, n| assert_eq!(boom(*n), *n))
                .named("m")
        },
        |s| {
            let out = s.try_map(|n| Ok::<_, StepError>(boom(*n))).named("m");
            out.errs.fail();
            out.oks
        },
        |s| {
            let look_up = |n: &u64| Ok::<_, StepError>(boom(*n));
            s.enrich_cached(CacheConfig::new(), look_up, |cache, n| {
                cache.get(&n).copied()
            })
            .named("m")
        },
    ];
    for (index, body) in bodies.into_iter().enumerate() {
        assert_eq!(place(body), "m, item 3 of a batch of 5", "operator {index}");
    }
}

/// The same for pairs with the key `'b'` at the third.
fn keyed(body: fn(KeyedStream<char, u64>) -> KeyedStream<char, u64>) -> String {
    let source = TestingSource::new([('a', 0), ('a', 1), ('b', 2), ('b', 3)]).batch_size(4);
    let report = failure(flow_of(source, body, TestingSink::new()), 1);
    let (place, _) = report.split_once(": panicked at ").unwrap();
    place.replace("step `f.", "").replace("`, worker 0", "")
}

/// The place that the report of a panic names, and its length.
fn told(flow: Dataflow) -> (String, usize) {
    let report = failure(flow, 1);
    let (place, _) = report.split_once(": panicked at ").unwrap();
    (place.to_owned(), report.len())
}

#[test]
fn long_keys_items_and_texts_are_cut() {
    let key = "k".repeat(3_000_000);
    let source = TestingSource::new([(key.clone(), 1)]);
    let panics = |_: &mut u64, _| -> u64 { panic!("{}", "p".repeat(3_000_000)) };
    let flow = flow_of(
        source,
        |s| s.stateful_map(panics).named("m"),
        TestingSink::new(),
    );
    let (place, length) = told(flow);
    let expect = format!(
        "step `f.m`, key `\"{}.. (3000002 bytes)`, worker 0, item 1",
        &key[..199]
    );
    assert!(place.starts_with(&expect), "{place}");
    assert!(length < 3000, "{length}");

    let fails = |s: Stream<String>| {
        let tried = s
            .try_map(|text| Err::<u64, _>(StepError::msg(text.clone())))
            .named("m");
        tried.errs.fail();
        tried.oks
    };
    let report = failure(
        flow_of(TestingSource::new([key.clone()]), fails, TestingSink::new()),
        1,
    );
    assert!(report.contains("failed for the item `\"kkk"), "{report}");
    assert!(
        report.contains("caused by: kkk") && report.len() < 4000,
        "{report}"
    );

    let raises = |s: Stream<String>| {
        s.clone().raises();
        s
    };
    let report = failure(
        flow_of(TestingSource::new([key]), raises, TestingSink::new()),
        1,
    );
    assert!(
        report.contains("none may: `\"kkk") && report.len() < 400,
        "{report}"
    );
}

/// A source and a sink with the partitions `a` and `b`, of which the second panics at a call.
#[derive(Clone, Copy)]
struct Parts(&'static str);

struct Part(Option<&'static str>, bool);

impl Part {
    fn open(parts: Parts, name: &str) -> Self {
        let part = Self((name == "b").then_some(parts.0), false);
        part.call("open");
        part
    }

    fn call(&self, call: &str) {
        assert!(self.0 != Some(call), "asked for");
    }
}

impl FixedPartitionedSource for Parts {
    type Item = (u64, u64);
    type Position = bool;
    type Partition = Part;

    fn partitions(&self) -> Result<Vec<String>, StepError> {
        Ok(vec!["a".to_owned(), "b".to_owned()])
    }

    fn open(&self, name: &str, _: Option<bool>) -> Result<Part, StepError> {
        Ok(Part::open(*self, name))
    }
}

impl StatefulSourcePartition for Part {
    type Item = (u64, u64);
    type Position = bool;

    fn next_batch(&mut self) -> Result<Poll<(u64, u64)>, StepError> {
        self.call("next_batch");
        if std::mem::replace(&mut self.1, true) {
            return Ok(Poll::end());
        }
        Ok(Poll::batch(vec![(0, 0), (1, 1)]))
    }

    fn next_awake(&self) -> Option<DateTime<Utc>> {
        self.call("next_awake");
        None
    }

    fn end_epoch(&mut self, _: Epoch) -> Result<(), StepError> {
        self.call("end_epoch");
        Ok(())
    }

    fn completed(&mut self, _: Epoch) -> Result<(), StepError> {
        self.call("completed");
        Ok(())
    }

    fn snapshot(&self) -> bool {
        self.call("snapshot");
        self.1
    }
}

impl FixedPartitionedSink<u64, u64> for Parts {
    type Position = bool;
    type Partition = Part;

    fn partitions(&self) -> Result<Vec<String>, StepError> {
        FixedPartitionedSource::partitions(self)
    }

    fn open(&self, name: &str, _: Option<bool>) -> Result<Part, StepError> {
        Ok(Part::open(*self, name))
    }

    fn assign(&self, key: &u64, _: usize) -> usize {
        assert!(self.0 != "assign" || *key == 0);
        *key as usize
    }
}

impl StatefulSinkPartition<u64> for Part {
    type Position = bool;

    fn write_batch(&mut self, _: Vec<u64>) -> Result<(), StepError> {
        self.call("write_batch");
        Ok(())
    }

    fn end_epoch(&mut self, _: Epoch) -> Result<(), StepError> {
        self.call("end_epoch");
        Ok(())
    }

    fn completed(&mut self, _: Epoch) -> Result<(), StepError> {
        self.call("completed");
        Ok(())
    }

    fn snapshot(&mut self) -> Result<bool, StepError> {
        self.call("snapshot");
        Ok(self.1)
    }

    fn close(&mut self) -> Result<(), StepError> {
        self.call("close");
        Ok(())
    }
}

/// The place that is told when sources or sinks panic, with a store of what is saved.
fn place_in(source: Parts, sink: Parts) -> String {
    let store = tempfile::tempdir().unwrap();
    let config = RunConfig::new().recovery(RecoveryConfig::new(store.path()));
    let error = cluster_main(flow_of(source, |s| s, sink), config).unwrap_err();
    let report = error.report();
    let (place, _) = report.split_once(": panicked at ").unwrap();
    place.to_owned()
}

#[test]
fn panics_of_sources_and_sinks_tell_the_partition() {
    for call in [
        "open",
        "next_awake",
        "next_batch",
        "end_epoch",
        "snapshot",
        "completed",
    ] {
        let place = place_in(Parts(call), Parts(""));
        assert_eq!(place, "step `f.in`, partition `b`, worker 0", "{call}");
    }
    for call in [
        "open",
        "write_batch",
        "end_epoch",
        "snapshot",
        "close",
        "completed",
    ] {
        let place = place_in(Parts(""), Parts(call));
        assert_eq!(place, "step `f.out`, partition `b`, worker 0", "{call}");
    }
    assert_eq!(
        place_in(Parts(""), Parts("assign")),
        "step `f.out`, key `1`, worker 0"
    );
}

/// A logic that panics: for an item, when it is told, or at the end.
#[stateful(crate = "bytewax_runtime")]
#[derive(Default)]
struct Booms(Option<At>);

#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
enum At {
    Item,
    Notify,
    Eof,
}

impl StatefulLogic for Booms {
    type In = u64;
    type Out = u64;

    fn on_item(&mut self, _: u64, _: &mut Emit<u64>) -> Keep {
        assert!(self.0 != Some(At::Item));
        Keep::Yes
    }

    fn on_notify(&mut self, _: &mut Emit<u64>) -> Keep {
        panic!("told")
    }

    fn on_eof(&mut self, _: &mut Emit<u64>) -> Keep {
        assert!(self.0 != Some(At::Eof));
        Keep::Yes
    }

    fn notify_at(&self) -> Option<DateTime<Utc>> {
        (self.0 == Some(At::Notify)).then_some(DateTime::UNIX_EPOCH)
    }
}

#[stateful(crate = "bytewax_runtime")]
#[derive(Default)]
struct BatchBooms;

impl StatefulBatchLogic for BatchBooms {
    type In = u64;
    type Out = u64;

    fn on_batch(&mut self, items: Vec<u64>, out: &mut Emit<u64>) -> Keep {
        out.extend(items.into_iter().map(boom));
        Keep::Yes
    }
}

fn booms(s: KeyedStream<char, u64>, at: At) -> KeyedStream<char, u64> {
    s.stateful_with(move |key: &char| Booms((*key == 'b').then_some(at)))
        .named("m")
}

rows! {
    a_stateful_map_tells_key_and_item: keyed(|s| s.stateful_map(|(), n| boom(n)).named("m")) => "m`, key `'b', item 3 of a batch of 4";
    a_stateful_flat_map_tells_key_and_item: keyed(|s| s.stateful_flat_map(|_: &mut Option<u64>, n| [boom(n)]).named("m")) => "m`, key `'b', item 3 of a batch of 4";
    a_lazy_stateful_flat_map_tells_key_and_item: keyed(|s| s.stateful_flat_map(|_: &mut Option<u64>, n| [n].into_iter().map(boom)).named("m")) => "m`, key `'b', item 3 of a batch of 4";
    a_fold_tells_key_and_item: keyed(|s| s.fold_final(|| 0, |sum, n| *sum += boom(n)).named("m")) => "m`, key `'b', item 3 of a batch of 4";
    a_reduction_tells_key_and_item: keyed(|s| s.reduce_final(|a, b| boom(a) + b).named("m")) => "m`, key `'b', item 4 of a batch of 4";
    a_logic_tells_key_and_item: keyed(|s| booms(s, At::Item)) => "m`, key `'b', item 3 of a batch of 4";
    a_logic_that_is_notified_tells_its_key: keyed(|s| booms(s, At::Notify)) => "m`, key `'b'";
    a_logic_at_the_end_tells_its_key: keyed(|s| booms(s, At::Eof)) => "m`, key `'b'";
    a_new_logic_tells_key_and_item: keyed(|s| {
        s.stateful_with(|key: &char| if *key == 'b' { panic!("no") } else { Booms(None) }).named("m")
    }) => "m`, key `'b', item 3 of a batch of 4";
    a_logic_of_batches_tells_its_key: keyed(|s| s.stateful_batch::<BatchBooms>().named("m")) => "m`, key `'b'";
    a_function_of_whole_batches_has_no_item: place(|s| s.flat_map_batch(|all| all.into_iter().map(boom)).named("m")) => "m";
    items_are_counted_where_the_panic_is: place(|s| s.filter(|n| *n > 0).map(boom).named("m")) => "m, item 2 of a batch of 4";
    a_step_that_is_in_the_midst_of_an_item_is_not_told: place(|s| {
        s.flat_map(many).named("many").flat_map_batch(|all| all.into_iter().map(boom)).named("m")
    }) => "m";
    a_step_behind_tells_its_own_item: place(|s| {
        let no = |n| if n == 5001 { panic!("no") } else { n };
        s.flat_map(many).named("many").map(no).named("m")
    }) => "m, item 906 of a batch of 2048";
    a_panic_that_was_caught_before_is_not_told: place(|s| {
        s.flat_map_batch(|all| {
            let source = TestingSource::new(0..5).batch_size(5);
            let inner = run_main(flow_of(source, |s| s.map(boom), TestingSink::new()));
            assert_eq!(inner.unwrap_err().kind(), RunErrorKind::Panic);
            all.into_iter().map(boom)
        }).named("m")
    }) => "m";
}
