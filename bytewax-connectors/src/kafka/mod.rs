//! Apache Kafka topics as sources and sinks.
//!
//! | | |
//! | --- | --- |
//! | [`KafkaSource`] | reads topics, from positions in a recovery store |
//! | [`KafkaSink`] | writes messages to a topic, or each to its own topic |
//! | [`KafkaMessage`] | the items of both: key, value, headers, time |
//! | [`KafkaStatistics`] | the reports of clients: lag, queues, throughput |
//! | [`KafkaStream`] | converts keys and values to other types, and back, with [formats](crate::formats) |
//!
//! The client is librdkafka, which the crate `rdkafka` compiles: it needs a C compiler and make. The feature
//! `kafka-ssl` adds TLS and the login methods that need it, and `kafka-zstd` the compression zstd.
//!
//! # Examples
//!
//! ```no_run
//! use bytewax_connectors::kafka::{KafkaMessage, KafkaSink, KafkaSource};
//! use bytewax_runtime::prelude::*;
//! use bytewax_runtime::testing::run_main;
//!
//! let flow = Dataflow::build("shout", |flow| {
//!     let words = flow.input(KafkaSource::new("localhost:9092", ["words"])).named("words");
//!     let loud = words.map(|word| {
//!         let text = String::from_utf8_lossy(word.value_bytes()).to_uppercase();
//!         KafkaMessage::new(text)
//!     });
//!     loud.output(KafkaSink::new("localhost:9092", "loud_words")).named("out");
//! });
//! run_main(flow).unwrap(); // Until it is stopped.
//! ```

mod context;
mod error;
mod json;
mod message;
mod operators;
mod settings;
mod sink;
mod source;
mod statistics;

pub use error::{DecodeError, Error, ReadError};
pub use message::KafkaMessage;
pub use operators::{KafkaStream, Tried};
pub use sink::{
    Append, KafkaRejectingWriter, KafkaSink, KafkaSinkPartition, KafkaWriter, Transactional,
};
pub use source::{Answer, KafkaPartition, KafkaPosition, KafkaSource, LostOffset, Results, Strict};
pub use statistics::{KafkaStatistics, PartitionStatistics};
