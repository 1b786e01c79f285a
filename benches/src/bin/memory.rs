//! What a million keys with a session each leave behind: prints how many keys and windows there are, and
//! the resident memory in MiB, at the start, when all are open, when all are closed, and when all are
//! forgotten.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytewax::chrono::{DateTime, TimeDelta};
use bytewax::clock::{ClockHand, WorkerClock};
use bytewax::sink::{DynamicSink, StatelessSinkPartition};
use bytewax::source::{DynamicSource, Poll, StatelessSourcePartition};
use bytewax::testing::{RunConfig, cluster_main};
use bytewax::windowing::{EventClock, Micros, SessionWindower, WindowProbe};
use bytewax::{Dataflow, StepError, StepId, WorkerIndex};

const KEYS: u64 = 1_000_000;
const BATCH: u64 = 10_000;
const GAP: TimeDelta = TimeDelta::seconds(10);
const FORGET: TimeDelta = TimeDelta::hours(1);

/// The resident memory of this process, in MiB.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").expect("there is such a file");
    let pages = pages.split_whitespace().nth(1).map(str::parse::<u64>);
    pages.expect("a second number").expect("a number") * 4 / 1024
}

/// What was seen on the way.
#[derive(Clone, Debug, Default)]
struct Seen {
    start: u64,
    all_open: (usize, usize, u64),
    all_closed: (usize, usize, u64),
    all_forgotten: (usize, usize, u64),
}

/// Each key once; then time passes until the sessions are over, and until the keys are forgotten.
#[derive(Clone)]
struct Keys {
    hand: ClockHand,
    probe: WindowProbe,
    seen: Arc<Mutex<Seen>>,
}

struct KeysPart {
    source: Keys,
    polls: u64,
}

impl DynamicSource for Keys {
    type Item = (u64, i64);
    type Partition = KeysPart;

    fn build(&self, _: &StepId, _: WorkerIndex, _: usize) -> Result<KeysPart, StepError> {
        Ok(KeysPart {
            source: self.clone(),
            polls: 0,
        })
    }
}

impl StatelessSourcePartition for KeysPart {
    type Item = (u64, i64);

    fn next_batch(&mut self) -> Result<Poll<(u64, i64)>, StepError> {
        let Keys { hand, probe, seen } = &self.source;
        let mut seen = seen.lock().map_err(|_| StepError::msg("poisoned"))?;
        let now = || {
            let report = probe.reports().into_iter().next();
            let keys = report.map_or((0, 0), |report| (report.keys, report.open_windows));
            (keys.0, keys.1, resident())
        };
        let batches = KEYS / BATCH;
        let poll = self.polls;
        self.polls += 1;
        // With an interval of zero, all of the epoch before is done when the next poll comes.
        if poll == 0 {
            seen.start = resident();
        }
        if poll < batches {
            let keys = poll * BATCH..(poll + 1) * BATCH;
            return Ok(Poll::batch(keys.map(|key| (key, 0)).collect()));
        }
        match poll - batches {
            0 => {
                seen.all_open = now();
                hand.advance(GAP + GAP);
            }
            1 => {
                seen.all_closed = now();
                hand.advance(FORGET);
            }
            2 => {
                seen.all_forgotten = now();
                return Ok(Poll::end());
            }
            _ => return Ok(Poll::end()),
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

fn main() {
    let (clock, hand) = WorkerClock::by_hand(DateTime::UNIX_EPOCH);
    let (probe, seen) = (WindowProbe::new(), Arc::<Mutex<Seen>>::default());
    let keys = Keys {
        hand,
        probe: probe.clone(),
        seen: Arc::clone(&seen),
    };
    let flow = Dataflow::build("memory", |flow| {
        let keys = flow.input(keys).named("keys");
        let clock = EventClock::new(|at: &i64| Micros(*at), TimeDelta::zero());
        let clock = clock.forget_after(FORGET).probe(&probe);
        let counts = keys
            .count_window(clock, SessionWindower::new(GAP))
            .named("counts");
        counts.down.output(Nowhere).named("nowhere");
    });
    let config = RunConfig::new().epoch_interval(Duration::ZERO).clock(clock);
    cluster_main(flow, config).expect("it runs to its end");
    let seen = seen.lock().expect("nothing panicked").clone();
    println!("0 0 {}", seen.start);
    for (keys, windows, resident) in [seen.all_open, seen.all_closed, seen.all_forgotten] {
        println!("{keys} {windows} {resident}");
    }
}
