//! The macro's table of operators against the operators that there are.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytewax::chrono::TimeDelta;
use bytewax::flow::StepKind;
use bytewax::operators::{AsyncConfig, Batching, CacheConfig, JoinInsert, Within};
use bytewax::prelude::*;
use bytewax::sink::{RejectingSink, RejectingWriter};
use bytewax::testing::{TestingSink, TestingSource};
use bytewax::windowing::{
    AsOf, CountWindower, Inner, Interval, Kept, Lateness, Micros, Pattern, SystemClock, Versions,
};
use bytewax::{Epoch, StepError, StepId, WorkerIndex};

#[stateful]
#[derive(Default)]
struct Same;

impl StatefulLogic for Same {
    type In = u64;
    type Out = u64;

    fn on_item(&mut self, n: u64, out: &mut Emit<u64>) -> Keep {
        out.emit(n);
        Keep::No
    }
}

impl StatefulBatchLogic for Same {
    type In = u64;
    type Out = u64;

    fn on_batch(&mut self, items: Vec<u64>, out: &mut Emit<u64>) -> Keep {
        out.extend(items);
        Keep::No
    }
}

impl WindowLogic for Same {
    type In = u64;
    type Out = u64;

    fn on_value(&mut self, n: u64, out: &mut Emit<u64>) {
        out.emit(n);
    }

    fn on_merge(&mut self, _: Self, _: &mut Emit<u64>) {}

    fn on_close(&mut self, _: &mut Emit<u64>) {}
}

/// A sink that refuses nothing, and writes nowhere.
struct Nothing;

impl RejectingSink<u64> for Nothing {
    type Writer = Self;

    fn build(&self, _: &StepId, _: WorkerIndex, _: usize) -> Result<Self, StepError> {
        Ok(Self)
    }
}

impl RejectingWriter<u64> for Nothing {
    fn write_batch(&mut self, _: Vec<u64>) -> Result<(), StepError> {
        Ok(())
    }

    fn end_epoch(&mut self, _: Epoch) -> Result<(), StepError> {
        Ok(())
    }

    fn take_rejected(&mut self) -> Vec<(u64, StepError)> {
        Vec::new()
    }
}

/// All window operators, one behind the other.
fn windows(numbers: KeyedStream<u64, u64>) -> KeyedStream<u64, u64> {
    let (clock, ones) = (SystemClock::new, CountWindower::new(1));
    let numbers = numbers.window(clock(), ones, Same::default).down;
    let counts = numbers
        .count_window(clock(), ones)
        .down
        .map_value(|(_, n)| n);
    let greatest = counts.max_window(clock(), ones, |n| *n).down;
    let least = greatest
        .map_value(|(_, n)| n)
        .min_window(clock(), ones, |n| *n)
        .down;
    let best = least
        .map_value(|(_, n)| n)
        .top_n_window(clock(), ones, 1, |n| *n)
        .down;
    let sums = best
        .map_value(|(_, best)| best[0])
        .reduce_window(clock(), ones, |a, b| a + b)
        .down;
    let sums = sums.map_value(|(_, n)| n).fold_window(
        clock(),
        ones,
        || 0_u64,
        |sum, n| *sum += n,
        |sum, n| *sum += n,
    );
    let sums = sums.down.map_value(|(_, n)| n);
    let lists = sums.collect_window::<Vec<_>, _, _>(clock(), ones).down;
    let side = lists.map_value(|(_, list)| list[0]);
    let other = || side.clone();
    let last = other().join_window(other(), clock(), ones, JoinInsert::Last);
    let last = last.down.map_value(|_| 1_u64);
    let rows = last.join_window_complete(other(), clock(), ones, JoinInsert::Last);
    let rows = rows.down.map_value(|_| 1_u64);
    let rows = rows.join_window_running(other(), clock(), ones, JoinInsert::Last);
    rows.down.map_value(|_| 1_u64)
}

