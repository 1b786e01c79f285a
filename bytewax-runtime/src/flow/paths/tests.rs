//! What paths promise, and which flows are refused.

use std::sync::{Arc, Mutex};

use super::*;
use crate::delivery::{Idempotent, NotReplayable, Replayable, SourcePromise};
use crate::error::StepError;
use crate::ids::{Epoch, WorkerIndex};
use crate::operators::Source;
use crate::prelude::*;
use crate::sink::{
    DynamicSink, Marker, StatelessSinkPartition, TransactionalSink, TransactionalWriter,
    WriterPlace,
};
use crate::source::{
    DynamicSource, FixedPartitionedSource, Poll, StatefulSourcePartition, StatelessSourcePartition,
    source_fn,
};
use crate::state::State;
use crate::testing::{TestingSink, TestingSource};

/// A source without a position.
struct Anew;

impl DynamicSource for Anew {
    type Item = u64;
    type Partition = Self;

    fn build(&self, _: &StepId, _: WorkerIndex, _: usize) -> Result<Self, StepError> {
        Ok(Self)
    }
}

impl StatelessSourcePartition for Anew {
    type Item = u64;

    fn next_batch(&mut self) -> Result<Poll<u64>, StepError> {
        Ok(Poll::end())
    }
}

/// A source of a position, of a type of its own.
struct At<P>(P);

impl<P: State + Clone + Send + Sync> FixedPartitionedSource for At<P> {
    type Item = u64;
    type Position = P;
    type Partition = Self;

    fn partitions(&self) -> Result<Vec<String>, StepError> {
        Ok(vec!["at".to_owned()])
    }

    fn open(&self, _: &str, resume: Option<P>) -> Result<Self, StepError> {
        Ok(Self(resume.unwrap_or_else(|| self.0.clone())))
    }
}

impl<P: State + Clone> StatefulSourcePartition for At<P> {
    type Item = u64;
    type Position = P;

    fn next_batch(&mut self) -> Result<Poll<u64>, StepError> {
        Ok(Poll::end())
    }

    fn snapshot(&self) -> P {
        self.0.clone()
    }
}

/// A sink with transactions.
#[derive(Clone, Default)]
struct Table(Arc<Mutex<Vec<u64>>>);

impl TransactionalSink<u64> for Table {
    type Writer = Self;

    fn open(&self, _: &WriterPlace<'_>) -> Result<Self, StepError> {
        Ok(self.clone())
    }
}

impl TransactionalWriter<u64> for Table {
    fn recover(&mut self) -> Result<Option<Marker>, StepError> {
        Ok(None)
    }

    fn begin(&mut self, _: Epoch) -> Result<(), StepError> {
        Ok(())
    }

    fn write_batch(&mut self, items: Vec<u64>) -> Result<(), StepError> {
        self.0.lock().expect("nobody panics").extend(items);
        Ok(())
    }

    fn prepare(&mut self, _: Marker) -> Result<(), StepError> {
        Ok(())
    }

    fn commit(&mut self, _: Epoch) -> Result<(), StepError> {
        Ok(())
    }
}

/// A sink by key.
struct Upsert;

impl DynamicSink<u64, Idempotent> for Upsert {
    type Partition = Self;

    fn build(&self, _: &StepId, _: WorkerIndex, _: usize) -> Result<Self, StepError> {
        Ok(Self)
    }
}

impl StatelessSinkPartition<u64> for Upsert {
    fn write_batch(&mut self, _: Vec<u64>) -> Result<(), StepError> {
        Ok(())
    }
}

/// A flow with paths of all kinds.
fn all(delivery: Option<Delivery>) -> Dataflow {
    Dataflow::build("f", |flow| {
        if let Some(delivery) = delivery {
            flow.delivery(delivery);
        }
        let good = flow.input(TestingSource::new([1_u64])).named("good");
        let anew = flow.input(Anew).named("anew");
        let both = flow.merge([good.clone(), anew.clone()]).named("both");
        both.clone().output(Table::default()).named("table");
        let tens = good.map(|n| 10 * n).named("tens");
        let more = both.map(|n| n + 1).named("more");
        tens.merge(more).named("ten").output(Upsert).named("upsert");
        anew.output(TestingSink::new()).named("list");
    })
}

