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
use kafka_tests::{produce, saving, values};

use super::util::{brokers, topic, unique};

/// A sink that does something of its own where a transaction is committed.
#[derive(Clone)]
struct AtCommit<F> {
    sink: KafkaSink,
    commit: F,
}

struct AtCommitWriter<F> {
    writer: KafkaWriter,
    commit: F,
}

impl<F> TransactionalSink<KafkaMessage> for AtCommit<F>
where
    F: Fn(&mut KafkaWriter, Epoch) -> Result<(), StepError> + Clone + Send + Sync + 'static,
{
    type Writer = AtCommitWriter<F>;

    fn open(&self, place: &WriterPlace<'_>) -> Result<AtCommitWriter<F>, StepError> {
        Ok(AtCommitWriter {
            writer: self.sink.open(place)?,
            commit: self.commit.clone(),
        })
    }
}

impl<F> TransactionalWriter<KafkaMessage> for AtCommitWriter<F>
where
    F: Fn(&mut KafkaWriter, Epoch) -> Result<(), StepError> + 'static,
{
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
        (self.commit)(&mut self.writer, epoch)
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

    /// Copies a few messages an epoch. The run is killed after so many commits, before the next one or behind it.
    fn run(
        &self,
        workers: usize,
        commits: isize,
        behind: bool,
        timeout: &str,
    ) -> Result<(), RunError> {
        let sink =
            KafkaSink::new(&self.brokers, &self.to).setting("transaction.timeout.ms", timeout);
        let left = Arc::new(AtomicIsize::new(commits));
        let commit = move |writer: &mut KafkaWriter, epoch| {
            let is_last = left.fetch_sub(1, Ordering::Relaxed) <= 0;
            if is_last && !behind {
                return Err(StepError::abort());
            }
            writer.commit(epoch)?;
            match is_last {
                true => Err(StepError::abort()),
                false => Ok(()),
            }
        };
        let sink = AtCommit { sink, commit };
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
    let other = Arc::new(other);
    // The other run writes everything before this one commits.
    let commit = move |writer: &mut KafkaWriter, epoch| {
        let other = Arc::clone(&other);
        let ran = thread::spawn(move || {
            let ran = other.run(1, isize::MAX, false, "60000");
            ran.map_err(|error| error.report())
        });
        let ran = ran.join().expect("it does not panic");
        ran.map_err(StepError::msg)?;
        writer.commit(epoch)
    };
    let sink = KafkaSink::new(&copy.brokers, &copy.to);
    let slow = AtCommit { sink, commit };
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
