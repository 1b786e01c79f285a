//! The flow on timely's own operators.

use hashbrown::HashMap;
use std::hash::BuildHasher;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::Operator;
use timely::dataflow::operators::generic::operator::source;
use timely::dataflow::operators::vec::Map;

use super::{Delays, Due, Item, Schedule};
use crate::timely_impl::{ROUTE, Tally, Time, execute};

/// Runs the flow.
pub(super) fn run(all: Schedule, workers: usize) -> Result<Delays, String> {
    execute(workers, move |scope, tally: Tally<Delays>| {
        let items = source(scope, "Items", |capability, info| {
            let turn = scope.activator_for(info.address);
            let next = scope.index() as u64;
            let mut schedule = Schedule { next, ..all };
            let mut capability = Some(capability);
            move |output| {
                let Some(now) = &capability else {
                    return;
                };
                match schedule.due() {
                    Due::Items(items) => {
                        output.session(now).give_iterator(items.into_iter());
                        turn.activate();
                    }
                    Due::Wait(time) => turn.activate_after(time),
                    Due::End => capability = None,
                }
            }
        });
        let first = stateful(items, "First", |seen, (other, due): Item| {
            *seen += 1;
            (other, due, *seen)
        });
        let by_other = first.map(|(_, (other, due, count))| (other, (due, count)));
        let second = stateful(by_other, "Second", |seen, (due, count): (u64, u64)| {
            *seen += count;
            (due, *seen)
        });
        second.sink(Pipeline, "Delays", move |(input, _)| {
            let mut tally = tally.borrow_mut();
            input.for_each_time(|_, batches| {
                for batch in batches {
                    tally.add(batch.drain(..).map(|(_, (due, _))| due));
                }
            });
        });
    })
}

/// An operator with a number for each key.
fn stateful<'s, V, W>(
    stream: StreamVec<'s, Time, (u64, V)>,
    name: &str,
    step: impl Fn(&mut u64, V) -> W + 'static,
) -> StreamVec<'s, Time, (u64, W)>
where
    V: Clone + Send + serde::Serialize + for<'a> serde::Deserialize<'a> + 'static,
    W: Clone + 'static,
{
    let by_key = Exchange::new(|(key, _): &(u64, V)| ROUTE.hash_one(key));
    stream.unary(by_key, name, |_, _| {
        let mut states = HashMap::<u64, u64>::new();
        move |input, output| {
            input.for_each_time(|time, batches| {
                let mut session = output.session(&time);
                for (key, value) in batches.flat_map(|batch| batch.drain(..)) {
                    let seen = states.entry(key).or_default();
                    session.give((key, step(seen, value)));
                }
            });
        }
    })
}
