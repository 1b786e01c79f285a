//! Determines where an execution begins.
//!
//! Each partition records the epoch up to which it is complete (*durable*), the execution that wrote this,
//! and the epoch from which on it can still resume (*oldest*). These alone determine where the next execution
//! begins; every process computes the same from the same states.
//!
//! An execution that resumes at epoch *r* discards the changes of older executions from *r* on. A partition
//! whose last execution is older (because it was restored from a backup, or because the cluster was killed
//! while it started) therefore counts as complete up to *r - 1* at most, whatever it records itself: its data
//! from *r* on belongs to another timeline.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};

use super::error::{Error, ResumeError};
use super::layout::PartitionFile;
use super::parts::{Execution, ExecutionNumber, Meta, PartitionIndex, PartitionState};
use crate::ids::Epoch;
use crate::kit::ResumePolicy;

/// The start of the next execution: its epoch and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Resume {
    pub(crate) execution: ExecutionNumber,
    pub(crate) epoch: Epoch,
}

/// The data of a partition, before or after it is locked.
pub(crate) trait KnownPartition: PartialEq {
    fn file(&self) -> &Path;
    fn meta(&self) -> &Meta;
}

impl KnownPartition for PartitionFile {
    fn file(&self) -> &Path {
        &self.file
    }

    fn meta(&self) -> &Meta {
        &self.meta
    }
}

impl KnownPartition for PartitionState {
    fn file(&self) -> &Path {
        &self.file
    }

    fn meta(&self) -> &Meta {
        &self.meta
    }
}

/// Refuses partitions that do not form a complete store of this flow.
pub(crate) fn check_complete<P: KnownPartition>(
    parts: &[P],
    flow: &str,
) -> Result<(), ResumeError> {
    let first = parts.first().ok_or(ResumeError::NoPartitions)?;
    let file = |part: &P| part.file().to_path_buf();
    let mut by_index: BTreeMap<PartitionIndex, &P> = BTreeMap::new();
    for part in parts {
        let (meta, first_meta) = (part.meta(), first.meta());
        if meta.count != first_meta.count {
            return Err(ResumeError::CountsDisagree {
                first: file(first),
                first_count: first_meta.count,
                second: file(part),
                second_count: meta.count,
            });
        }
        if meta.store != first_meta.store {
            return Err(ResumeError::MixedStores {
                first: file(first),
                first_store: first_meta.store,
                second: file(part),
                second_store: meta.store,
            });
        }
        // Several processes may see one file; equal data counts as one file.
        let former = by_index.insert(meta.index, part);
        if let Some(former) = former.filter(|former| *former != part) {
            return Err(ResumeError::Duplicate {
                index: meta.index,
                first: file(former),
                second: file(part),
            });
        }
    }
    let Meta {
        flow: stored,
        count,
        ..
    } = first.meta();
    if stored != flow {
        return Err(ResumeError::OtherFlow {
            file: file(first),
            stored: stored.clone(),
            running: flow.to_owned(),
        });
    }
    let count = *count;
    let indices: Vec<_> = count
        .indices()
        .filter(|index| !by_index.contains_key(index))
        .collect();
    if !indices.is_empty() {
        return Err(ResumeError::Missing { indices, count });
    }
    Ok(())
}

/// Computes where the next execution begins, from the states of all partitions of a complete store.
pub(crate) fn resume(parts: &[PartitionState]) -> Result<Resume, ResumeError> {
    let executions = all_executions(parts)?;
    let ends: Vec<Epoch> = parts.iter().map(|part| end(part, &executions)).collect();
    let epoch = ends
        .iter()
        .copied()
        .min()
        .ok_or(ResumeError::NoPartitions)?;
    let oldest = parts
        .iter()
        .map(|part| part.progress.oldest)
        .max()
        .unwrap_or(Epoch::FIRST);
    if epoch < oldest {
        let behind = parts.iter().zip(&ends).filter(|&(_, &end)| end < oldest);
        let ahead = parts.iter().filter(|part| part.progress.oldest > epoch);
        return Err(ResumeError::Inconsistent {
            resume: epoch,
            oldest,
            behind: behind.map(|(part, _)| part.file.clone()).collect(),
            ahead: ahead.map(|part| part.file.clone()).collect(),
        });
    }
    // A partition that lost its list of executions still knows who wrote its progress.
    let listed = executions.last().map(|execution| execution.number);
    let marked = parts
        .iter()
        .filter_map(|part| part.progress.execution)
        .max();
    let execution = listed
        .max(marked)
        .map_or(0, |ExecutionNumber(last)| last + 1);
    Ok(Resume {
        execution: ExecutionNumber(execution),
        epoch,
    })
}

