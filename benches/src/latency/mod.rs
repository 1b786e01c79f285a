//! How long items take from the time at which they are due to the sink, through two steps that keep state by different
//! keys.
//!
//! The time at which an item is due is fixed before the run. An item that the source reads late, because the flow is
//! busy, counts with all the time that it has waited.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytewax::RecoveryConfig;
use bytewax::testing::RunConfig;
use clap::{Args, ValueEnum};
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::case::{at_least_one, number};
use crate::check::Check;
use crate::mix::splitmix;

mod ours;
mod timely;

/// The program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Implementation {
    /// This project's library.
    Bytewax,
    /// Written by hand on timely's own operators.
    Timely,
}

impl fmt::Display for Implementation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::case::name(self, f)
    }
}

/// One run, or one process of it.
#[derive(Args, Clone, Debug)]
pub struct Case {
    /// The program.
    #[arg(long = "impl", default_value = "bytewax")]
    pub implementation: Implementation,
    /// The number of worker threads of each process.
    #[arg(long, default_value_t = 1, value_parser = at_least_one)]
    pub workers: usize,
    /// Items a second. If not given, all are due at once, and no delay is measured.
    #[arg(long, value_parser = number)]
    pub rate: Option<u64>,
    /// The number of items.
    #[arg(long, default_value_t = 2_000_000, value_parser = number)]
    pub items: u64,
    /// The number of keys of each step.
    #[arg(long, default_value_t = 100_000, value_parser = number)]
    pub keys: u64,
    /// So many items are due before delays count, while the run starts and states are new.
    #[arg(long, default_value_t = 0, value_parser = number)]
    pub warm_up: u64,
    /// The number of this process and the addresses of all, if there are several.
    #[arg(long, num_args = 3)]
    pub process: Vec<String>,
    /// The directory of a recovery store, with a snapshot each second; none if not given.
    #[arg(long)]
    pub store: Option<PathBuf>,
    /// When the first item is due, in nanoseconds since 1970; a moment from now if not given.
    #[arg(long)]
    pub begin: Option<u64>,
}

impl Case {
    /// The processes of the run.
    fn processes(&self) -> usize {
        self.process.len().saturating_sub(1).max(1)
    }

    /// The workers of all processes.
    fn parts(&self) -> usize {
        self.processes() * self.workers
    }
}

/// What a run, or one process of it, has measured.
#[derive(Debug, Serialize, Deserialize)]
pub struct Measured {
    /// From before the program was built to after its threads ended.
    pub secs: f64,
    /// How many items came out, with those that do not count.
    pub items: u64,
    /// Delays in nanoseconds, and how many items had each.
    delays: Vec<(u64, u64)>,
}

impl Measured {
    /// The delays of all processes together.
    pub fn all(processes: &[Measured]) -> Histogram<u64> {
        let mut all = histogram();
        for (delay, count) in processes.iter().flat_map(|process| &process.delays) {
            all.saturating_record_n(*delay, *count);
        }
        all
    }
}

/// Runs one case in this process.
pub fn run(case: &Case) -> Result<Measured, Box<dyn Error + Send + Sync>> {
    let start = Instant::now();
    let soon = now() + Duration::from_millis(200).as_nanos() as u64;
    let schedule = Schedule {
        begin: case.begin.unwrap_or(soon),
        rate: case.rate,
        items: case.items,
        warm_up: case.warm_up,
        keys: case.keys,
        step: case.parts() as u64,
        next: 0,
    };
    let delays = match case.implementation {
        Implementation::Timely if case.processes() > 1 || case.store.is_some() => {
            return Err("timely runs in one process, and without a store".into());
        }
        Implementation::Timely => timely::run(schedule, case.workers)?,
        Implementation::Bytewax => ours::run(schedule, config(case)?)?,
    };
    let counts = delays.histogram.iter_recorded();
    Ok(Measured {
        secs: start.elapsed().as_secs_f64(),
        items: delays.items,
        delays: counts
            .map(|step| (step.value_iterated_to(), step.count_at_value()))
            .collect(),
    })
}

fn config(case: &Case) -> Result<RunConfig, Box<dyn Error + Send + Sync>> {
    let second = Duration::from_secs(1);
    let mut config = RunConfig::new()
        .workers(case.workers)
        .epoch_interval(second);
    if let [process, addresses @ ..] = &case.process[..] {
        config = config.process(process.parse()?, addresses.iter().cloned());
    }
    if let Some(store) = &case.store {
        config = config.recovery(RecoveryConfig::new(store));
    }
    Ok(config)
}

