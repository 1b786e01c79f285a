//! Flows put together at random, with little memory for what is under way.

use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use bytewax_runtime::prelude::*;
use bytewax_runtime::source::Poll;
use bytewax_runtime::testing::{TestingSink, cluster_main};
use proptest::prelude::*;

use crate::epochs::HOUR;
use crate::shared::{Answer, EachWorker, sorted, workers_of};

/// An item: its number, and some text to give it a weight.
type Item = (u64, String);

/// A step that is added to the streams so far. Streams are chosen by their number, modulo how many
/// there are.
#[derive(Clone, Copy, Debug)]
enum Step {
    Merge(usize, usize),
    Redistribute(usize),
    Stateful(usize, u64),
    Branch(usize),
    Clone(usize),
    /// Makes two of each item.
    FlatMap(usize),
    /// Makes the text longer.
    Grow(usize, usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let stream = || 0..8_usize;
    let step = prop_oneof![
        (stream(), stream()).prop_map(|(a, b)| Step::Merge(a, b)),
        stream().prop_map(Step::Redistribute),
        (stream(), 1..20_u64).prop_map(|(a, keys)| Step::Stateful(a, keys)),
        stream().prop_map(Step::Branch),
        stream().prop_map(Step::Clone),
        stream().prop_map(Step::FlatMap),
        (stream(), 0..3000_usize).prop_map(|(a, by)| Step::Grow(a, by)),
    ];
    prop::collection::vec(step, 0..10)
}

#[derive(Clone, Debug)]
struct Run {
    sources: u64,
    /// How many items each worker has of each source, and how many a poll gives.
    items: u64,
    batch: usize,
    steps: Vec<Step>,
    workers: usize,
    interval: Duration,
    memory: u64,
}

fn runs() -> impl Strategy<Value = Run> {
    let sizes = (1..4_u64, 0..200_u64, 1..60_usize, 1..5_usize);
    let interval = prop_oneof![
        Just(Duration::ZERO),
        Just(Duration::from_millis(1)),
        Just(HOUR)
    ];
    let memory = prop_oneof![Just(1), 2..1000_u64, 1000..200_000_u64, Just(1 << 28)];
    (sizes, steps(), interval, memory).prop_map(|(sizes, steps, interval, memory)| {
        let (sources, items, batch, workers) = sizes;
        Run {
            sources,
            // With no interval, each poll is an epoch.
            items: if interval.is_zero() { items / 4 } else { items },
            batch,
            steps,
            workers,
            interval,
            memory,
        }
    })
}

impl Run {
    /// The numbers that come of it, by a model of each step.
    fn expected(&self) -> Vec<u64> {
        let workers = self.workers as u64;
        let of_source = |_| (0..workers).flat_map(|_| 0..self.items).collect();
        let mut streams: Vec<Vec<u64>> = (0..self.sources).map(of_source).collect();
        for step in &self.steps {
            let count = streams.len();
            match *step {
                Step::Merge(a, b) if a % count != b % count => {
                    let other = streams[b % count].clone();
                    streams[a % count].extend(other);
                    streams.remove(b % count);
                }
                Step::Branch(a) => {
                    let all = streams.remove(a % count);
                    let (even, odd) = all.into_iter().partition(|n| n % 2 == 0);
                    streams.extend([even, odd]);
                }
                Step::Clone(a) => streams.push(streams[a % count].clone()),
                Step::FlatMap(a) => {
                    let twice = streams[a % count].iter().flat_map(|n| [*n, n / 3]);
                    streams[a % count] = twice.collect();
                }
                Step::Merge(..) | Step::Redistribute(_) | Step::Stateful(..) | Step::Grow(..) => {}
            }
        }
        sorted(streams.concat())
    }

    fn describe(&self, flow: &Flow, out: TestingSink<u64>) {
        let source = |number| {
            let (items, batch) = (self.items, self.batch);
            let source = EachWorker(move |_| {
                let mut numbers = 0..items;
                Ok(move || -> Answer<Item> {
                    let few: Vec<Item> = numbers.by_ref().take(batch).map(item).collect();
                    Ok(if few.is_empty() {
                        Poll::end()
                    } else {
                        Poll::batch(few)
                    })
                })
            });
            flow.input(source).named(&format!("source{number}"))
        };
        let mut streams: Vec<Stream<Item>> = (0..self.sources).map(source).collect();
        for (number, step) in self.steps.iter().enumerate() {
            let count = streams.len();
            let mut change = |a: usize, change: &dyn Fn(Stream<Item>) -> Stream<Item>| {
                let stream = streams.remove(a % count);
                streams.insert(a % count, change(stream));
            };
            match *step {
                Step::Merge(a, b) if a % count != b % count => {
                    let other = streams[b % count].clone();
                    let merged = streams[a % count].clone().merge(other);
                    streams[a % count] = merged;
                    streams.remove(b % count);
                }
                Step::Merge(..) => {}
                Step::Redistribute(a) => change(a, &Stream::redistribute),
                Step::Stateful(a, keys) => change(a, &|stream| {
                    let keyed = stream.key_on(move |(n, _)| n % keys);
                    let kept = keyed.stateful_map(|count: &mut u64, item: Item| {
                        *count += 1;
                        item
                    });
                    kept.named(&format!("keep{number}")).key_rm()
                }),
                Step::Branch(a) => {
                    let sides = streams.remove(a % count).branch(|(n, _)| n % 2 == 0);
                    streams.extend([sides.trues, sides.falses]);
                }
                Step::Clone(a) => {
                    let copy = streams[a % count].clone();
                    streams.push(copy);
                }
                Step::FlatMap(a) => change(a, &|stream| {
                    stream.flat_map(|(n, text)| [(n, text.clone()), (n / 3, text)])
                }),
                Step::Grow(a, by) => change(a, &|stream| {
                    stream.map(move |(n, text)| {
                        let by = if n % 11 == 0 { by } else { by / 100 };
                        (n, text + &"y".repeat(by))
                    })
                }),
            }
        }
        let all = flow.merge(streams);
        all.map(|(n, _)| n).output(out).named("out");
    }
}

fn item(n: u64) -> Item {
    (n, "x".repeat((n % 50) as usize))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_memory_is_enough_for_any_flow(run in runs()) {
        let out = TestingSink::new();
        let flow = Dataflow::build("f", |flow| run.describe(flow, out.clone()));
        let config = workers_of(run.workers)
            .epoch_interval(run.interval)
            .buffer_memory(run.memory);
        let (ended, has_ended) = channel();
        thread::spawn(move || ended.send(cluster_main(flow, config)));
        // The limit only catches what has locked up.
        let ended = has_ended.recv_timeout(Duration::from_secs(120));
        prop_assert!(matches!(ended, Ok(Ok(()))), "{:?}", ended);
        prop_assert_eq!(out.sorted(), run.expected());
    }
}
