//! Connectors of the crate `bytewax`.
