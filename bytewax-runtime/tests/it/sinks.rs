//! Sinks: lifecycle and routing.

use std::sync::mpsc::channel;
use std::time::Duration;

use bytewax_runtime::testing::{RunConfig, TestingSource, cluster_main, run_main};
use bytewax_runtime::{StepError, WorkerIndex};

use crate::shared::{Call, EachWrites, Log, PartWrites, failure, flow_of, sorted, workers_of};

type Calls = Box<dyn Fn(&str, Call<i32>) -> Result<(), StepError> + Send + Sync>;

fn logged(names: &'static [&'static str]) -> (Log, PartWrites<Calls>) {
    let log = Log::default();
    let noted = log.clone();
    let calls: Calls = Box::new(move |name, call| {
        noted.note(match call {
            Call::Build => format!("open {name}"),
            Call::Write(values) => format!("write {name} {values:?}"),
            Call::Close => format!("close {name}"),
        });
        Ok(())
    });
    (log, PartWrites::new(names, calls))
}

#[test]
fn r71_r72_a_partition_is_opened_by_its_first_item() {
    let (log, sink) = logged(&["x", "y", "z"]);
    let source = TestingSource::new([(1, 10), (4, 40)]).batch_size(2);
    run_main(flow_of(source, |s| s, sink)).unwrap();
    assert_eq!(log.calls(), ["open y", "write y [10, 40]", "close y"]);
}

#[test]
fn partitions_are_numbered_as_they_are_listed() {
    let (log, sink) = logged(&["z", "a", "m"]);
    let source = TestingSource::new([(0, 1), (1, 2), (2, 3)]).batch_size(3);
    cluster_main(flow_of(source, |s| s, sink), workers_of(2)).unwrap();
    let writes = log
        .calls()
        .into_iter()
        .filter(|call| call.starts_with("write"));
    assert_eq!(
        sorted(writes),
        ["write a [2]", "write m [3]", "write z [1]"]
    );
}

#[test]
fn each_partition_is_written_by_one_worker_and_closed_once() {
    for workers in 1..=4 {
        let (log, sink) = logged(&["x", "y", "z"]);
        let items: Vec<_> = (0..300).map(|n| ((n % 3) as u8, n)).collect();
        let source = TestingSource::new(items).batch_size(10);
        cluster_main(
            flow_of(source, |s| s.redistribute(), sink),
            workers_of(workers),
        )
        .unwrap();
        for call in ["open", "close"] {
            let calls = sorted(
                log.calls()
                    .into_iter()
                    .filter(|noted| noted.starts_with(call)),
            );
            assert_eq!(calls, ["x", "y", "z"].map(|name| format!("{call} {name}")));
        }
    }
}

#[test]
fn epochs_are_written_in_order() {
    let (log, sink) = logged(&["x"]);
    let source = TestingSource::new((0..5).map(|n| (0, n)));
    let flow = flow_of(source, |s| s, sink);
    cluster_main(flow, RunConfig::new().epoch_interval(Duration::ZERO)).unwrap();
    let mut expected = vec!["open x".to_owned()];
    expected.extend((0..5).map(|n| format!("write x [{n}]")));
    expected.push("close x".to_owned());
    assert_eq!(log.calls(), expected);
}

#[test]
fn a_dynamic_sink_is_built_and_closed_on_every_worker() {
    for workers in 1..=4 {
        let (sender, calls) = channel();
        let sink = EachWrites::new(move |worker: WorkerIndex, call: Call<i32>| {
            sender.send((worker.0, format!("{call:?}")))?;
            Ok(())
        });
        let alive = sink.alive.clone();
        let flow = flow_of(TestingSource::new([1, 2]).batch_size(2), |s| s, sink);
        cluster_main(flow, workers_of(workers)).unwrap();
        assert_eq!(alive.count(), 0);
        let calls: Vec<_> = calls.iter().collect();
        for worker in 0..workers {
            let of_worker = calls.iter().filter(|(index, _)| *index == worker);
            let of_worker: Vec<_> = of_worker.map(|(_, call)| call.as_str()).collect();
            let expected: &[&str] = match worker {
                0 => &["Build", "Write([1, 2])", "Close"],
                _ => &["Build", "Close"],
            };
            assert_eq!(of_worker, expected);
        }
    }
}

#[test]
fn r76_any_route_is_a_partition() {
    let (log, sink) = logged(&["x", "y", "z"]);
    run_main(flow_of(TestingSource::new([(255, 1)]), |s| s, sink)).unwrap();
    assert_eq!(log.calls(), ["open x", "write x [1]", "close x"]);
}

#[test]
fn a_sink_without_partitions_fails_at_the_first_item() {
    let (_, sink) = logged(&[]);
    assert_eq!(
        failure(flow_of(TestingSource::new([(0, 1)]), |s| s, sink), 2),
        "step `f.out`, worker 0: the sink cannot write\n  caused by: no worker can reach a \
         partition of this sink, so there is nowhere to write; check what its `partitions` gives",
    );
    let (_, sink) = logged(&[]);
    let nothing = TestingSource::new(Vec::<(u8, i32)>::new());
    assert_eq!(failure(flow_of(nothing, |s| s, sink), 2), "it did not fail");
}
