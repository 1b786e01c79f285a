//! Macros of the crate `bytewax`.
