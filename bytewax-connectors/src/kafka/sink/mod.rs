//! A sink of messages.

mod markers;
mod producer;
mod transaction;

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use bytewax_runtime::delivery;
use bytewax_runtime::sink::{
    DynamicSink, RejectingSink, RejectingWriter, StatelessSinkPartition, TransactionalSink,
    WriterPlace,
};
use bytewax_runtime::{Epoch, StepError, StepId, WorkerIndex};

use self::producer::Producer;
use super::error::Error;
use super::message::KafkaMessage;
use super::settings::Settings;
use super::statistics::KafkaStatistics;

pub use self::transaction::KafkaWriter;

/// Settings that the sink controls, with their replacements.
const OWN: &[(&str, &str, &str)] = &[("delivery.report.only.error", "true", "leave it out")];

/// The default settings.
const DEFAULTS: &[(&str, &str)] = &[("enable.idempotence", "true")];

/// Writes each message once, in the transaction of its epoch.
#[derive(Debug)]
pub enum Transactional {}

/// Writes messages immediately, and some again after a crash.
#[derive(Debug)]
pub enum Append {}

/// Writes [messages](KafkaMessage) to a topic, or each to its own topic.
///
/// Each worker writes its messages with its own client. Messages with equal keys go to one partition.
/// Messages of one worker and partition stay in order, even if the client retries.
///
/// # Examples
///
/// ```no_run
/// use bytewax_connectors::kafka::{KafkaMessage, KafkaSink};
/// use bytewax_runtime::prelude::*;
/// use bytewax_runtime::testing::{TestingSource, run_main};
///
/// let flow = Dataflow::build("readings", |flow| {
///     let readings = flow.input(TestingSource::new([("hall", 21), ("roof", 7)])).named("readings");
///     let messages = readings.map(|(place, degrees)| {
///         KafkaMessage::json(&degrees).with_key(place)
///     });
///     let sink = KafkaSink::new("localhost:9092", "readings").setting("compression.type", "lz4");
///     messages.output(sink).named("out");
/// });
/// run_main(flow)?;
/// # Ok::<(), bytewax_runtime::RunError>(())
/// ```
///
/// # Guarantee
///
/// Exactly once, if the flow has a recovery store: all messages of a worker in an epoch are one transaction,
/// which is committed when the epoch is complete. A reader with `isolation.level=read_committed`, such as a
/// [`KafkaSource`](super::KafkaSource), sees each message once, whatever is killed, and however long the flow
/// is down. The store also contains the messages of an epoch until they are committed.
///
/// At least once without a store, and with [`append`](Self::append): an epoch is complete when the brokers
/// have all its messages, so none is lost. After a crash, messages of incomplete epochs are written again.
/// The client itself writes no message twice.
///
/// # Limits
///
/// Readers of committed messages see them when their epoch is complete. An epoch must not last longer than a
/// transaction: five minutes, `transaction.timeout.ms`. The open transactions of a killed run delay readers
/// of later messages until the run is restarted, or for that time.
///
/// To record committed transactions, each writer adds a record of a few bytes per transaction to a compacted
/// topic of the step, `flow.step.markers` ([`marker_topic`](Self::marker_topic)). The sink creates the topic
/// if it is missing.
///
/// The client buffers up to 100 000 messages or 1 GiB on each worker: the settings
/// `queue.buffering.max.messages` and `queue.buffering.max.kbytes`. When the buffer is full, the flow waits.
///
/// # Errors
///
/// If the brokers reject a message permanently, for example because it is too large, the run stops. If
/// brokers do not respond, the client retries: a message that is not written after five minutes
/// (`message.timeout.ms`) stops the run.
///
/// # State
///
/// The messages of uncommitted epochs, and a random number for each writer. None with
/// [`append`](Self::append).
#[must_use]
pub struct KafkaSink<D = Transactional> {
    options: Options,
    delivery: PhantomData<fn() -> D>,
}

