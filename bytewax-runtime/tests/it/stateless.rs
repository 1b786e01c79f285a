//! Stateless operators, input, output and observation.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use bytewax_runtime::StepError;
use bytewax_runtime::operators::{Batching, TryError};
use bytewax_runtime::prelude::*;
use bytewax_runtime::testing::{
    RunConfig, TestingSink, TestingSource, cluster_main, run_items, run_keyed, run_main,
};
use chrono::TimeDelta;

use crate::rows::rows;
use crate::shared::by_hand::ByHand;
use crate::shared::{Call, EachWrites, failure, flow_of, run_in, run_on, sorted, workers_of};

fn odd(n: &i32) -> bool {
    n % 2 == 1
}

fn even_plus_one(n: i32) -> Option<i32> {
    (n % 2 == 0).then_some(n + 1)
}

fn drop_it(_: &char) {}

fn words(text: &'static str) -> std::str::SplitWhitespace<'static> {
    text.split_whitespace()
}

fn up_to(n: &i32) -> Result<std::ops::Range<i32>, &'static str> {
    if *n < 0 { Err("below zero") } else { Ok(0..*n) }
}

fn unless_zero(n: &i32) -> Result<Option<i32>, &'static str> {
    up_to(n).map(|range| range.last().map(|_| *n))
}

