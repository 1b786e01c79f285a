//! Paths from sources to sinks, and their promises.

use std::collections::VecDeque;
use std::fmt;

use super::graph::{Graph, Step};
use crate::delivery::{Delivery, Promise};
use crate::ids::{StepId, StepIndex};

/// A path from a source to a sink, as listed by [`Dataflow::paths`](crate::flow::Dataflow::paths): the
/// shortest of several paths between the same two.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PathInfo {
    /// The steps, from the source to the sink.
    pub steps: Vec<StepId>,
    /// The promise of the path.
    pub delivery: Delivery,
    /// The steps that limit the promise, with their declarations; none if it is exactly once.
    pub weakest: Vec<(StepId, Promise)>,
}

impl PathInfo {
    /// Returns the source.
    #[must_use]
    pub fn source(&self) -> &StepId {
        &self.steps[0]
    }

    /// Returns the sink.
    #[must_use]
    pub fn sink(&self) -> &StepId {
        &self.steps[self.steps.len() - 1]
    }

    /// Returns the reasons that limit the promise, in words, with ids without the name of the flow.
    pub(crate) fn reasons(&self, own_id: impl Fn(&StepId) -> String) -> String {
        let reason = |(id, promise): &(StepId, Promise)| format!("`{}` is {promise}", own_id(id));
        let reasons: Vec<String> = self.weakest.iter().map(reason).collect();
        reasons.join(", and ")
    }
}

impl fmt::Display for PathInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps: Vec<&str> = self.steps.iter().map(StepId::as_str).collect();
        write!(f, "{}: {}", steps.join(" -> "), self.delivery)?;
        match self.weakest.is_empty() {
            true => Ok(()),
            false => write!(f, ", as {}", self.reasons(ToString::to_string)),
        }
    }
}

impl Graph {
    /// Returns all paths, by source and sink in the order of the description.
    pub(crate) fn paths(&self) -> Vec<PathInfo> {
        let mut paths = Vec::new();
        for (index, step) in self.steps.iter().enumerate() {
            let promise = step.plan.promise();
            if let Some(promise) = promise.filter(|promise| !promise.is_of_sink()) {
                self.paths_from(StepIndex(index as u32), promise, &mut paths);
            }
        }
        paths
    }

    fn paths_from(&self, source: StepIndex, source_promise: Promise, paths: &mut Vec<PathInfo>) {
        // Through which step each was reached first: breadth first, so by a shortest path.
        let mut through: Vec<Option<StepIndex>> = vec![None; self.steps.len()];
        through[source.get()] = Some(source);
        let mut queue = VecDeque::from([source]);
        while let Some(at) = queue.pop_front() {
            for (reader, _) in self.step(at).outputs.iter().flat_map(|it| &it.readers) {
                if through[reader.get()].is_none() {
                    through[reader.get()] = Some(at);
                    queue.push_back(*reader);
                }
            }
        }
        for (index, step) in self.steps.iter().enumerate() {
            let promise = step.plan.promise().filter(|it| it.is_of_sink());
            let (Some(promise), Some(_)) = (promise, through[index]) else {
                continue;
            };
            let mut steps = vec![step.id.clone()];
            let mut at = StepIndex(index as u32);
            while let Some(before) = through[at.get()].filter(|before| *before != at) {
                steps.push(self.step(before).id.clone());
                at = before;
            }
            steps.reverse();
            let ends = [(source, source_promise), (StepIndex(index as u32), promise)];
            let weak = ends.into_iter().filter(|(_, promise)| !promise.is_strong());
            paths.push(PathInfo {
                steps,
                delivery: Delivery::of(source_promise, promise),
                weakest: weak
                    .map(|(step, promise)| (self.step(step).id.clone(), promise))
                    .collect(),
            });
        }
    }
}

/// The maximum number of steps of a path in a message.
const SHOWN: usize = 8;

/// Formats the steps of a path; omits the middle of a long path.
fn shown(steps: &[StepId]) -> String {
    let named = |steps: &[StepId]| -> Vec<String> {
        steps.iter().map(|step| format!("`{step}`")).collect()
    };
    let (first, last) = (named(&steps[..1]), named(&steps[1..]));
    let parts = match last.len().checked_sub(SHOWN) {
        None | Some(0) => [first, last].concat(),
        Some(left_out) => {
            let rest = last[left_out..].to_vec();
            [first, vec![format!("({left_out} steps)")], rest].concat()
        }
    };
    parts.join(" -> ")
}

/// Reports the paths that promise less than the flow declares.
pub(super) fn check(graph: &Graph, report: &mut impl FnMut(String, String)) {
    let Some(declared) = graph.delivery else {
        return;
    };
    for path in graph.paths() {
        if path.delivery.implies(declared) {
            continue;
        }
        // A declaration as strong as required is no reason.
        let is_reason = |promise: Promise| match declared {
            Delivery::AtLeastOnce => promise == Promise::NotReplayable,
            Delivery::AtMostOnce => promise == Promise::Append,
            _ => true,
        };
        let mut reasons = Vec::new();
        let mut mends = Vec::new();
        for (id, promise) in path.weakest.iter().filter(|(_, it)| is_reason(*it)) {
            let step: Option<&Step> = graph.steps.iter().find(|step| step.id == *id);
            let place = step.map_or(String::new(), |step| format!(" at {}", step.location));
            let (what, mend) = match promise.is_of_sink() {
                true => ("sink", SINK_MEND),
                false => ("source", SOURCE_MEND),
            };
            reasons.push(format!("the {what} `{id}`{place} is {promise}"));
            mends.push(mend);
        }
        report(
            format!(
                "the flow declares delivery {declared}, and the path {} is {}: {}",
                shown(&path.steps),
                path.delivery,
                reasons.join(", and ")
            ),
            format!(
                "{}; or declare the delivery that the path promises",
                mends.join(", and ")
            ),
        );
    }
}

const SOURCE_MEND: &str = "read from a source that resumes at a saved position, such as `KafkaSource` or \
`FileSource`: a \
                           `FixedPartitionedSource`, or a `#[source]` with a position";
const SINK_MEND: &str = "write to a transactional sink, such as `KafkaSink` or `FileSink`, or to an idempotent \
one: a \
                         `TransactionalSink`, or a `#[sink(idempotent)]`";

#[cfg(test)]
mod tests;