/// The time by the system's clock, which processes share, in nanoseconds.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("it is later than 1970").as_nanos() as u64
}

/// An item, by the key of the first step.
type Keyed = (u64, Item);

/// The key of the second step, and when the item is due, or 0 if its delay does not count.
type Item = (u64, u64);

/// Which items are due, and when.
#[derive(Clone, Copy, Debug)]
struct Schedule {
    begin: u64,
    rate: Option<u64>,
    items: u64,
    warm_up: u64,
    keys: u64,
    /// The number of partitions.
    step: u64,
    /// The next item of this partition.
    next: u64,
}

/// At most so many items come at a time.
const BATCH: u64 = 1000;

/// What a source does next.
enum Due {
    Items(Vec<Keyed>),
    Wait(Duration),
    End,
}

impl Schedule {
    fn due(&mut self) -> Due {
        let left = self.items.saturating_sub(self.next).div_ceil(self.step);
        if left == 0 {
            return Due::End;
        }
        let now = now();
        let mut items = Vec::new();
        while (items.len() as u64) < left.min(BATCH) {
            let (i, at) = (self.next, self.at(self.next));
            if at > now {
                break;
            }
            let counts = self.rate.is_some() && i >= self.warm_up;
            let due = if counts { at } else { 0 };
            let key = splitmix(i) % self.keys;
            let other = splitmix(!i) % self.keys;
            items.push((key, (other, due)));
            self.next += self.step;
        }
        if items.is_empty() {
            Due::Wait(Duration::from_nanos(self.at(self.next) - now))
        } else {
            Due::Items(items)
        }
    }

    /// When an item is due.
    fn at(&self, item: u64) -> u64 {
        let since = |rate| u128::from(item) * 1_000_000_000 / u128::from(rate);
        self.rate
            .map_or(0, |rate: u64| self.begin + since(rate.max(1)) as u64)
    }
}

/// The delays that a worker has seen.
#[derive(Debug)]
struct Delays {
    items: u64,
    histogram: Histogram<u64>,
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_max(100_000_000_000, 3).expect("the bounds are valid")
}

impl Default for Delays {
    fn default() -> Self {
        Self {
            items: 0,
            histogram: histogram(),
        }
    }
}

impl Delays {
    /// Takes in items that have come to the sink now, by when they were due.
    fn add(&mut self, due: impl Iterator<Item = u64>) {
        let now = now();
        for due in due {
            self.items += 1;
            if due != 0 {
                self.histogram.saturating_record(now.saturating_sub(due));
            }
        }
    }
}

impl Check for Delays {
    fn merge(&mut self, other: Self) {
        self.items += other.items;
        self.histogram += other.histogram;
    }
}

impl fmt::Display for Delays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(begin: u64, rate: Option<u64>) -> Schedule {
        Schedule {
            begin,
            rate,
            items: 10,
            warm_up: 4,
            keys: 7,
            step: 2,
            next: 1,
        }
    }

    #[test]
    fn items_are_due_by_their_number_and_not_by_when_they_are_read() {
        let mut late = schedule(1, Some(1000));
        let Due::Items(items) = late.due() else {
            panic!("all are due since 1970");
        };
        let due: Vec<_> = items.iter().map(|(_, (_, due))| *due).collect();
        assert_eq!(due, [0, 0, 5_000_001, 7_000_001, 9_000_001]);
        assert!(matches!(late.due(), Due::End));
        let mut early = schedule(u64::MAX / 2, Some(1000));
        assert!(matches!(early.due(), Due::Wait(_)));
    }

    #[test]
    fn without_a_rate_nothing_is_measured() {
        let Due::Items(items) = schedule(1, None).due() else {
            panic!("all are due");
        };
        assert!(items.iter().all(|(_, (_, due))| *due == 0));
        let mut delays = Delays::default();
        delays.add(items.into_iter().map(|(_, (_, due))| due));
        assert_eq!((delays.items, delays.histogram.len()), (5, 0));
    }

    #[test]
    fn processes_are_put_together() {
        let of = |delays| Measured {
            secs: 1.0,
            items: 3,
            delays,
        };
        let all = Measured::all(&[of(vec![(1000, 2)]), of(vec![(9000, 1)])]);
        assert_eq!((all.len(), all.value_at_quantile(0.5)), (3, 1000));
        assert_eq!(all.max(), 9007);
    }
}
