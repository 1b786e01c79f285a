//! Runtime of the crate `bytewax`.

#[allow(
    dead_code,
    unused_imports,
    reason = "the router and the state tables will use the rest"
)]
pub mod key;
