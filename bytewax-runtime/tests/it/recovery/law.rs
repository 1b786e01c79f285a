//! The law of recovery: a flow is stopped anywhere and goes on with any number of workers, and what
//! comes of all runs together is what comes of one that nothing stops.

use std::collections::BTreeMap;
use std::time::Duration;

use bytewax_macros::stateful;
use bytewax_runtime::RecoveryConfig;
use bytewax_runtime::operators::JoinInsert::{First, Last, Product};
use bytewax_runtime::operators::Within;
use bytewax_runtime::prelude::*;
use bytewax_runtime::testing::{RunConfig, TestingItem, TestingSource, cluster_main};
use bytewax_runtime::windowing::{Inner, Kept};
use proptest::prelude::*;
use proptest::sample::Index;

use super::kept::{KeptSink, Lists};
use super::windows::{JOINED_WINDOWS, WINDOWS};
use super::{LONG, Store, ZERO};

/// A step to look at: of what comes out, the text is compared.
pub(super) type Step = fn(KeyedStream<u8, i64>, &str) -> KeyedStream<u8, String>;

pub(super) fn shown<V: std::fmt::Debug + 'static>(
    out: KeyedStream<u8, V>,
) -> KeyedStream<u8, String> {
    out.map(|(key, value)| (key, format!("{key} {value:?}")))
}

/// What an order of values comes to.
pub(super) fn mix(sum: i64, n: i64) -> i64 {
    (sum * 31 + n) % 1_000_003
}

/// Emits what it has seen, and gives up its key now and then.
#[stateful(crate = "bytewax_runtime")]
#[derive(Default)]
struct Mixed {
    sum: i64,
    seen: Vec<i64>,
}

impl Mixed {
    fn take(&mut self, n: i64, out: &mut Emit<(i64, usize)>) -> Keep {
        self.sum = mix(self.sum, n);
        self.seen.push(n);
        out.emit((self.sum, self.seen.len()));
        if n % 7 == 0 { Keep::No } else { Keep::Yes }
    }
}

impl StatefulLogic for Mixed {
    type In = i64;
    type Out = (i64, usize);

    fn on_item(&mut self, n: i64, out: &mut Emit<(i64, usize)>) -> Keep {
        self.take(n, out)
    }
}

/// The same for each number of a batch, so that it does not matter which come together.
#[stateful(crate = "bytewax_runtime")]
#[derive(Default)]
struct MixedBatch(i64);

impl StatefulBatchLogic for MixedBatch {
    type In = i64;
    type Out = i64;

    fn on_batch(&mut self, numbers: Vec<i64>, out: &mut Emit<i64>) -> Keep {
        for n in numbers {
            self.0 = mix(self.0, n);
            out.emit(self.0);
        }
        Keep::Yes
    }
}

/// Those that do nothing at the end of input: it may come in between.
const ANY_STOP: &[(&str, Step)] = &[
    ("map", |s, name| {
        let step = s.stateful_map(|sum: &mut i64, n| {
            *sum = mix(*sum, n);
            *sum
        });
        shown(step.named(name))
    }),
    ("flat_map", |s, name| {
        let step = s.stateful_flat_map(|list: &mut Option<Vec<i64>>, n: i64| {
            if n % 3 == 0 {
                return list.take().unwrap_or_default();
            }
            list.get_or_insert_default().push(n);
            vec![]
        });
        shown(step.named(name))
    }),
    ("stateful", |s, name| {
        shown(s.stateful::<Mixed>().named(name))
    }),
    ("stateful_with", |s, name| {
        let make = |key: &u8| Mixed {
            sum: i64::from(*key),
            seen: vec![],
        };
        shown(s.stateful_with(make).named(name))
    }),
    ("stateful_batch", |s, name| {
        shown(s.stateful_batch::<MixedBatch>().named(name))
    }),
    ("scan", |s, name| {
        let step = s.scan(
            || 7_i64,
            |sum, n| {
                *sum = mix(*sum, n);
                *sum
            },
        );
        shown(step.named(name))
    }),
    ("lag", |s, name| shown(s.lag(2).named(name))),
    ("last_n", |s, name| {
        let step = s.last_n(3, |last| last.iter().copied().fold(0, mix));
        shown(step.named(name))
    }),
    ("sample", |s, name| shown(s.sample(3).named(name))),
    ("top_n", |s, name| shown(s.top_n(3, |n| n / 10).named(name))),
    ("dedupe", |s, name| {
        shown(s.dedupe(Within::Last(2), |n| n / 10).named(name))
    }),
    ("dedupe_time", |s, name| {
        let within = Within::Time(Duration::MAX);
        shown(s.dedupe(within, |n| n / 10).named(name))
    }),
    // One behind the other, with keys of another type between.
    ("chain", |s, name| {
        let pairs = s.stateful_map(|last: &mut i64, n| (std::mem::replace(last, n), n));
        let pairs = pairs.named(&format!("{name}_first"));
        let by_text = pairs.map(|(key, pair)| (format!("{key}:{}", pair.1 % 2), (key, pair)));
        let counts = by_text.stateful_map(|count: &mut u32, (key, pair): (u8, (i64, i64))| {
            *count += 1;
            (key, (pair, *count))
        });
        let counts = counts.named(name).key_rm();
        // A key of the two comes from one of the other.
        counts.map(|(key, (pair, count))| (key, format!("{key}:{} {pair:?} {count}", pair.1 % 2)))
    }),
];

