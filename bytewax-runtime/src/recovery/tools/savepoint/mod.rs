//! Copies a store while a run continues.
//!
//! The process that is asked for it *coordinates* the savepoint. All processes of the cluster take part, in steps:
//!
//! 1. *Hold*: a process removes nothing from its partitions, and keeps a view of them as they are now.
//! 2. *Copy*: it copies those that are its part, as of the same epoch, to drafts.
//! 3. *Publish*: when the drafts of all processes are complete, it gives its own their names.
//! 4. *Release*: it continues as before, and removes drafts that were not published.
//!
//! Until the drafts are complete, there is no savepoint, and the next one of the same name begins anew. Afterwards, no
//! part is lost, whichever process is killed: the next request of the same name publishes the rest. A run on a
//! savepoint of which a part has no name yet is refused, because partitions are missing.
//!
//! With a backup, the processes only hold: the coordinator copies the objects of the backup (`backup/savepoint.rs`).

mod own;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::thread;

use serde::{Deserialize, Serialize};

pub(crate) use own::Own;

use super::LOOKS;
use super::repartition::History;
use crate::ids::Epoch;
use crate::recovery::error::Error;
use crate::recovery::parts::{Meta, PartitionIndex, PartitionState, StoreId};
use crate::recovery::resume::{check_complete, resume};
use crate::recovery::sql;

/// A copy of a run's store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Savepoint {
    /// What to tell about its place.
    pub(crate) place: String,
    /// The last epoch in it.
    pub(crate) epoch: Epoch,
    pub(crate) partitions: usize,
}

/// What a process does for a savepoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Step {
    Hold {
        name: String,
    },
    Copy(Plan),
    Publish {
        store: StoreId,
    },
    Release {
        /// The store of drafts that will not be published.
        unpublished: Option<StoreId>,
    },
}

/// What it answers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    Held(Held),
    Done,
    /// Another savepoint is in progress there.
    Busy,
    Failed(String),
}

/// What a process has.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Held {
    /// The partitions in its directories, as they are now.
    states: Vec<PartitionState>,
    /// The partitions of a savepoint of this name.
    published: Vec<Meta>,
    /// The complete drafts of one.
    drafts: Vec<Meta>,
}

/// What is copied, and by which process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// The identity of the new store.
    store: StoreId,
    /// The first epoch that is not in it.
    before: Epoch,
    /// The process that copies each partition.
    owners: BTreeMap<PartitionIndex, usize>,
    history: History,
}

/// Lets all other processes take a step; returns their replies, by process.
pub(crate) type Others<'a> = &'a (dyn Fn(&Step) -> Result<Vec<(usize, Reply)>, Error> + Sync);

/// Lets all other processes take a step that has to succeed.
fn ask(others: Others<'_>, step: &Step) -> Result<Vec<(usize, Held)>, Error> {
    let mut held = Vec::new();
    for (process, reply) in others(step)? {
        match reply {
            Reply::Held(found) => held.push((process, found)),
            Reply::Done => {}
            Reply::Busy => return Err(Error::SavepointInProgress),
            Reply::Failed(text) => return Err(Error::OfProcess { process, text }),
        }
    }
    Ok(held)
}

/// Lets the other processes remove nothing from the store meanwhile.
#[cfg(feature = "serve")]
pub(crate) fn while_held<T>(
    name: &str,
    others: Others<'_>,
    work: impl FnOnce() -> Result<T, Error>,
) -> Result<T, Error> {
    let name = name.to_owned();
    let done = ask(others, &Step::Hold { name }).and_then(|_| work());
    // Where this does not arrive, the run has ended.
    let _ = others(&Step::Release { unpublished: None });
    done
}

/// Copies the complete epochs of the store in these directories, and in those of the other processes, to a directory
/// `savepoints/NAME` in the first directory of each process. An execution on the copy begins after the last epoch
/// that is complete now.
pub(crate) fn savepoint(
    dirs: &[impl AsRef<Path>],
    name: &str,
    process: usize,
    others: Others<'_>,
) -> Result<Savepoint, Error> {
    let mut unpublished = None;
    let made = make(dirs, name, process, others, &mut unpublished);
    let _ = others(&Step::Release { unpublished });
    made
}

