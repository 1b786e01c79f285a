//! What only real brokers can show of transactions.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, Ordering};
use std::thread;
use std::time::Duration;

use bytewax::connectors::kafka::{KafkaMessage, KafkaSink, KafkaSource, KafkaWriter};
use bytewax::prelude::*;
use bytewax::sink::{Marker, TransactionalSink, TransactionalWriter, WriterPlace};
use bytewax::{Epoch, RunError, StepError};
use kafka_tests::{produce, values};

use super::util::{brokers, saving, topic, unique};

/// A sink whose run is killed before or behind a commit.
#[derive(Clone)]
struct Killed {
    sink: KafkaSink,
    /// How many commits there are before.
    left: Arc<AtomicIsize>,
    behind: bool,
}

struct KilledWriter {
    writer: KafkaWriter,
    sink: Killed,
}

impl TransactionalSink<KafkaMessage> for Killed {
    type Writer = KilledWriter;

    fn open(&self, place: &WriterPlace<'_>) -> Result<KilledWriter, StepError> {
        Ok(KilledWriter {
            writer: self.sink.open(place)?,
            sink: self.clone(),
        })
    }
}

impl TransactionalWriter<KafkaMessage> for KilledWriter {
    fn recover(&mut self) -> Result<Option<Marker>, StepError> {
        self.writer.recover()
    }

    fn begin(&mut self, epoch: Epoch) -> Result<(), StepError> {
        self.writer.begin(epoch)
    }

    fn write_batch(&mut self, items: Vec<KafkaMessage>) -> Result<(), StepError> {
        self.writer.write_batch(items)
    }

    fn prepare(&mut self, marker: Marker) -> Result<(), StepError> {
        self.writer.prepare(marker)
    }

    fn commit(&mut self, epoch: Epoch) -> Result<(), StepError> {
        let is_last = self.sink.left.fetch_sub(1, Ordering::Relaxed) <= 0;
        if is_last && !self.sink.behind {
            return Err(StepError::abort());
        }
        self.writer.commit(epoch)?;
        match is_last {
            true => Err(StepError::abort()),
            false => Ok(()),
        }
    }
}

struct Copy {
    brokers: String,
    name: String,
    from: String,
    to: String,
    dir: tempfile::TempDir,
}

const MESSAGES: usize = 60;

impl Copy {
    fn new() -> Self {
        let copy = Self {
            brokers: brokers(),
            name: unique("copy"),
            from: topic("from", 3),
            to: topic("to", 2),
            dir: tempfile::tempdir().unwrap(),
        };
        for partition in 0..3 {
            let values = (0..MESSAGES / 3).map(|n| format!("{partition}-{n:02}"));
            produce(&copy.brokers, &copy.from, partition, values);
        }
        copy
    }

    /// Copies a few messages an epoch.
    fn run(
        &self,
        workers: usize,
        commits: isize,
        behind: bool,
        timeout: &str,
    ) -> Result<(), RunError> {
        let sink =
            KafkaSink::new(&self.brokers, &self.to).setting("transaction.timeout.ms", timeout);
        let sink = Killed {
            sink,
            left: Arc::new(AtomicIsize::new(commits)),
            behind,
        };
        let flow = Dataflow::build(&self.name, |flow| {
            let source = KafkaSource::new(&self.brokers, [&self.from]);
            let messages = flow
                .input(source.batch_messages(3).stop_at_end())
                .named("in");
            messages.output(sink).named("out");
        });
        let dir: &Path = self.dir.path();
        saving(dir)
            .workers(workers)
            .epoch_interval(Duration::from_millis(20))
            .run(flow)
    }

    #[track_caller]
    fn check(&self) {
        let mut written = values(&self.brokers, &self.to);
        written.sort();
        let mut expect = values(&self.brokers, &self.from);
        expect.sort();
        assert_eq!(expect.len(), MESSAGES);
        assert_eq!(written, expect);
    }
}

