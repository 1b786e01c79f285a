//! The assignment of partitions to workers: every worker computes the same result.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::error::{RunError, StepError};
use crate::flow::Graph;
use crate::guard::guard;
use crate::ids::{StepIndex, WorkerIndex};
use crate::kit::{Assignment, Plan, WorkerCx};

/// The partitions of one step that one worker can reach.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Reachable {
    pub(crate) step: u32,
    pub(crate) partitions: Vec<String>,
}

/// Assigns partitions to workers. `reachable` contains the lists of each worker, by its index.
///
/// Partitions that few workers can reach are assigned first, then by name. Each goes to the worker with the
/// fewest partitions of the step, then of all steps, then the lowest index.
pub(crate) fn assign(reachable: &[Vec<Reachable>]) -> HashMap<StepIndex, Assignment> {
    let mut in_total = vec![0_usize; reachable.len()];
    let mut steps: Vec<u32> = reachable
        .iter()
        .flatten()
        .map(|listed| listed.step)
        .collect();
    steps.sort_unstable();
    steps.dedup();
    let mut assignments = HashMap::new();
    for step in steps {
        let mut order: Vec<&str> = Vec::new();
        let mut candidates: HashMap<&str, Vec<usize>> = HashMap::new();
        for (worker, lists) in reachable.iter().enumerate() {
            let lists = lists.iter().filter(|listed| listed.step == step);
            for name in lists.flat_map(|listed| &listed.partitions) {
                let workers = candidates.entry(name).or_insert_with(|| {
                    order.push(name);
                    Vec::new()
                });
                if workers.last() != Some(&worker) {
                    workers.push(worker);
                }
            }
        }
        let mut by_choice = order.clone();
        by_choice.sort_by_key(|name| (candidates[name].len(), *name));
        let mut in_step = vec![0_usize; reachable.len()];
        let mut owners: HashMap<&str, WorkerIndex> = HashMap::new();
        for name in by_choice {
            let workers = candidates[name].iter().copied();
            let Some(owner) = workers.min_by_key(|w| (in_step[*w], in_total[*w], *w)) else {
                continue;
            };
            in_step[owner] += 1;
            in_total[owner] += 1;
            owners.insert(name, WorkerIndex(owner));
        }
        let partitions = order
            .iter()
            .map(|name| ((*name).to_owned(), owners[name]))
            .collect();
        assignments.insert(StepIndex(step), Assignment { partitions });
    }
    assignments
}

/// Returns the partitions that this worker can reach, of all steps with partitions.
pub(super) fn reachable(cx: &WorkerCx, graph: &Graph) -> Result<Vec<Reachable>, RunError> {
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
    Ok(reachable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lists(step: u32, workers: &[&[&str]]) -> Vec<Vec<Reachable>> {
        let list = |names: &&[&str]| {
            let partitions = names.iter().map(ToString::to_string).collect();
            vec![Reachable { step, partitions }]
        };
        workers.iter().map(list).collect()
    }

    fn of(assignment: &Assignment, worker: usize) -> String {
        assignment.of(WorkerIndex(worker)).join(" ")
    }

    #[test]
    fn ten_partitions_on_three_workers() {
        let names = ["p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9"];
        let assigned = &assign(&lists(0, &[&names[..]; 3]))[&StepIndex(0)];
        assert_eq!(of(assigned, 0), "p0 p3 p6 p9");
        assert_eq!(of(assigned, 1), "p1 p4 p7");
        assert_eq!(of(assigned, 2), "p2 p5 p8");
    }

    #[test]
    fn more_workers_than_partitions() {
        let names = ["a", "b", "c"];
        let assigned = &assign(&lists(0, &[&names[..]; 5]))[&StepIndex(0)];
        let of_each: Vec<_> = (0..5).map(|worker| of(assigned, worker)).collect();
        assert_eq!(of_each, ["a", "b", "c", "", ""]);
    }

    #[test]
    fn a_partition_goes_to_a_worker_that_reaches_it() {
        let assigned = &assign(&lists(3, &[&["a", "b", "c"], &["b"], &["c"]]))[&StepIndex(3)];
        assert_eq!((of(assigned, 0), of(assigned, 1)), ("a".into(), "b".into()));
        assert_eq!(of(assigned, 2), "c");
        let listed: Vec<_> = assigned
            .partitions
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(listed, ["a", "b", "c"]);
    }

    #[test]
    fn steps_are_balanced_together() {
        let one = |step| Reachable {
            step,
            partitions: vec!["only".to_owned()],
        };
        let assigned = assign(&[vec![one(0), one(1)], vec![one(0), one(1)]]);
        assert_eq!(of(&assigned[&StepIndex(0)], 0), "only");
        assert_eq!(of(&assigned[&StepIndex(1)], 1), "only");
    }
}
