//! The flow by this library.

use bytewax::source::{FixedPartitionedSource, Poll, StatefulSourcePartition};
use bytewax::testing::{RunConfig, cluster_main};
use bytewax::{Dataflow, RunError, StepError, stateful};

use super::{Delays, Due, Item, Keyed, Schedule};
use crate::tally::Tally;

#[stateful]
#[derive(Default)]
struct Seen(u64);

/// Runs the flow.
pub(super) fn run(schedule: Schedule, config: RunConfig) -> Result<Delays, RunError> {
    let tally = Tally::new(|delays: &mut Delays, items: &[(u64, (u64, u64))]| {
        delays.add(items.iter().map(|(_, (due, _))| *due));
    });
    let flow = Dataflow::build("latency", |flow| {
        let items = flow.input(Events(schedule)).named("items");
        let first = items.stateful_map(|seen: &mut Seen, (other, due): Item| {
            seen.0 += 1;
            (other, due, seen.0)
        });
        let by_other = first
            .named("first")
            .map(|(_, (other, due, count))| (other, (due, count)));
        let second = by_other.stateful_map(|seen: &mut Seen, (due, count): (u64, u64)| {
            seen.0 += count;
            (due, seen.0)
        });
        second.named("second").output(tally.clone()).named("tally");
    });
    cluster_main(flow, config)?;
    Ok(tally.total())
}

/// The items, with a partition for each worker.
struct Events(Schedule);

impl FixedPartitionedSource for Events {
    type Item = Keyed;
    type Position = u64;
    type Partition = Part;

    fn partitions(&self) -> Result<Vec<String>, StepError> {
        Ok((0..self.0.step).map(|part| part.to_string()).collect())
    }

    fn open(&self, partition: &str, position: Option<u64>) -> Result<Part, StepError> {
        let next = match position {
            Some(next) => next,
            None => partition.parse()?,
        };
        Ok(Part(Schedule { next, ..self.0 }))
    }
}

struct Part(Schedule);

impl StatefulSourcePartition for Part {
    type Item = Keyed;
    type Position = u64;

    fn next_batch(&mut self) -> Result<Poll<Keyed>, StepError> {
        Ok(match self.0.due() {
            Due::Items(items) => Poll::batch(items),
            Due::Wait(time) => Poll::idle(time),
            Due::End => Poll::end(),
        })
    }

    fn snapshot(&self) -> u64 {
        self.0.next
    }
}
