//! What timers cost: a million keys wait for a time each. Prints how long it takes to set all of them and
//! to tell all of them that their time has come, what the process does while nothing is due, and how late
//! the timers of an idle worker are.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytewax::chrono::{DateTime, TimeDelta, Utc};
use bytewax::clock::WorkerClock;
use bytewax::operators::{Emit, Keep, StatefulLogic};
use bytewax::sink::{DynamicSink, StatelessSinkPartition};
use bytewax::source::{DynamicSource, Poll, StatelessSourcePartition};
use bytewax::testing::{RunConfig, TestingItem, TestingSink, TestingSource, cluster_main};
use bytewax::{Dataflow, Key, StepError, StepId, WorkerIndex, stateful};
use bytewax_benches::case::number;
use bytewax_benches::mix::splitmix;
use bytewax_benches::processor_seconds;
use clap::Parser;

const BATCH: u64 = 10_000;
/// Timers are spread over so many microseconds, an hour, in no order.
const SPREAD: i64 = 3_600_000_000;
/// What a run that idles does before it is looked at.
const SETTLE: Duration = Duration::from_secs(2);

/// How many timers an idle worker is woken for, and how many microseconds lie between two.
const WAKES: i64 = 500;
const WAKE_EACH: i64 = 7_919;

#[derive(Debug, Parser)]
struct Arguments {
    /// The number of keys, with a timer each.
    #[arg(long, default_value_t = 1_000_000, value_parser = number)]
    keys: u64,
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// For so many seconds nothing is due.
    #[arg(long, default_value_t = 20)]
    idle: u64,
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let Arguments { keys, rounds, idle } = Arguments::parse();
    for round in 0..rounds.max(1) {
        fire(round, "u64", keys, |key| key)?;
        fire(round, "String", keys, |key| format!("key-{key:07}"))?;
    }
    wait(keys, Duration::from_secs(idle.max(1)))?;
    be_late()
}

/// Sets all timers, moves the clock behind the last of them, and waits until all have been told.
fn fire<K: Key>(
    round: usize,
    name: &str,
    keys: u64,
    key: fn(u64) -> K,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let (clock, hand) = WorkerClock::by_hand(DateTime::UNIX_EPOCH);
    let start = Instant::now();
    let armed = Arc::new(AtomicU64::new(0));
    let then = {
        let armed = Arc::clone(&armed);
        move |poll| match poll {
            0 => {
                armed.store(start.elapsed().as_micros() as u64, Ordering::Relaxed);
                hand.advance(TimeDelta::microseconds(SPREAD));
                Poll::idle(Duration::ZERO)
            }
            _ => Poll::end(),
        }
    };
    // With an interval of zero, all of the epoch before is done when the next poll comes.
    let config = RunConfig::new().epoch_interval(Duration::ZERO).clock(clock);
    let told = run(config, keys, TimeDelta::zero(), key, then)?;
    let secs = start.elapsed().as_secs_f64();
    if told.fired() != keys {
        return Err(format!("{} of {keys} timers came", told.fired()).into());
    }
    let armed = armed.load(Ordering::Relaxed) as f64 / 1e6;
    println!(
        "round {round}: {keys} timers of {name} keys in {secs:.3} s, {armed:.3} s of it to set them"
    );
    Ok(())
}

/// Sets all timers for times that are hours away, and looks at what the process does meanwhile.
fn wait(keys: u64, idle: Duration) -> Result<(), Box<dyn Error + Send + Sync>> {
    // In hundredths of a second.
    let spent = Arc::new(AtomicU64::new(0));
    let ticks = || (processor_seconds() * 100.0) as u64;
    let then = {
        let spent = Arc::clone(&spent);
        move |poll| match poll {
            0 => Poll::idle(SETTLE),
            1 => {
                spent.store(ticks(), Ordering::Relaxed);
                Poll::idle(idle)
            }
            _ => {
                let before = spent.load(Ordering::Relaxed);
                spent.store(ticks() - before, Ordering::Relaxed);
                Poll::end()
            }
        }
    };
    let day = TimeDelta::days(1);
    let told = run(RunConfig::new(), keys, day, |key| key, then)?;
    if (told.fired(), told.left()) != (0, keys) {
        return Err(format!("{} of {keys} timers were set", told.left()).into());
    }
    let secs = spent.load(Ordering::Relaxed) as f64 / 100.0;
    println!(
        "idle with {keys} timers: {secs:.2} s of processor time in {} s, {:.2} %",
        idle.as_secs(),
        100.0 * secs / idle.as_secs_f64()
    );
    Ok(())
}

/// Has an idle worker woken once in a while, and looks at how late that is.
fn be_late() -> Result<(), Box<dyn Error + Send + Sync>> {
    let timers = (1..=WAKES).map(|key| (key, key * WAKE_EACH));
    let elements = timers.map(TestingItem::Item);
    let pause = Duration::from_micros((WAKES * WAKE_EACH) as u64) + SETTLE;
    let elements = elements.chain([TestingItem::Pause(pause)]);
    let micros = TestingSink::new();
    let flow = Dataflow::build("late", |flow| {
        let keys = flow
            .input(TestingSource::with_marks(elements))
            .named("keys");
        let late = keys.stateful::<Late>().named("timers").key_rm();
        late.named("micros").output(micros.clone()).named("told");
    });
    cluster_main(flow, RunConfig::new())?;
    let mut late: Vec<i64> = micros.take();
    late.sort_unstable();
    let (Some(first), Some(last)) = (late.first(), late.last()) else {
        return Err("no timer came".into());
    };
    let part = |percent: usize| late[(late.len() - 1) * percent / 100];
    println!(
        "idle worker: {} timers, late by {first} us at least, {} in the median, {} but for 1 %, {last} at most",
        late.len(),
        part(50),
        part(99),
    );
    Ok(())
}