/// Those that emit at the end of input what they keep until then.
const ABORTS_ONLY: &[(&str, Step)] = &[
    ("collect", |s, name| shown(s.collect(4, LONG).named(name))),
    ("count_final", |s, name| shown(s.count_final().named(name))),
    ("reduce_final", |s, name| {
        // The first, the last and the sum: it depends on the order, and not on what is combined first.
        let s = s.map_value(|n| (n, n, n));
        let reduce = |(first, _, a), (_, last, b)| (first, last, a + b);
        shown(s.reduce_final(reduce).named(name))
    }),
    ("fold_final", |s, name| {
        let fold = |list: &mut Vec<i64>, n| list.push(n);
        shown(s.fold_final(Vec::new, fold).named(name))
    }),
    ("max_final", |s, name| {
        shown(s.max_final(|n| *n).named(name))
    }),
    ("min_final", |s, name| {
        shown(s.min_final(|n| *n).named(name))
    }),
    ("lead", |s, name| shown(s.lead(2).named(name))),
    ("distinct_final", |s, name| {
        shown(s.distinct_final().named(name))
    }),
    ("top_n_final", |s, name| {
        shown(s.top_n_final(3, |n| *n).named(name))
    }),
    ("delay", |s, name| shown(s.delay(Duration::MAX).named(name))),
    ("rate_limit", |s, name| {
        shown(s.rate_limit(3, Duration::MAX).named(name))
    }),
];

/// The even and the odd numbers, as two streams.
pub(super) fn sides(s: KeyedStream<u8, i64>) -> (KeyedStream<u8, i64>, KeyedStream<u8, i64>) {
    let even = s.clone().filter(|(_, n)| n % 2 == 0);
    (even, s.filter(|(_, n)| n % 2 != 0))
}

const JOINS: &[(&str, Step)] = &[
    // Each list has a row of the table, which changes with numbers of its own.
    ("with_broadcast", |s, name| {
        let updates = s.clone().filter(|(_, n)| n % 5 == 0);
        let updates = updates.map(|(key, n)| (key / 10, n));
        let step = s.filter(|(_, n)| n % 5 != 0).with_broadcast(
            updates,
            |table: &mut BTreeMap<u8, i64>, (list, n)| {
                let sum = table.entry(list).or_default();
                *sum = mix(*sum, n);
            },
            |table, (key, n)| [(key, (n, table.get(&(key / 10)).copied()))],
        );
        shown(step.named(name))
    }),
    ("stateful_with_broadcast", |s, name| {
        let updates = s.clone().filter(|(_, n)| n % 5 == 0);
        let updates = updates.map(|(key, n)| (key / 10, n));
        let values = s.filter(|(_, n)| n % 5 != 0);
        let values = values.map(|(key, n)| (key, (key / 10, n)));
        let step = values.stateful_with_broadcast(
            updates,
            |table: &mut BTreeMap<u8, i64>, (list, n)| {
                let sum = table.entry(list).or_default();
                *sum = mix(*sum, n);
            },
            |table, sum: &mut Option<i64>, (list, n)| {
                let row = table.get(&list).copied();
                let new = mix(sum.unwrap_or(7), n + row.unwrap_or(3));
                *sum = (n % 7 > 0).then_some(new);
                [(n, new, row)]
            },
        );
        shown(step.named(name))
    }),
    ("complete", |s, name| {
        let (even, odd) = sides(s);
        shown(even.join(odd).named(name))
    }),
    ("first", |s, name| {
        let (even, odd) = sides(s);
        shown(even.join_with(odd, First).named(name))
    }),
    ("product", |s, name| {
        let (even, odd) = sides(s);
        shown(even.join_with(odd, Product).named(name))
    }),
    ("zip_latest", |s, name| {
        let (even, odd) = sides(s);
        shown(even.zip_latest(odd).named(name))
    }),
    ("running", |s, name| {
        let (even, odd) = sides(s);
        shown(even.join_running(odd, Last).named(name))
    }),
    ("rows", |s, name| {
        let (even, odd) = sides(s);
        shown(even.join_rows(odd, Inner, Kept::Unbounded).named(name))
    }),
    ("three", |s, name| {
        let [a, b, c] = [0, 1, 2].map(|rest| s.clone().filter(move |(_, n)| n % 3 == rest));
        shown((a, b, c).join_running(Last).named(name))
    }),
];

