//! The report of the whole cluster: that of this process, with what the others have answered.

use std::sync::Arc;
use std::time::Instant;

use super::reading::{Detail, Reading};
#[cfg(feature = "web")]
use crate::ids::{StepId, WorkerIndex};
#[cfg(feature = "web")]
use crate::kit::meter::SeenError;
use crate::kit::{Answer, Question, Shared};
use crate::report::{ProcessReport, ProcessState, RunReport, StepNumbers};

impl Reading {
    fn shared(&self) -> Option<Arc<Shared>> {
        self.shared.upgrade()
    }

    /// Asks the other processes for their numbers. Returns the number of the question; `None` if there are none.
    pub(crate) fn ask(&self, question: Question) -> Option<u32> {
        self.shared()?.ask(question)
    }

    /// Whether all processes have answered a question, except for those that are slow.
    pub(crate) fn are_complete(&self, question: u32) -> bool {
        let shared = self.shared();
        shared.is_none_or(|shared| shared.answers.are_complete(question))
    }

    fn answers(&self) -> Vec<(ProcessReport, Option<Arc<Answer>>)> {
        let shared = self.shared();
        shared.map_or_else(Vec::new, |shared| shared.answers.read(Instant::now()))
    }

    /// The report of the whole cluster, as far as the other processes have answered.
    pub(crate) fn read_whole(&self, detail: Detail) -> RunReport {
        let mut whole = self.read(detail);
        let answers = self.answers();
        if answers.is_empty() {
            return whole;
        }
        let own = ProcessReport::new(whole.process, ProcessState::Current, Some(0.0));
        whole.members.push(own);
        for (member, answer) in answers {
            whole.members.push(member);
            if let Some(answer) = answer {
                add(&mut whole, &answer.report, detail);
            }
        }
        whole.members.sort_by_key(|member| member.process);
        whole.workers.sort_by_key(|worker| worker.worker);
        whole.stores.sort_by_key(|store| store.partition);
        for step in &mut whole.steps {
            step.workers.sort_by_key(|numbers| numbers.worker);
            name_partitions(&mut step.workers);
        }
        whole
    }

    /// The newest errors of items in the whole cluster.
    #[cfg(feature = "web")]
    pub(crate) fn errors_of_all(&self) -> Vec<(StepId, WorkerIndex, SeenError)> {
        let mut errors = self.errors();
        for (_, answer) in self.answers() {
            errors.extend(answer.iter().flat_map(|answer| answer.errors.clone()));
        }
        errors
    }
}

/// Adds the workers of another process.
fn add(whole: &mut RunReport, other: &RunReport, detail: Detail) {
    whole.workers.extend(other.workers.iter().cloned());
    // All processes describe the same steps in the same order.
    for (step, more) in whole.steps.iter_mut().zip(&other.steps) {
        step.workers
            .extend(more.workers.iter().cloned().map(|mut numbers| {
                if let (Some(windows), false) = (&mut numbers.windows, detail.keys) {
                    windows.key = None;
                }
                numbers
            }));
    }
    whole.edges.extend(other.edges.iter().cloned());
    whole.stores.extend(other.stores.iter().cloned());
    whole.stalls.extend(other.stalls.iter().cloned());
}

/// Names the partition that holds a watermark back where only its process knows it.
fn name_partitions(workers: &mut [StepNumbers]) {
    let slowest = |numbers: &StepNumbers| {
        let watermark = numbers.watermark.as_ref()?;
        let is_own = watermark.worker == Some(numbers.worker);
        Some((
            numbers.worker,
            watermark.partition.clone().filter(|_| is_own)?,
        ))
    };
    let known: Vec<(usize, String)> = workers.iter().filter_map(slowest).collect();
    for numbers in workers {
        if let Some(watermark) = &mut numbers.watermark
            && watermark.partition.is_none()
        {
            let holder = known
                .iter()
                .find(|(worker, _)| watermark.worker == Some(*worker));
            watermark.partition = holder.map(|(_, partition)| partition.clone());
        }
    }
}
