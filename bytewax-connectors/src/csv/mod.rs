//! CSV files as sources.

mod error;
mod input;
mod reading;
mod row;
mod source;

pub use error::{Error, RowError};
pub use reading::CsvSourcePartition;
pub use row::CsvRow;
pub use source::CsvSource;
