//! What happened between two reports.

use std::collections::BTreeMap;

use crate::report::{RunReport, StepReport};

/// The last two reports of a run.
#[derive(Default)]
pub(super) struct Rates {
    before: Option<RunReport>,
    now: Option<RunReport>,
}

/// The numbers of a step between two reports.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct StepRates {
    pub(super) step: String,
    pub(super) operator: String,
    /// Items per second that it received and emitted.
    pub(super) items_in: f64,
    pub(super) items_out: f64,
    /// The share of a core that it used on its busiest worker.
    pub(super) busy: f64,
    /// The largest share of the time that a worker waited for room on the way to it.
    pub(super) waited: f64,
    /// The fill of its fullest queue.
    pub(super) queue: Option<f64>,
    pub(super) keys: Option<u64>,
    pub(super) state_bytes: Option<u64>,
    /// The distance of its watermark to the clock, in seconds.
    pub(super) behind: Option<f64>,
    /// All late values and errors of the run.
    pub(super) late: u64,
    pub(super) errors: u64,
}

impl Rates {
    /// Adds a report. A restart of the run begins anew.
    pub(super) fn update(&mut self, report: RunReport) {
        let goes_on = |before: &RunReport| {
            before.execution == report.execution && before.seconds <= report.seconds
        };
        self.before = self.now.take().filter(goes_on);
        self.now = Some(report);
    }

    pub(super) fn report(&self) -> Option<&RunReport> {
        self.now.as_ref()
    }

    pub(super) fn steps(&self) -> usize {
        self.now.as_ref().map_or(0, |now| now.steps.len())
    }

    /// The seconds between the two reports; without an earlier one, since the start of the run.
    fn seconds(&self) -> f64 {
        let now = self.now.as_ref().map_or(0.0, |now| now.seconds);
        let before = self.before.as_ref().map_or(0.0, |before| before.seconds);
        now - before
    }

    fn rate(&self, now: f64, before: f64) -> f64 {
        let seconds = self.seconds();
        if seconds > 0.0 {
            ((now - before) / seconds).max(0.0)
        } else {
            0.0
        }
    }

    /// Items per second of all sources.
    pub(super) fn items(&self) -> f64 {
        let items = |report: &Option<RunReport>| report.as_ref().map_or(0, RunReport::items) as f64;
        self.rate(items(&self.now), items(&self.before))
    }

    /// The steps, in the order of the flow.
    pub(super) fn of_steps(&self) -> Vec<StepRates> {
        let Some(now) = &self.now else {
            return Vec::new();
        };
        let waits = self.waits(now);
        let before: BTreeMap<_, _> = self
            .before
            .iter()
            .flat_map(|report| &report.steps)
            .map(|step| (&step.step, step))
            .collect();
        let steps = now.steps.iter();
        let steps = steps.map(|step| {
            let before = before.get(&step.step).copied();
            let (waited, queue) = waits.get(&step.step).copied().unwrap_or_default();
            self.of_step(step, before, waited, queue)
        });
        steps.collect()
    }

    fn of_step(
        &self,
        step: &StepReport,
        before: Option<&StepReport>,
        waited: f64,
        queue: Option<f64>,
    ) -> StepRates {
        let busy_before = |worker: usize| {
            let of = before?.workers.iter().find(|of| of.worker == worker);
            of.map(|of| of.busy_seconds)
        };
        let busy = step.workers.iter().map(|of| {
            let before = busy_before(of.worker).unwrap_or_default();
            self.rate(of.busy_seconds, before)
        });
        let sum = |of: fn(&crate::report::StepNumbers) -> Option<u64>| {
            let known = step.workers.iter().filter_map(of);
            known.fold(None, |all: Option<u64>, one| Some(all.unwrap_or(0) + one))
        };
        let watermarks = step.workers.iter().filter_map(|of| of.watermark.as_ref());
        let behind = watermarks.map(|watermark| watermark.behind_seconds);
        let count =
            |of: fn(&StepReport) -> u64| self.rate(of(step) as f64, before.map_or(0, of) as f64);
        StepRates {
            step: step.step.to_string(),
            operator: step.operator.clone(),
            items_in: count(StepReport::items_in),
            items_out: count(StepReport::items_out),
            busy: busy.fold(0.0, f64::max),
            waited,
            queue,
            keys: sum(|of| of.keys),
            state_bytes: sum(|of| of.state_bytes),
            behind: behind.reduce(f64::max),
            late: step.late(),
            errors: step.errors() + step.skipped(),
        }
    }

    /// For the steps that edges lead to: the waiting of the sender that waits most, and the fill of the
    /// fullest queue.
    fn waits<'a>(
        &self,
        now: &'a RunReport,
    ) -> BTreeMap<&'a crate::ids::StepId, (f64, Option<f64>)> {
        let before: BTreeMap<_, _> = self
            .before
            .iter()
            .flat_map(|report| &report.edges)
            .map(|edge| ((&edge.from, &edge.to, edge.input, edge.worker), edge))
            .collect();
        let mut waits: BTreeMap<_, (f64, Option<f64>)> = BTreeMap::new();
        for edge in &now.edges {
            let same = before.get(&(&edge.from, &edge.to, edge.input, edge.worker));
            let waited = self.rate(
                edge.waited_seconds,
                same.map_or(0.0, |edge| edge.waited_seconds),
            );
            let fill =
                (edge.limit_bytes > 0).then(|| edge.queued_bytes as f64 / edge.limit_bytes as f64);
            let (most, fullest) = waits.entry(&edge.to).or_default();
            *most = most.max(waited);
            *fullest = fullest.iter().copied().chain(fill).reduce(f64::max);
        }
        waits
    }
}
