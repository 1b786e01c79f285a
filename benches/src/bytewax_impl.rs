//! The workloads as a user of this project writes them.

use std::path::PathBuf;

use bytewax::chrono::{DateTime, TimeDelta};
use bytewax::source::{DynamicSource, Poll, StatelessSourcePartition};
use bytewax::testing::{RunConfig, cluster_main};
use bytewax::windowing::{
    Clock, EventClock, Lateness, Micros, SlidingWindower, StreamClock, TumblingWindower, WindowId,
};
use bytewax::{Dataflow, Key, RunError, StepError, StepId, WorkerIndex, stateful};

use crate::case::Case;
use crate::chain;
use crate::check::{StreamCheck, WordCheck};
use crate::keyed::{self, Running};
use crate::pairs;
use crate::tally::Tally;
use crate::windows::{self, Tallied};
use crate::words::Lines;

/// W1: lines, owned words, a count of each.
pub fn words(case: &Case) -> Result<WordCheck, RunError> {
    let (file, batch): (PathBuf, usize) = (case.file.clone(), case.batch());
    let tally = Tally::new(|check: &mut WordCheck, counts: &[(String, u64)]| {
        for (word, count) in counts {
            check.add(word.as_bytes(), *count);
        }
    });
    let flow = Dataflow::build("w1", |flow| {
        flow.input(Feed(move |part, parts| {
            let lines = Lines::open(&file, part, parts)?;
            Ok(Chunks {
                items: lines,
                batch,
            })
        }))
        .named("lines")
        .flat_map(words_of)
        .count_final()
        .named("counts")
        .output(tally.clone())
        .named("tally");
    });
    run(flow, case)?;
    Ok(tally.total())
}

/// The words of a line, each a key that needs no value.
fn words_of(mut line: String) -> Vec<(String, ())> {
    line.make_ascii_lowercase();
    line.split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(|word| (word.to_owned(), ()))
        .collect()
}

/// W2: four stateless steps.
pub fn chain(case: &Case) -> Result<StreamCheck, RunError> {
    let (n, batch) = (case.n(), case.batch());
    let tally = Tally::new(|check: &mut StreamCheck, items: &[u64]| check.add_all(items));
    let flow = Dataflow::build("w2", |flow| {
        flow.input(Feed(move |part, parts| {
            Ok(Numbers {
                next: part as u64,
                step: parts as u64,
                n,
                batch: batch as u64,
            })
        }))
        .named("numbers")
        .map(chain::spread)
        .filter(chain::keep)
        .map(chain::fold)
        .flat_map(chain::expand)
        .output(tally.clone())
        .named("tally");
    });
    run(flow, case)?;
    Ok(tally.total())
}

/// The state of W3, which a recovery store could save.
#[stateful]
#[derive(Default)]
struct Stats(Running);

/// W3: events by key, a running mean and maximum.
pub fn keyed(case: &Case) -> Result<StreamCheck, RunError> {
    keyed_in(case, RunConfig::new())
}

/// W3 with other settings, such as a recovery store.
pub fn keyed_in(case: &Case, config: RunConfig) -> Result<StreamCheck, RunError> {
    let (n, batch) = (case.n(), case.batch());
    let tally = Tally::new(|check: &mut StreamCheck, items: &[(String, (f64, f64))]| {
        for (_, (mean, max)) in items {
            check.add_running(*mean, *max);
        }
    });
    let flow = Dataflow::build("w3", |flow| {
        flow.input(Feed(move |part, parts| {
            let items = keyed::events(part, parts, n);
            Ok(Chunks { items, batch })
        }))
        .named("events")
        .stateful_map(|stats: &mut Stats, value| stats.0.push(value))
        .named("running")
        .output(tally.clone())
        .named("tally");
    });
    cluster_main(flow, config.workers(case.workers))?;
    Ok(tally.total())
}

