//! What many keys take: `scale WHAT [KEYS]`, a million keys by default.
//!
//! `expiry` gives each key a state that expires, and lets all expire; `kept` lets none expire. Both print the resident
//! memory in bytes at the start, with all states, and at the end; then what the store has, as JSON. `interval` and `as_of`
//! give each key ten rows of a join, of which none matches, and print the resident memory at the start and with all rows.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytewax::chrono::{DateTime, TimeDelta};
use bytewax::clock::{ClockHand, WorkerClock};
use bytewax::prelude::*;
use bytewax::sink::{DynamicSink, StatelessSinkPartition};
use bytewax::source::{DynamicSource, Poll, StatelessSourcePartition};
use bytewax::testing::{RunConfig, cluster_main};
use bytewax::windowing::{AsOf, Inner, Interval, Lateness, Millis, StreamClock, SystemClock};
use bytewax::{RecoveryConfig, StepError, StepId, WorkerIndex};

const BATCH: u64 = 10_000;

/// How many rows of a join each key has.
const ROWS: u64 = 10;

/// The resident memory of this process, in bytes.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").expect("there is such a file");
    let pages = pages.split_whitespace().nth(1).map(str::parse::<u64>);
    pages.expect("a second number").expect("a number") * 4096
}

/// A row of 32 bytes.
#[stateful]
#[derive(Clone, Copy, Debug)]
struct Row {
    at: i64,
    number: u64,
    cents: u64,
    place: u64,
}

/// What was measured on the way.
type Measured = Arc<Mutex<Vec<u64>>>;

/// Rounds of a row for each key; and then a few polls, before the second of which time goes on.
#[derive(Clone)]
struct Keys {
    keys: u64,
    rounds: u64,
    hand: ClockHand,
    goes_on: TimeDelta,
    measured: Measured,
}

struct KeysPart {
    source: Keys,
    next: u64,
    idle: u64,
}

impl DynamicSource for Keys {
    type Item = (u64, Row);
    type Partition = KeysPart;

    fn build(&self, _: &StepId, _: WorkerIndex, _: usize) -> Result<KeysPart, StepError> {
        Ok(KeysPart {
            source: self.clone(),
            next: 0,
            idle: 0,
        })
    }
}

impl StatelessSourcePartition for KeysPart {
    type Item = (u64, Row);

    fn next_batch(&mut self) -> Result<Poll<(u64, Row)>, StepError> {
        let Keys { keys, rounds, .. } = self.source;
        let measure = || {
            let measured = self.source.measured.lock();
            measured.expect("nothing panicked").push(resident());
        };
        // With an interval of zero, all of the epoch before is done when the next poll comes.
        if self.next == 0 {
            measure();
        }
        if self.next < keys * rounds {
            let end = (self.next + BATCH).min(keys * rounds);
            let row = |number: u64| {
                let round = number / keys;
                let row = Row {
                    at: round as i64,
                    number,
                    cents: number % 1000,
                    place: round,
                };
                (number % keys, row)
            };
            let rows = (self.next..end).map(row).collect();
            self.next = end;
            return Ok(Poll::batch(rows));
        }
        self.idle += 1;
        match self.idle {
            1 => {
                measure();
                self.source.hand.advance(self.source.goes_on);
            }
            20 => {
                measure();
                return Ok(Poll::end());
            }
            _ => {}
        }
        Ok(Poll::idle(Duration::ZERO))
    }
}

#[derive(Clone)]
struct Nowhere;

impl<T: 'static> DynamicSink<T> for Nowhere {
    type Partition = Self;

    fn build(&self, _: &StepId, _: WorkerIndex, _: usize) -> Result<Self, StepError> {
        Ok(Self)
    }
}

impl<T: 'static> StatelessSinkPartition<T> for Nowhere {
    fn write_batch(&mut self, _: Vec<T>) -> Result<(), StepError> {
        Ok(())
    }
}

/// A sum for each key, which expires after an hour.
fn expiring(source: Keys) -> Dataflow {
    Dataflow::build("scale", |flow| {
        let rows = flow.input(source).named("rows");
        let rows = rows.expire_after(TimeDelta::hours(1), SystemClock::new());
        let sums = rows.stateful_map(|sum: &mut (u64, u64, u64), row: Row| {
            sum.0 += row.cents;
            sum.1 += 1;
            sum.2 = row.number;
            sum.0
        });
        sums.named("sums").down.output(Nowhere).named("nowhere");
    })
}

/// Rows of which half are of each side.
fn joining(source: Keys, as_of: bool) -> Dataflow {
    Dataflow::build("scale", |flow| {
        let rows = flow.input(source).named("rows");
        let at = |row: &Row| Millis(row.at);
        // All are kept.
        let lateness = Lateness::bounded(TimeDelta::days(1)).never_idle();
        let rows = rows.event_time(move |(_, row)| at(row), lateness);
        let sides = rows.named("times").down.branch(|(_, row)| row.at % 2 == 0);
        let clock = StreamClock::of_sides((at, at));
        if as_of {
            let rows = sides
                .trues
                .join_as_of(sides.falses, clock, AsOf::backward());
            rows.named("join").down.output(Nowhere).named("nowhere");
        } else {
            let at_once = Interval::within(TimeDelta::zero());
            let rows = sides
                .trues
                .join_interval(sides.falses, clock, at_once, Inner);
            rows.named("join").down.output(Nowhere).named("nowhere");
        }
    })
}

fn main() {
    let mut args = std::env::args().skip(1);
    let what = args.next().expect("expiry, kept, interval or as_of");
    let keys = args
        .next()
        .map_or(1_000_000, |keys| keys.parse().expect("a number of keys"));
    let (clock, hand) = WorkerClock::by_hand(DateTime::UNIX_EPOCH);
    let measured = Measured::default();
    let (rounds, goes_on) = match what.as_str() {
        "expiry" => (1, TimeDelta::hours(2)),
        "kept" => (1, TimeDelta::zero()),
        _ => (ROWS, TimeDelta::zero()),
    };
    let source = Keys {
        keys,
        rounds,
        hand,
        goes_on,
        measured: Arc::clone(&measured),
    };
    let store = tempfile::tempdir().expect("a directory");
    let config = RunConfig::new().epoch_interval(Duration::ZERO).clock(clock);
    let is_join = rounds > 1;
    let (flow, config) = match what.as_str() {
        "interval" | "as_of" => (joining(source, what == "as_of"), config),
        _ => (
            expiring(source),
            config.recovery(RecoveryConfig::new(store.path())),
        ),
    };
    cluster_main(flow.clone(), config).expect("it runs to its end");
    for bytes in measured.lock().expect("nothing panicked").iter() {
        println!("{bytes}");
    }
    if !is_join {
        let path = store.path().to_str().expect("a path in text");
        let _ = bytewax::run_from(flow, ["recovery", "show", path, "--json"]);
    }
}
