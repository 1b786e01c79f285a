//! CSV files as sources and sinks.

mod cells;
mod dialect;
mod row;
mod rows;
mod sink;
mod source;

pub use row::{CsvRow, RowError};
pub use rows::Typed;
pub use sink::CsvSink;
pub use source::CsvSource;