/// W4 and W5: one time for all keys.
pub fn windows(case: &Case) -> Result<StreamCheck, RunError> {
    let wait = TimeDelta::microseconds(windows::WAIT);
    let clock = EventClock::per_partition(|event: &Timed| Micros(event.0), wait);
    windows_by(case, clock)
}

/// W4 and W5: a time for each key.
pub fn windows_per_key(case: &Case) -> Result<StreamCheck, RunError> {
    let wait = TimeDelta::microseconds(windows::WAIT);
    windows_by(case, EventClock::new(|event: &Timed| Micros(event.0), wait))
}

/// The greatest value of all events of W4 in each window of a minute, or their number; by the time of the stream, with the
/// same key for all.
pub fn of_all<K: Key + Sync>(case: &Case, key: &K, what: OfAll) -> Result<StreamCheck, RunError> {
    let (n, batch) = (case.n(), case.batch());
    let tally = Tally::new(|check: &mut StreamCheck, results: &[(i64, f64)]| {
        for (window, result) in results {
            check.add(*window as u64 ^ result.to_bits());
        }
    });
    let span = TimeDelta::microseconds;
    let flow = Dataflow::build("of_all", |flow| {
        let events = flow.input(Feed(move |part, parts| {
            let events = windows::events(part, parts, n);
            let items = events.map(|(_, time, value)| (time, value));
            Ok(Chunks { items, batch })
        }));
        let at = |event: &Timed| Micros(event.0);
        let timed = events
            .named("events")
            .event_time(at, Lateness::bounded(span(windows::WAIT)));
        let key = key.clone();
        let events = timed
            .named("times")
            .down
            .map(move |event| (key.clone(), event));
        let minutes = TumblingWindower::new(span(windows::LENGTH), DateTime::UNIX_EPOCH);
        let clock = StreamClock::new(at);
        let results = match what {
            OfAll::Count => {
                let count = events.count_window(clock, minutes).named("results").down;
                count.map(|(_, (id, count)): (K, (WindowId, u64))| (id.0, count as f64))
            }
            OfAll::Most => {
                let most = events.max_window(clock, minutes, |event| event.1);
                let most = most.named("results").down;
                most.map(|(_, (id, (_, value))): (K, (WindowId, Timed))| (id.0, value))
            }
            OfAll::Fold => {
                let fold = events.fold_window(
                    clock,
                    minutes.in_arrival_order(),
                    || (0_u64, f64::MIN),
                    |(count, most), (_, value)| (*count, *most) = (*count + 1, most.max(value)),
                    |(count, most), other| (*count, *most) = (*count + other.0, most.max(other.1)),
                );
                let fold = fold.named("results").down;
                fold.map(|(_, (id, (count, most)))| (id.0, count as f64 + most))
            }
            OfAll::Top => {
                let minutes = minutes.in_arrival_order();
                let top = events.top_n_window(clock, minutes, 10, |event| event.1);
                let top = top.named("results").down;
                top.map(|(_, (id, top))| (id.0, top.iter().map(|event| event.1).sum()))
            }
        };
        results.output(tally.clone()).named("tally");
    });
    run(flow, case)?;
    Ok(tally.total())
}

/// What is found in windows over all keys.
#[derive(Clone, Copy, Debug)]
pub enum OfAll {
    /// The greatest value.
    Most,
    /// The number of values.
    Count,
    /// Both, by a fold.
    Fold,
    /// The ten greatest values.
    Top,
}

/// The time and the value of an event.
type Timed = (i64, f64);

/// What is kept of a key in a window, which a recovery store could save.
#[stateful]
#[derive(Clone, Default)]
struct Sums(Tallied);

