//! Messages of Kafka.

use std::sync::Arc;

use bytewax_runtime::state::{Field, Schema, State};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// A message that was read from a topic, or that will be written to one.
///
/// A message that was read contains its origin: [`topic`](Self::topic), [`partition`](Self::partition) and
/// [`offset`](Self::offset). A sink ignores the origin. It writes to its own topic, unless it
/// [uses the topic of messages](super::KafkaSink::by_message), and to the partition that the key selects,
/// unless [`to_partition`](Self::to_partition) names one. Key, value, headers and time are written unchanged.
///
/// # Examples
///
/// ```
/// use bytewax_connectors::kafka::KafkaMessage;
///
/// let message = KafkaMessage::new("12").with_key("temperature").with_header("unit", "C");
/// assert_eq!(message.key_bytes(), Some(b"temperature".as_slice()));
/// assert_eq!(message.value_bytes(), b"12");
/// assert_eq!(message.header("unit"), Some(b"C".as_slice()));
/// assert_eq!(message.topic(), None);
/// ```
///
/// Sources and sinks use messages with keys and values of bytes. [`KafkaStream`](super::KafkaStream) contains
/// the operators that convert them to other types and back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KafkaMessage<K = Vec<u8>, V = Vec<u8>> {
    pub(super) key: Option<K>,
    pub(super) value: Option<V>,
    pub(super) headers: Vec<(String, Option<Vec<u8>>)>,
    /// In milliseconds.
    pub(super) timestamp: Option<i64>,
    pub(super) origin: Option<Origin>,
    /// Rarely present.
    pub(super) way: Option<Box<Way>>,
}

/// The origin of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Origin {
    pub(super) topic: Arc<str>,
    pub(super) partition: i32,
    pub(super) offset: i64,
}

/// The destination of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Way {
    pub(super) topic: Option<String>,
    pub(super) partition: Option<i32>,
    /// Why it has no destination.
    pub(super) fault: Option<String>,
}

/// The form in which a sink saves it until it is written.
impl State for KafkaMessage {
    const SCHEMA: Schema = Schema::new(
        "KafkaMessage",
        1,
        &[
            Field::opaque("key", "Option<Vec<u8>>"),
            Field::opaque("value", "Option<Vec<u8>>"),
            Field::opaque("headers", "Vec<(String, Option<Vec<u8>>)>"),
            Field::opaque("timestamp", "Option<i64>"),
            Field::opaque("origin", "Option<(String, i32, i64)>"),
            Field::opaque(
                "way",
                "Option<(Option<String>, Option<i32>, Option<String>)>",
            ),
        ],
    );
}

impl<K, V> Default for KafkaMessage<K, V> {
    fn default() -> Self {
        Self {
            key: None,
            value: None,
            headers: Vec::new(),
            timestamp: None,
            origin: None,
            way: None,
        }
    }
}

impl KafkaMessage {
    /// Creates a message with this value.
    #[must_use]
    pub fn new(value: impl Into<Vec<u8>>) -> Self {
        Self {
            value: Some(value.into()),
            ..Self::default()
        }
    }

    /// Creates a message without a value. In a compacted topic, it deletes the messages with its key.
    #[must_use]
    pub fn tombstone(key: impl Into<Vec<u8>>) -> Self {
        Self::default().with_key(key)
    }
}

impl<V> KafkaMessage<Vec<u8>, V> {
    /// Creates a message with a value of any type, to be [serialized](super::KafkaStream::serialize_value).
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_connectors::kafka::KafkaMessage;
    ///
    /// let message = KafkaMessage::of(21).with_key("hall");
    /// assert_eq!(message.value(), Some(&21));
    /// ```
    #[must_use]
    pub fn of(value: V) -> Self {
        Self {
            value: Some(value),
            ..Self::default()
        }
    }

    /// Sets the key: messages with equal keys go to one partition.
    #[must_use]
    pub fn with_key(mut self, key: impl Into<Vec<u8>>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Returns the key, if it has one.
    #[must_use]
    pub fn key_bytes(&self) -> Option<&[u8]> {
        self.key.as_deref()
    }
}

impl<K> KafkaMessage<K> {
    /// Returns the value; empty for a message without a value: see [`is_tombstone`](Self::is_tombstone).
    #[must_use]
    pub fn value_bytes(&self) -> &[u8] {
        self.value.as_deref().unwrap_or_default()
    }
}

impl<K, V> KafkaMessage<K, V> {
    /// Sets a key of any type, to be [serialized](super::KafkaStream::serialize_key).
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_connectors::kafka::KafkaMessage;
    ///
    /// let message = KafkaMessage::of(21).keyed_by(("hall", 1));
    /// assert_eq!(message.key(), Some(&("hall", 1)));
    /// ```
    #[must_use]
    pub fn keyed_by<K2>(self, key: K2) -> KafkaMessage<K2, V> {
        self.with_parts(|_, value| (Some(key), value))
    }