rows! {
    b01_map: run_items([0, 1, 2], |s| s.map(|n| n + 1)) => [1, 2, 3];
    b02_map_on_two_workers: sorted(run_on(2, 1, [0, 1, 2], |s| s.map(|n| n + 1))) => [1, 2, 3];
    b05_map_value: run_keyed([('a', 0), ('a', 1)], |s| s.map_value(|n| n + 1)) => [('a', 1), ('a', 2)];
    b06_map_value_with_any_key: run_keyed([(1.5, 2)], |s| s.map_value(|n| n)) => [(1.5, 2)];
    b08_filter: run_items([1, 2, 3], |s| s.filter(odd)) => [1, 3];
    b10_filter_value: run_keyed([('a', 1), ('a', 2), ('a', 3)], |s| s.filter_value(odd)) => [('a', 1), ('a', 3)];
    b11_filter_map: run_items(0..6, |s| s.filter_map(even_plus_one)) => [1, 3, 5];
    b12_filter_map_drops_only_none: run_items([Some(0), None, Some(1)], |s| s.filter_map(|n| n)) => [0, 1];
    b13_filter_map_value: run_keyed([('a', 0), ('a', 1), ('a', 2)], |s| s.filter_map_value(even_plus_one)) => [('a', 1), ('a', 3)];
    b14_flat_map_concatenates: run_items(["split this"], |s| s.flat_map(words)) => ["split", "this"];
    b15_flat_map_drains_lazy_iterators: run_items([('a', 2), ('b', 4)], |s| s.flat_map(|(c, n)| std::iter::repeat_n(c, n))) => ['a', 'a', 'b', 'b', 'b', 'b'];
    b17_flat_map_batch: run_on(1, 10, ["split this", "and this"], |s| s.flat_map_batch(|batch| batch.into_iter().flat_map(words))) => ["split", "this", "and", "this"];
    b18_flat_map_batch_gets_batches: run_on(1, 3, 0..7, |s| s.flat_map_batch(|batch| [batch])) => [vec![0, 1, 2], vec![3, 4, 5], vec![6]];
    b19_flat_map_batch_gives_nothing: run_items([0, 1, 2], |s| s.flat_map_batch(|_| Vec::<i32>::new())) => Vec::<i32>::new();
    b20_flat_map_batch_of_many: run_on(1, 10, 0..100_000, |s| s.flat_map_batch(|batch| batch)) => (0..100_000).collect::<Vec<_>>();
    b21_flat_map_value: run_keyed([('k', 1), ('k', 2)], |s| s.flat_map_value(|n| if n == 2 { vec![2, 2] } else { vec![] })) => [('k', 2), ('k', 2)];
    b23_flatten: run_items([vec![1, 2], vec![], vec![3]], Stream::flatten) => [1, 2, 3];
    b26_branch_trues: run_items([1, 2, 3], |s| s.branch(odd).trues) => [1, 3];
    b26_branch_falses: run_items([1, 2, 3], |s| s.branch(odd).falses) => [2];
    b29_branch_of_many_keeps_order: run_on(1, 10, 0..100_000, |s| s.branch(|n| n % 2 == 0).falses) => (0..50_000).map(|n| 2 * n + 1).collect::<Vec<_>>();
    b33_merge_of_one: run_items([1, 2], |s| s.flow().merge([s])) => [1, 2];
    b33_merge_with_itself: sorted(run_items([1, 2], |s| s.clone().merge(s))) => [1, 1, 2, 2];
    b34_redistribute_on_one_worker: run_items(0..10, Stream::redistribute) => (0..10).collect::<Vec<_>>();
    b35_redistribute_loses_nothing: sorted(run_on(3, 1, 0..50, Stream::redistribute)) => (0..50).collect::<Vec<_>>();
    b40_key_on: run_items([1, 2], |s| s.key_on(i32::to_string)) => [("1".to_owned(), 1), ("2".to_owned(), 2)];
    b42_key_rm: run_items([('a', 1), ('b', 2)], Stream::key_rm) => [1, 2];
    b43_raises_without_items: run_items(Vec::<i32>::new(), |s| { s.clone().raises(); s }) => Vec::<i32>::new();
    b49_map_of_one_field: run_items([(0, 'x'), (1, 'y')], |s| s.map(|(n, c)| (n + 1, c))) => [(1, 'x'), (2, 'y')];
    empty_input_gives_nothing: run_items(Vec::<i32>::new(), |s| s.map(|n| n + 1)) => Vec::<i32>::new();
    map_with_makes_one_resource: run_items([1, 2, 3], |s| s.map_with(|| 0, |calls, n| { *calls += 1; (*calls, n) })) => [(1, 1), (2, 2), (3, 3)];
    split_result_oks: run_items([Ok(1), Err('e'), Ok(2)], |s| { let split = s.split_result(); split.errs.inspect(drop_it); split.oks }) => [1, 2];
    split_result_errs: run_items([Ok(1), Err('e'), Ok(2)], |s| s.split_result().errs) => ['e'];
    try_flat_map_oks: run_items([2, -1, 0, 1], |s| { let tried = s.try_flat_map(up_to); tried.errs.skip_counted(); tried.oks }) => [0, 1, 0];
    try_flat_map_tells_the_place: run_items([1, 99_999, -1], |s| s.try_flat_map(up_to).named("t").errs.map(|e| (e.item, e.error, e.step))) => [(-1, "below zero".to_owned(), "example.t".to_owned())];
    try_flat_map_of_more_than_a_batch: run_items([99_999], |s| { let tried = s.try_flat_map(up_to); tried.errs.skip_counted(); tried.oks }).len() => 99_999;
    try_filter_map_oks: run_items([2, -1, 0], |s| { let tried = s.try_filter_map(unless_zero); tried.errs.skip_counted(); tried.oks }) => [2];
    try_filter_map_tells_the_place: run_items([2, -1, 0], |s| s.try_filter_map(unless_zero).named("t").errs.map(|e| (e.item, e.error, e.step))) => [(-1, "below zero".to_owned(), "example.t".to_owned())];
    try_map_with_errs: run_items([1, -1], |s| s.try_map_with(|| Ok(10), |ten, n| match n { 1.. => Ok(n * *ten), _ => Err(TryError::Item(n, "below one".to_owned())) }).named("t").errs.map(|e| (e.item, e.error, e.step))) => [(-1, "below one".to_owned(), "example.t".to_owned())];
    try_map_tells_the_place: run_items(["1", "x"], |s| s.try_map(|t| t.parse::<i32>()).named("p").errs.map(|e| (e.item, e.step, e.worker.0, e.epoch.0))) => [("x", "example.p".to_owned(), 0, 1)];
}

#[test]
fn try_map_with_ends_the_run_where_the_outside_fails() {
    let run = |begins: bool| {
        let flow = flow_of(
            TestingSource::new([0, 1, 2]),
            move |s| {
                let init = move || match begins {
                    true => Ok(1),
                    false => Err(StepError::msg("no client")),
                };
                let tried = s.try_map_with(init, |one, n| match n {
                    1 => Err(StepError::msg("no answer").into()),
                    n => Ok(n * *one),
                });
                let tried = tried.named("t");
                tried.errs.skip_counted();
                tried.oks
            },
            TestingSink::new(),
        );
        run_main(flow).unwrap_err().report()
    };
    let end = |text: &str| format!("\n  caused by: {text}");
    let report = run(true);
    assert!(report.contains(".t`, worker 0"), "{report}");
    assert!(report.ends_with(&end("no answer")), "{report}");
    let report = run(false);
    assert!(report.contains(".t`, worker 0"), "{report}");
    assert!(report.ends_with(&end("no client")), "{report}");
}