const JOINS_AT_THE_END: &[(&str, Step)] = &[
    ("final", |s, name| {
        let (even, odd) = sides(s);
        shown(even.join_final(odd, Last).named(name))
    }),
    ("final_product", |s, name| {
        let (even, odd) = sides(s);
        shown(even.join_final(odd, Product).named(name))
    }),
];

type Items = Vec<(u8, i64)>;

/// Where a list is stopped, and whether by the end of the input or by an abort.
type Stops = Vec<(Index, bool)>;

#[derive(Clone, Debug)]
struct Case {
    /// The lists of three partitions. Keys are of one list, so that their order is fixed.
    lists: Vec<(Items, Stops)>,
    batch: usize,
    partitions: u32,
    /// How much memory states may take.
    memory: Option<u64>,
    /// The workers of each run, and whether each poll is an epoch.
    runs: Vec<(usize, bool)>,
}

fn case() -> impl Strategy<Value = Case> {
    let items = prop::collection::vec((0..6_u8, 0..50_i64), 0..40);
    let stops = prop::collection::vec((any::<Index>(), any::<bool>()), 0..3);
    let lists = prop::collection::vec((items, stops), 3);
    let runs = prop::collection::vec((1..5_usize, prop::bool::weighted(0.8)), 7);
    let memory = prop_oneof![Just(None), Just(Some(0)), Just(Some(2000))];
    (lists, 1..8_usize, 1..4_u32, memory, runs).prop_map(
        |(lists, batch, partitions, memory, runs)| Case {
            lists,
            batch,
            partitions,
            memory,
            runs,
        },
    )
}

impl Case {
    fn source(&self, marks: bool, aborts_only: bool) -> Lists<(u8, i64)> {
        let lists = self.lists.iter().enumerate().map(|(list, (items, stops))| {
            let keyed = items.iter().map(|(key, n)| (key + 10 * list as u8, *n));
            let mut elements: Vec<_> = keyed.map(TestingItem::Item).collect();
            for (place, is_abort) in stops.iter().filter(|_| marks) {
                let stop = match *is_abort || aborts_only {
                    true => TestingItem::Abort,
                    false => TestingItem::Eof,
                };
                elements.insert(place.index(elements.len() + 1), stop);
            }
            TestingSource::with_marks(elements).batch_size(self.batch)
        });
        Lists(lists.collect())
    }

    /// Checks the law for some steps.
    fn check(&self, steps: &[(&'static str, Step)], aborts_only: bool) {
        let store = Store::new(self.partitions);
        let recovery = RecoveryConfig::new(store.path());
        let recovery = match self.memory {
            Some(bytes) => recovery.state_memory(bytes),
            None => recovery,
        };
        let (flow, sinks) = flow(self.source(true, aborts_only), steps);
        let stops: usize = self.lists.iter().map(|(_, stops)| stops.len()).sum();
        // Each run but the last meets one stop at least.
        for (workers, short) in self.runs.iter().take(stops + 1) {
            let config = store.config(if *short { ZERO } else { LONG });
            let config = config.recovery(recovery.clone());
            if let Err(error) = cluster_main(flow.clone(), config.workers(*workers)) {
                panic!("{}", error.report());
            }
        }
        let (flow, unbroken) = self::flow(self.source(false, aborts_only), steps);
        cluster_main(flow, RunConfig::new().epoch_interval(ZERO)).unwrap();
        for (name, expect) in &unbroken {
            assert_eq!(sinks[name].by_key(), expect.by_key(), "{name}");
        }
    }

    /// One number of each list an epoch, so that both sides of a join come in order.
    fn in_turn(&self) -> Self {
        let runs = self.runs.iter().map(|(workers, _)| (*workers, true));
        Self {
            batch: 1,
            runs: runs.collect(),
            ..self.clone()
        }
    }
}

type Sinks = BTreeMap<&'static str, KeptSink>;

/// A flow with all of these steps, side by side.
fn flow(source: Lists<(u8, i64)>, steps: &[(&'static str, Step)]) -> (Dataflow, Sinks) {
    let mut sinks = Sinks::new();
    let flow = Dataflow::build("f", |flow| {
        let items = flow.input(source).named("in");
        for (name, step) in steps {
            let sink = sinks.entry(*name).or_default().clone();
            let out = step(items.clone(), name);
            out.output(sink).named(&format!("{name}_out"));
        }
    });
    (flow, sinks)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn steps_that_do_nothing_at_the_end(case in case()) {
        case.check(ANY_STOP, false);
    }

    #[test]
    fn steps_that_emit_at_the_end(case in case()) {
        case.check(ABORTS_ONLY, true);
    }

    #[test]
    fn joins(case in case()) {
        case.in_turn().check(JOINS, false);
    }

    #[test]
    fn joins_that_emit_at_the_end(case in case()) {
        case.in_turn().check(JOINS_AT_THE_END, true);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn windows(case in case()) {
        case.check(WINDOWS, true);
    }

    #[test]
    fn joined_windows(case in case()) {
        case.in_turn().check(JOINED_WINDOWS, true);
    }
}