/// Waits for one time, and emits whether it came before the end of input.
#[stateful]
#[derive(Default)]
struct Timer {
    at: Option<DateTime<Utc>>,
}

impl StatefulLogic for Timer {
    type In = i64;
    type Out = bool;

    fn on_item(&mut self, micros: i64, out: &mut Emit<bool>) -> Keep {
        self.at = Some(out.now() + TimeDelta::microseconds(micros));
        Keep::Yes
    }

    fn on_notify(&mut self, out: &mut Emit<bool>) -> Keep {
        out.emit(true);
        Keep::No
    }

    fn on_eof(&mut self, out: &mut Emit<bool>) -> Keep {
        out.emit(false);
        Keep::No
    }

    fn notify_at(&self) -> Option<DateTime<Utc>> {
        self.at
    }
}

/// Waits for one time, and emits how late that was, in microseconds.
#[stateful]
#[derive(Default)]
struct Late {
    at: Option<DateTime<Utc>>,
}

impl StatefulLogic for Late {
    type In = i64;
    type Out = i64;

    fn on_item(&mut self, micros: i64, out: &mut Emit<i64>) -> Keep {
        self.at = Some(out.now() + TimeDelta::microseconds(micros));
        Keep::Yes
    }

    fn on_notify(&mut self, out: &mut Emit<i64>) -> Keep {
        let late = self.at.map(|at| Utc::now() - at);
        out.extend(late.and_then(|late| late.num_microseconds()));
        Keep::No
    }

    fn notify_at(&self) -> Option<DateTime<Utc>> {
        self.at
    }
}

/// One worker, on which each key gets one value, and what comes then.
fn run<K: Key>(
    config: RunConfig,
    keys: u64,
    away: TimeDelta,
    key: fn(u64) -> K,
    then: impl Fn(u64) -> Poll<(K, i64)> + Send + Sync + 'static,
) -> Result<Told, Box<dyn Error + Send + Sync>> {
    let told = Told::default();
    let source = Once {
        keys,
        away: away.num_microseconds().expect("a day or none"),
        key,
        then: Arc::new(then),
    };
    let sink = told.clone();
    let flow = Dataflow::build("timers", |flow| {
        let keys = flow.input(source).named("keys");
        let timers = keys.stateful::<Timer>().named("timers");
        timers.output(sink).named("told");
    });
    cluster_main(flow, config)?;
    Ok(told)
}

/// Gives each key a time, then does what it is told, by the number of polls since then.
struct Once<K, F> {
    keys: u64,
    away: i64,
    key: fn(u64) -> K,
    then: Arc<F>,
}

struct OncePart<K, F> {
    source: Once<K, F>,
    polls: u64,
}

impl<K, F> DynamicSource for Once<K, F>
where
    K: Key,
    F: Fn(u64) -> Poll<(K, i64)> + Send + Sync + 'static,
{
    type Item = (K, i64);
    type Partition = OncePart<K, F>;

    fn build(&self, _: &StepId, _: WorkerIndex, _: usize) -> Result<OncePart<K, F>, StepError> {
        let then = Arc::clone(&self.then);
        let source = Self { then, ..*self };
        Ok(OncePart { source, polls: 0 })
    }
}

impl<K, F> StatelessSourcePartition for OncePart<K, F>
where
    K: Key,
    F: Fn(u64) -> Poll<(K, i64)> + 'static,
{
    type Item = (K, i64);

    fn next_batch(&mut self) -> Result<Poll<(K, i64)>, StepError> {
        let Once {
            keys, away, key, ..
        } = self.source;
        let begin = self.polls * BATCH;
        self.polls += 1;
        if begin < keys {
            let item = |i| (key(i), away + (splitmix(i) % SPREAD as u64) as i64);
            let keys = begin..keys.min(begin + BATCH);
            return Ok(Poll::batch(keys.map(item).collect()));
        }
        let batches = keys.div_ceil(BATCH);
        Ok((self.source.then)(self.polls - 1 - batches))
    }
}

/// Counts the timers that came, and those that were left at the end.
#[derive(Clone, Debug, Default)]
struct Told(Arc<[AtomicU64; 2]>);

impl Told {
    fn left(&self) -> u64 {
        self.0[0].load(Ordering::Relaxed)
    }

    fn fired(&self) -> u64 {
        self.0[1].load(Ordering::Relaxed)
    }
}

impl<K: 'static> DynamicSink<(K, bool)> for Told {
    type Partition = Self;

    fn build(&self, _: &StepId, _: WorkerIndex, _: usize) -> Result<Self, StepError> {
        Ok(self.clone())
    }
}

impl<K: 'static> StatelessSinkPartition<(K, bool)> for Told {
    fn write_batch(&mut self, items: Vec<(K, bool)>) -> Result<(), StepError> {
        let fired = items.iter().filter(|(_, fired)| *fired).count();
        let counts = [items.len() - fired, fired];
        for (sum, count) in self.0.iter().zip(counts) {
            sum.fetch_add(count as u64, Ordering::Relaxed);
        }
        Ok(())
    }
}
