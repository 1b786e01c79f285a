//! The course of a run in the last ten minutes, for viewers that open the page later.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

use crate::ids::StepKind;
use crate::report::{RunReport, StepReport};

/// The time between two points.
pub(super) const EVERY: Duration = Duration::from_secs(2);

/// The number of points: ten minutes.
const KEPT: usize = 300;

/// The course of a step, or of the run: values at the same places of the lists belong together.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Course {
    /// The step; the sources of the run if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<String>,
    /// The times, in seconds of the run.
    seconds: Vec<f64>,
    /// Items received per second since the previous time.
    items_in: Vec<f32>,
    /// Items emitted per second.
    items_out: Vec<f32>,
    /// The share of time in the code of the step, on the worker where it is greatest.
    busy: Vec<f32>,
    /// The share of time waiting for room in a queue.
    waiting: Vec<f32>,
}

/// The course of all steps.
#[derive(Debug, Default)]
pub(super) struct History(Mutex<Points>);

#[derive(Debug, Default)]
struct Points {
    before: Option<RunReport>,
    points: VecDeque<Point>,
}

#[derive(Debug)]
struct Point {
    seconds: f64,
    run: Values,
    steps: Box<[Values]>,
}

/// Items in and out per second, and shares of time.
#[derive(Clone, Copy, Debug, Default)]
struct Values {
    items_in: f32,
    items_out: f32,
    busy: f32,
    waiting: f32,
}

impl History {
    /// Adds a report, which is later than the one before it.
    pub(super) fn note(&self, report: RunReport) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What came before the first report belongs to the first point.
        let passed = report.seconds - kept.before.as_ref().map_or(0.0, |before| before.seconds);
        if passed <= 0.0 {
            return;
        }
        let point = Point::between(kept.before.as_ref(), &report, passed);
        kept.points.push_back(point);
        if kept.points.len() > KEPT {
            kept.points.pop_front();
        }
        kept.before = Some(report);
    }

    /// The course of a step, if there is one of this id; without an id, that of the run.
    pub(super) fn of(&self, step: Option<&str>) -> Option<Course> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = match (step, &kept.before) {
            (Some(step), Some(report)) => {
                Some(report.steps.iter().position(|known| known.step == *step)?)
            }
            (Some(_), None) => return None,
            (None, _) => None,
        };
        let mut course = Course {
            step: step.map(str::to_owned),
            ..Course::default()
        };
        for point in &kept.points {
            let values = place.map_or(point.run, |place| point.steps[place]);
            course.seconds.push(point.seconds);
            course.items_in.push(values.items_in);
            course.items_out.push(values.items_out);
            course.busy.push(values.busy);
            course.waiting.push(values.waiting);
        }
        Some(course)
    }
}

impl Point {
    /// What has happened between two reports, or since the start of the run.
    fn between(before: Option<&RunReport>, now: &RunReport, passed: f64) -> Self {
        // The numbers of other processes are of other times; a slow one has given none since.
        let then = before.iter().flat_map(|before| &before.workers);
        let then: HashMap<usize, f64> = then.map(|it| (it.worker, it.run_seconds)).collect();
        let passed_on = now.workers.iter().map(|it| {
            let then = then.get(&it.worker).copied().unwrap_or_default();
            (it.worker, it.run_seconds - then)
        });
        let passed_on: HashMap<usize, f64> = passed_on.collect();
        let waited_before = before.map(waited).unwrap_or_default();
        let waited_now = waited(now);
        let values = |(place, step): (usize, &StepReport)| {
            // The steps of a run are always the same.
            let known = before.and_then(|before| before.steps.get(place));
            let workers_before = known.map_or(&[][..], |known| known.workers.as_slice());
            let mut values = Values::default();
            for of in &step.workers {
                let passed = passed_on.get(&of.worker).copied().unwrap_or(passed);
                if passed <= 0.0 {
                    continue;
                }
                let old = workers_before.iter().find(|old| old.worker == of.worker);
                let rate = |now: u64, before: Option<u64>| {
                    now.saturating_sub(before.unwrap_or_default()) as f64 / passed
                };
                values.items_in += rate(of.items_in, old.map(|old| old.items_in)) as f32;
                values.items_out += rate(of.items_out, old.map(|old| old.items_out)) as f32;
                let busy = of.busy_seconds - old.map_or(0.0, |old| old.busy_seconds);
                values.busy = values.busy.max(share(busy, passed));
                let place = (step.step.as_str(), of.worker);
                let waited = waited_now.get(&place).copied().unwrap_or(0.0);
                let waited = waited - waited_before.get(&place).copied().unwrap_or(0.0);
                values.waiting = values.waiting.max(share(waited, passed));
            }
            values
        };
        let steps: Box<[Values]> = now.steps.iter().enumerate().map(values).collect();
        let mut run = Values::default();
        for (step, values) in now.steps.iter().zip(&steps) {
            if step.kind == StepKind::Source {
                run.items_out += values.items_out;
            }
            run.busy = run.busy.max(values.busy);
            run.waiting = run.waiting.max(values.waiting);
        }
        Self {
            seconds: now.seconds,
            run,
            steps,
        }
    }
}

fn share(seconds: f64, passed: f64) -> f32 {
    (seconds / passed).clamp(0.0, 1.0) as f32
}

/// How long the operator of a step has waited on a worker. Its edges may have waited at the same time.
fn waited(report: &RunReport) -> HashMap<(&str, usize), f64> {
    let mut waited = HashMap::new();
    for edge in &report.edges {
        let longest = waited
            .entry((edge.from.as_str(), edge.worker))
            .or_insert(0.0_f64);
        *longest = longest.max(edge.waited_seconds);
    }
    waited
}
