//! Errors of Kafka.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::message::Origin;
use crate::formats::Part;

/// An error of reading or writing a topic. No text contains the value of a setting that may be secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The client rejects a setting.
    #[error("the setting `{name}` cannot be used: {why}")]
    Setting {
        /// The name of the setting.
        name: String,
        /// The message of the client.
        why: String,
    },
    /// The client cannot be created from its settings.
    #[error("the client cannot be made: {why}")]
    Client {
        /// The message of the client.
        why: String,
    },
    /// No broker responds.
    #[error(
        "no broker of `{brokers}` has answered for {seconds} s: {why}; check the addresses, or wait longer with \
         `connect_timeout`"
    )]
    Unreachable {
        /// The given addresses.
        brokers: String,
        /// The time of the attempts.
        seconds: u64,
        /// The last message of the client.
        why: String,
    },
    /// The brokers reject the client.
    #[error(
        "the brokers `{brokers}` refuse the client: {why}; check the settings `security.protocol` and those that \
         begin with `sasl.` and `ssl.`"
    )]
    Refused {
        /// The given addresses.
        brokers: String,
        /// The message of the client.
        why: String,
    },
    /// A topic does not exist.
    #[error(
        "there is no topic `{topic}` on `{brokers}`, or the client may not read it; create it before the run"
    )]
    NoTopic {
        /// The topic.
        topic: String,
        /// The given addresses.
        brokers: String,
    },
    /// A partition does not exist.
    #[error("the topic `{topic}` has no partition {partition}: it has {count}, counted from 0")]
    NoPartition {
        /// The topic.
        topic: String,
        /// The requested partition.
        partition: i32,
        /// The number of partitions.
        count: usize,
    },
    /// A pattern is invalid, or matches no topic.
    #[error("the pattern `{pattern}` {why}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// The reason.
        why: String,
    },
    /// The offsets of a partition cannot be requested.
    #[error("the offsets of the topic `{topic}`, partition {partition}, cannot be found: {why}")]
    Offsets {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The message of the client.
        why: String,
    },
    /// The message at the position no longer exists.
    #[error(
        "the messages at offset {offset} of the topic `{topic}`, partition {partition}, are gone: {why}; messages may be \
         lost. To continue without them, set `on_lost_offset`"
    )]
    LostOffset {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The position to resume from.
        offset: i64,
        /// The message of the client.
        why: String,
    },
    /// A partition cannot be read; see [`KafkaSource::results`](super::KafkaSource::results) to continue.
    #[error("{0}")]
    Read(ReadError),
    /// A message cannot be written.
    #[error("the message {message} cannot be written to the topic `{topic}`: {why}")]
    Write {
        /// A short form of the message.
        message: String,
        /// The topic.
        topic: String,
        /// The message of the client.
        why: String,
    },
    /// A transaction cannot be started, written or committed.
    #[error(
        "the transaction of `{id}` failed: {why}; a resumed run writes the missing messages. If an epoch lasts \
         longer than the setting \
         `transaction.timeout.ms`, make that larger"
    )]
    Transaction {
        /// The transactional id.
        id: String,
        /// The message of the client.
        why: String,
    },
    /// Another producer has taken over the transactions.
    #[error(
        "another run writes the transactions of `{id}`: only one run of a flow may write to the brokers at a time"
    )]
    Fenced {
        /// The transactional id.
        id: String,
    },
    /// The topic of the markers cannot be used.
    #[error(
        "the topic `{topic}`, which says which transactions were committed, cannot be used: {why}; create it with one partition and \
         `cleanup.policy=compact`, or name another with `marker_topic`"
    )]
    Markers {
        /// The topic.
        topic: String,
        /// The message of the client.
        why: String,
    },
    /// The run has ended and no longer waits for the brokers.
    #[error("the run has ended before the brokers have answered")]
    Stopped,
    /// The producer cannot continue.
    #[error("the producer cannot continue: {why}")]
    Producer {
        /// The message of the client.
        why: String,
    },
}

/// The error of reading a partition at a position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadError {
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) offset: Option<i64>,
    pub(super) why: String,
}

impl ReadError {
    /// The topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The partition.
    #[must_use]
    pub fn partition(&self) -> i32 {
        self.partition
    }

    /// Returns the offset after the last message read; `None` at the beginning.
    #[must_use]
    pub fn offset(&self) -> Option<i64> {
        self.offset
    }

    /// The message of the client.
    #[must_use]
    pub fn why(&self) -> &str {
        &self.why
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            topic,
            partition,
            offset,
            why,
        } = self;
        write!(
            f,
            "the topic `{topic}`, partition {partition}, cannot be read"
        )?;
        if let Some(offset) = offset {
            write!(f, " at offset {offset}")?;
        }
        write!(f, ": {why}")
    }
}

impl std::error::Error for ReadError {}

/// The error of decoding the value or the key of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError {
    part: Part,
    origin: Option<Origin>,
    why: String,
}

impl DecodeError {
    pub(super) fn new(part: Part, origin: Option<Origin>, why: impl Into<String>) -> Self {
        Self {
            part,
            origin,
            why: why.into(),
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {}", self.part)?;
        if let Some(origin) = &self.origin {
            let Origin {
                topic,
                partition,
                offset,
            } = origin;
            write!(
                f,
                " at offset {offset} of the topic `{topic}`, partition {partition},"
            )?;
        }
        write!(f, " is not as it should be: {}", self.why)
    }
}

impl std::error::Error for DecodeError {}
