//! Windows. `x15` is row X15 of the conformance table of window operators.
//!
//! These rows mean something else here:
//!
//! | Row | Here |
//! | --- | --- |
//! | X35 | the longest gap never ends |
//! | X37, X38 | values are taken one by one: what a batch gives is what its values give singly |
//! | X54 | of sessions that become one, `First` keeps the value of the earlier and `Last` of the later |
//! | X55 | late values are those of their streams, one output for each |
//! | X62 | the watermark of a key outlives its windows |
//!
//! These have no test, because the compiler refuses what they try: X45 and X46 (what can be collected,
//! and into what, is a matter of types).

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod combined;
mod conformance;
mod conserved;
mod empty;
mod exact;
mod expiring;
mod expiry;
mod faults;
mod firing;
mod graphs;
mod joins;
mod keep_open;
mod partitions;
mod probe;
mod properties;
mod random;
mod recovery;
mod scripted;
#[path = "../shared/mod.rs"]
mod shared;
mod soon;
mod streams;
mod support;
mod tables;
mod timed;
mod triggers;
mod two_sides;
