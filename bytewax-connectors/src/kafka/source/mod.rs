//! A source of the messages of topics.

mod client;
mod opening;
mod options;
mod partition;
mod topics;

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use bytewax_runtime::state::{Field, Schema, State};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use self::opening::Known;
use self::options::{Options, Start};
use self::topics::{Selection, TopicPartition};
use super::error::{Error, ReadError};
use super::message::KafkaMessage;
use super::settings::Settings;
use super::statistics::KafkaStatistics;

pub use self::options::LostOffset;
pub use self::partition::KafkaPartition;

/// The position of a partition: the offset of the next message, or the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KafkaPosition {
    next: Option<i64>,
}

impl KafkaPosition {
    fn at(offset: i64) -> Self {
        Self { next: Some(offset) }
    }

    /// Returns the offset of the next message; `None` is the beginning.
    #[must_use]
    pub fn next(&self) -> Option<i64> {
        self.next
    }
}

impl State for KafkaPosition {
    const SCHEMA: Schema = Schema::new("KafkaPosition", 1, &[Field::of::<Option<i64>>("next")]);
}

/// The items of a source for messages and read errors.
pub trait Answer: Send + Sync + 'static {
    /// An item of the source.
    type Item: 'static;

    #[doc(hidden)]
    fn good(message: KafkaMessage) -> Self::Item;

    #[doc(hidden)]
    fn bad(error: Error) -> Result<Self::Item, Error>;
}

/// Messages; a read error stops the run.
#[derive(Debug)]
pub enum Strict {}

/// Messages as `Ok`, and read errors as `Err`.
#[derive(Debug)]
pub enum Results {}

impl Answer for Strict {
    type Item = KafkaMessage;

    fn good(message: KafkaMessage) -> KafkaMessage {
        message
    }

    fn bad(error: Error) -> Result<KafkaMessage, Error> {
        Err(error)
    }
}

impl Answer for Results {
    type Item = Result<KafkaMessage, ReadError>;

    fn good(message: KafkaMessage) -> Self::Item {
        Ok(message)
    }

    fn bad(error: Error) -> Result<Self::Item, Error> {
        match error {
            Error::Read(error) => Ok(Err(error)),
            error => Err(error),
        }
    }
}

/// Reads the messages of topics.
///
/// By default, it reads all partitions of its topics from their beginning, and never ends. One worker reads
/// each partition, in order. A worker has one client for all its partitions; new messages wake it, and it
/// uses no processor time while there are none.
///
/// It also reads partitions that are added to a topic while the flow runs, from their beginning, and new
/// topics that match a [pattern](Self::pattern).
///
/// # Examples
///
/// ```no_run
/// use bytewax_connectors::kafka::KafkaSource;
/// use bytewax_runtime::prelude::*;
/// use bytewax_runtime::testing::{TestingSink, run_main};
///
/// let out = TestingSink::new();
/// let flow = Dataflow::build("orders", |flow| {
///     let source = KafkaSource::new("broker-1:9092,broker-2:9092", ["orders", "returns"])
///         .group("billing") // So that tools see how far it is.
///         .setting("security.protocol", "ssl")
///         .stop_at_end();
///     let messages = flow.input(source).named("messages");
///     messages.map(|message| message.value_bytes().len()).output(out.clone()).named("out");
/// });
/// run_main(flow)?;
/// # Ok::<(), bytewax_runtime::RunError>(())
/// ```
///
/// # Guarantee
///
/// With a recovery store, each message counts once: a run after a kill continues at the saved offset.
/// Messages of aborted and open transactions are not read, unless `isolation.level` is set.
///
/// # Limits
///
/// The source checks for added partitions every [10 s](Self::list_every). The client prefetches up to 64 MiB
/// of messages on each worker, or 1 MiB per partition if that is more: the setting
/// `queued.max.messages.kbytes`, which applies per partition.
///
/// # Errors
///
/// [`Error`](super::Error) lists all errors. A topic or a partition that is missing at the start, or deleted
/// later, stops the run. If brokers do not respond, the client retries: at the start for
/// [a minute](Self::connect_timeout), later without limit. With [`results`](Self::results), an unreadable
/// partition does not stop the run.
///
/// # State
///
/// A [`KafkaPosition`] for each partition, from the first epoch on, even if nothing was read from it. A run
/// is refused if a partition with a position no longer exists, or if the messages at it are gone, unless
/// [`on_lost_offset`](Self::on_lost_offset) is set. Offsets committed to a group are never read.
#[must_use]
pub struct KafkaSource<A = Strict> {
    options: Arc<Options>,
    known: Arc<Known>,
    answer: PhantomData<fn() -> A>,
}

impl KafkaSource {
    /// Creates a source of these topics. `brokers` contains the addresses of some brokers, separated by
    /// commas. It does not connect before the run.
    pub fn new<T: Into<String>>(
        brokers: impl Into<String>,
        topics: impl IntoIterator<Item = T>,
    ) -> Self {
        let topics = topics.into_iter().map(Into::into).collect();
        Self::of(brokers, Selection::Topics(topics))
    }

