//! Stores with a backup.

mod ahead;
mod cluster;
mod fence;
mod formats;
mod kept;
mod memory;
mod places;
mod refusals;
mod savepoints;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::*;
use crate::kit::ResumePolicy::{self, Allow};
use cluster::{Change, Cluster, MACHINES, Op, ops, state};

use memory::{Call, Memory};

/// All partitions of a flow in a directory, made what a backup says they are.
fn restored(backup: &Arc<dyn Backup>, dir: &Path, flow: &str) -> Result<Restored, Error> {
    let parts = shared_parts(&**backup, dir, flow, Share::ALL)?;
    restore(backup, flow, lock_all(parts)?)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn what_was_reported_is_restored_anywhere(
        partitions in 1_u32..6,
        processes in 1..=MACHINES,
        ops in ops(),
    ) {
        let mut cluster = Cluster::new(partitions, processes);
        ops.into_iter().for_each(|op| cluster.apply(op));
        for lost in [[false; MACHINES], [true; MACHINES]] {
            cluster.apply(Op::Kill { changes: Vec::new(), objects: 2, processes: 1, lost });
        }
        let report = verify(&[cluster.dirs[0].path()]).unwrap();
        prop_assert!(report.problems.is_empty(), "{:?}", report.problems);
    }
}

#[test]
fn what_is_replaced_is_removed() {
    let mut cluster = Cluster::new(2, 1);
    for epoch in 0..200_u8 {
        let changes = (0..20).map(|key| state(key, epoch)).collect();
        cluster.apply(Op::Epoch(changes));
        cluster.apply(Op::Collect(0));
    }
    let lost = [true; MACHINES];
    cluster.apply(Op::Kill {
        changes: Vec::new(),
        objects: 99,
        processes: 2,
        lost,
    });
    let names = cluster.backup.names();
    assert!(names.len() < 60, "{names:?}");
    // A base of several pieces.
    assert!(
        names
            .iter()
            .any(|name| name.ends_with(".base-1-00001-last"))
    );
}
