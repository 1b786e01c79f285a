//! Locks the partitions of a store for a cluster: all of them, or none.
//!
//! 1. One worker of each process searches for partitions, and reports its findings. All workers then know the
//!    worker of each partition.
//! 2. The worker of partition 0 locks it; then all others lock theirs. Every other user of the store also
//!    starts with partition 0, so of two clusters one gets all.
//! 3. When all are locked, the first worker takes over the backup, if there is one. This ends the run that
//!    had it before.
//! 4. Only then are the partitions read. Those that are ahead of the backup are refused, before any is reset to
//!    it. They stay locked until their writers have ended.
//!
//! A worker that cannot lock a partition stops the run, which releases all locks.

use std::ops::ControlFlow;

use timely::worker::Worker;

use crate::error::RunError;
use crate::ids::StepIndex;
use crate::kit::WorkerCx;
use crate::recovery::{
    Error, LockedPartition, PartitionFile, PartitionIndex, PartitionState, RecoveryConfig,
    Restored, Term, Uploads, check_complete, compare, lock_all,
};
use crate::worker::assign::{Reachable, assign};
use crate::worker::gather::exchange;

/// The locked partitions of a worker.
#[derive(Debug)]
pub(in crate::worker) struct Taken {
    /// The worker of each partition.
    pub(in crate::worker) owners: Vec<usize>,
    pub(in crate::worker) parts: Vec<LockedPartition>,
    pub(in crate::worker) uploads: Option<Uploads>,
    /// The states that this worker has read; at least one worker reports the state of each partition.
    pub(in crate::worker) states: Vec<PartitionState>,
}

/// Locks the partitions of this worker; returns `None` if the run stops in the meantime.
pub(in crate::worker) fn take(
    worker: &mut Worker,
    cx: &WorkerCx,
    flow: &str,
    config: &RecoveryConfig,
) -> Result<Option<Taken>, RunError> {
    let Some(found) = find(worker, cx, flow, config)? else {
        return Ok(None);
    };
    let all: Vec<PartitionFile> = found.iter().flatten().cloned().collect();
    check_complete(&all, flow).map_err(RunError::recovery)?;
    let owners = owners(&found, all.len());
    let mine = |part: &PartitionFile| owners.get(part.meta.index.0 as usize) == Some(&cx.index.0);
    let here = &found[cx.index.0];
    let (first, rest): (Vec<_>, Vec<_>) = here
        .iter()
        .filter(|part| mine(part))
        .cloned()
        .partition(|part| part.meta.index == PartitionIndex(0));

    let mut parts = lock_all(first).map_err(RunError::recovery)?;
    if exchange(worker, cx, &())?.is_none() {
        return Ok(None);
    }
    parts.extend(lock_all(rest).map_err(RunError::recovery)?);
    if exchange(worker, cx, &())?.is_none() {
        return Ok(None);
    }

    let mut term: Option<Term> = None;
    if cx.index.0 == 0 {
        term = config.take_over(flow).map_err(RunError::recovery)?;
    }
    let Some(terms) = exchange(worker, cx, &term)? else {
        return Ok(None);
    };
    let term = terms.into_iter().next().flatten();
    let (parts, uploads) = match (config.the_backup(), term) {
        (Some(backup), Some(term)) => {
            let compared = compare(backup, flow, parts).map_err(RunError::recovery)?;
            if exchange(worker, cx, &())?.is_none() {
                return Ok(None);
            }
            let Restored { parts, logs } = compared.restore().map_err(RunError::recovery)?;
            (parts, Some(logs.in_term(term)))
        }
        _ => (parts, None),
    };
    let states = if config.has_backup() {
        parts.iter().map(LockedPartition::state).collect()
    } else if leads(cx) {
        // This includes those that others have locked: they may be copies on another machine.
        here.iter().map(PartitionFile::state).collect()
    } else {
        Ok(Vec::new())
    };
    Ok(Some(Taken {
        owners,
        parts,
        uploads,
        states: states.map_err(RunError::recovery)?,
    }))
}

/// Returns the first worker of a process.
fn leader(cx: &WorkerCx, worker: usize) -> usize {
    let workers = cx.shared.workers_here().max(1);
    worker / workers * workers
}

fn leads(cx: &WorkerCx) -> bool {
    leader(cx, cx.index.0) == cx.index.0
}

/// Returns the partitions that each worker can reach.
fn find(
    worker: &mut Worker,
    cx: &WorkerCx,
    flow: &str,
    config: &RecoveryConfig,
) -> Result<Option<Vec<Vec<PartitionFile>>>, RunError> {
    if config.has_backup() {
        return Ok(match make(worker, cx, flow, config)? {
            ControlFlow::Break(()) => None,
            ControlFlow::Continue(()) => {
                let share = config.share(flow, cx.index.0, cx.count);
                exchange(worker, cx, &share.map_err(RunError::recovery)?)?
            }
        });
    }
    let Some(mut found) = look(worker, cx, config)? else {
        return Ok(None);
    };
    if found.iter().all(Vec::is_empty) {
        if make(worker, cx, flow, config)?.is_break() {
            return Ok(None);
        }
        match look(worker, cx, config)? {
            Some(again) => found = again,
            None => return Ok(None),
        }
    }
    config.check_directories().map_err(RunError::recovery)?;
    // All workers of a process reach the same.
    let of = |worker| found[leader(cx, worker)].clone();
    Ok(Some((0..cx.count).map(of).collect()))
}

/// Lets the first worker create the store, or start the backup. The others wait for it before they search.
fn make(
    worker: &mut Worker,
    cx: &WorkerCx,
    flow: &str,
    config: &RecoveryConfig,
) -> Result<ControlFlow<()>, RunError> {
    if cx.index.0 == 0 {
        let made = config.make_on_first_use(flow, cx.count);
        made.map_err(RunError::recovery)?;
    }
    Ok(match exchange(worker, cx, &())? {
        Some(_) => ControlFlow::Continue(()),
        None => ControlFlow::Break(()),
    })
}

/// Returns the findings of the first worker of each process.
fn look(
    worker: &mut Worker,
    cx: &WorkerCx,
    config: &RecoveryConfig,
) -> Result<Option<Vec<Vec<PartitionFile>>>, RunError> {
    let found: Result<_, Error> = match leads(cx) {
        true => config.find(),
        false => Ok(Vec::new()),
    };
    exchange(worker, cx, &found.map_err(RunError::recovery)?)
}

/// Returns the worker of each of `count` partitions.
fn owners(found: &[Vec<PartitionFile>], count: usize) -> Vec<usize> {
    // The names are in the order of the numbers.
    let name = |PartitionIndex(index): PartitionIndex| format!("{index:04}");
    let list = |parts: &Vec<PartitionFile>| {
        let partitions = parts.iter().map(|part| name(part.meta.index)).collect();
        vec![Reachable {
            step: 0,
            partitions,
        }]
    };
    let lists: Vec<_> = found.iter().map(list).collect();
    let mut owners = vec![0; count];
    for (name, owner) in assign(&lists)
        .remove(&StepIndex(0))
        .unwrap_or_default()
        .partitions
    {
        let index = name.parse::<usize>().ok();
        if let Some(place) = index.and_then(|index| owners.get_mut(index)) {
            *place = owner.0;
        }
    }
    owners
}
