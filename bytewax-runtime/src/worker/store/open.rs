//! Opens the store: collects the findings of each worker, and computes their agreement. Writes nothing.

use std::cell::{Cell, OnceCell};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::begin::Unbegun;
use super::check::{check, learned, learned_versions, other_settings};
use super::samples;
use super::take::Taken;
use super::{Store, WriterProgress};
use crate::error::RunError;
use crate::flow::Graph;
use crate::ids::{Epoch, StepId, StepIndex};
use crate::kit::WorkerCx;
use crate::kit::meter::StoreMeter;
use crate::recovery::{
    Error, Execution, LockedPartition, PartitionCount, PartitionIndex, PartitionReader, Position,
    RecoveryConfig, Resume, SavedKind, SavedVersion, StepMeta, StepPlace, newest_positions,
};
use crate::state::MemoryLimit;

/// The agreement of all workers about the partitions.
pub(in crate::worker) struct Agreed {
    pub(in crate::worker) resume: Resume,
    pub(in crate::worker) count: PartitionCount,
    /// By the clock of the first worker.
    pub(in crate::worker) started_at: DateTime<Utc>,
    /// The earlier executions: the first epoch of each, and its time.
    pub(in crate::worker) earlier: Vec<(Epoch, DateTime<Utc>)>,
    /// The maximum number of workers of any of them.
    pub(in crate::worker) most_workers: usize,
    /// A message about the resume.
    pub(in crate::worker) told: String,
}

/// The findings of one worker in its partitions, sent to all workers.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(in crate::worker) struct Found {
    steps: Vec<StepMeta>,
    /// All steps of earlier runs, with or without saved state.
    known: Vec<StepId>,
    positions: Vec<Position>,
    /// The steps whose states were all read, because the store did not record their versions.
    read_through: Vec<StepId>,
}

pub(in crate::worker) type Readers = BTreeMap<PartitionIndex, PartitionReader>;

/// Reads the partitions of this worker, except for the states of keys.
pub(in crate::worker) fn found(
    parts: &[LockedPartition],
    resume: Epoch,
) -> Result<(Readers, Found), Error> {
    let mut readers = Readers::new();
    let mut found = Found::default();
    for part in parts {
        let reader = part.reader()?;
        let positions = reader.load_positions(resume)?;
        for step in reader.steps() {
            found.known.push(step.id.clone());
            let has_position = positions.iter().any(|position| position.step == step.id);
            if has_position || !reader.slots(&step.id, resume)?.is_empty() {
                let mut step = step.clone();
                // Version 1 has no older versions.
                if !step.lists_versions() && step.version > 1 {
                    let versions = reader.read_versions(&step.id, resume)?;
                    step = step.with_versions(&versions);
                    found.read_through.push(step.id.clone());
                }
                found.steps.push(step);
            }
        }
        found.positions.extend(positions);
        readers.insert(part.meta().index, reader);
    }
    Ok((readers, found))
}

/// Refuses locked partitions, which are those of a whole store, with state that a flow cannot continue.
pub(crate) fn check_locked(
    graph: &Graph,
    dirs: &str,
    parts: &[LockedPartition],
    resume: Epoch,
) -> Result<(), RunError> {
    let (readers, found) = found(parts, resume).map_err(RunError::recovery)?;
    let saved = Saved::new(found.steps, found.known);
    saved.check(graph, dirs, &readers, resume)
}

/// The steps of a store.
struct Saved {
    /// Those with saved state.
    steps: Vec<StepMeta>,
    /// All of earlier runs.
    known: Vec<StepId>,
}

impl Saved {
    fn new(mut steps: Vec<StepMeta>, mut known: Vec<StepId>) -> Self {
        steps.sort_unstable();
        steps.dedup();
        known.sort_unstable();
        known.dedup();
        Self { steps, known }
    }

    /// Refuses state that a flow cannot continue.
    fn check(
        &self,
        graph: &Graph,
        dirs: &str,
        readers: &Readers,
        resume: Epoch,
    ) -> Result<(), RunError> {
        let Self { steps, known } = self;
        check(graph, steps, known, dirs)?;
        samples::check(graph, steps, |step| {
            let mut entries = Vec::new();
            for reader in readers.values() {
                let few = reader.few_entries(step, resume);
                entries.extend(few.map_err(RunError::recovery)?);
            }
            Ok(entries)
        })
    }
}

