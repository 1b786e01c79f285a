//! What can go wrong with Kafka.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::message::Origin;
use crate::formats::Part;

/// Why a topic cannot be read or written. No text has the value of a setting that may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The client refuses a setting.
    #[error("the setting `{name}` cannot be used: {why}")]
    Setting {
        /// The name of the setting.
        name: String,
        /// What the client says.
        why: String,
    },
    /// The client cannot be made of its settings.
    #[error("the client cannot be made: {why}")]
    Client {
        /// What the client says.
        why: String,
    },
    /// No broker answers.
    #[error(
        "no broker of `{brokers}` has answered for {seconds} s: {why}; check the addresses, or wait longer with \
         `connect_timeout`"
    )]
    Unreachable {
        /// The addresses as they were given.
        brokers: String,
        /// How long that was tried.
        seconds: u64,
        /// What the client said last.
        why: String,
    },
    /// The brokers do not let the client in.
    #[error(
        "the brokers `{brokers}` refuse the client: {why}; check the settings `security.protocol` and those that \
         begin with `sasl.` and `ssl.`"
    )]
    Refused {
        /// The addresses as they were given.
        brokers: String,
        /// What the client says.
        why: String,
    },
    /// A topic is not there.
    #[error(
        "there is no topic `{topic}` on `{brokers}`, or the client may not read it; create it before the run"
    )]
    NoTopic {
        /// The topic.
        topic: String,
        /// The addresses as they were given.
        brokers: String,
    },
    /// A partition is not there.
    #[error("the topic `{topic}` has no partition {partition}: it has {count}, counted from 0")]
    NoPartition {
        /// The topic.
        topic: String,
        /// The partition that was asked for.
        partition: i32,
        /// How many partitions there are.
        count: usize,
    },
    /// A pattern cannot be understood, or has no topic.
    #[error("the pattern `{pattern}` {why}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong.
        why: String,
    },
    /// What a partition has to offer cannot be asked for.
    #[error("the offsets of the topic `{topic}`, partition {partition}, cannot be found: {why}")]
    Offsets {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// What the client says.
        why: String,
    },
    /// The message at the position is not there any more.
    #[error(
        "the messages at offset {offset} of the topic `{topic}`, partition {partition}, are gone: {why}; messages may be \
         lost. To go on without them, say so with `on_lost_offset`"
    )]
    LostOffset {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The position that reading was to go on at.
        offset: i64,
        /// What the client says.
        why: String,
    },
    /// A partition cannot be read; see [`KafkaSource::results`](super::KafkaSource::results) for a way to go on.
    #[error("{0}")]
    Read(ReadError),
    /// A message cannot be written.
    #[error("the message {message} cannot be written to the topic `{topic}`: {why}")]
    Write {
        /// What is written, in short.
        message: String,
        /// Where to.
        topic: String,
        /// What the client says.
        why: String,
    },
    /// A transaction cannot be begun, written or committed.
    #[error(
        "the transaction of `{id}` failed: {why}; a run that resumes writes what is missing. If an epoch lasts longer than the setting \
         `transaction.timeout.ms`, make that larger"
    )]
    Transaction {
        /// The transactional id.
        id: String,
        /// What the client says.
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
        /// What the client says.
        why: String,
    },
    /// The run has ended, and nobody waits for what the brokers say any more.
    #[error("the run has ended before the brokers have answered")]
    Stopped,
    /// The producer cannot go on.
    #[error("the producer cannot go on: {why}")]
    Producer {
        /// What the client says.
        why: String,
    },
}

/// Why a partition of a topic could not be read at a position.
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

    /// The offset behind the last message that was read; `None` if none was, from the beginning.
    #[must_use]
    pub fn offset(&self) -> Option<i64> {
        self.offset
    }

    /// What the client says.
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

/// Why the value or the key of a message cannot be read.
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
