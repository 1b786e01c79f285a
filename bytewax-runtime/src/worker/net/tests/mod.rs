//! Tests of whole clusters, whose processes are threads here.

mod data;
mod mismatch;
mod rendezvous;
mod startup;
mod talk;
mod util;
