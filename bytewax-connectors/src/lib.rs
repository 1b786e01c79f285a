//! Connectors of the crate `bytewax`: where items come from and go to, one feature a system.
//!
//! | feature | module | what it has | costs |
//! | --- | --- | --- | --- |
//! | `stdio` (default) | `stdio` | a sink that writes lines to standard output | nothing |
//! | `files` (default) | `files` | text files, and directories of them, as sources and sinks | the crates `memchr`, `glob` |
//! | `csv` | `csv` | a source of the rows of a CSV file | the crate `csv` |
//! | `demo` | `demo` | a source of numbers for first steps | nothing |
//!
//! Users take the crate `bytewax`, which shows these modules under `bytewax::connectors`.

#[cfg(feature = "csv")]
pub mod csv;
#[cfg(feature = "demo")]
pub mod demo;
#[cfg(feature = "files")]
pub mod files;
#[cfg(feature = "stdio")]
pub mod stdio;
