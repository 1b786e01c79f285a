//! The work of a source in a run: lists its partitions, opens them, and discovers added ones.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use bytewax_runtime::StepError;
use bytewax_runtime::client::Caller;
use bytewax_runtime::delivery::Replayable;
use bytewax_runtime::source::{Discovery, FixedPartitionedSource, Poll, Reconciled, Waker};
use rdkafka::consumer::BaseConsumer;
use rdkafka::topic_partition_list::Offset;

use super::client::Client;
use super::options::{Options, Start};
use super::topics::{Selection, TopicPartition};
use super::{Answer, KafkaPartition, KafkaPosition, KafkaSource};
use crate::kafka::context::Context;
use crate::kafka::error::Error;

/// What a source learns while it runs.
#[derive(Default)]
pub(super) struct Known {
    /// A number that is unique among the sources of the process.
    id: u64,
    /// Whether the run resumes from saved positions.
    goes_on: AtomicBool,
    partitions: Mutex<Vec<TopicPartition>>,
    /// The partitions added since the start of the run.
    added: Mutex<BTreeSet<String>>,
}

impl Known {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            ..Self::default()
        }
    }
}

impl<A> KafkaSource<A> {
    fn client(&self) -> Result<Rc<Client>, Error> {
        let partitions = self.listed().len();
        Client::of(self.known.id, &self.options, partitions)
    }

    fn listed(&self) -> Vec<TopicPartition> {
        let listed = self.known.partitions.lock();
        listed.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The start of a partition without a saved position.
    fn start(&self, client: &Client, partition: &TopicPartition) -> Result<KafkaPosition, Error> {
        let beginning = KafkaPosition { next: None };
        let added = self.known.added.lock();
        let added = added.unwrap_or_else(PoisonError::into_inner);
        let is_added = added.contains(&partition.name());
        drop(added);
        if is_added || self.known.goes_on.load(Ordering::Relaxed) {
            // All its messages were written after the flow had begun.
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

impl<A: Answer> FixedPartitionedSource<Replayable> for KafkaSource<A> {
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
        let consumer: BaseConsumer<Context> =
            settings.client(&config, Context::of(Caller::current()))?;
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
                    // The client reports the obstacle while it reads.
                    let listed = options.list(&consumer);
                    if listed.is_ok_and(|listed| found.send(listed).is_err()) {
                        return;
                    }
                    waker.wake();
                }
            })?;
        let known = Arc::clone(&self.known);
        Ok(Some(Discovery::new(move || {
            // They are dropped with it: the thread ends.
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
