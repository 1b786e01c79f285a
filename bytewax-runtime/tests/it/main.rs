//! Flows run in this process.

mod cluster;
mod execution;
