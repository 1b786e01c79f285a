//! The queries on timely's own operators, as someone who knows timely would write them by hand: an operator for each
//! step, only what a query needs sent to other workers, and state kept so that what is complete is found at once.

mod auctions;
mod rows;
mod windows;

use std::hash::{BuildHasher, Hash};

use bytewax::windowing::Millis;
use bytewax_nexmark::{Event, Events};
use timely::dataflow::channels::pact::{Exchange, ParallelizationContract, Pipeline};
use timely::dataflow::operators::Operator;
use timely::dataflow::operators::generic::operator::source;
use timely::dataflow::{Scope, StreamVec};

use super::{Query, checked_euros, checked_line};
use crate::check::StreamCheck;
use crate::timely_impl::{ROUTE, Tally, Time, execute};

/// Timely's time is the watermark in this many milliseconds.
const STEP: i64 = 100;

/// So many events are generated at once, as in the source of the other program.
const BATCH: usize = 500;

/// Runs a query; the sum over what it puts out.
pub(super) fn run(query: Query, events: Events, workers: usize) -> Result<StreamCheck, String> {
    if !Query::COMPARED.contains(&query) {
        return Err(format!("{query} is not written on timely's operators"));
    }
    execute(workers, move |scope, tally: Tally<StreamCheck>| {
        let events = read(scope, events);
        let lines = match query {
            Query::Q1 => return sum(rows::q1(events), tally, checked_euros),
            Query::Q2 => rows::q2(events),
            Query::Q3 => auctions::q3(events),
            Query::Q4 => auctions::q4(events),
            Query::Q5 => windows::q5(events),
            Query::Q7 => windows::q7(events),
            Query::Q8 => windows::q8(events),
            _ => unreachable!("refused above"),
        };
        sum(lines, tally, checked_line);
    })
}

/// The events of a worker's partition, with a watermark.
fn read(scope: Scope<'_, Time>, all: Events) -> StreamVec<'_, Time, Event> {
    let late = all.disorder().num_milliseconds();
    let events = all.of(scope.index() as u64);
    source(scope, "Events", |capability, info| {
        let turn = scope.activator_for(info.address);
        let mut rest = Some((capability, events));
        let mut newest = i64::MIN;
        move |output| {
            let Some((capability, events)) = &mut rest else {
                return;
            };
            let mut session = output.session(capability);
            let mut given = 0;
            for event in events.by_ref().take(BATCH) {
                let Millis(at) = event.at();
                newest = newest.max(at);
                session.give(event);
                given += 1;
            }
            drop(session);
            if given < BATCH {
                rest = None;
                return;
            }
            let watermark = ((newest - late) / STEP) as Time;
            if watermark > *capability.time() {
                capability.downgrade(&watermark);
            }
            turn.activate();
        }
    })
}

/// An operator with a state that takes records and, whenever the watermark is later, puts out what is complete. Both
/// functions put out by the vector that they are given.
fn with_state<'s, D, O, S, P>(
    stream: StreamVec<'s, Time, D>,
    pact: P,
    name: &str,
    mut state: S,
    mut take: impl FnMut(&mut S, D, &mut Vec<O>) + 'static,
    mut close: impl FnMut(&mut S, i64, &mut Vec<O>) + 'static,
) -> StreamVec<'s, Time, O>
where
    D: 'static,
    O: Clone + 'static,
    S: 'static,
    P: ParallelizationContract<Time, Vec<D>>,
{
    stream.unary_frontier(pact, name, move |capability, _| {
        let mut capability = Some(capability);
        let mut out = Vec::new();
        move |(input, frontier), output| {
            let Some(now) = &mut capability else {
                return;
            };
            input.for_each_time(|_, batches| {
                for record in batches.flat_map(|batch| batch.drain(..)) {
                    take(&mut state, record, &mut out);
                }
            });
            let first = frontier.frontier().first().copied();
            if first != Some(*now.time()) {
                let watermark = first.map_or(i64::MAX, |time| time as i64 * STEP);
                close(&mut state, watermark, &mut out);
            }
            if !out.is_empty() {
                output.session(now).give_iterator(out.drain(..));
            }
            match first {
                Some(time) => now.downgrade(&time),
                None => capability = None,
            }
        }
    })
}

/// Sends each record to the worker of a part of it.
fn by<D: 'static, K: Hash>(key: impl Fn(&D) -> K + 'static) -> Exchange<D, impl FnMut(&D) -> u64> {
    Exchange::new(move |record: &D| ROUTE.hash_one(key(record)))
}

/// Adds what a query puts out to the sum of the worker.
fn sum<D: 'static>(
    stream: StreamVec<'_, Time, D>,
    tally: Tally<StreamCheck>,
    checked: impl Fn(&D) -> u64 + 'static,
) {
    stream.sink(Pipeline, "Sum", move |(input, _)| {
        let mut tally = tally.borrow_mut();
        input.for_each_time(|_, batches| {
            for record in batches.flat_map(|batch| batch.drain(..)) {
                tally.add(checked(&record));
            }
        });
    });
}
