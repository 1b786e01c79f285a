//! Formats of keys and values, and a registry of schemas that the tests play themselves.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod avro;
mod faults;
mod flows;
mod protobuf;
mod real;
mod util;
