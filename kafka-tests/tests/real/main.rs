//! The connector to Kafka against Apache Kafka itself. `.ci/kafka` starts a broker:
//!
//! ```text
//! .ci/kafka cargo test -p kafka-tests --test real -- --include-ignored
//! ```

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod formats;
mod kills;
mod orders;
mod outages;
mod sink;
mod source;
mod transactions;
mod util;
