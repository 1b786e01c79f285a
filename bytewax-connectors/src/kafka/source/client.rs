//! The consumer of a step on one worker; all its partitions share it.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytewax_runtime::source::Waker;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::super::context::Context;
use super::super::error::Error;
use super::super::settings::is_transient;
use super::options::Options;
use super::topics::{ASK, TopicPartition, serve};

thread_local! {
    /// The consumers of this worker, by the number of the source.
    static CLIENTS: RefCell<HashMap<u64, Weak<Client>>> = RefCell::default();
}

pub(super) type Queue = PartitionQueue<Context>;

/// One consumer and its users.
pub(super) struct Client {
    pub(super) consumer: Arc<BaseConsumer<Context>>,
    timeout: Duration,
    /// The first and last offsets of all partitions of the source, as far as requested.
    offsets: RefCell<HashMap<(TopicPartition, i64), i64>>,
    /// The number of open partitions.
    open: Cell<usize>,
    next_id: Cell<u64>,
    group: Option<Group>,
}

/// The offsets to commit to a group.
#[derive(Default)]
struct Group {
    offsets: RefCell<BTreeMap<TopicPartition, i64>>,
    /// The number of partitions that have reported their progress in the epoch.
    told: Cell<usize>,
}

impl Client {
    /// The consumer of a source on this worker.
    pub(super) fn of(source: u64, options: &Options, partitions: usize) -> Result<Rc<Self>, Error> {
        let known = CLIENTS.with_borrow(|clients| clients.get(&source).and_then(Weak::upgrade));
        if let Some(client) = known {
            return Ok(client);
        }
        let client = Rc::new(Self::new(options, partitions)?);
        CLIENTS.with_borrow_mut(|clients| {
            clients.retain(|_, client| client.strong_count() > 0);
            clients.insert(source, Rc::downgrade(&client));
        });
        Ok(client)
    }

    fn new(options: &Options, partitions: usize) -> Result<Self, Error> {
        let config = options.consumer_config(partitions)?;
        let context = Context::reporting(options.statistics.as_ref());
        let mut consumer: BaseConsumer<Context> = options.settings.client(&config, context)?;
        let context = Arc::clone(consumer.context());
        consumer.set_nonempty_callback(move || context.has_events());
        Ok(Self {
            consumer: Arc::new(consumer),
            timeout: options.connect_timeout,
            offsets: RefCell::default(),
            open: Cell::new(0),
            next_id: Cell::new(0),
            group: options.settings.get("group.id").map(|_| Group::default()),
        })
    }

    /// The client's reports.
    pub(super) fn context(&self) -> &Context {
        self.consumer.context()
    }

    /// Resolves an offset of a partition without a number, such as the end. Those of `all` are resolved
    /// together.
    pub(super) fn offset(
        &self,
        partition: &TopicPartition,
        at: Offset,
        all: &[TopicPartition],
    ) -> Result<i64, Error> {
        let failed = |why: String| Error::Offsets {
            topic: partition.topic.clone(),
            partition: partition.number,
            why,
        };
        let raw = at.to_raw().unwrap_or_default();
        let key = (partition.clone(), raw);
        let known = self.offsets.borrow_mut().remove(&key);
        if let Some(known) = known {
            return self.or_end(known, partition, all);
        }
        let mut asked = TopicPartitionList::new();
        for known in all
            .iter()
            .chain((!all.contains(partition)).then_some(partition))
        {
            let added = asked.add_partition_offset(&known.topic, known.number, at);
            added.map_err(|error| failed(error.to_string()))?;
        }
        let until = Instant::now() + self.timeout;
        let found = loop {
            match self
                .consumer
                .offsets_for_times(asked.clone(), ASK.min(self.timeout))
            {
                Ok(found) => break found,
                Err(error) if !error.rdkafka_error_code().is_some_and(is_transient) => {
                    return Err(failed(error.to_string()));
                }
                Err(error) if Instant::now() >= until => return Err(failed(error.to_string())),
                Err(_) => self.context().check_run()?,
            }
        };
        let mut offsets = self.offsets.borrow_mut();
        for found in found.elements() {
            let of = TopicPartition {
                topic: found.topic().to_owned(),
                number: found.partition(),
            };
            let offset = match (found.error(), found.offset()) {
                (Ok(()), Offset::Offset(offset)) => Some(offset),
                // No message is that late.
                (Ok(()), Offset::End) => Some(END),
                _ => None,
            };
            if let Some(offset) = offset {
                offsets.insert((of, raw), offset);
            }
        }
        let known = offsets.remove(&key);
        drop(offsets);
        let known = known.ok_or_else(|| failed("the brokers do not say it".to_owned()))?;
        self.or_end(known, partition, all)
    }