#[test]
fn b03_a_failing_mapper_stops_the_run() {
    for workers in [1, 2] {
        let out = TestingSink::new();
        let flow = flow_of(
            TestingSource::new([0, 1, 2]),
            |s| {
                s.map(|n| if n == 0 { panic!("no zero") } else { n })
                    .named("m")
            },
            out.clone(),
        );
        let error = failure(flow, workers);
        assert!(
            error.starts_with("step `f.m`, worker 0, item 1 of a batch of 1: panicked at "),
            "{error}"
        );
        assert!(error.ends_with(": no zero"), "{error}");
        assert!(out.take().len() < 3);
    }
}

#[test]
fn b04_nothing_of_a_failed_batch_is_output() {
    let out = TestingSink::new();
    let flow = flow_of(
        TestingSource::new([1, 2, 3]).batch_size(3),
        |s| s.map(|n| if n == 2 { panic!("two") } else { n }),
        out.clone(),
    );
    assert!(failure(flow, 1).ends_with("two"));
    assert!(out.take().is_empty());
}

#[test]
fn b27_branch_by_type() {
    #[derive(Clone, Debug, PartialEq)]
    enum Item {
        Number(i32),
        Text(&'static str),
    }
    use Item::{Number, Text};
    let items = [Number(1), Text("a"), Number(2), Text("b")];
    let is_number = |item: &Item| matches!(item, Number(_));
    assert_eq!(
        run_items(items.clone(), |s| s.branch(is_number).trues),
        [Number(1), Number(2)],
    );
    assert_eq!(
        run_items(items, |s| s.branch(is_number).falses),
        [Text("a"), Text("b")]
    );
}

#[test]
fn b30_b31_b32_merge_keeps_the_order_of_each_input() {
    for (batch_size, inputs) in [
        (1, vec![vec![1, 3, 5], vec![2, 4, 6], vec![100, 200, 300]]),
        (1, vec![vec![1, 2, 3], vec![10]]),
        (10, vec![vec![1, 2, 3], vec![10, 20]]),
    ] {
        let out = TestingSink::new();
        let flow = Dataflow::build("f", |flow| {
            let streams = inputs.iter().enumerate().map(|(index, items)| {
                let source = TestingSource::new(items.clone()).batch_size(batch_size);
                flow.input(source).named(&format!("in{index}"))
            });
            flow.merge(streams.collect::<Vec<_>>())
                .output(out.clone())
                .named("out");
        });
        run_main(flow).unwrap();
        let merged = out.take();
        for items in &inputs {
            let of_input: Vec<_> = merged.iter().filter(|n| items.contains(n)).collect();
            assert_eq!(of_input, items.iter().collect::<Vec<_>>());
        }
        assert_eq!(merged.len(), inputs.concat().len());
    }
}

#[test]
fn b36_inspect_sees_each_item_and_passes_it_on() {
    let (sender, seen) = channel();
    let out = run_items(["a"], |s| {
        s.inspect(move |item| sender.send(*item).unwrap())
    });
    assert_eq!(out, ["a"]);
    assert_eq!(seen.iter().collect::<Vec<_>>(), ["a"]);
}

#[test]
fn b37_inspect_debug_tells_step_epoch_and_worker() {
    let (sender, seen) = channel();
    let flow = flow_of(
        TestingSource::new(["a"]),
        |s| {
            let see = move |at: bytewax_runtime::operators::Inspected<'_>, item: &&'static str| {
                sender
                    .send((at.step.to_string(), *item, at.epoch.0, at.worker.0))
                    .unwrap();
            };
            s.inspect_debug_with(see).named("insp")
        },
        TestingSink::new(),
    );
    run_main(flow).unwrap();
    assert_eq!(
        seen.iter().collect::<Vec<_>>(),
        [("f.insp".to_owned(), "a", 1, 0)]
    );
}

#[test]
fn b38_every_poll_is_an_epoch_when_the_interval_is_zero() {
    let (sender, seen) = channel();
    let flow = flow_of(
        TestingSource::new([1, 2, 3]),
        |s| s.inspect_debug_with(move |at, item| sender.send((*item, at.epoch.0)).unwrap()),
        TestingSink::new(),
    );
    cluster_main(flow, RunConfig::new().epoch_interval(Duration::ZERO)).unwrap();
    assert_eq!(seen.iter().collect::<Vec<_>>(), [(1, 1), (2, 2), (3, 3)]);
}

#[test]
fn b39_inspect_debug_prints_a_line() {
    const CHILD: &str = "BYTEWAX_TEST_PRINTS";
    if std::env::var_os(CHILD).is_some() {
        run_items(["a"], |s| s.inspect_debug().named("y"));
        return;
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "stateless::b39_inspect_debug_prints_a_line",
            "--nocapture",
        ])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("example.y W0 @1: \"a\"\n"), "{text}");
}