fn windows_by(case: &Case, clock: impl Clock<Timed>) -> Result<StreamCheck, RunError> {
    let (n, batch, offset) = (case.n(), case.batch(), windows::offset(case.workload));
    let tally = Tally::new(
        move |check: &mut StreamCheck, items: &[(u32, (i64, Sums))]| {
            for (key, (begin, sums)) in items {
                check.add(sums.0.checked(*key, *begin));
            }
        },
    );
    let align_to = DateTime::from_timestamp_micros(windows::BASE).unwrap_or_default();
    let span = TimeDelta::microseconds;
    let flow = Dataflow::build("windows", |flow| {
        let events = flow.input(Feed(move |part, parts| {
            let events = windows::events(part, parts, n);
            let items = events.map(|(key, time, value)| (key, (time, value)));
            Ok(Chunks { items, batch })
        }));
        let windower = SlidingWindower::new(span(windows::LENGTH), span(offset), align_to);
        let sums = events.named("events").fold_window(
            clock,
            windower.in_arrival_order(),
            Sums::default,
            |sums, (_, value)| sums.0.push(value),
            |sums, later| {
                sums.0.count += later.0.count;
                sums.0.sum += later.0.sum;
            },
        );
        let begun = move |(id, sums): (WindowId, Sums)| (windows::BASE + id.0 * offset, sums);
        let begun = sums.named("sums").down.map_value(begun);
        begun.output(tally.clone()).named("tally");
    });
    run(flow, case)?;
    Ok(tally.total())
}

/// W6: a join.
pub fn pairs(case: &Case) -> Result<StreamCheck, RunError> {
    let (n, batch) = (case.n(), case.batch());
    let tally = Tally::new(|check: &mut StreamCheck, rows: &[(u64, (u64, u64))]| {
        for (key, (left, right)) in rows {
            check.add(pairs::seen(*key, *left, *right));
        }
    });
    let flow = Dataflow::build("w6", |flow| {
        let side = |name, of: fn(u64) -> (u64, u64)| {
            let feed = Feed(move |_, _| {
                let items = (0..n).map(of);
                Ok(Chunks { items, batch })
            });
            flow.input(feed).named(name)
        };
        side("left", pairs::left)
            .join(side("right", pairs::right))
            .named("pairs")
            .output(tally.clone())
            .named("tally");
    });
    run(flow, case)?;
    Ok(tally.total())
}

fn run(flow: Dataflow, case: &Case) -> Result<(), RunError> {
    cluster_main(flow, RunConfig::new().workers(case.workers))
}

/// A source with one partition on each worker, made by a function of its index and their number.
struct Feed<F>(F);

impl<F, P> DynamicSource for Feed<F>
where
    F: Fn(usize, usize) -> Result<P, StepError> + Send + Sync + 'static,
    P: StatelessSourcePartition,
{
    type Item = P::Item;
    type Partition = P;

    fn build(&self, _: &StepId, worker: WorkerIndex, workers: usize) -> Result<P, StepError> {
        (self.0)(worker.0, workers)
    }
}

/// Items of an iterator, `batch` at a time.
struct Chunks<I> {
    items: I,
    batch: usize,
}

impl<I: Iterator<Item: 'static> + 'static> StatelessSourcePartition for Chunks<I> {
    type Item = I::Item;

    fn next_batch(&mut self) -> Result<Poll<I::Item>, StepError> {
        let mut items = Vec::with_capacity(self.batch);
        items.extend(self.items.by_ref().take(self.batch));
        Ok(if items.is_empty() {
            Poll::end()
        } else {
            Poll::batch(items)
        })
    }
}

/// Every `step`-th number below `n`.
struct Numbers {
    next: u64,
    step: u64,
    n: u64,
    batch: u64,
}

impl StatelessSourcePartition for Numbers {
    type Item = u64;

    fn next_batch(&mut self) -> Result<Poll<u64>, StepError> {
        let left = self.n.saturating_sub(self.next).div_ceil(self.step);
        let (first, step, count) = (self.next, self.step, left.min(self.batch));
        if count == 0 {
            return Ok(Poll::end());
        }
        self.next += count * step;
        Ok(Poll::batch((0..count).map(|i| first + step * i).collect()))
    }
}