#[test]
fn each_source_has_a_path_to_each_sink_that_it_reaches() {
    let texts: Vec<String> = all(None).paths().iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "f.good -> f.both -> f.table: exactly once",
            "f.good -> f.tens -> f.ten -> f.upsert: exactly once",
            "f.anew -> f.both -> f.table: at most once, as `f.anew` is not replayable",
            "f.anew -> f.both -> f.more -> f.ten -> f.upsert: at most once, as `f.anew` is not replayable",
            "f.anew -> f.list: best effort, as `f.anew` is not replayable, and `f.list` is append",
        ]
    );
}

/// The faults of a flow without the places, and all helps.
fn defects(flow: &Dataflow) -> Vec<(String, String)> {
    let defects = flow.check().expect_err("it declares too much");
    let without_places = |text: &str| {
        let words = text.split(' ').collect::<Vec<_>>();
        let is_place = |at: usize| words[at].contains("tests.rs:") || words[at] == "at";
        let kept = (0..words.len()).filter(|at| {
            let next_is_place = words.get(at + 1).is_some_and(|it| it.contains("tests.rs:"));
            !(words[*at].contains("tests.rs:") || is_place(*at) && next_is_place)
        });
        kept.map(|at| words[at]).collect::<Vec<_>>().join(" ")
    };
    let all = defects.defects().iter();
    all.map(|it| (without_places(&it.fault), it.help.clone()))
        .collect()
}

#[test]
fn paths_that_promise_less_than_declared_are_defects() {
    let counts = [
        Delivery::ExactlyOnce,
        Delivery::AtLeastOnce,
        Delivery::AtMostOnce,
    ]
    .map(|delivery| defects(&all(Some(delivery))).len());
    assert_eq!(counts, [3, 3, 1]);
    assert!(all(Some(Delivery::BestEffort)).check().is_ok());
    let exactly = defects(&all(Some(Delivery::ExactlyOnce)));
    assert_eq!(
        exactly[0].0,
        "the flow declares delivery exactly once, and the path `f.anew` -> `f.both` -> `f.table` is at most once: the \
         source `f.anew` is not replayable"
    );
    assert_eq!(
        exactly[2].0,
        "the flow declares delivery exactly once, and the path `f.anew` -> `f.list` is best effort: the source `f.anew` \
         is not replayable, and the sink `f.list` is append"
    );
    let help = &exactly[2].1;
    assert!(help.starts_with("read from a source"), "{help}");
    assert!(
        help.contains(", and write to a transactional sink"),
        "{help}"
    );
    // A sink that appends is no reason here.
    let least = defects(&all(Some(Delivery::AtLeastOnce)));
    assert!(
        least[2]
            .0
            .ends_with("the source `f.anew` is not replayable"),
        "{least:?}"
    );
    let most = defects(&all(Some(Delivery::AtMostOnce)));
    assert!(
        most[0].0.ends_with("the sink `f.list` is append"),
        "{most:?}"
    );
}

#[test]
fn a_position_that_says_nothing_is_not_replayed() {
    fn promise<K, P: SourcePromise>(
        source: impl Source<K, Item = u64, Promise = P>,
    ) -> Option<Promise> {
        let flow = Dataflow::build("f", |flow| {
            flow.input(source)
                .named("in")
                .output(TestingSink::new())
                .named("out");
        });
        flow.steps()[0].promise
    }
    assert_eq!(
        promise::<_, Replayable>(At(0_u64)),
        Some(Promise::Replayable)
    );
    assert_eq!(
        promise::<_, Replayable>(At(())),
        Some(Promise::NotReplayable)
    );
    let poll = |_: &mut u64, (): &mut ()| Ok(Poll::end());
    let declared = source_fn::<NotReplayable, _, _, _, _, _>("f", "", || Ok(()), poll);
    assert_eq!(
        promise::<_, NotReplayable>(declared),
        Some(Promise::NotReplayable)
    );
}

#[test]
fn a_message_names_some_steps_of_a_long_path() {
    let ids: Vec<StepId> = (0..12).map(|n| StepId::new(format!("f.{n}"))).collect();
    assert_eq!(shown(&ids[..2]), "`f.0` -> `f.1`");
    assert!(!shown(&ids[..9]).contains("steps"));
    let text = shown(&ids);
    assert!(
        text.starts_with("`f.0` -> (3 steps) -> `f.4` -> "),
        "{text}"
    );
}