#[test]
fn b43_raises_on_the_first_item() {
    let flow = || {
        let source = TestingSource::new([0, 1, 2]);
        Dataflow::build("f", |flow| {
            flow.input(source).named("in").raises().named("never");
        })
    };
    for workers in 1..=3 {
        assert_eq!(
            failure(flow(), workers),
            "step `f.never`, worker 0: an item came where none may: `0`",
        );
    }
}

#[test]
fn fail_and_skip_counted_need_no_name() {
    let flow = Dataflow::build("f", |flow| {
        let results = flow
            .input(TestingSource::new([Ok(1), Err("no")]))
            .named("in");
        let tried = results.try_map(|result| *result).named("tried");
        tried.oks.output(TestingSink::<i32>::new()).named("out");
        tried.errs.clone().skip_counted();
        tried.errs.fail();
    });
    assert_eq!(
        failure(flow, 1),
        "step `f.fail#1`, worker 0: step `f.tried` failed for the item `Err(\"no\")`\n  \
         caused by: no",
    );
}

#[test]
fn map_with_makes_a_resource_on_each_worker() {
    let (sender, made) = channel();
    run_on(3, 1, [1, 2, 3], |s| {
        s.map_with(move || sender.send(()).unwrap(), |(), n| n)
    });
    assert_eq!(made.iter().count(), 3);
}

#[test]
fn redistribute_uses_every_worker() {
    let workers = run_on(3, 1, 0..30, |s| {
        let (sender, seen) = channel();
        let seen = std::sync::Mutex::new(seen);
        s.redistribute()
            .inspect_debug_with(move |at, _| sender.send(at.worker.0).unwrap())
            .map(move |_| seen.lock().unwrap().recv().unwrap())
    });
    let mut workers = sorted(workers);
    workers.dedup();
    assert_eq!(workers, [0, 1, 2]);
}

/// What a lazy iterator gives is passed on as it comes, and not collected first.
#[test]
fn flat_map_holds_no_more_than_a_batch() {
    let made = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let (given, highest, taken) = (Arc::clone(&made), Arc::clone(&most), AtomicUsize::new(0));
    let sink = EachWrites::new(move |_, call: Call<u64>| {
        if let Call::Write(items) = call {
            let taken = taken.fetch_add(items.len(), Ordering::SeqCst);
            highest.fetch_max(given.load(Ordering::SeqCst) - taken, Ordering::SeqCst);
        }
        Ok(())
    });
    let many = move |n| {
        let made = Arc::clone(&made);
        (0..n).inspect(move |_| {
            made.fetch_add(1, Ordering::SeqCst);
        })
    };
    let flow = flow_of(
        TestingSource::new([300_000_u64]),
        |s| s.flat_map(many),
        sink,
    );
    run_main(flow).unwrap();
    assert_eq!(most.load(Ordering::SeqCst), 2048);
}

/// All items in their order, and no batch above a limit.
#[test]
fn items_are_put_into_batches() {
    for workers in [1, 3] {
        for (most, read) in [(1, 1), (3, 1), (3, 100), (7, 5), (1000, 3)] {
            let batches = run_on(workers, read, 0..50_u32, |s| s.batch(Batching::items(most)));
            assert_eq!(batches.concat(), (0..50).collect::<Vec<_>>());
            assert!(
                batches
                    .iter()
                    .all(|batch| (1..=most).contains(&batch.len()))
            );
            let config = workers_of(workers).epoch_interval(Duration::ZERO);
            let single = run_in(&config, 1, 0..9_u32, |s| s.batch(Batching::items(most)));
            assert_eq!(
                single,
                (0..9).map(|n| vec![n]).collect::<Vec<_>>(),
                "each epoch ends one"
            );
        }
    }
    let texts = vec!["x".repeat(1000); 10];
    let by_bytes = run_on(1, 100, texts, |s| s.batch(Batching::items(100).bytes(2500)));
    assert_eq!(
        by_bytes.iter().map(Vec::len).collect::<Vec<_>>(),
        [3, 3, 3, 1]
    );
}

#[test]
fn a_batch_does_not_wait_longer_than_it_may() {
    let run = ByHand::start(1, |s: Stream<u32>| {
        s.batch(Batching::items(3).time(Duration::from_secs(5)))
    });
    run.give([1]);
    run.give([2, 3, 4]);
    assert_eq!(run.next(), [1, 2, 3]);
    assert_eq!(run.next_after(TimeDelta::seconds(5)), [4]);
    run.give([5]);
    assert_eq!(run.end(), [vec![5]]);
}
