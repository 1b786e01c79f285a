//! What the workers of a cluster agree on before the flow is built: who reads and writes which
//! partitions, who keeps which keys, and where the execution begins.

use std::rc::Rc;

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use timely::worker::Worker;

use super::assign::{Reachable, assign};
use super::gather::gather;
use super::run::Job;
use super::store::{self, Agreed, Found, Store};
use crate::codec;
use crate::error::{RunError, RunErrorKind, StepError};
use crate::flow::Graph;
use crate::guard::guard;
use crate::ids::{Epoch, StepIndex};
use crate::key::SlotOwners;
use crate::kit::{Assignment, Plan, WorkerCx};
use crate::recovery::{
    PartitionFile, PartitionIndex, PartitionState, Reached, RecoveryConfig, check_complete, resume,
};

/// In the place of a step, the partitions of the recovery store.
const RECOVERY: u32 = u32::MAX;

/// What one worker tells all others.
#[derive(Serialize, Deserialize)]
struct Hello {
    reachable: Vec<Reachable>,
    /// The recovery partitions that it can reach.
    store: Vec<PartitionState>,
    now: DateTime<Utc>,
}

/// Sets what the workers agree on, and gives the store, if there is one; `Ok(None)` when the run stops
/// meanwhile.
pub(super) fn agree(
    worker: &mut Worker,
    cx: &WorkerCx,
    job: &Job,
) -> Result<Option<Option<Rc<Store>>>, RunError> {
    let config = job.recovery.as_ref();
    if let Some(config) = config {
        if cx.index.0 == 0 {
            let made = config.make_on_first_use(&job.graph.name, cx.count);
            made.map_err(RunError::recovery)?;
        }
        // The others do not look before it is there.
        if tell_all(worker, cx, &())?.is_none() {
            return Ok(None);
        }
    }
    let reach = |config: &RecoveryConfig| config.reach(&job.graph.name, cx.index.0, cx.count);
    let reached = config.map(reach).transpose().map_err(RunError::recovery)?;
    let Reached {
        parts: files,
        uploads,
    } = reached.unwrap_or_default();
    let hello = Hello {
        reachable: reachable(cx, &job.graph, &files)?,
        store: files
            .iter()
            .map(PartitionFile::state)
            .collect::<Result<_, _>>()
            .map_err(RunError::recovery)?,
        now: cx.clock.now(),
    };
    let Some(all) = tell_all(worker, cx, &hello)? else {
        return Ok(None);
    };
    let lists: Vec<Vec<Reachable>> = all.iter().map(|hello| hello.reachable.clone()).collect();
    let assignments = assign(&lists);

    let mut owners = SlotOwners::spread(cx.count);
    let mut store = None;
    if let Some(config) = config {
        let partitions = assignments.get(&StepIndex(RECOVERY));
        let Some((agreed, by_partition)) = agree_on_store(&job.graph, &all, partitions)? else {
            unreachable!("a store without partitions is refused");
        };
        owners =
            SlotOwners::from_fn(|slot| by_partition[agreed.count.partition_of(slot).0 as usize]);
        let mine: Vec<PartitionFile> = files
            .into_iter()
            .filter(|file| by_partition[file.meta.index.0 as usize] == cx.index.0)
            .collect();
        let (readers, found) =
            store::found(&mine, agreed.resume.epoch).map_err(RunError::recovery)?;
        let Some(all) = tell_all::<Found>(worker, cx, &found)? else {
            return Ok(None);
        };
        let opened = store::open(
            cx, &job.graph, config, &mine, readers, uploads, &agreed, all,
        )?;
        store = Some(Rc::new(opened));
    }
    begin(cx, store.clone(), owners, assignments);
    Ok(Some(store))
}

fn begin(
    cx: &WorkerCx,
    store: Option<Rc<Store>>,
    owners: SlotOwners,
    assignments: std::collections::HashMap<StepIndex, Assignment>,
) {
    let first = store.as_ref().map_or(Epoch::FIRST, |store| store.resume);
    cx.epochs.start(first);
    cx.shared.start_epoch(first);
    let set = cx.assignments.set(assignments).is_ok()
        && cx.owners.set(Rc::new(owners)).is_ok()
        && store.is_none_or(|store| cx.store.set(store).is_ok());
    assert!(set, "a worker builds its flow once");
}

/// Tells all workers something, and hears it of all; `None` when the run stops meanwhile.
fn tell_all<T: Serialize + DeserializeOwned>(
    worker: &mut Worker,
    cx: &WorkerCx,
    mine: &T,
) -> Result<Option<Vec<T>>, RunError> {
    let internal = |error| RunError::new(RunErrorKind::Network, format!("{error}"));
    let mut bytes = Vec::new();
    codec::encode_wire(mine, &mut bytes).map_err(internal)?;
    let Some(all) = gather(worker, &cx.shared, bytes) else {
        return Ok(None);
    };
    let decode = |bytes: &Vec<u8>| codec::decode_wire(bytes).map_err(internal);
    all.iter().map(decode).collect::<Result<_, _>>().map(Some)
}

/// The partitions that this worker can reach, of all steps that have any and of the store.
fn reachable(
    cx: &WorkerCx,
    graph: &Graph,
    store: &[PartitionFile],
) -> Result<Vec<Reachable>, RunError> {
    let mut reachable = Vec::new();
    for (index, step) in graph.steps.iter().enumerate() {
        cx.enter(StepIndex(index as u32));
        let listed = guard(|| {
            let listed = match &step.plan {
                Plan::Stage(_) => None,
                Plan::Head(plan) => plan.partitions(),
                Plan::Source(plan) => plan.partitions(),
            };
            let failed = |error: StepError| RunError::step("cannot list the partitions", error);
            listed.transpose().map_err(failed)
        });
        if let Some(partitions) = listed.map_err(|error| cx.locate(error))? {
            reachable.push(Reachable {
                step: index as u32,
                partitions,
            });
        }
    }
    cx.leave();
    if !store.is_empty() {
        reachable.push(Reachable {
            step: RECOVERY,
            partitions: store.iter().map(|file| name(file.meta.index)).collect(),
        });
    }
    Ok(reachable)
}

/// A name for a recovery partition; the names are in order of the numbers.
fn name(PartitionIndex(index): PartitionIndex) -> String {
    format!("{index:04}")
}

/// Checks the partitions of the whole cluster: where to begin, and the worker of each partition.
fn agree_on_store(
    graph: &Graph,
    all: &[Hello],
    assigned: Option<&Assignment>,
) -> Result<Option<(Agreed, Vec<usize>)>, RunError> {
    let states: Vec<PartitionState> = all.iter().flat_map(|hello| hello.store.clone()).collect();
    check_complete(&states, &graph.name).map_err(RunError::recovery)?;
    let resume = resume(&states).map_err(RunError::recovery)?;
    let (Some(first), Some(assigned), Some(hello)) = (states.first(), assigned, all.first()) else {
        return Ok(None);
    };
    let count = first.meta.count;
    let mut owners = vec![0; count.get() as usize];
    for index in count.indices() {
        let named = name(index);
        let owner = assigned.partitions.iter().find(|(name, _)| *name == named);
        if let Some((_, owner)) = owner {
            owners[index.0 as usize] = owner.0;
        }
    }
    let agreed = Agreed {
        resume,
        count,
        started_at: hello.now,
    };
    Ok(Some((agreed, owners)))
}
