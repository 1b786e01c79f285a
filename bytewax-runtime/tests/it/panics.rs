//! At which item and key the code of a step panicked.

use bytewax_macros::stateful;
use bytewax_runtime::operators::CacheConfig;
use bytewax_runtime::prelude::*;
use bytewax_runtime::testing::{TestingSink, TestingSource, run_main};
use bytewax_runtime::{RunErrorKind, StepError};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::support::{failure, flow_of, rows};

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
