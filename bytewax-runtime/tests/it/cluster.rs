use std::net::TcpListener;
use std::thread;

use bytewax_runtime::prelude::*;
use bytewax_runtime::testing::{RunConfig, TestingSink, TestingSource, cluster_main};
use bytewax_runtime::{RunError, RunErrorKind};

/// Runs a flow as several processes, each on threads of this one.
fn run_processes(
    processes: usize,
    workers: usize,
    flow: impl Fn(usize) -> Dataflow + Sync,
) -> Vec<Result<(), RunError>> {
    let listeners: Vec<_> = (0..processes)
        .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
        .collect();
    let addresses: Vec<String> = listeners
        .iter()
        .map(|listener| listener.local_addr().unwrap().to_string())
        .collect();
    thread::scope(|scope| {
        let running: Vec<_> = listeners
            .into_iter()
            .enumerate()
            .map(|(index, listener)| {
                let config = RunConfig::new()
                    .workers(workers)
                    .process(index, addresses.clone())
                    .listener(listener);
                let flow = flow(index);
                scope.spawn(move || cluster_main(flow, config))
            })
            .collect();
        running
            .into_iter()
            .map(|process| process.join().unwrap())
            .collect()
    })
}

fn counting(out: &TestingSink<(String, u64)>, fail_at: Option<u64>) -> Dataflow {
    Dataflow::build("counting", |flow| {
        flow.input(TestingSource::new(0..50_000_u64).batch_size(100))
            .named("numbers")
            .redistribute()
            .map(move |n| {
                assert!(Some(n) != fail_at, "the number {n} is not wanted");
                (format!("key{}", n % 1_000), n)
            })
            .named("keys")
            .stateful_map(|count: &mut u64, _| {
                *count += 1;
                *count
            })
            .named("counts")
            .max_final(|count| *count)
            .named("last")
            .output(out.clone())
            .named("out");
    })
}

#[test]
fn the_output_is_the_same_on_processes() {
    for (processes, workers) in [(1, 2), (2, 1), (2, 2), (3, 1)] {
        let out = TestingSink::new();
        for ended in run_processes(processes, workers, |_| counting(&out, None)) {
            ended.unwrap();
        }
        let mut expected: Vec<_> = (0..1_000).map(|key| (format!("key{key}"), 50)).collect();
        expected.sort();
        assert_eq!(
            out.sorted(),
            expected,
            "{processes} processes of {workers} workers"
        );
    }
}

#[test]
fn a_failure_in_one_process_ends_all_and_names_the_step() {
    let out = TestingSink::new();
    let ended = run_processes(2, 1, |_| counting(&out, Some(40_000)));
    let errors: Vec<_> = ended.into_iter().map(Result::unwrap_err).collect();
    let (own, told): (Vec<_>, Vec<_>) = errors
        .iter()
        .partition(|error| error.kind() == RunErrorKind::Panic);
    assert_eq!((own.len(), told.len()), (1, 1), "{errors:?}");
    assert_eq!(own[0].step_id().unwrap().as_str(), "counting.keys");
    assert!(
        own[0]
            .to_string()
            .ends_with("the number 40000 is not wanted"),
        "{}",
        own[0]
    );
    assert_eq!(told[0].kind(), RunErrorKind::Peer);
    let expect = format!(" failed at {}", own[0]);
    assert!(told[0].to_string().ends_with(&expect), "{}", told[0]);
}

#[test]
fn the_other_process_is_told_the_key_and_the_item() {
    let ended = run_processes(2, 1, |_| {
        Dataflow::build("told", |flow| {
            let numbers = flow.input(TestingSource::new(0..100)).named("numbers");
            let keyed = numbers.key_on(|number: &i32| number % 7).named("keyed");
            let sums = keyed.stateful_map(|sum: &mut i32, number| {
                assert_ne!(number, 33, "this number is not wanted");
                *sum += number;
                *sum
            });
            sums.named("sums").output(TestingSink::new()).named("out");
        })
    });
    let errors: Vec<_> = ended.into_iter().map(Result::unwrap_err).collect();
    let own = errors
        .iter()
        .find(|error| error.kind() == RunErrorKind::Panic);
    let told = errors
        .iter()
        .find(|error| error.kind() == RunErrorKind::Peer);
    let (own, told) = (own.unwrap().to_string(), told.unwrap().to_string());
    assert!(
        own.starts_with("step `told.sums`, key `5`, worker "),
        "{own}"
    );
    assert!(own.contains(" of a batch of "), "{own}");
    assert!(told.ends_with(&format!(" failed at {own}")), "{told}");
}

#[test]
fn processes_that_run_different_flows_refuse_each_other() {
    let flow = |index| {
        Dataflow::build("same_name", |flow| {
            let numbers = flow.input(TestingSource::new([1])).named("numbers");
            let numbers = if index == 0 {
                numbers
            } else {
                numbers.map(|n| n)
            };
            numbers.output(TestingSink::new()).named("out");
        })
    };
    for ended in run_processes(2, 1, flow) {
        let error = ended.unwrap_err();
        assert_eq!(error.kind(), RunErrorKind::Network);
        assert!(
            error.to_string().contains("version of the program"),
            "{error}"
        );
    }
}

/// A number that cannot be written, or not be read, by other processes, when it is 7.
#[derive(Clone, Debug)]
struct Stubborn {
    number: u64,
    fails: Fails,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fails {
    Writing,
    Reading,
}

impl serde::Serialize for Stubborn {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.number == 7 && self.fails == Fails::Writing {
            return Err(serde::ser::Error::custom("7 is not written"));
        }
        self.number.serialize(serializer)
    }
}

impl<'de> serde::Deserialize<'de> for Stubborn {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u64::deserialize(deserializer)?;
        if number == 7 {
            return Err(serde::de::Error::custom("7 is not read"));
        }
        let fails = Fails::Reading;
        Ok(Self { number, fails })
    }
}

#[test]
fn an_item_that_cannot_travel_fails_the_run_and_names_the_step() {
    for (fails, text) in [
        (Fails::Writing, "cannot be sent to another process"),
        (Fails::Reading, "from another process cannot be read"),
    ] {
        let ended = run_processes(2, 1, |_| {
            Dataflow::build("travel", |flow| {
                let numbers = flow.input(TestingSource::new(0..100_u64)).named("numbers");
                let stubborn = numbers.map(move |_| Stubborn { number: 7, fails });
                let moved = stubborn.redistribute().named("moved");
                moved
                    .map(|item| item.number)
                    .output(TestingSink::new())
                    .named("out");
            })
        });
        let errors: Vec<_> = ended.into_iter().map(Result::unwrap_err).collect();
        let own = errors
            .iter()
            .find(|error| error.kind() == RunErrorKind::Panic);
        let own = own.unwrap_or_else(|| panic!("{errors:?}"));
        assert_eq!(own.step_id().unwrap().as_str(), "travel.moved");
        assert!(own.to_string().contains(text), "{own}");
        assert!(own.to_string().contains("Stubborn"), "{own}");
        assert!(
            errors
                .iter()
                .any(|error| error.kind() == RunErrorKind::Peer),
            "{errors:?}"
        );
    }
}