#[derive(Clone, Debug)]
struct Options {
    settings: Settings,
    /// `None` if messages name their topics.
    topic: Option<String>,
    marker_topic: Option<String>,
    connect_timeout: Duration,
    statistics: Option<KafkaStatistics>,
}

impl KafkaSink {
    /// Creates a sink for this topic. `brokers` contains the addresses of some brokers, separated by commas.
    /// It does not connect before the run.
    pub fn new(brokers: impl Into<String>, topic: impl Into<String>) -> Self {
        Self::of(brokers, Some(topic.into()))
    }

    /// Creates a sink that writes each message to the topic that it [names](KafkaMessage::to_topic).
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_connectors::kafka::{KafkaMessage, KafkaSink};
    /// use bytewax_runtime::prelude::*;
    /// use bytewax_runtime::testing::TestingSource;
    ///
    /// let flow = Dataflow::build("numbers", |flow| {
    ///     let numbers = flow.input(TestingSource::new(0..10)).named("numbers");
    ///     let messages = numbers.map(|n| {
    ///         let topic = if n % 2 == 0 { "even" } else { "odd" };
    ///         KafkaMessage::new(n.to_string()).to_topic(topic)
    ///     });
    ///     messages.output(KafkaSink::by_message("localhost:9092")).named("out");
    /// });
    /// # let _ = flow;
    /// ```
    pub fn by_message(brokers: impl Into<String>) -> Self {
        Self::of(brokers, None)
    }

    fn of(brokers: impl Into<String>, topic: Option<String>) -> Self {
        Self {
            options: Options {
                settings: Settings::new(brokers),
                topic,
                marker_topic: None,
                connect_timeout: Duration::from_secs(60),
                statistics: None,
            },
            delivery: PhantomData,
        }
    }

    /// Writes messages immediately, without transactions: readers see them at once. After a crash, messages
    /// of incomplete epochs are written again.
    pub fn append(self) -> KafkaSink<Append> {
        KafkaSink {
            options: self.options,
            delivery: PhantomData,
        }
    }

    /// Sets the topic for the markers of transactions. The default is `flow.step.markers`. No other step may
    /// use it. It needs one partition and `cleanup.policy=compact`; the sink creates it this way if it is
    /// missing.
    pub fn marker_topic(mut self, topic: impl Into<String>) -> Self {
        self.options.marker_topic = Some(topic.into());
        self
    }
}

impl<D> KafkaSink<D> {
    /// Sets any [setting of
    /// librdkafka](https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md). No message shows
    /// values.
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.settings.set(name, value);
        self
    }

    /// Sets how long to wait for brokers at the start of a run. The default is a minute.
    pub fn connect_timeout(mut self, time: Duration) -> Self {
        self.options.connect_timeout = time;
        self
    }

    /// Reports queues and throughput of each partition to `statistics`.
    pub fn statistics(mut self, statistics: &KafkaStatistics) -> Self {
        self.options.statistics = Some(statistics.clone());
        self
    }
}

impl Options {
    /// A producer with these defaults, overridden by the user's settings, and `own`, which the user must not
    /// set.
    fn producer(
        &self,
        defaults: &[(&str, &str)],
        own: &[(&str, &str, &str)],
    ) -> Result<Producer, Error> {
        let mut defaults = defaults.to_vec();
        if self.statistics.is_some() {
            defaults.push(("statistics.interval.ms", "1000"));
        }
        let config = self.settings.config(&defaults, own)?;
        Producer::new(&self.settings, &config, self.statistics.as_ref())
    }

    fn append(&self) -> Result<KafkaSinkPartition, Error> {
        Ok(KafkaSinkPartition {
            producer: self.producer(DEFAULTS, OWN)?,
            topic: self.topic.clone(),
        })
    }
}

impl<D> Clone for KafkaSink<D> {
    fn clone(&self) -> Self {
        Self {
            options: self.options.clone(),
            delivery: PhantomData,
        }
    }
}

