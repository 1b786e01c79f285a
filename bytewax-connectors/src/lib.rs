//! Connectors of the crate `bytewax`: where items come from and go to, one feature a system.
//!
//! | feature | module | what it has | costs |
//! | --- | --- | --- | --- |
//! | `stdio` (default) | `stdio` | a sink that writes lines to standard output | nothing |
//! | `files` (default) | `files` | a source of the lines of a text file | the crate `memchr` |
//!
//! Users take the crate `bytewax`, which shows these modules under `bytewax::connectors`.

#[cfg(feature = "files")]
pub mod files;
#[cfg(feature = "stdio")]
pub mod stdio;
