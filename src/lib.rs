//! Stateful stream processing as a library.