#[test]
#[ignore = "needs Apache Kafka: `.ci/kafka`"]
fn a_kill_between_prepare_and_commit() {
    // With several writers, the marker of one that has committed may lie behind a transaction that is still open.
    for (first, second) in [(1, 1), (3, 1), (3, 2), (1, 2)] {
        for commits in [0, 1, 2] {
            let copy = Copy::new();
            copy.run(first, commits, false, "60000").unwrap();
            copy.run(second, isize::MAX, false, "60000").unwrap();
            copy.check();
        }
    }
}

#[test]
#[ignore = "needs Apache Kafka: `.ci/kafka`"]
fn a_kill_right_behind_a_commit() {
    for (first, second) in [(1, 1), (2, 1)] {
        let copy = Copy::new();
        copy.run(first, 1, true, "60000").unwrap();
        copy.run(second, isize::MAX, false, "60000").unwrap();
        copy.check();
    }
}

#[test]
#[ignore = "needs Apache Kafka: `.ci/kafka`"]
fn a_restart_after_the_transaction_has_timed_out() {
    let copy = Copy::new();
    copy.run(2, 1, false, "2000").unwrap();
    thread::sleep(Duration::from_secs(4));
    copy.run(1, isize::MAX, false, "2000").unwrap();
    copy.check();
}

#[test]
#[ignore = "needs Apache Kafka: `.ci/kafka`"]
fn a_second_run_fences_the_first() {
    let copy = Copy::new();
    // The first run has a transaction open when the second begins with a store of its own.
    let other = Copy {
        brokers: copy.brokers.clone(),
        name: copy.name.clone(),
        from: copy.from.clone(),
        to: copy.to.clone(),
        dir: tempfile::tempdir().unwrap(),
    };
    let slow = Slow {
        sink: KafkaSink::new(&copy.brokers, &copy.to),
        other: Arc::new(other),
    };
    let flow = Dataflow::build(&copy.name, |flow| {
        let source = KafkaSource::new(&copy.brokers, [&copy.from]);
        let messages = flow.input(source.stop_at_end()).named("in");
        messages.output(slow).named("out");
    });
    let report = saving(copy.dir.path()).run(flow).unwrap_err().report();
    assert!(
        report.contains("another run writes the transactions of"),
        "{report}"
    );
    copy.check();
}

/// Has another run write everything before it commits.
struct Slow {
    sink: KafkaSink,
    other: Arc<Copy>,
}

struct SlowWriter {
    writer: KafkaWriter,
    other: Arc<Copy>,
}

impl TransactionalSink<KafkaMessage> for Slow {
    type Writer = SlowWriter;

    fn open(&self, place: &WriterPlace<'_>) -> Result<SlowWriter, StepError> {
        Ok(SlowWriter {
            writer: self.sink.open(place)?,
            other: Arc::clone(&self.other),
        })
    }
}

impl TransactionalWriter<KafkaMessage> for SlowWriter {
    fn recover(&mut self) -> Result<Option<Marker>, StepError> {
        self.writer.recover()
    }

    fn begin(&mut self, epoch: Epoch) -> Result<(), StepError> {
        self.writer.begin(epoch)
    }

    fn write_batch(&mut self, items: Vec<KafkaMessage>) -> Result<(), StepError> {
        self.writer.write_batch(items)
    }

    fn prepare(&mut self, marker: Marker) -> Result<(), StepError> {
        self.writer.prepare(marker)
    }

    fn commit(&mut self, epoch: Epoch) -> Result<(), StepError> {
        let other = Arc::clone(&self.other);
        let ran = thread::spawn(move || {
            other
                .run(1, isize::MAX, false, "60000")
                .map_err(|error| error.report())
        });
        ran.join()
            .expect("it does not panic")
            .map_err(StepError::msg)?;
        self.writer.commit(epoch)
    }
}
