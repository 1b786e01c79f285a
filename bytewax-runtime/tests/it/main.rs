//! Flows run in this process.

mod execution;