/// Accepts or refuses the findings of all workers. Nothing is written before [`begin`](Store::begin).
pub(in crate::worker) fn open(
    cx: &WorkerCx,
    graph: &Graph,
    config: &RecoveryConfig,
    taken: Taken,
    readers: Readers,
    agreed: &Agreed,
    all: Vec<Found>,
) -> Result<Store, RunError> {
    let (mut steps, mut known): (Vec<StepMeta>, Vec<StepId>) = (Vec::new(), Vec::new());
    let (mut positions, mut read_through) = (Vec::new(), Vec::new());
    for found in all {
        steps.extend(found.steps);
        known.extend(found.known);
        positions.extend(found.positions);
        read_through.extend(found.read_through);
    }
    let resume = agreed.resume.epoch;
    let saved = Saved::new(steps, known);
    saved.check(graph, &config.dirs_as_arguments(), &readers, resume)?;
    let Saved { steps, .. } = saved;

    let (places, metas) = saving_steps(graph);
    let metas = metas.into_iter().map(|meta| {
        let found = steps.iter().filter(|found| found.id == meta.id);
        let versions: Vec<SavedVersion> = found.flat_map(StepMeta::versions).collect();
        meta.with_versions(&versions)
    });
    let metas = metas.collect();
    let mut learned = learned(graph, &steps);
    learned.extend(learned_versions(&steps, &read_through));
    let Taken { parts, uploads, .. } = taken;
    let unbegun = Unbegun {
        parts,
        uploads,
        execution: execution(cx, agreed),
        dropped: graph.dropped.iter().map(|step| step.id.clone()).collect(),
        metas,
        told: [learned, other_settings(graph, &steps)].concat(),
    };
    let mut by_step: HashMap<StepId, BTreeMap<String, Vec<u8>>> = HashMap::new();
    for position in newest_positions(positions) {
        let of_step = by_step.entry(position.step).or_default();
        of_step.insert(position.partition, position.bytes);
    }
    let meter = &cx.shared.meter;
    meter.execution.set(execution(cx, agreed).number.0 as i64);
    let meters = readers.keys().map(|partition| {
        let of_partition = Arc::new(StoreMeter::new(partition.0, cx.index));
        meter.add_store(&of_partition);
        (*partition, of_partition)
    });
    Ok(Store {
        meters: meters.collect(),
        clock: cx.clock.clone(),
        resume,
        count: agreed.count,
        readers,
        unbegun: Cell::new(Some(unbegun)),
        writer: OnceCell::new(),
        places,
        positions: by_step,
        progress: WriterProgress::new(Epoch(resume.0.saturating_sub(1))),
        memory: memory_limit(config, cx),
        snapshot_mode: config.mode(),
        kept_for: config.kept_for(),
        earlier: agreed.earlier.clone(),
        most_workers: agreed.most_workers,
        started_at: agreed.started_at,
    })
}

/// Returns the memory limit of the states on this worker.
fn memory_limit(config: &RecoveryConfig, cx: &WorkerCx) -> Option<Rc<MemoryLimit>> {
    let bytes = usize::try_from(config.memory()?).unwrap_or(usize::MAX);
    let workers = cx.shared.workers_here();
    Some(Rc::new(MemoryLimit::new(bytes, workers)))
}

/// Returns the execution that all workers have agreed on.
fn execution(cx: &WorkerCx, agreed: &Agreed) -> Execution {
    Execution {
        number: agreed.resume.execution,
        resume: agreed.resume.epoch,
        workers: u32::try_from(cx.count).unwrap_or(u32::MAX),
        processes: u32::try_from(cx.count / cx.shared.workers_here().max(1)).unwrap_or(u32::MAX),
        started_at: agreed.started_at,
    }
}

/// Returns the steps of a flow that save data, with their places in the list.
pub(super) fn saving_steps(graph: &Graph) -> (HashMap<StepIndex, StepPlace>, Vec<StepMeta>) {
    let mut places = HashMap::new();
    let mut metas = Vec::new();
    for (index, step) in graph.steps.iter().enumerate() {
        let (Some(schema), Some(kind)) = (graph.schema(step), SavedKind::of(step.kind)) else {
            continue;
        };
        places.insert(StepIndex(index as u32), StepPlace(metas.len()));
        metas.push(StepMeta {
            id: step.id.clone(),
            kind,
            schema: schema.text(),
            version: schema.state.version,
            fingerprint: schema.state.fingerprint,
        });
    }
    (places, metas)
}