/// A flow that uses every operator.
fn everything() -> Dataflow {
    let numbers = || TestingSource::new(vec![1_u64]);
    Dataflow::build("everything", |flow| {
        let timed = flow
            .input(numbers())
            .event_time(|n| Micros(*n as i64), Lateness::bounded(TimeDelta::zero()));
        let plain = flow
            .merge([timed.down, flow.input(numbers())])
            .map(|n| n)
            .map_with(|| 1, |one, n| *one * n)
            .filter(|_| true)
            .filter_map(Some)
            .flat_map(|n| [n])
            .flat_map_with(|| (), |(), n| [n])
            .flat_map_batch(|batch| batch)
            .map(|n| [n])
            .flatten()
            .batch(Batching::items(1))
            .flatten()
            .redistribute()
            .inspect(|_| {})
            .inspect_debug()
            .inspect_debug_with(|_, _| {})
            .with_broadcast(
                flow.input(numbers()),
                |table: &mut u64, n| *table = n,
                |_, n| [n],
            );
        let split = plain.map(Ok::<u64, u64>).split_result();
        split.errs.raises();
        let tried = split.oks.try_map(|n| Ok::<u64, String>(*n));
        tried.errs.clone().fail();
        tried.errs.skip_counted();
        let tried = tried.oks.try_flat_map(|n| Ok::<_, String>([*n]));
        tried.errs.fail();
        let tried = tried.oks.try_filter_map(|n| Ok::<_, String>(Some(*n)));
        tried.errs.fail();
        let tried = tried.oks.try_map_with(|| Ok(()), |(), n| Ok(n));
        tried.errs.fail();
        let ask = |n: &u64| std::future::ready(Ok::<_, String>(*n));
        let tried = tried.oks.map_async(AsyncConfig::new(), ask);
        tried.errs.fail();
        tried.oks.clone().try_output(Nothing).errs.fail();
        let getter = |n: &u64| Ok::<u64, StepError>(*n);
        let enriched = tried
            .oks
            .enrich_cached(CacheConfig::new(), getter, |cache, n| Ok(*cache.get(&n)?));
        let sides = enriched.branch(|_| true);
        let keyed = sides
            .trues
            .key_on(|n| *n)
            .map_value(|n| n)
            .filter_value(|_| true)
            .filter_map_value(Some)
            .flat_map_value(|n| [n])
            .stateful_map(|_: &mut u64, n| n)
            .stateful_flat_map(|_: &mut Option<u64>, n| [n])
            .stateful_with_broadcast(
                flow.input(numbers()),
                |table: &mut u64, n| *table = n,
                |_, _: &mut Option<u64>, n| [n],
            )
            .stateful::<Same>()
            .stateful_with(|_| Same)
            .stateful_batch::<Same>()
            .stateful_batch_with(|_| Same)
            .collect(1, Duration::ZERO)
            .map_value(|list| list[0])
            .scan(|| 0_u64, |_, n| n)
            .lag(1)
            .map_value(|(n, _)| n)
            .lead(1)
            .map_value(|(n, _)| n)
            .last_n(1, |last| last[0])
            .sample(1)
            .sample_keys(1)
            .sort_by_time(SystemClock::new())
            .down
            .stateful_by_time(SystemClock::new(), Same::default)
            .down
            .match_pattern(
                SystemClock::new(),
                Pattern::within(TimeDelta::zero()).begin(|_: &u64| true),
            )
            .down
            .map_value(|found| found[0])
            .expire_after(TimeDelta::days(1), SystemClock::new())
            .stateful_map(|_: &mut u64, n| n)
            .down
            .dedupe(Within::Last(1), |n| *n)
            .delay(Duration::ZERO)
            .rate_limit(1, Duration::ZERO)
            .top_n(1, |n| *n)
            .map_value(|list| list[0])
            .top_n_final(1, |n| *n)
            .map_value(|list| list[0])
            .distinct_final()
            .fold_final(|| 0_u64, |sum, n| *sum += n)
            .reduce_final(|a, _| a)
            .max_final(|n| *n)
            .min_final(|n| *n);
        let counts = keyed.count_final();
        let other = || counts.clone();
        let joined = other().join(other()).map_value(|(n, _)| n);
        let joined = joined
            .join_with(other(), JoinInsert::First)
            .map_value(|(n, _)| n);
        let joined = (joined, other())
            .join_final(JoinInsert::Last)
            .map_value(|_| 1_u64);
        let joined = (joined, other()).join_running(JoinInsert::Product);
        let joined = joined.map_value(|_| 1_u64);
        let joined = joined.zip_latest(other()).map_value(|(n, _)| n);
        let joined = joined.join_rows(other(), Inner, Kept::Unbounded);
        let joined = joined.map_value(|(n, _)| n).join_interval(
            other(),
            SystemClock::new(),
            Interval::within(TimeDelta::zero()),
            Inner,
        );
        let joined = joined.down.map_value(|(n, _)| n);
        let joined = joined.join_as_of(other(), SystemClock::new(), AsOf::backward());
        let joined = joined.down.map_value(|(n, _)| n).join_table(
            other(),
            SystemClock::new(),
            Versions::kept_for(TimeDelta::zero()),
            Inner,
            Some,
        );
        let joined = windows(joined.down.map_value(|_| 1));
        let ended = joined.key_rm();
        ended.clone().for_each(|_| {});
        ended.clone().try_for_each(|_| Ok::<(), StepError>(()));
        ended.output(TestingSink::new());
    })
}

