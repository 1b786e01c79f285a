//! Whole flows over connectors.

#[cfg(feature = "csv")]
mod csv;
#[cfg(feature = "files")]
mod directories;
#[cfg(feature = "files")]
mod files;
#[cfg(feature = "files")]
mod follow;
#[cfg(feature = "files")]
mod kit;
#[cfg(feature = "files")]
mod sinks;
#[cfg(feature = "stdio")]
mod stdio;
#[cfg(feature = "files")]
mod unended;
#[cfg(feature = "files")]
mod watch;
