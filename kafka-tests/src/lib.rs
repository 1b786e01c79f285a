//! What tests ask brokers with: a bare client, which knows nothing of the connector; and flows that read.

pub mod admin;
mod flows;
mod program;

pub use flows::{read, read_some, saving};
pub use program::Program;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

/// How long brokers may take: it only catches hangs.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A message as it is in a topic.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Read {
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
    /// The key as text.
    pub key: Option<String>,
    /// The value as text.
    pub value: Option<String>,
    /// The headers as text.
    pub headers: Vec<(String, Option<String>)>,
    /// The time in milliseconds.
    pub timestamp: Option<i64>,
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Writes values to a partition, with the number of each as its key and as a header, and with times from 1000 ms on.
///
/// # Panics
///
/// If they cannot be written.
pub fn produce<V: AsRef<[u8]>>(
    brokers: &str,
    topic: &str,
    partition: i32,
    values: impl IntoIterator<Item = V>,
) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("linger.ms", "1")
        .create()
        .expect("a producer");
    for (number, value) in values.into_iter().enumerate() {
        let key = number.to_string();
        let headers = OwnedHeaders::new().insert(Header {
            key: "number",
            value: Some(&key),
        });
        let mut record = BaseRecord::to(topic)
            .key(&key)
            .payload(value.as_ref())
            .partition(partition)
            .timestamp(1000 + i64::try_from(number).expect("few"))
            .headers(headers);
        while let Err((error, refused)) = producer.send(record) {
            let code = error.rdkafka_error_code();
            assert_eq!(
                code,
                Some(rdkafka::types::RDKafkaErrorCode::QueueFull),
                "{error}"
            );
            producer.poll(Duration::from_millis(1));
            record = refused;
        }
    }
    producer.flush(PATIENCE).expect("written");
}

/// A consumer that reads committed messages alone.
///
/// # Panics
///
/// If there is none to be had.
#[must_use]
pub fn consumer(brokers: &str, group: &str) -> BaseConsumer {
    ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_committed")
        .create()
        .expect("a consumer")
}

/// All messages of a topic, by partition, in order.
///
/// # Panics
///
/// If they cannot be read.
#[must_use]
pub fn consume(brokers: &str, topic: &str) -> Vec<Read> {
    let consumer = consumer(brokers, "reader");
    let metadata = consumer
        .fetch_metadata(Some(topic), PATIENCE)
        .expect("metadata");
    let partitions: Vec<i32> = metadata
        .topics()
        .iter()
        .flat_map(|topic| topic.partitions())
        .map(|it| it.id())
        .collect();
    let mut list = TopicPartitionList::new();
    for partition in &partitions {
        let added = list.add_partition_offset(topic, *partition, Offset::Beginning);
        added.expect("a partition");
    }
    consumer.assign(&list).expect("assigned");
    let mut read = Vec::new();
    let mut open: BTreeMap<i32, ()> = partitions.into_iter().map(|id| (id, ())).collect();
    let until = Instant::now() + PATIENCE;
    while !open.is_empty() {
        assert!(
            Instant::now() < until,
            "the partitions {open:?} of `{topic}` have no end"
        );
        match consumer.poll(Duration::from_millis(100)) {
            None => {}
            Some(Err(KafkaError::PartitionEOF(partition))) => drop(open.remove(&partition)),
            Some(Err(_)) => {} // It tries again.
            Some(Ok(message)) => read.push(Read {
                partition: message.partition(),
                offset: message.offset(),
                key: message.key().map(text),
                value: message.payload().map(text),
                headers: message.headers().map_or_else(Vec::new, |headers| {
                    let pair =
                        |header: Header<'_, &[u8]>| (header.key.to_owned(), header.value.map(text));
                    headers.iter().map(pair).collect()
                }),
                timestamp: message.timestamp().to_millis(),
            }),
        }
    }
    read.sort();
    read
}

/// The values of all messages of a topic, in order of partition and offset.
#[must_use]
pub fn values(brokers: &str, topic: &str) -> Vec<String> {
    consume(brokers, topic)
        .into_iter()
        .filter_map(|read| read.value)
        .collect()
}

/// The offset that a group has committed for a partition.
///
/// # Panics
///
/// If brokers do not say it.
#[must_use]
pub fn committed(brokers: &str, group: &str, topic: &str, partition: i32) -> Option<i64> {
    let consumer = consumer(brokers, group);
    let mut list = TopicPartitionList::new();
    list.add_partition(topic, partition);
    let found = consumer.committed_offsets(list, PATIENCE).expect("offsets");
    let offset = found.elements().first().map(|element| element.offset());
    match offset {
        Some(Offset::Offset(offset)) => Some(offset),
        _ => None,
    }
}