    /// Creates a source of all current and future topics whose whole name matches this regular expression.
    /// Kafka's internal topics, which start with `__`, are skipped.
    pub fn pattern(brokers: impl Into<String>, pattern: impl Into<String>) -> Self {
        Self::of(brokers, Selection::Pattern(pattern.into()))
    }

    /// Creates a source of these partitions alone.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_connectors::kafka::KafkaSource;
    ///
    /// let source = KafkaSource::partitions("localhost:9092", [("orders", 0), ("orders", 2)]);
    /// # let _ = source;
    /// ```
    pub fn partitions<T: Into<String>>(
        brokers: impl Into<String>,
        partitions: impl IntoIterator<Item = (T, i32)>,
    ) -> Self {
        let partitions = partitions
            .into_iter()
            .map(|(topic, number)| TopicPartition {
                topic: topic.into(),
                number,
            });
        Self::of(brokers, Selection::Partitions(partitions.collect()))
    }

    fn of(brokers: impl Into<String>, selection: Selection) -> Self {
        Self {
            options: Arc::new(Options {
                settings: Settings::new(brokers),
                selection,
                start: Start::Beginning,
                stop_at_end: false,
                lost_offset: LostOffset::Fail,
                list_every: Duration::from_secs(10),
                connect_timeout: Duration::from_secs(60),
                batch_messages: 1000,
                statistics: None,
            }),
            known: Arc::new(Known::new()),
            answer: PhantomData,
        }
    }

    /// Emits read errors as items beside the messages: the items are `Result`s, which
    /// [`split_result`](bytewax_runtime::flow::Stream::split_result) separates.
    pub fn results(self) -> KafkaSource<Results> {
        KafkaSource {
            options: self.options,
            known: self.known,
            answer: PhantomData,
        }
    }
}

impl<A> KafkaSource<A> {
    fn with(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(Arc::make_mut(&mut self.options));
        self
    }

    /// Sets any [setting of
    /// librdkafka](https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md). No message shows
    /// values.
    pub fn setting(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.with(|options| options.settings.set(name, value))
    }

    /// Commits offsets to this consumer group after each complete epoch, so that tools can show the progress
    /// of the flow. The source does not join the group, and never reads these offsets.
    pub fn group(self, group: impl Into<String>) -> Self {
        self.setting("group.id", group)
    }

    /// Starts the first run at the end, with the messages written from now on. The first epoch saves this
    /// offset.
    pub fn from_end(self) -> Self {
        self.with(|options| options.start = Start::End)
    }

    /// Starts the first run at the first message of this time or later.
    pub fn from_time(self, time: DateTime<Utc>) -> Self {
        self.with(|options| options.start = Start::Time(time.timestamp_millis().max(0)))
    }

    /// Starts the first run at these offsets. Other partitions start at their beginning.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_connectors::kafka::KafkaSource;
    ///
    /// let source = KafkaSource::new("localhost:9092", ["orders"])
    ///     .from_offsets([("orders", 0, 1200), ("orders", 1, 1187)]);
    /// # let _ = source;
    /// ```
    pub fn from_offsets<T: Into<String>>(
        self,
        offsets: impl IntoIterator<Item = (T, i32, i64)>,
    ) -> Self {
        let offsets = offsets.into_iter().map(|(topic, number, offset)| {
            let topic = topic.into();
            (TopicPartition { topic, number }, offset.max(0))
        });
        let offsets: BTreeMap<_, _> = offsets.collect();
        self.with(|options| options.start = Start::Offsets(offsets))
    }

    /// Stops after the messages that exist when the run starts.
    pub fn stop_at_end(self) -> Self {
        self.with(|options| options.stop_at_end = true)
    }

    /// Sets the reaction to a position whose messages are gone. The default is [`LostOffset::Fail`].
    pub fn on_lost_offset(self, what: LostOffset) -> Self {
        self.with(|options| options.lost_offset = what)
    }

    /// Sets how often to check for added partitions. The default is every 10 s. A time of zero counts as a
    /// millisecond.
    pub fn list_every(self, time: Duration) -> Self {
        self.with(|options| options.list_every = time.max(Duration::from_millis(1)))
    }

    /// Sets how long to wait for brokers at the start of a run. The default is a minute.
    pub fn connect_timeout(self, time: Duration) -> Self {
        self.with(|options| options.connect_timeout = time)
    }

    /// Sets the maximum number of messages per batch. The default is 1000, and 0 counts as 1.
    ///
    /// A batch has at most about 64 KiB, regardless of the number of messages.
    pub fn batch_messages(self, messages: usize) -> Self {
        self.with(|options| options.batch_messages = messages.max(1))
    }

    /// Reports lag, queues and throughput of each partition to `statistics`.
    pub fn statistics(self, statistics: &KafkaStatistics) -> Self {
        self.with(|options| options.statistics = Some(statistics.clone()))
    }
}

impl<A> Clone for KafkaSource<A> {
    fn clone(&self) -> Self {
        Self {
            options: Arc::clone(&self.options),
            known: Arc::clone(&self.known),
            answer: PhantomData,
        }
    }
}

impl<A> fmt::Debug for KafkaSource<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.options.fmt(f)
    }
}