/// Refuses a store that the policy does not allow, with the states of its partitions and what follows from them.
pub(crate) fn check_policy(
    policy: ResumePolicy,
    resume: &Resume,
    states: &[PartitionState],
) -> Result<(), Error> {
    let last = resume.execution.0.checked_sub(1).map(ExecutionNumber);
    match (policy, last, states.first()) {
        (ResumePolicy::Require, None, Some(first)) => {
            let file = first.file.display();
            let what = format!("no run has used the store of `{file}` yet");
            Err(Error::NothingToResume { what })
        }
        (ResumePolicy::Never, Some(execution), Some(first)) => Err(Error::SomethingToResume {
            file: first.file.clone(),
            execution,
        }),
        _ => Ok(()),
    }
}

/// Returns the executions in any partition, in order: the first epoch of each, and its time.
pub(crate) fn beginnings(parts: &[PartitionState]) -> Vec<(Epoch, DateTime<Utc>)> {
    let executions = parts.iter().flat_map(|part| &part.executions);
    let by_number: BTreeMap<_, _> = executions
        .map(|execution| (execution.number, (execution.resume, execution.started_at)))
        .collect();
    by_number.into_values().collect()
}

/// Returns the maximum number of workers of any recorded execution.
pub(crate) fn most_workers(parts: &[PartitionState]) -> usize {
    let executions = parts.iter().flat_map(|part| &part.executions);
    let workers = executions.map(|execution| execution.workers as usize);
    workers.max().unwrap_or_default()
}

/// Describes what an execution resumes from, in one line.
pub(crate) fn describe_resume(
    resume: &Resume,
    parts: &[PartitionState],
    now: DateTime<Utc>,
) -> String {
    let count = parts.first().map_or(0, |part| part.meta.count.get());
    let place = parts.first().and_then(|part| part.file.parent());
    let place = place.unwrap_or(Path::new("")).display();
    let partitions = if count == 1 {
        "partition"
    } else {
        "partitions"
    };
    let store = format!("the store of {count} {partitions} in `{place}`");
    let Resume { execution, epoch } = resume;
    let Some(last) = execution.0.checked_sub(1) else {
        return format!("recovery: beginning anew at epoch {epoch}: {store} is new");
    };
    // The partition that was completed first decides.
    let saved_at = parts.iter().map(|part| part.progress.saved_at).min();
    let started_at = parts.iter().flat_map(|part| &part.executions);
    let started_at = started_at.map(|execution| execution.started_at).max();
    let age = match (saved_at.flatten(), started_at) {
        (Some(at), _) => format!(", saved {} ago by", age(now - at)),
        (None, Some(at)) => {
            let most = (now - at).max(TimeDelta::seconds(1));
            format!(", saved less than {} ago by", age(most))
        }
        (None, None) => " of".to_owned(),
    };
    format!(
        "recovery: resuming at epoch {epoch}{age} execution {last}, as execution {execution}: \
         {store}"
    )
}

/// A span of time, in the greatest unit that it has one of.
fn age(span: TimeDelta) -> String {
    // The clock may have moved back.
    let seconds = span.num_seconds().max(0);
    let units = [(86_400, "day"), (3600, "hour"), (60, "minute")];
    let unit = units.into_iter().find(|(length, _)| seconds >= *length);
    let (length, unit) = unit.unwrap_or((1, "second"));
    let count = seconds / length;
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural}")
}

/// Returns the first epoch for which this partition is not complete.
fn end(part: &PartitionState, executions: &[&Execution]) -> Epoch {
    let own = part.progress.execution;
    let later = executions
        .iter()
        .filter(|execution| Some(execution.number) > own);
    let discarded = later.map(|execution| execution.resume).min();
    let end = part.progress.durable.next();
    discarded.map_or(end, |discarded| end.min(discarded))
}