    /// Returns the same message with another key and value.
    pub(super) fn with_parts<K2, V2>(
        self,
        parts: impl FnOnce(Option<K>, Option<V>) -> (Option<K2>, Option<V2>),
    ) -> KafkaMessage<K2, V2> {
        let (key, value) = parts(self.key, self.value);
        KafkaMessage {
            key,
            value,
            headers: self.headers,
            timestamp: self.timestamp,
            origin: self.origin,
            way: self.way,
        }
    }

    /// Adds a header. Several headers may have the same name.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), Some(value.into())));
        self
    }

    /// Sets the time. A message without one gets the time at which it is written.
    #[must_use]
    pub fn with_timestamp(mut self, timestamp: DateTime<Utc>) -> Self {
        self.timestamp = Some(timestamp.timestamp_millis());
        self
    }

    /// Sets the topic, for a sink that [uses the topic of messages](super::KafkaSink::by_message).
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_connectors::kafka::KafkaMessage;
    ///
    /// let message = KafkaMessage::new("12").to_topic("readings").to_partition(3);
    /// assert_eq!(message.topic(), None); // It came from nowhere.
    /// ```
    #[must_use]
    pub fn to_topic(mut self, topic: impl Into<String>) -> Self {
        self.way().topic = Some(topic.into());
        self
    }

    /// Sets the partition, regardless of the key.
    #[must_use]
    pub fn to_partition(mut self, partition: i32) -> Self {
        self.way().partition = Some(partition);
        self
    }

    pub(super) fn way(&mut self) -> &mut Way {
        self.way.get_or_insert_default()
    }

    /// Returns the key, if it has one.
    #[must_use]
    pub fn key(&self) -> Option<&K> {
        self.key.as_ref()
    }

    /// Returns the value, if it has one.
    #[must_use]
    pub fn value(&self) -> Option<&V> {
        self.value.as_ref()
    }

    /// Converts the message into its value.
    #[must_use]
    pub fn into_value(self) -> Option<V> {
        self.value
    }

    /// Converts the message into its key and value.
    #[must_use]
    pub fn into_parts(self) -> (Option<K>, Option<V>) {
        (self.key, self.value)
    }

    /// Whether it has no value, as opposed to an empty one.
    #[must_use]
    pub fn is_tombstone(&self) -> bool {
        self.value.is_none()
    }

    /// Returns the headers, in order. A header may have no value.
    pub fn headers(&self) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
        let headers = self.headers.iter();
        headers.map(|(name, value)| (name.as_str(), value.as_deref()))
    }

    /// Returns the value of the last header with this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        let mut named = self.headers.iter().rev().filter(|(known, _)| known == name);
        named.next().and_then(|(_, value)| value.as_deref())
    }

    /// Returns the timestamp of its producer or broker. Only very old brokers have messages without one.
    #[must_use]
    pub fn timestamp(&self) -> Option<DateTime<Utc>> {
        self.timestamp.and_then(DateTime::from_timestamp_millis)
    }

    /// Returns the [`timestamp`](Self::timestamp) as an event time; the start of 1970 without one.
    ///
    /// # Examples
    ///
    /// One watermark per partition of the topics; idle partitions are ignored:
    ///
    /// ```
    /// use bytewax_connectors::kafka::{KafkaMessage, KafkaSource};
    /// use bytewax_runtime::prelude::*;
    /// use bytewax_runtime::testing::TestingSink;
    /// use bytewax_runtime::windowing::Lateness;
    /// use chrono::TimeDelta;
    ///
    /// let flow = Dataflow::build("clicks", |flow| {
    ///     let clicks = flow.input(KafkaSource::new("localhost:9092", ["clicks"])).named("clicks");
    ///     let lateness = Lateness::bounded(TimeDelta::seconds(5));
    ///     let timed = clicks.event_time(KafkaMessage::event_time, lateness).named("timed");
    ///     timed.down.output(TestingSink::new()).named("out");
    /// });
    /// # let _ = flow;
    /// ```
    #[must_use]
    pub fn event_time(&self) -> DateTime<Utc> {
        self.timestamp().unwrap_or_default()
    }

    /// Returns the topic that it was read from.
    #[must_use]
    pub fn topic(&self) -> Option<&str> {
        self.origin.as_ref().map(|origin| &*origin.topic)
    }

    /// Returns the number of the partition that it was read from.
    #[must_use]
    pub fn partition(&self) -> Option<i32> {
        self.origin.as_ref().map(|origin| origin.partition)
    }

    /// Returns its offset in that partition.
    #[must_use]
    pub fn offset(&self) -> Option<i64> {
        self.origin.as_ref().map(|origin| origin.offset)
    }
}
