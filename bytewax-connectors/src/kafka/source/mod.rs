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

/// Where a partition of a topic stands: the offset of the next message, or the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KafkaPosition {
    next: Option<i64>,
}

impl KafkaPosition {
    fn at(offset: i64) -> Self {
        Self { next: Some(offset) }
    }

    /// The offset of the next message; `None` is the beginning, whatever that is.
    #[must_use]
    pub fn next(&self) -> Option<i64> {
        self.next
    }
}

impl State for KafkaPosition {
    const SCHEMA: Schema = Schema::new("KafkaPosition", 1, &[Field::of::<Option<i64>>("next")]);
}

/// What a source gives for a message, and for what cannot be read.
pub trait Answer: Send + Sync + 'static {
    /// An item of the source.
    type Item: 'static;

    #[doc(hidden)]
    fn good(message: KafkaMessage) -> Self::Item;

    #[doc(hidden)]
    fn bad(error: Error) -> Result<Self::Item, Error>;
}

/// Messages; what cannot be read stops the run.
#[derive(Debug)]
pub enum Strict {}

/// Messages as `Ok`, and what cannot be read as `Err`.
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
/// Unless told otherwise, it reads all partitions of its topics from their beginning, and goes on for ever. Each
/// partition is read in order by one worker. A worker has one client for all its partitions; it is woken when messages
/// have come, and takes no processor time while there are none.
///
/// Partitions that are added to a topic while the flow runs are read too, from their beginning, and so are topics
/// that a [pattern](Self::pattern) matches.
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
/// With a recovery store, each message counts once: a run that was killed goes on at what is saved. Messages of
/// transactions that were aborted are not read, nor are those of open ones, unless `isolation.level` is set.
///
/// # Limits
///
/// Added partitions are looked for every [10 s](Self::list_every). The client has up to 64 MiB of messages ready on each worker,
/// or 1 MiB a partition if that is more: the setting `queued.max.messages.kbytes`, which counts for each partition.
///
/// # Errors
///
/// [`Error`](super::Error) lists what can go wrong. A topic or a partition that is missing at the start stops the run, and so does
/// one that is deleted later. Brokers that do not answer are waited for: at the start for
/// [a minute](Self::connect_timeout), later without end. With [`results`](Self::results), a partition that cannot be read does not stop the
/// run.
///
/// # State
///
/// A [`KafkaPosition`] is saved for each partition, from the first epoch on, even if nothing was read of it. A run is refused if a
/// partition is gone that has one, or, unless [told otherwise](Self::on_lost_offset), if the messages at it are gone.
/// Offsets that were committed to a group are never read back.
#[must_use]
pub struct KafkaSource<A = Strict> {
    options: Arc<Options>,
    known: Arc<Known>,
    answer: PhantomData<fn() -> A>,
}

impl KafkaSource {
    /// A source of these topics. `brokers` are the addresses of some brokers, with commas between them. Nothing is
    /// connected before the run.
    pub fn new<T: Into<String>>(
        brokers: impl Into<String>,
        topics: impl IntoIterator<Item = T>,
    ) -> Self {
        let topics = topics.into_iter().map(Into::into).collect();
        Self::of(brokers, Selection::Topics(topics))
    }

    /// A source of all topics whose whole name this regular expression matches, now or later. Topics of Kafka's own,
    /// which begin with `__`, are left out.
    pub fn pattern(brokers: impl Into<String>, pattern: impl Into<String>) -> Self {
        Self::of(brokers, Selection::Pattern(pattern.into()))
    }

    /// A source of these partitions of topics alone.
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

    /// Gives what cannot be read as an item beside the messages: the items are `Result`s, which
    /// [`split_result`](bytewax_runtime::flow::Stream::split_result) takes apart.
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

    /// Sets any [setting of librdkafka](https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md). Values are never
    /// shown.
    pub fn setting(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.with(|options| options.settings.set(name, value))
    }

    /// Commits offsets to this consumer group after each epoch that is complete, so that tools see how far the flow is. The source
    /// does not join the group, and never reads these offsets.
    pub fn group(self, group: impl Into<String>) -> Self {
        self.setting("group.id", group)
    }

    /// Begins at the end, of a flow that runs for the first time: with what is written from now on. Where that is, is
    /// saved with the first epoch.
    pub fn from_end(self) -> Self {
        self.with(|options| options.start = Start::End)
    }

    /// Begins at the first message of this time or later, of a flow that runs for the first time.
    pub fn from_time(self, time: DateTime<Utc>) -> Self {
        self.with(|options| options.start = Start::Time(time.timestamp_millis().max(0)))
    }

    /// Begins at these offsets, of a flow that runs for the first time. Partitions that are not named begin at their beginning.
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

    /// Stops behind the messages that there are when the run begins.
    pub fn stop_at_end(self) -> Self {
        self.with(|options| options.stop_at_end = true)
    }

    /// What is done when the messages at the position are gone; [`LostOffset::Fail`] unless set.
    pub fn on_lost_offset(self, what: LostOffset) -> Self {
        self.with(|options| options.lost_offset = what)
    }

    /// How often added partitions are looked for; every 10 s unless set. A time of zero counts as a millisecond.
    pub fn list_every(self, time: Duration) -> Self {
        self.with(|options| options.list_every = time.max(Duration::from_millis(1)))
    }

    /// How long brokers are waited for at the start of a run; a minute unless set.
    pub fn connect_timeout(self, time: Duration) -> Self {
        self.with(|options| options.connect_timeout = time)
    }

    /// How many messages one batch has at the most; 1000 unless set, and 0 counts as 1.
    ///
    /// A batch has about 64 KiB at the most, however many messages that are.
    pub fn batch_messages(self, messages: usize) -> Self {
        self.with(|options| options.batch_messages = messages.max(1))
    }

    /// Reports lag, queues and throughput of each partition there.
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
