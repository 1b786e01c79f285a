//! Runtime of the crate `bytewax`.
