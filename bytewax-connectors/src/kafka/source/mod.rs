//! A source of the messages of topics.

mod client;
mod options;
mod partition;
mod topics;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use bytewax_runtime::StepError;
use bytewax_runtime::source::{Discovery, FixedPartitionedSource, Poll, Reconciled, Waker};
use bytewax_runtime::state::{Field, Schema, State};
use chrono::{DateTime, Utc};
use rdkafka::consumer::BaseConsumer;
use rdkafka::topic_partition_list::Offset;
use serde::{Deserialize, Serialize};

use self::client::Client;
use self::options::{Options, Start};
use self::topics::{Selection, TopicPartition};
use super::context::Context;
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

/// What a source finds out while it runs.
#[derive(Default)]
struct Known {
    /// A number that no other source of the process has.
    id: u64,
    /// Whether a run goes on from saved positions.
    goes_on: AtomicBool,
    partitions: Mutex<Vec<TopicPartition>>,
    /// Those that were added since the run began.
    added: Mutex<BTreeSet<String>>,
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
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let known = Known {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            ..Known::default()
        };
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
            known: Arc::new(known),
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

    fn client(&self) -> Result<std::rc::Rc<Client>, Error> {
        let partitions = self.listed().len();
        Client::of(self.known.id, &self.options, partitions)
    }

    fn listed(&self) -> Vec<TopicPartition> {
        let listed = self.known.partitions.lock();
        listed.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where a partition begins that has no saved position.
    fn start(&self, client: &Client, partition: &TopicPartition) -> Result<KafkaPosition, Error> {
        let beginning = KafkaPosition { next: None };
        let added = self.known.added.lock();
        let added = added.unwrap_or_else(PoisonError::into_inner);
        let is_added = added.contains(&partition.name());
        drop(added);
        if is_added || self.known.goes_on.load(Ordering::Relaxed) {
            // All that was ever written to it came after the flow had begun.
            return Ok(beginning);
        }
        let found = |at| {
            let offset = client.offset(partition, at, &self.listed())?;
            Ok(KafkaPosition::at(offset))
        };
        match &self.options.start {
            Start::Beginning => Ok(beginning),
            Start::End => found(Offset::End),
            Start::Time(millis) => found(Offset::Offset(*millis)),
            Start::Offsets(offsets) => {
                let offset = offsets.get(partition);
                Ok(offset.map_or(beginning, |offset| KafkaPosition::at(*offset)))
            }
        }
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

impl<A: Answer> FixedPartitionedSource for KafkaSource<A> {
    type Item = A::Item;
    type Position = KafkaPosition;
    type Partition = KafkaPartition<A>;

    fn partitions(&self) -> Result<Vec<String>, StepError> {
        let Options {
            settings,
            selection,
            connect_timeout,
            ..
        } = &*self.options;
        let config = self.options.listing_config()?;
        let consumer: BaseConsumer<Context> = settings.client(&config, Context::default())?;
        let listed = selection.list(&consumer, &settings.brokers, *connect_timeout)?;
        let names = listed.iter().map(TopicPartition::name).collect();
        let known = self.known.partitions.lock();
        *known.unwrap_or_else(PoisonError::into_inner) = listed;
        Ok(names)
    }

    fn open(
        &self,
        partition: &str,
        resume: Option<KafkaPosition>,
    ) -> Result<KafkaPartition<A>, StepError> {
        let partition = TopicPartition::parse(partition)
            .ok_or_else(|| StepError::msg(format!("`{partition}` is no partition of a topic")))?;
        let client = self.client()?;
        let position = match resume {
            Some(position) => position,
            None => self.start(&client, &partition)?,
        };
        let end = self.options.stop_at_end;
        let end = end.then(|| client.offset(&partition, Offset::End, &self.listed()));
        let end = end.transpose()?;
        let options = Arc::clone(&self.options);
        Ok(KafkaPartition::open(
            client, options, partition, position, end,
        )?)
    }

    fn reconcile(
        &self,
        _: &[&str],
        saved: &BTreeMap<String, KafkaPosition>,
    ) -> Result<Reconciled, StepError> {
        self.known
            .goes_on
            .store(!saved.is_empty(), Ordering::Relaxed);
        Ok(Reconciled::default())
    }

    fn discover(&self) -> Result<Option<Discovery>, StepError> {
        let Options {
            selection,
            stop_at_end,
            list_every,
            ..
        } = &*self.options;
        if *stop_at_end || matches!(selection, Selection::Partitions(_)) {
            return Ok(None);
        }
        let client = self.client()?;
        let (stop, stopped) = mpsc::channel::<()>();
        let (found, names) = mpsc::channel();
        let waker = Waker::current();
        let options = Arc::clone(&self.options);
        let (consumer, every) = (Arc::clone(&client.consumer), *list_every);
        thread::Builder::new()
            .name("kafka-topics".to_owned())
            .spawn(move || {
                while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                    // What keeps it from knowing, the client says while it reads.
                    let listed = options.list(&consumer);
                    if listed.is_ok_and(|listed| found.send(listed).is_err()) {
                        return;
                    }
                    waker.wake();
                }
            })?;
        let known = Arc::clone(&self.known);
        Ok(Some(Discovery::new(move || {
            // They go when this does: the thread ends.
            let _held = (&client, &stop);
            let listed: Vec<TopicPartition> = names.try_iter().flatten().collect();
            if listed.is_empty() {
                return Ok(Poll::until_woken());
            }
            let names: Vec<String> = listed.iter().map(TopicPartition::name).collect();
            let mut added = known.added.lock().unwrap_or_else(PoisonError::into_inner);
            added.extend(names.iter().cloned());
            Ok(Poll::batch(names))
        })))
    }
}
