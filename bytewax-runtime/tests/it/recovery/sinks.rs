//! Partitions of sinks that are written on: rows 73 and 74.

use bytewax_runtime::StepError;
use bytewax_runtime::prelude::*;
use bytewax_runtime::sink::{FixedPartitionedSink, StatefulSinkPartition};
use bytewax_runtime::testing::{TestingItem, TestingSource, cluster_main};

use super::kept::KeptSink;
use super::{LONG, Store, ZERO, refusal};
use crate::shared::{Log, flow_of};

use TestingItem::{Abort, Eof, Item};

/// Partitions of these names, of which a key is the index; notes all calls.
#[derive(Clone)]
struct Noted {
    names: Vec<&'static str>,
    log: Log,
}

struct Part {
    name: String,
    written: u64,
    log: Log,
}

impl FixedPartitionedSink<u8, u32> for Noted {
    type Position = u64;
    type Partition = Part;

    fn partitions(&self) -> Result<Vec<String>, StepError> {
        Ok(self.names.iter().map(ToString::to_string).collect())
    }

    fn assign(&self, key: &u8, _: usize) -> usize {
        usize::from(*key)
    }

    fn open(&self, partition: &str, resume: Option<u64>) -> Result<Part, StepError> {
        self.log.note(format!("open {partition} {resume:?}"));
        Ok(Part {
            name: partition.to_owned(),
            written: resume.unwrap_or(0),
            log: self.log.clone(),
        })
    }
}

impl StatefulSinkPartition<u32> for Part {
    type Position = u64;

    fn write_batch(&mut self, values: Vec<u32>) -> Result<(), StepError> {
        self.log.note(format!("write {} {values:?}", self.name));
        self.written += values.len() as u64;
        Ok(())
    }

    fn snapshot(&mut self) -> Result<u64, StepError> {
        self.log
            .note(format!("snapshot {} {}", self.name, self.written));
        Ok(self.written)
    }

    fn close(&mut self) -> Result<(), StepError> {
        self.log.note(format!("close {}", self.name));
        Ok(())
    }
}

fn noted(names: &[&'static str]) -> Noted {
    Noted {
        names: names.to_vec(),
        log: Log::default(),
    }
}

/// The calls of each of several runs over these elements.
fn calls<const N: usize>(
    elements: &[TestingItem<(u8, u32)>],
    epochs: [std::time::Duration; N],
) -> [Vec<String>; N] {
    let store = Store::new(2);
    let source = TestingSource::with_marks(elements.to_vec()).batch_size(2);
    epochs.map(|epoch| {
        let sink = noted(&["x", "y", "z"]);
        let flow = flow_of(source.clone(), |s| s, sink.clone());
        cluster_main(flow, store.config(epoch)).unwrap();
        sink.log.calls()
    })
}

#[test]
fn r73_what_was_written_in_an_epoch_is_saved_at_its_end() {
    let elements = [(1, 10), (4, 11), (1, 12)].map(Item);
    let [calls] = calls(&elements, [LONG]);
    let expect = [
        "open y None",
        "write y [10, 11]",
        "write y [12]",
        "snapshot y 3",
        "close y",
    ];
    assert_eq!(calls, expect);
}

#[test]
fn what_was_not_written_in_an_epoch_is_not_saved_again() {
    let elements = [Item((0, 1)), Item((0, 2)), Item((1, 3))];
    let [calls] = calls(&elements, [ZERO]);
    let expect = [
        "open x None",
        "write x [1, 2]",
        "snapshot x 2", //
        "open y None",
        "write y [3]",
        "snapshot y 1",
        "close x",
        "close y",
    ];
    assert_eq!(calls, expect);
}

#[test]
fn r74_what_is_not_written_any_more_is_opened_all_the_same() {
    let elements = [Item((1, 10)), Eof];
    let [_, calls] = calls(&elements, [LONG, LONG]);
    assert_eq!(calls, ["open y Some(1)", "close y"]);
}

#[test]
fn what_was_not_saved_is_opened_anew() {
    let elements = [Item((1, 10)), Abort, Item((1, 11))];
    let [_, calls] = calls(&elements, [LONG, LONG]);
    let expect = [
        "open y None",
        "write y [10]",
        "write y [11]",
        "snapshot y 2",
        "close y",
    ];
    // Both may have come together.
    assert!(
        calls == expect || calls[1] == "write y [10, 11]",
        "{calls:?}"
    );
}

#[test]
fn without_a_store_nothing_is_saved() {
    let sink = noted(&["x"]);
    let flow = flow_of(TestingSource::new([(0, 1)]), |s| s, sink.clone());
    cluster_main(flow, bytewax_runtime::testing::RunConfig::new()).unwrap();
    assert_eq!(sink.log.calls(), ["open x None", "write x [1]", "close x"]);
}

#[test]
fn a_partition_that_is_gone_is_told() {
    let store = Store::new(2);
    let source = TestingSource::with_marks([Item((1, 10)), Eof, Item((0, 11))]);
    let flow = flow_of(source.clone(), |s| s, noted(&["x", "y"]));
    cluster_main(flow, store.config(ZERO)).unwrap();
    let text = refusal(&flow_of(source, |s| s, noted(&["x"])), store.config(ZERO));
    assert!(
        text.contains("step `f.out`") && text.contains("`y`"),
        "{text}"
    );
}

/// What a crash leaves behind the last snapshot is cut off, whichever worker has the partition then.
#[test]
fn lines_are_there_once() {
    for workers in [[1, 1, 1], [3, 1, 2], [2, 4, 3]] {
        let store = Store::new(3);
        let numbers = |from, to| (from..to).map(|n: u32| Item((n as u8, n)));
        let elements = numbers(0, 30)
            .chain([Abort])
            .chain(numbers(30, 60))
            .chain([Abort]);
        let source = TestingSource::with_marks(elements.chain(numbers(60, 90)));
        let sink = KeptSink::default();
        let told = |s: KeyedStream<u8, u32>| s.map(|(key, n)| (key, format!("{key} {n}")));
        let flow = flow_of(source, told, sink.clone());
        for workers in workers {
            cluster_main(flow.clone(), store.config(ZERO).workers(workers)).unwrap();
        }
        let expect = (0..90).map(|n: u32| (n.to_string(), vec![n.to_string()]));
        assert_eq!(sink.by_key(), expect.collect());
    }
}
