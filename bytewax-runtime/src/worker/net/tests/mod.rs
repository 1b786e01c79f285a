//! Tests of whole clusters, whose processes are threads here.

mod data;
mod limits;
mod mismatch;
mod rendezvous;
#[cfg(feature = "encryption")]
mod sealed;
mod startup;
mod talk;
mod util;
