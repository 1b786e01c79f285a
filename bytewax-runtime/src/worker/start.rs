//! The agreement of the workers of a cluster before the flow is built: the workers of partitions and keys,
//! and the first epoch.

use std::rc::Rc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use timely::worker::Worker;

use super::agreed::begin;
use super::assign::{Reachable, assign, reachable};
use super::gather::exchange;
use super::run::Job;
use super::store::{self, Agreed, Found, Store};
use crate::error::RunError;
use crate::flow::Graph;
use crate::key::SlotOwners;
use crate::kit::WorkerCx;
use crate::recovery::{
    PartitionState, RecoveryConfig, beginnings, check_complete, describe_resume, most_workers,
    resume,
};

/// The message of one worker to all others.
#[derive(Serialize, Deserialize)]
struct Hello {
    reachable: Vec<Reachable>,
    /// The recovery partitions that it has read.
    store: Vec<PartitionState>,
    now: DateTime<Utc>,
}

/// Applies the agreement of the workers, and returns the store, if there is one. Returns `Ok(None)` if the
/// run stops in the meantime, or only had to check whether it could begin.
pub(super) fn agree(
    worker: &mut Worker,
    cx: &WorkerCx,
    job: &Job,
) -> Result<Option<Option<Rc<Store>>>, RunError> {
    let mut taken = None;
    if let Some(config) = &job.recovery {
        taken = store::take(worker, cx, &job.graph.name, config)?;
        if taken.is_none() {
            return Ok(None);
        }
    }
    let states = taken
        .as_mut()
        .map(|taken| std::mem::take(&mut taken.states));
    let hello = Hello {
        reachable: reachable(cx, &job.graph)?,
        store: states.unwrap_or_default(),
        now: cx.clock.now(),
    };
    let Some(all) = exchange(worker, cx, &hello)? else {
        return Ok(None);
    };
    let lists: Vec<Vec<Reachable>> = all.iter().map(|hello| hello.reachable.clone()).collect();
    let assignments = assign(&lists);

    let mut owners = SlotOwners::spread(cx.count);
    let mut store = None;
    if let (Some(config), Some(taken)) = (&job.recovery, taken) {
        let agreed = agree_on_store(config, &job.graph, &all)?;
        let by_partition = &taken.owners;
        owners =
            SlotOwners::from_fn(|slot| by_partition[agreed.count.partition_of(slot).0 as usize]);
        let (readers, found) =
            store::found(&taken.parts, agreed.resume.epoch).map_err(RunError::recovery)?;
        let Some(all) = exchange::<Found>(worker, cx, &found)? else {
            return Ok(None);
        };
        let opened = store::open(cx, &job.graph, config, taken, readers, &agreed, all)?;
        if config.is_trial() {
            return Ok(None);
        }
        if cx.index.0 == 0 {
            let epoch = agreed.resume.epoch.0;
            tracing::info!(epoch, "{}", agreed.told);
        }
        if cx.index.0 == 0
            && let Some(unlocked) = job.graph.unlocked()
        {
            tracing::warn!("{unlocked}");
        }
        store = Some(Rc::new(opened));
    }
    begin(cx, store.as_ref(), owners, assignments);
    Ok(Some(store))
}

/// Checks the partitions of the whole cluster and determines the first epoch.
fn agree_on_store(
    config: &RecoveryConfig,
    graph: &Graph,
    all: &[Hello],
) -> Result<Agreed, RunError> {
    let states: Vec<PartitionState> = all.iter().flat_map(|hello| hello.store.clone()).collect();
    check_complete(&states, &graph.name).map_err(RunError::recovery)?;
    let resume = resume(&states).map_err(RunError::recovery)?;
    let allowed = config.check_policy(&resume, &states);
    allowed.map_err(RunError::recovery)?;
    let (Some(first), Some(hello)) = (states.first(), all.first()) else {
        unreachable!("a store without partitions is refused");
    };
    Ok(Agreed {
        resume,
        count: first.meta.count,
        started_at: hello.now,
        earlier: beginnings(&states),
        most_workers: most_workers(&states),
        told: describe_resume(&resume, &states, Utc::now()),
    })
}