fn make(
    dirs: &[impl AsRef<Path>],
    name: &str,
    process: usize,
    others: Others<'_>,
    unpublished: &mut Option<StoreId>,
) -> Result<Savepoint, Error> {
    let hold = Step::Hold {
        name: name.to_owned(),
    };
    let mut looks = 1..LOOKS;
    let (mut own, cluster) = loop {
        // Nothing is removed from any partition from here on.
        let theirs = ask(others, &hold)?;
        let (own, held) = Own::hold(dirs, name, process)?;
        let cluster = Cluster::of([(process, held)].into_iter().chain(theirs).collect());
        cluster.check_free(&own, others)?;
        // A run may have removed something from some of them before.
        if cluster.check()?.is_some() || looks.next().is_none() {
            break (own, cluster);
        }
    };
    let plan = cluster.plan()?;
    let store = plan.store;
    *unpublished = Some(store);
    // All copy at once.
    let copied = thread::scope(|scope| {
        let theirs = scope.spawn(|| ask(others, &Step::Copy(plan.clone())));
        let copied = own.copy(&plan);
        match theirs.join() {
            Ok(theirs) => copied.and(theirs.map(drop)),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    });
    if copied.is_err() {
        // The first error is the one to tell.
        let _ = own.give_up(store);
    }
    copied?;
    *unpublished = None;
    own.publish(store)?;
    ask(others, &Step::Publish { store })?;
    let processes: BTreeSet<_> = plan.owners.values().collect();
    let place = own.place().display().to_string();
    Ok(Savepoint {
        place: match processes.len() {
            1 => format!("`{place}`"),
            count => format!("`{place}` of each of {count} processes"),
        },
        epoch: Epoch(plan.before.0.saturating_sub(1)),
        partitions: plan.owners.len(),
    })
}

/// What all processes have.
struct Cluster {
    /// Of each partition, by the first process that has it; the coordinator comes first.
    states: Vec<PartitionState>,
    owners: BTreeMap<PartitionIndex, usize>,
    published: Vec<Meta>,
    drafts: Vec<Meta>,
}

impl Cluster {
    fn of(processes: Vec<(usize, Held)>) -> Self {
        let mut cluster = Self {
            states: Vec::new(),
            owners: BTreeMap::new(),
            published: Vec::new(),
            drafts: Vec::new(),
        };
        for (process, held) in processes {
            cluster.published.extend(held.published);
            cluster.drafts.extend(held.drafts);
            for state in held.states {
                cluster.owners.entry(state.meta.index).or_insert_with(|| {
                    cluster.states.push(state);
                    process
                });
            }
        }
        cluster
    }

    /// Refuses a name that is taken. If a kill has left a savepoint of which only names are missing, it gets them.
    fn check_free(&self, own: &Own, others: Others<'_>) -> Result<(), Error> {
        let Some(first) = self.published.first() else {
            return Ok(());
        };
        let is_same = |meta: &&Meta| meta.store == first.store;
        let all = self.published.iter().chain(&self.drafts).filter(is_same);
        let known: BTreeMap<_, _> = all.map(|meta| (meta.index, meta)).collect();
        let place = own.place().display().to_string();
        let mut indices = first.count.indices();
        if !indices.all(|index| known.contains_key(&index)) {
            return Err(Error::SavepointIncomplete { place });
        }
        let store = first.store;
        own.publish(store)?;
        ask(others, &Step::Publish { store })?;
        Err(Error::SavepointExists { place })
    }

    /// Checks that this is all of a store. Returns the first epoch that is not complete everywhere; `None` if the
    /// partitions do not fit together.
    fn check(&self) -> Result<Option<Epoch>, Error> {
        let flow = self.states.first().map_or("", |state| &state.meta.flow);
        check_complete(&self.states, flow)?;
        Ok(resume(&self.states).ok().map(|resume| resume.epoch))
    }

    fn plan(self) -> Result<Plan, Error> {
        let before = resume(&self.states)?.epoch;
        if before <= Epoch::FIRST {
            return Err(Error::NothingComplete);
        }
        Ok(Plan {
            store: sql::random_store_id()?,
            before,
            owners: self.owners,
            history: History::of(&self.states, before),
        })
    }
}