/// The table: a name and its kind.
fn table() -> BTreeMap<String, StepKind> {
    let text = include_str!("../../bytewax-macros/src/registry.rs");
    let start = text.find("= &[").expect("the table");
    let text = &text[start..start + text[start..].find("\n];").expect("its end")];
    let mut kind = None;
    let mut table = BTreeMap::new();
    for word in text.split(|c: char| !(c.is_alphanumeric() || "_:\"".contains(c))) {
        match word {
            "Kind::Source" => kind = Some(StepKind::Source),
            "Kind::Sink" => kind = Some(StepKind::Sink),
            "Kind::Stateful" => kind = Some(StepKind::Stateful),
            "Kind::Stateless" => kind = Some(StepKind::Stateless),
            "Kind::Observer" => kind = Some(StepKind::Observer),
            name if name.starts_with('"') => {
                table.insert(
                    name.trim_matches('"').to_owned(),
                    kind.expect("a kind before names"),
                );
            }
            _ => {}
        }
    }
    table
}

#[test]
fn the_macro_knows_the_operators_that_there_are() {
    let mut table = table();
    let steps = everything().steps();
    for step in &steps {
        assert_eq!(
            table.get(step.operator),
            Some(&step.kind),
            "{}",
            step.operator
        );
    }
    table.retain(|name, _| !steps.iter().any(|step| step.operator == name));
    assert_eq!(
        table.keys().collect::<Vec<_>>(),
        [""; 0],
        "without an operator"
    );
}

#[test]
fn the_macro_knows_the_operators_whose_errors_must_be_read() {
    let text = include_str!("../../bytewax-macros/src/registry.rs");
    let start = text.find("const WITH_ERRS").expect("the table");
    let text = &text[start..start + text[start..].find("];").expect("its end")];
    let table: BTreeSet<&str> = text.split('"').skip(1).step_by(2).collect();

    let steps = everything().steps();
    let reads = steps.iter().flat_map(|step| &step.reads);
    let erring: BTreeSet<_> = reads
        .filter(|(_, field)| *field == "errs")
        .filter_map(|(id, _)| steps.iter().find(|step| step.id == *id))
        .map(|step| step.operator)
        .collect();
    assert_eq!(table, erring);
}

/// What the documentation says of the order of items.
#[test]
fn the_order_that_each_operator_keeps_is_documented() {
    let text = include_str!("../../bytewax-runtime/src/operators/mod.rs");
    let rows: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("//! | `"))
        .collect();
    let mut documented: Vec<&str> = Vec::new();
    for row in rows {
        let operators = row.split(" | ").nth(1).expect("a column of operators");
        documented.extend(operators.split('`').skip(1).step_by(2));
    }
    documented.sort_unstable();
    let expected: Vec<_> = table()
        .into_iter()
        .filter(|(_, kind)| *kind != StepKind::Source)
        .map(|(name, _)| name)
        .collect();
    assert_eq!(documented, expected);
}