impl<D> fmt::Debug for KafkaSink<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.options.fmt(f)
    }
}

impl DynamicSink<KafkaMessage, delivery::Append> for KafkaSink<Append> {
    type Partition = KafkaSinkPartition;

    fn build(&self, _: &StepId, _: WorkerIndex, _: usize) -> Result<KafkaSinkPartition, StepError> {
        Ok(self.options.append()?)
    }
}

impl TransactionalSink<KafkaMessage> for KafkaSink {
    type Writer = KafkaWriter;

    fn open(&self, place: &WriterPlace<'_>) -> Result<KafkaWriter, StepError> {
        Ok(KafkaWriter::open(&self.options, place)?)
    }
}

/// The instance of an [appending](KafkaSink::append) [`KafkaSink`] on one worker.
pub struct KafkaSinkPartition {
    producer: Producer,
    topic: Option<String>,
}

impl fmt::Debug for KafkaSinkPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaSinkPartition")
            .field("topic", &self.topic)
            .finish_non_exhaustive()
    }
}

impl StatelessSinkPartition<KafkaMessage> for KafkaSinkPartition {
    fn write_batch(&mut self, items: Vec<KafkaMessage>) -> Result<(), StepError> {
        for message in items {
            self.producer.send(message, self.topic.as_deref())?;
        }
        self.producer.look();
        self.producer.check()?;
        self.producer.fail()
    }

    fn close(&mut self) -> Result<(), StepError> {
        self.flush()
    }

    fn end_epoch(&mut self, _: Epoch) -> Result<(), StepError> {
        self.flush()
    }
}

impl KafkaSinkPartition {
    fn flush(&self) -> Result<(), StepError> {
        self.producer.flush()?;
        self.producer.fail()
    }
}

/// Messages that the brokers reject permanently go to `errs`.
///
/// # Examples
///
/// ```
/// use bytewax_connectors::kafka::{KafkaMessage, KafkaSink};
/// use bytewax_runtime::prelude::*;
/// use bytewax_runtime::testing::TestingSource;
///
/// let flow = Dataflow::build("readings", |flow| {
///     let messages = flow.input(TestingSource::new([KafkaMessage::new("7")])).named("messages");
///     let sink = KafkaSink::new("localhost:9092", "readings").append();
///     let written = messages.try_output(sink).named("out");
///     let refused = written.errs.map(|bad| bad.item.with_header("error", bad.error));
///     refused.output(KafkaSink::new("localhost:9092", "refused")).named("refused");
/// });
/// # let _ = flow;
/// ```
impl RejectingSink<KafkaMessage, delivery::Append> for KafkaSink<Append> {
    type Writer = KafkaRejectingWriter;

    fn build(
        &self,
        _: &StepId,
        _: WorkerIndex,
        _: usize,
    ) -> Result<KafkaRejectingWriter, StepError> {
        Ok(KafkaRejectingWriter(self.options.append()?))
    }
}

/// The instance of a [`KafkaSink`] on one worker in
/// [`try_output`](bytewax_runtime::flow::Stream::try_output).
#[derive(Debug)]
pub struct KafkaRejectingWriter(KafkaSinkPartition);

impl RejectingWriter<KafkaMessage> for KafkaRejectingWriter {
    fn write_batch(&mut self, items: Vec<KafkaMessage>) -> Result<(), StepError> {
        let KafkaSinkPartition { producer, topic } = &mut self.0;
        for message in items {
            producer.send(message, topic.as_deref())?;
        }
        producer.look();
        Ok(producer.check()?)
    }

    fn end_epoch(&mut self, _: Epoch) -> Result<(), StepError> {
        Ok(self.0.producer.flush()?)
    }

    fn take_rejected(&mut self) -> Vec<(KafkaMessage, StepError)> {
        let failed = self.0.producer.take_failed().into_iter();
        failed
            .map(|(message, error)| (message, error.into()))
            .collect()
    }
}