    /// The offset, or the end if no message is that late.
    fn or_end(
        &self,
        offset: i64,
        partition: &TopicPartition,
        all: &[TopicPartition],
    ) -> Result<i64, Error> {
        match offset {
            END => self.offset(partition, Offset::End, all),
            offset => Ok(offset),
        }
    }

    /// Starts reading a partition, whose new messages wake `waker`. Returns its number here as well.
    pub(super) fn read(
        &self,
        partition: &TopicPartition,
        from: Offset,
        waker: Waker,
    ) -> Result<(Queue, u64), Error> {
        let failed = |why: String| Error::Offsets {
            topic: partition.topic.clone(),
            partition: partition.number,
            why,
        };
        let queue = self
            .consumer
            .split_partition_queue(&partition.topic, partition.number);
        let mut queue = queue.ok_or_else(|| failed("the name of the topic is wrong".to_owned()))?;
        let id = self.next_id.get();
        self.next_id.set(id + 1);
        self.consumer.context().add_waker(id, waker.clone());
        queue.set_nonempty_callback(move || waker.wake());
        let assigned = self.assign(partition, from);
        assigned.map_err(|error| failed(error.to_string()))?;
        self.open.set(self.open.get() + 1);
        Ok((queue, id))
    }

    fn assign(&self, partition: &TopicPartition, from: Offset) -> Result<(), KafkaError> {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&partition.topic, partition.number, from)?;
        self.consumer.incremental_assign(&list)
    }

    /// Continues reading a partition at another offset.
    pub(super) fn read_from(
        &self,
        partition: &TopicPartition,
        offset: i64,
    ) -> Result<(), KafkaError> {
        self.stop(partition);
        self.assign(partition, Offset::Offset(offset))
    }

    /// Stops fetching a partition.
    pub(super) fn stop(&self, partition: &TopicPartition) {
        let mut list = TopicPartitionList::new();
        list.add_partition(&partition.topic, partition.number);
        // It is an error if that already happened.
        let _ = self.consumer.incremental_unassign(&list);
    }

    /// Releases a partition.
    pub(super) fn closed(&self, id: u64) {
        self.consumer.context().remove_waker(id);
        self.open.set(self.open.get() - 1);
        if self.open.get() == 0 {
            self.context().forget();
        }
        self.commit_if_all_told();
    }

    /// Serves the client's events.
    pub(super) fn serve(&self, brokers: &str) -> Result<(), Error> {
        let context = self.consumer.context();
        if context.take_events() {
            serve(&self.consumer);
        }
        if let Some(why) = context.refusal() {
            return Err(Error::Refused {
                brokers: brokers.to_owned(),
                why,
            });
        }
        match context.fatal() {
            Some(why) => Err(Error::Client { why }),
            None => Ok(()),
        }
    }

    /// Records that everything before this offset is complete. When all partitions have reported, their
    /// offsets are committed to the group.
    pub(super) fn completed(&self, partition: &TopicPartition, offset: Option<i64>) {
        let Some(group) = &self.group else {
            return;
        };
        if let Some(offset) = offset {
            group.offsets.borrow_mut().insert(partition.clone(), offset);
        }
        group.told.set(group.told.get() + 1);
        self.commit_if_all_told();
    }

    fn commit_if_all_told(&self) {
        let Some(group) = &self.group else {
            return;
        };
        if group.told.get() < self.open.get() {
            return;
        }
        group.told.set(0);
        let offsets = group.offsets.take();
        if offsets.is_empty() {
            return;
        }
        let mut list = TopicPartitionList::new();
        for (partition, offset) in offsets {
            // It fails only for negative offsets.
            let offset = Offset::Offset(offset);
            let _ = list.add_partition_offset(&partition.topic, partition.number, offset);
        }
        // The context receives the result.
        let _ = self.consumer.commit(&list, CommitMode::Async);
    }
}

/// Represents the end among stored offsets.
const END: i64 = -1;
