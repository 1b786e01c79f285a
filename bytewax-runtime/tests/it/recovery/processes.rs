//! Clusters of processes that each see some of the partitions, with other processes in each run.

use std::net::TcpListener;
use std::path::Path;

use bytewax_runtime::prelude::*;
use bytewax_runtime::testing::{RunConfig, TestingItem, TestingSource, cluster_main};
use bytewax_runtime::{RecoveryConfig, RunError};

use super::kept::{KeptSink, Lists};
use super::{Store, ZERO};

/// Runs a flow as several processes, each on threads of this one; each sees some directories.
fn run(flow: &Dataflow, processes: &[(usize, &[&Path])]) -> Vec<Result<(), RunError>> {
    let listeners: Vec<_> = processes
        .iter()
        .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
        .collect();
    let addresses: Vec<String> = listeners
        .iter()
        .map(|listener| listener.local_addr().unwrap().to_string())
        .collect();
    std::thread::scope(|scope| {
        let running: Vec<_> = listeners
            .into_iter()
            .zip(processes)
            .enumerate()
            .map(|(index, (listener, (workers, dirs)))| {
                let recovery = RecoveryConfig::new(dirs[0]);
                let recovery = dirs[1..]
                    .iter()
                    .fold(recovery, |config, dir| config.dir(dir));
                let config = RunConfig::new()
                    .epoch_interval(ZERO)
                    .workers(*workers)
                    .process(index, addresses.clone())
                    .listener(listener)
                    .recovery(recovery);
                scope.spawn(|| cluster_main(flow.clone(), config))
            })
            .collect();
        let ended = running.into_iter().map(|process| process.join().unwrap());
        ended.collect()
    })
}

/// Two lists of numbers, with a stop between the thirds.
fn source() -> Lists<u32> {
    let list = |first: u32| {
        let third = |n: u32| (first + n..first + n + 40).map(TestingItem::Item);
        let elements = third(0).chain([TestingItem::Eof]).chain(third(40));
        TestingSource::with_marks(elements.chain([TestingItem::Eof]).chain(third(80)))
    };
    Lists(vec![list(0), list(1000)])
}

fn flow(sink: &KeptSink) -> Dataflow {
    Dataflow::build("f", |flow| {
        let numbers = flow.input(source()).named("in");
        let keyed = numbers.key_on(|n| (n / 1000, n % 7));
        let counts = keyed.stateful_map(|count: &mut u32, n| {
            *count += n;
            *count
        });
        let told = counts
            .named("counts")
            .map(|((list, rest), count)| ((list, rest), format!("{list}-{rest} {count}")));
        told.output(sink.clone()).named("out");
    })
}

#[test]
fn each_process_sees_some_partitions() {
    let store = Store::new(5);
    let others = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    for (index, other) in [(0, &others[0]), (3, &others[0]), (1, &others[1])] {
        let name = format!("part-{index}.sqlite3");
        std::fs::rename(store.path().join(&name), other.path().join(&name)).unwrap();
    }
    let [a, b, c] = [store.path(), others[0].path(), others[1].path()];
    let sink = KeptSink::default();
    let flow = flow(&sink);
    for processes in [
        &[(2, &[a][..]), (2, &[b, c])][..],
        &[(3, &[c, a, b])],
        &[(1, &[a]), (1, &[c]), (1, &[b])],
    ] {
        for ended in run(&flow, processes) {
            ended.unwrap();
        }
    }
    let unbroken = KeptSink::default();
    let whole = self::flow(&unbroken);
    let lone = Store::new(1);
    for _ in 0..3 {
        cluster_main(whole.clone(), lone.config(ZERO)).unwrap();
    }
    assert_eq!(sink.by_key(), unbroken.by_key());
    assert_eq!(sink.by_key().values().map(Vec::len).sum::<usize>(), 240);
}

#[test]
fn a_partition_that_no_process_sees() {
    let store = Store::new(3);
    let other = tempfile::tempdir().unwrap();
    let name = "part-1.sqlite3";
    std::fs::rename(store.path().join(name), other.path().join(name)).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let sink = KeptSink::default();
    let ended = run(
        &flow(&sink),
        &[(1, &[store.path()]), (1, &[elsewhere.path()])],
    );
    let texts: Vec<String> = ended
        .into_iter()
        .map(|ended| ended.unwrap_err().report())
        .collect();
    assert!(
        texts
            .iter()
            .any(|text| text.contains("missing on all processes: 1;")),
        "{texts:?}"
    );
}

/// A store is made when no process has one, and not because the first process has none.
#[test]
fn the_first_process_has_no_partition() {
    let store = Store::new(3);
    let elsewhere = tempfile::tempdir().unwrap();
    let sink = KeptSink::default();
    let processes: [(usize, &[&Path]); 2] = [(2, &[elsewhere.path()]), (2, &[store.path()])];
    for ended in run(&flow(&sink), &processes) {
        ended.unwrap();
    }
    let files = |dir: &Path| {
        let entries = std::fs::read_dir(dir).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(".sqlite3")).count()
    };
    assert_eq!((files(elsewhere.path()), files(store.path())), (0, 3));
}

#[test]
fn a_stale_copy_on_another_machine() {
    let store = Store::new(3);
    let other = tempfile::tempdir().unwrap();
    let name = "part-1.sqlite3";
    std::fs::copy(store.path().join(name), other.path().join(name)).unwrap();
    let sink = KeptSink::default();
    let ended = run(&flow(&sink), &[(1, &[store.path()]), (1, &[other.path()])]);
    let mut texts = ended.into_iter().map(|ended| ended.unwrap_err().report());
    let expected = "partition 1 is on two processes or in two directories";
    assert!(texts.any(|text| text.contains(expected)));
}
