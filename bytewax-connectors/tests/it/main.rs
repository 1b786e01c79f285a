//! Whole flows over connectors.

#[cfg(feature = "files")]
mod files;
#[cfg(feature = "stdio")]
mod stdio;