/// Returns the executions in any partition, by number.
///
/// Two under one number were two runs that had the store at once, or belong to two copies of it. If neither
/// has completed an epoch anywhere, it does not matter which of them it was: neither saved anything, except
/// for what both have discarded.
fn all_executions(parts: &[PartitionState]) -> Result<Vec<&Execution>, ResumeError> {
    let known = parts.iter().flat_map(|part| {
        let executions = part.executions.iter();
        executions.map(move |execution| (execution, part))
    });
    let mut known: Vec<(&Execution, &PartitionState)> = known.collect();
    known.sort_by_key(|(execution, _)| execution.number);
    for same in known.chunk_by(|(one, _), (other, _)| one.number == other.number) {
        let Some(((first, one), rest)) = same.split_first() else {
            continue;
        };
        let other = rest.iter().find(|(execution, _)| execution != first);
        let is_void =
            |(execution, part): &(&Execution, &PartitionState)| part.progress.is_void(execution);
        if let Some((_, other)) = other
            && !same.iter().all(is_void)
        {
            return Err(ResumeError::PartedWays {
                number: first.number,
                first: one.file.clone(),
                second: other.file.clone(),
            });
        }
    }
    Ok(known.into_iter().map(|(execution, _)| execution).collect())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::parts::{PartitionCount, Progress, StoreId};
    use super::*;

    /// An execution: its number and its resume epoch.
    fn execution((number, resume): (u64, u64)) -> Execution {
        Execution {
            number: ExecutionNumber(number),
            resume: Epoch(resume),
            workers: 3,
            processes: 1,
            started_at: DateTime::UNIX_EPOCH,
        }
    }

    /// A partition: who wrote its mark, up to where it is durable, its oldest resume epoch, and the
    /// executions it lists.
    type Case<'a> = (Option<u64>, u64, u64, &'a [(u64, u64)]);

    fn states(parts: &[Case<'_>]) -> Vec<PartitionState> {
        let count = PartitionCount::new(parts.len().max(1) as u32).unwrap();
        let state = |(part, index): (&Case<'_>, PartitionIndex)| PartitionState {
            file: PathBuf::from(format!("part-{index}.sqlite3")),
            meta: Meta {
                store: StoreId([7; 16]),
                flow: "orders".to_owned(),
                index,
                count,
            },
            progress: Progress {
                execution: part.0.map(ExecutionNumber),
                durable: Epoch(part.1),
                oldest: Epoch(part.2),
                saved_at: None,
            },
            executions: part.3.iter().copied().map(execution).collect(),
        };
        parts.iter().zip(count.indices()).map(state).collect()
    }

    #[track_caller]
    fn check(parts: &[Case<'_>], execution: u64, epoch: u64) {
        let expected = Resume {
            execution: ExecutionNumber(execution),
            epoch: Epoch(epoch),
        };
        assert_eq!(resume(&states(parts)), Ok(expected));
    }

    #[track_caller]
    fn check_inconsistent(parts: &[Case<'_>], epoch: u64, behind: &[usize], ahead: &[usize]) {
        let states = states(parts);
        let files = |indices: &[usize]| -> Vec<PathBuf> {
            indices
                .iter()
                .map(|&index| states[index].file.clone())
                .collect()
        };
        let expected = ResumeError::Inconsistent {
            resume: Epoch(epoch),
            oldest: states
                .iter()
                .map(|state| state.progress.oldest)
                .max()
                .unwrap(),
            behind: files(behind),
            ahead: files(ahead),
        };
        assert_eq!(resume(&states), Err(expected));
    }

    const FIRST: &[(u64, u64)] = &[(0, 1)];

    #[test]
    fn r88_nothing_recorded_begins_at_the_first_epoch() {
        check(&[(None, 0, 1, &[]), (None, 0, 1, &[])], 0, 1);
    }

    #[test]
    fn r89_the_least_durable_partition_decides() {
        let executions = &[(0, 1), (1, 5)];
        let part = |durable| (Some(1), durable, 12, executions.as_slice());
        check(&[part(12), part(11), part(12)], 2, 12);
    }

    #[test]
    fn r90_an_execution_that_completed_no_epoch_is_resumed_where_it_began() {
        // Partition 1 was not reached by execution 1 before the crash.
        let both = [(0, 1), (1, 11)].as_slice();
        check(&[(Some(1), 10, 9, both), (Some(0), 10, 9, FIRST)], 2, 11);
    }

    #[test]
    fn r91_what_was_collected_is_not_resumed_from() {
        let executions = [(0, 1), (1, 11)].as_slice();
        let part = |durable, oldest| (Some(1), durable, oldest, executions);
        check_inconsistent(
            &[part(13, 13), part(10, 8), part(13, 12)],
            11,
            &[1],
            &[0, 2],
        );
        // One epoch decides: what can resume at 12 at the earliest can resume at 12.
        check(&[part(13, 12), part(11, 8)], 2, 12);
        check_inconsistent(&[part(13, 13), part(11, 8)], 12, &[1], &[0]);
    }

    #[test]
    fn a_pristine_file_beside_used_ones_is_refused_or_replayed() {
        check_inconsistent(&[(None, 0, 1, &[]), (Some(0), 5, 6, FIRST)], 1, &[0], &[1]);
        // Nothing is collected yet: everything can be replayed.
        check(&[(None, 0, 1, &[]), (Some(0), 5, 1, FIRST)], 1, 1);
    }

    #[test]
    fn a_partition_from_an_older_backup_is_replayed_from_there() {
        check(&[(Some(0), 4, 2, FIRST), (Some(0), 9, 5, FIRST)], 1, 5);
        check_inconsistent(
            &[(Some(0), 4, 2, FIRST), (Some(0), 9, 6, FIRST)],
            5,
            &[0],
            &[1],
        );
    }

    #[test]
    fn rows_of_a_discarded_timeline_do_not_count() {
        // Partition 0 is a backup of execution 0, durable to 10. Execution 1 resumed at 6, and the
        // cluster has since got to 12 in another timeline.
        let both = [(0, 1), (1, 6)].as_slice();
        check(&[(Some(0), 10, 1, FIRST), (Some(1), 12, 5, both)], 2, 6);
        check_inconsistent(
            &[(Some(0), 10, 1, FIRST), (Some(1), 12, 9, both)],
            6,
            &[0],
            &[1],
        );
        // A later execution that discarded less does not bring the rows back.
        let three = [(0, 1), (1, 6), (2, 12)].as_slice();
        check(&[(Some(0), 10, 1, FIRST), (Some(2), 12, 5, three)], 3, 6);
    }

    #[test]
    fn collected_executions_still_show_who_is_too_old() {
        // Executions 0 and 1 were collected when epoch 20 became the oldest.
        let kept = [(2, 15), (3, 30)].as_slice();
        check_inconsistent(
            &[(Some(0), 40, 1, FIRST), (Some(3), 40, 20, kept)],
            15,
            &[0],
            &[1],
        );
        check(&[(Some(2), 40, 1, FIRST), (Some(3), 40, 20, kept)], 4, 30);
    }

    #[test]
    fn lost_executions_do_not_restart_the_flow() {
        check(&[(Some(3), 7, 2, &[]), (Some(3), 8, 2, &[])], 4, 8);
    }

    #[test]
    fn two_histories_under_one_number_are_refused() {
        let parts = [
            (Some(1), 9, 2, [(1, 5)].as_slice()),
            (Some(1), 9, 2, &[(1, 6)]),
        ];
        let expected = ResumeError::PartedWays {
            number: ExecutionNumber(1),
            first: PathBuf::from("part-0.sqlite3"),
            second: PathBuf::from("part-1.sqlite3"),
        };
        assert_eq!(resume(&states(&parts)), Err(expected));
    }

    /// Two runs that took a store together, each some partitions, and were both refused.
    #[test]
    fn two_histories_of_which_nothing_came_are_one() {
        let (one, other) = ([(0, 1), (1, 5)], [(0, 1), (1, 6)]);
        // One has not heard of either.
        check(
            &[
                (Some(1), 4, 2, &one),
                (Some(1), 5, 2, &other),
                (Some(0), 9, 2, FIRST),
            ],
            2,
            5,
        );
        // The next run has begun in one of them, which has forgotten its own.
        let (one, other, next) = ([(1, 5)], [(1, 6)], [(0, 1), (2, 5)]);
        check(
            &[
                (Some(1), 4, 2, &one),
                (Some(1), 5, 2, &other),
                (Some(2), 4, 2, &next),
            ],
            3,
            5,
        );
    }

    #[test]
    fn two_histories_of_which_one_went_on_are_refused() {
        let (one, other) = ([(0, 1), (1, 5)], [(0, 1), (1, 6)]);
        for parts in [
            // An epoch of one was completed.
            [(Some(1), 5, 2, one.as_slice()), (Some(1), 5, 2, &other)],
            [(Some(1), 4, 2, &one), (Some(1), 6, 2, &other)],
            // One was followed by another run.
            [(Some(1), 4, 2, &one), (Some(2), 7, 2, &[(1, 6), (2, 7)])],
        ] {
            let refused = resume(&states(&parts));
            assert!(
                matches!(refused, Err(ResumeError::PartedWays { .. })),
                "{refused:?}"
            );
        }
    }

    #[test]
    fn what_is_resumed_is_told_in_a_line() {
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        let told = |parts: &[PartitionState], now| {
            describe_resume(&resume(parts).unwrap(), parts, at(now))
        };
        let mut new = states(&[(None, 0, 1, &[]), (None, 0, 1, &[])]);
        new[0].file = PathBuf::from("state/part-0.sqlite3");
        assert_eq!(
            told(&new, 9),
            "recovery: beginning anew at epoch 1: the store of 2 partitions in `state` is new"
        );
        let mut parts = states(&[(Some(0), 4, 2, FIRST)]);
        parts[0].file = PathBuf::from("state/part-0.sqlite3");
        assert_eq!(
            told(&parts, 61),
            "recovery: resuming at epoch 5, saved less than 1 minute ago by execution 0, as \
             execution 1: the store of 1 partition in `state`"
        );
        assert!(told(&parts, 1).contains("saved less than 1 second ago"));
        parts[0].progress.saved_at = Some(at(1000));
        for (now, age) in [
            (1000, "0 seconds"),
            (999, "0 seconds"),
            (1001, "1 second"),
            (1000 + 7199, "1 hour"),
            (1000 + 3 * 86_400, "3 days"),
        ] {
            assert_eq!(
                told(&parts, now),
                format!(
                    "recovery: resuming at epoch 5, saved {age} ago by execution 0, as execution 1: \
                     the store of 1 partition in `state`"
                )
            );
        }
    }

    #[test]
    fn incomplete_and_mixed_stores_are_refused() {
        let whole = || states(&[(None, 0, 1, &[]), (None, 0, 1, &[]), (None, 0, 1, &[])]);
        let text =
            |parts: &[PartitionState]| check_complete(parts, "orders").unwrap_err().to_string();
        assert_eq!(check_complete(&whole(), "orders"), Ok(()));
        assert_eq!(
            text(&[]),
            "no recovery partition was found on any process; make a store with `recovery init`, \
             or name the directory that holds it"
        );
        assert_eq!(
            text(&whole()[1..2]),
            "of 3 recovery partitions, these are missing on all processes: 0, 2; bring the files \
             back to a recovery directory of any process"
        );
        let seen_twice = [whole(), whole()].concat();
        assert_eq!(check_complete(&seen_twice, "orders"), Ok(()));
        let mut parts = whole();
        parts[1].meta.count = PartitionCount::new(2).unwrap();
        assert_eq!(
            text(&parts),
            "recovery partitions disagree: `part-0.sqlite3` is of a store of 3, `part-1.sqlite3` \
             of one of 2; use the partitions of one store only"
        );
        let mut parts = whole();
        parts[2].meta.store = StoreId([0; 16]);
        assert_eq!(
            text(&parts),
            "`part-0.sqlite3` is of recovery store 07070707070707070707070707070707, \
             `part-2.sqlite3` of store 00000000000000000000000000000000; use the partitions of \
             one store only"
        );
        let mut parts = whole();
        parts[2].meta.index = PartitionIndex(0);
        assert_eq!(
            text(&parts),
            "partition 0 is on two processes or in two directories, as `part-0.sqlite3` and \
             `part-2.sqlite3`; remove the one that is a stale copy"
        );
        assert_eq!(
            check_complete(&whole(), "sales").unwrap_err().to_string(),
            "`part-0.sqlite3` holds the state of flow `orders`, this is flow `sales`; use another \
             recovery directory, or give the flow its old name"
        );
    }

    #[test]
    fn the_refusal_names_both_sides() {
        let states = states(&[(None, 0, 1, &[]), (Some(0), 5, 6, FIRST)]);
        assert_eq!(
            resume(&states).unwrap_err().to_string(),
            "recovery partitions do not fit together: `part-0.sqlite3` would resume at epoch 1, \
             but `part-1.sqlite3` can no longer resume before epoch 6; restore newer files of the \
             first, or files of all partitions from the same backup"
        );
    }
}
