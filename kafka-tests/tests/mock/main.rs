//! The connector to Kafka against a cluster that the client plays itself. It cannot show what transactions are; see
//! the tests in `real`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod faults;
mod poison;
mod program;
mod sink;
mod source;
mod statistics;
mod template;
mod util;
