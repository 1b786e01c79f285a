use bytewax_runtime::prelude::*;
use bytewax_runtime::testing::{RunConfig, TestingSink, TestingSource, cluster_main, run_main};

fn increments(out: TestingSink<i32>) -> Dataflow {
    Dataflow::build("increments", |flow| {
        flow.input(TestingSource::new(vec![0, 1, 2]))
            .named("in")
            .map(|n| n + 1)
            .output(out)
            .named("out");
    })
}

#[test]
fn basic_run_on_one_worker_and_on_threads() {
    let out = TestingSink::new();
    run_main(increments(out.clone())).unwrap();
    assert_eq!(out.take(), [1, 2, 3]);
    for workers in 1..=4 {
        cluster_main(increments(out.clone()), RunConfig::new().workers(workers)).unwrap();
        assert_eq!(out.sorted(), [1, 2, 3]);
        out.take();
    }
}

#[test]
fn counts_are_the_same_on_any_number_of_workers() {
    let words: Vec<String> = (0..10_000).map(|n| format!("w{}", n % 97)).collect();
    let mut expected: Vec<(String, u64)> = (0..97)
        .map(|n| (format!("w{n}"), (10_000 + 96 - n) / 97))
        .collect();
    expected.sort();
    for workers in 1..=4 {
        let out = TestingSink::new();
        let flow = Dataflow::build("count", |flow| {
            flow.input(TestingSource::new(words.clone()).batch_size(100))
                .named("in")
                .redistribute()
                .key_on(|word: &String| word.clone())
                .count_final()
                .named("count")
                .output(out.clone())
                .named("out");
        });
        cluster_main(flow, RunConfig::new().workers(workers)).unwrap();
        assert_eq!(out.sorted(), expected);
    }
}
