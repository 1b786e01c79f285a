//! JSON Lines files as sources and sinks.

mod sink;
mod source;

pub use sink::JsonLinesSink;
pub use source::JsonLinesSource;
