//! The flow whose size grows: numbers go through steps without state, and every tenth step keeps a sum per key.

use std::error::Error;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytewax::sink::{DynamicSink, StatelessSinkPartition};
use bytewax::source::{DynamicSource, Poll, StatelessSourcePartition};
use bytewax::testing::{RunConfig, cluster_main};
use bytewax::{Dataflow, RecoveryConfig, StepError, StepId, WorkerIndex};
use bytewax_benches::mix::splitmix;
use bytewax_benches::processor_seconds;
use bytewax_benches::report::peak_mib;
use clap::Args;
use serde::{Deserialize, Serialize};

const BATCH: u64 = 8192;

/// How large a flow and its input are.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Size {
    #[arg(long)]
    pub(crate) workers: usize,
    #[arg(long)]
    pub(crate) steps: u64,
    #[arg(long)]
    pub(crate) keys: u64,
    /// The number of items of all workers together.
    #[arg(long)]
    pub(crate) items: u64,
    /// The number of epochs with a snapshot each; 0 for a run without recovery.
    #[arg(long)]
    pub(crate) epochs: u64,
}

impl Size {
    pub(crate) fn arguments(&self) -> Vec<String> {
        let Self {
            workers,
            steps,
            keys,
            items,
            epochs,
        } = self;
        let line = format!(
            "--workers={workers} --steps={steps} --keys={keys} --items={items} --epochs={epochs}"
        );
        line.split(' ').map(str::to_owned).collect()
    }
}

/// What a run has cost.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) struct Measured {
    /// The time to the first poll, in seconds.
    pub(crate) start: f64,
    /// The processor time of the process, in seconds.
    pub(crate) processor: f64,
    pub(crate) peak_mib: f64,
}

/// Runs a flow of this size.
pub(crate) fn run(size: &Size) -> Result<Measured, Box<dyn Error + Send + Sync>> {
    let began = Instant::now();
    let first: Arc<OnceLock<Duration>> = Arc::default();
    let (size, start) = (*size, Arc::clone(&first));
    let flow = Dataflow::build("growth", |flow| {
        let numbers = Numbers { size, began, start };
        let mut stream = flow.input(numbers).named("numbers");
        // With the source and the sink.
        for step in 0..size.steps.saturating_sub(2) {
            let keys = size.keys;
            stream = if step % 10 == 0 {
                let sums = stream
                    .map(move |number| (splitmix(number) % keys, number))
                    .named(&format!("keyed_{step}"))
                    .stateful_map(|sum: &mut u64, number| {
                        *sum = sum.wrapping_add(number);
                        *sum
                    });
                let sums = sums.named(&format!("sum_{step}"));
                sums.map(|(key, sum)| key ^ sum)
            } else {
                stream.map(|number| number.wrapping_mul(3))
            };
            stream = stream.named(&format!("step_{step}"));
        }
        stream.output(Nowhere).named("out");
    });
    let mut config = RunConfig::new().workers(size.workers);
    let dir = tempfile::tempdir()?;
    if size.epochs > 0 {
        // Each poll is an epoch.
        config = config
            .epoch_interval(Duration::ZERO)
            .recovery(RecoveryConfig::new(dir.path()));
    }
    cluster_main(flow, config)?;
    let start = first.get().ok_or("the source was not polled")?;
    Ok(Measured {
        start: start.as_secs_f64(),
        processor: processor_seconds(),
        peak_mib: peak_mib().ok_or("the system does not report the peak of memory")?,
    })
}

/// Numbers, of which each worker gives a share.
struct Numbers {
    size: Size,
    began: Instant,
    /// The time of the first poll of any worker, after the start.
    start: Arc<OnceLock<Duration>>,
}

struct Share {
    next: u64,
    end: u64,
    batch: u64,
    began: Instant,
    start: Arc<OnceLock<Duration>>,
}

impl DynamicSource for Numbers {
    type Item = u64;
    type Partition = Share;

    fn build(&self, _: &StepId, worker: WorkerIndex, workers: usize) -> Result<Share, StepError> {
        let Size { items, epochs, .. } = self.size;
        let (worker, workers) = (worker.0 as u64, workers as u64);
        Ok(Share {
            next: items * worker / workers,
            end: items * (worker + 1) / workers,
            batch: if epochs > 0 { 1 } else { BATCH },
            began: self.began,
            start: Arc::clone(&self.start),
        })
    }
}

impl StatelessSourcePartition for Share {
    type Item = u64;

    fn next_batch(&mut self) -> Result<Poll<u64>, StepError> {
        self.start.get_or_init(|| self.began.elapsed());
        let first = self.next;
        self.next = (first + self.batch).min(self.end);
        Ok(match first == self.end {
            true => Poll::end(),
            false => Poll::batch((first..self.next).collect()),
        })
    }
}

/// A sink that keeps nothing.
struct Nowhere;

impl DynamicSink<u64> for Nowhere {
    type Partition = Self;

    fn build(&self, _: &StepId, _: WorkerIndex, _: usize) -> Result<Self, StepError> {
        Ok(Self)
    }
}

impl StatelessSinkPartition<u64> for Nowhere {
    fn write_batch(&mut self, _: Vec<u64>) -> Result<(), StepError> {
        Ok(())
    }
}
