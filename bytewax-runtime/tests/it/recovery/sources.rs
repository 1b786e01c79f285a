//! Partitions of sources that come, go and are read on: rows 45, 57, 106 and 107.

use std::time::Duration;

use bytewax_runtime::StepError;
use bytewax_runtime::prelude::*;
use bytewax_runtime::source::{FixedPartitionedSource, Poll, StatefulSourcePartition};
use bytewax_runtime::testing::{TestingItem, TestingSink, TestingSource, TestingSourcePartition};
use chrono::DateTime;

use super::kept::Lists;
use super::{LONG, Store, ZERO, refusal, runs};
use crate::shared::{Log, flow_of, sorted};

/// Partitions of these names, each with three numbers a run.
#[derive(Clone)]
struct Counted {
    names: Vec<&'static str>,
    log: Log,
}

impl Counted {
    fn new(names: &[&'static str]) -> Self {
        Self {
            names: names.to_vec(),
            log: Log::default(),
        }
    }
}

struct Counter {
    name: String,
    next: u64,
    end: u64,
    log: Log,
}

impl FixedPartitionedSource for Counted {
    type Item = (String, u64);
    type Position = u64;
    type Partition = Counter;

    fn partitions(&self) -> Result<Vec<String>, StepError> {
        Ok(self.names.iter().map(ToString::to_string).collect())
    }

    fn open(&self, partition: &str, resume: Option<u64>) -> Result<Counter, StepError> {
        self.log.note(format!("open {partition} {resume:?}"));
        let next = resume.unwrap_or(0);
        Ok(Counter {
            name: partition.to_owned(),
            next,
            end: next + 3,
            log: self.log.clone(),
        })
    }
}

impl StatefulSourcePartition for Counter {
    type Item = (String, u64);
    type Position = u64;

    fn next_batch(&mut self) -> Result<Poll<(String, u64)>, StepError> {
        if self.next == self.end {
            return Ok(Poll::end());
        }
        self.log.note(format!("poll {}", self.name));
        self.next += 1;
        Ok(Poll::item((self.name.clone(), self.next - 1)))
    }

    fn snapshot(&self) -> u64 {
        self.log
            .note(format!("snapshot {} {}", self.name, self.next));
        self.next
    }
}

fn item(name: &str, number: u64) -> (String, u64) {
    (name.to_owned(), number)
}

#[test]
fn r45_positions_are_saved_with_each_epoch() {
    let store = Store::new(2);
    let out = TestingSink::new();
    let source = Counted::new(&["a"]);
    let flow = flow_of(source.clone(), |s| s, out.clone());
    runs(&flow, &out, [store.config(ZERO)]);
    let calls = source.log.calls();
    let expect = [
        "open a None",
        "poll a",
        "snapshot a 1",
        "poll a",
        "snapshot a 2",
        "poll a",
        "snapshot a 3",
    ];
    assert_eq!(calls[..expect.len()], expect);
}

#[test]
fn r106_a_partition_that_is_gone_is_told_and_harms_nothing() {
    let store = Store::new(2);
    let out = TestingSink::new();
    let flow_with = |names: &[&'static str]| flow_of(Counted::new(names), |s| s, out.clone());
    runs(&flow_with(&["a", "b"]), &out, [store.config(LONG)]);

    let text = refusal(&flow_with(&["a", "c"]), store.config(LONG));
    assert!(text.contains("step `f.in`"), "{text}");
    assert!(text.contains("`b`"), "{text}");
    assert!(text.contains("`a`, `c`"), "{text}");

    let text = refusal(&flow_with(&[]), store.config(LONG));
    assert!(text.contains("it lists none"), "{text}");

    let got = runs(&flow_with(&["a", "b"]), &out, [store.config(LONG)]).remove(0);
    let expect = ["a", "b"].map(|name| (3..6).map(move |n| item(name, n)));
    assert_eq!(sorted(got), sorted(expect.into_iter().flatten()));
}

#[test]
fn r107_a_partition_that_is_new_is_read_from_its_beginning() {
    let store = Store::new(2);
    let out = TestingSink::new();
    for _ in 0..2 {
        let flow = flow_of(Counted::new(&["a", "b"]), |s| s, out.clone());
        runs(&flow, &out, [store.config(LONG)]);
    }
    let source = Counted::new(&["a", "b", "c"]);
    let flow = flow_of(source.clone(), |s| s, out.clone());
    runs(&flow, &out, [store.config(LONG)]);
    let opened = source
        .log
        .calls()
        .into_iter()
        .filter(|call| call.starts_with("open"));
    assert_eq!(
        sorted(opened),
        ["open a Some(6)", "open b Some(6)", "open c None"]
    );
}

/// Each partition is read by one worker, whichever that is in a run.
#[test]
fn partitions_move_between_workers() {
    let store = Store::new(3);
    let out = TestingSink::new();
    let names = ["a", "b", "c", "d", "e"];
    let flow = flow_of(Counted::new(&names), |s| s, out.clone());
    for (run, workers) in [1, 4, 2, 3].into_iter().enumerate() {
        let got = runs(&flow, &out, [store.config(ZERO).workers(workers)]).remove(0);
        let first = 3 * run as u64;
        let expect = names.map(|name| (first..first + 3).map(move |n| item(name, n)));
        assert_eq!(sorted(got), sorted(expect.into_iter().flatten()));
    }
}

/// One partition ends long before the other: its position is there when the other is stopped.
#[test]
fn a_partition_that_has_ended_stays_so() {
    let store = Store::new(2);
    let out = TestingSink::new();
    let short = TestingSource::new([0]);
    let long = (10..20).map(TestingItem::Item);
    let long = TestingSource::with_marks(long.chain([TestingItem::Abort, TestingItem::Item(20)]));
    let flow = flow_of(Lists(vec![short, long]), |s: Stream<u32>| s, out.clone());
    let got = runs(&flow, &out, [store.config(ZERO), store.config(ZERO)]);
    assert_eq!(got[1], [20]);
}

/// The items of a list, one at each mark of a clock.
struct AtMarks(TestingSource<char>);

struct PolledAtMarks(TestingSourcePartition<char>);

impl FixedPartitionedSource for AtMarks {
    type Item = char;
    type Position = u64;
    type Partition = PolledAtMarks;

    fn partitions(&self) -> Result<Vec<String>, StepError> {
        Ok(vec!["singleton".to_owned()])
    }

    fn open(&self, partition: &str, resume: Option<u64>) -> Result<PolledAtMarks, StepError> {
        self.0.open(partition, resume).map(PolledAtMarks)
    }
}

impl StatefulSourcePartition for PolledAtMarks {
    type Item = char;
    type Position = u64;

    fn next_batch(&mut self) -> Result<Poll<char>, StepError> {
        let poll = self.0.next_batch()?;
        Ok(poll.wait_for_mark(Duration::from_millis(2), DateTime::UNIX_EPOCH))
    }

    fn snapshot(&self) -> u64 {
        self.0.snapshot()
    }
}

#[test]
fn r57_a_polled_source_goes_on() {
    let store = Store::new(1);
    let out = TestingSink::new();
    let elements = ['a', 'b'].map(TestingItem::Item).into_iter();
    let elements = elements.chain([TestingItem::Abort, TestingItem::Item('c')]);
    let source = AtMarks(TestingSource::with_marks(elements));
    let flow = flow_of(source, |s| s, out.clone());
    let got = runs(&flow, &out, [store.config(ZERO), store.config(ZERO)]);
    assert_eq!(got, [vec!['a', 'b'], vec!['c']]);
}
