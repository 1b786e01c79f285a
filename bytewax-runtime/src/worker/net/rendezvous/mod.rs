//! Starts the processes of a cluster on this machine.
//!
//! `-p N` makes a process the parent of N more, which run the same program with the same arguments. Each
//! child listens on a port that the system chooses and reports it to the parent, which sends all ports to all
//! children. The connection between parent and child stays: its end shows the child that the parent is gone.

mod child;
mod reports;
mod spawner;
mod variable;

pub(crate) use child::{Child, child};
pub(crate) use spawner::{SpawnOutcome, spawn_processes};

/// Reads bytes as what a parent reads from its children, and a child from its parent.
#[cfg(feature = "recovery")]
pub(super) fn fuzz(bytes: &[u8]) {
    let _ = serde_json::from_slice::<child::Report>(bytes);
    let _ = serde_json::from_slice::<child::Cause>(bytes);
    let _ = serde_json::from_slice::<Vec<String>>(bytes);
}

#[cfg(test)]
pub(super) use spawner::Program;
