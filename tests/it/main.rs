//! The crate `bytewax` as its users see it.

mod delivery;
mod faults;
mod files;
mod operators;
mod orders;
mod readme;
mod recovery;
mod registry;
mod renaming;
mod stores;
