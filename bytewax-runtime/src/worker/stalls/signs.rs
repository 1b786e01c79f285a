//! The signs of a stall in two consecutive reports.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::Key;
use crate::ids::{StepId, StepKind};
use crate::report::{
    EdgeReport, PartitionReport, RunReport, RunState, StallKind, StallReport, StepNumbers,
    StepReport, WorkerReport,
};

/// The share of time from which a step or a worker counts as constantly busy, or a sender as constantly
/// waiting.
const ALL_THE_TIME: f64 = 0.9;
/// The share of time from which a step counts as the main load of its worker.
const MOST_OF_THE_TIME: f64 = 0.5;
/// The average busy share of the other workers below which they count as mostly idle.
const FAR_LESS: f64 = 0.25;
/// How many times as many items as the others a worker must have, on average, to have most of them.
const FAR_MORE: f64 = 2.0;

/// A possible stall, if it persists.
pub(super) struct Sign {
    pub(super) key: Key,
    /// When it began, in seconds of the run, if known: otherwise at the previous report.
    pub(super) began: Option<f64>,
    pub(super) stall: StallReport,
}

/// A partition on a worker.
type Partition = (StepId, usize, String);

/// The last advance of event time, by partition.
#[derive(Debug, Default)]
pub(super) struct Moved(BTreeMap<Partition, (Option<DateTime<Utc>>, f64)>);

impl Moved {
    pub(super) fn note(&mut self, report: &RunReport) {
        for (step, numbers, partition) in partitions(report) {
            let of = (step.step.clone(), numbers.worker, partition.name.clone());
            let known = self.0.entry(of).or_insert((None, 0.0));
            if known.0 != partition.newest {
                *known = (partition.newest, report.seconds);
            }
        }
    }

    fn at(&self, step: &StepReport, worker: usize, partition: &PartitionReport) -> f64 {
        let of = (step.step.clone(), worker, partition.name.clone());
        self.0.get(&of).map_or(0.0, |(_, at)| *at)
    }
}

fn partitions(
    report: &RunReport,
) -> impl Iterator<Item = (&StepReport, &StepNumbers, &PartitionReport)> {
    let steps = report.steps.iter();
    let numbers = steps.flat_map(|step| step.workers.iter().map(move |of| (step, of)));
    numbers.flat_map(|(step, of)| of.partitions.iter().map(move |it| (step, of, it)))
}

/// All signs; causes precede their possible consequences.
pub(super) fn signs(before: &RunReport, now: &RunReport, moved: &Moved) -> Vec<Sign> {
    let runs = matches!(now.state, RunState::Running | RunState::Stopping);
    if !runs || before.state < RunState::Running {
        return Vec::new();
    }
    let look = Look {
        before,
        now,
        passed: now.seconds - before.seconds,
    };
    let mut signs = look.stuck();
    let stuck: BTreeSet<usize> = signs.iter().filter_map(|sign| sign.stall.worker).collect();
    signs.extend(look.full_edges(&signs));
    signs.extend(look.snapshot(&signs));
    if now.state == RunState::Running {
        signs.extend(look.watermarks(moved));
        let has_unfinished = signs
            .iter()
            .any(|sign| sign.key.kind == StallKind::Snapshot);
        if !has_unfinished {
            signs.extend(look.sources(&stuck));
        }
        if stuck.is_empty() {
            signs.extend(look.skew());
        }
    }
    signs
}

/// Two reports, and the seconds between them.
struct Look<'a> {
    before: &'a RunReport,
    now: &'a RunReport,
    passed: f64,
}

/// The busiest of some steps on a worker, and its busy share.
struct Busiest<'a> {
    step: &'a StepReport,
    worker: usize,
    share: f64,
}

fn numbers<'a>(report: &'a RunReport, step: &StepId, worker: usize) -> Option<&'a StepNumbers> {
    let step = report.steps.iter().find(|known| known.step == *step)?;
    step.workers.iter().find(|known| known.worker == worker)
}

/// A number that changes with all work of a worker, except within a single call.
fn activity(report: &RunReport, worker: usize) -> u64 {
    let of = report.steps.iter().flat_map(|step| &step.workers);
    let of = of.filter(|numbers| numbers.worker == worker);
    let counts = of.map(|of| {
        let calls = [
            &of.batch_seconds,
            &of.notify_seconds,
            &of.end_seconds,
            &of.snapshot_seconds,
            &of.polled_items,
        ];
        let calls: u64 = calls.iter().map(|calls| calls.count()).sum();
        let items = of.items_in + of.items_out + of.batches_in + of.batches_out;
        calls.wrapping_add(items).wrapping_add(of.saved_bytes)
    });
    counts.fold(0, u64::wrapping_add)
}

impl<'a> Look<'a> {
    /// Creates a sign with this cause.
    fn sign(
        &self,
        kind: StallKind,
        subject: String,
        step: Option<&StepId>,
        worker: Option<usize>,
        cause: String,
    ) -> Sign {
        Sign {
            key: Key { kind, subject },
            began: None,
            stall: StallReport {
                kind,
                step: step.cloned(),
                worker,
                partition: None,
                seconds: 0.0,
                cause,
            },
        }
    }

    fn worker_before(&self, worker: usize) -> Option<&'a WorkerReport> {
        let mut known = self.before.workers.iter();
        known.find(|known| known.worker == worker)
    }

    /// Workers that have been in the code of one step since the previous report.
    fn stuck(&self) -> Vec<Sign> {
        let mut signs = Vec::new();
        for worker in &self.now.workers {
            let Some(step) = &worker.running else {
                continue;
            };
            let index = worker.worker;
            let was = self.worker_before(index);
            let is_same = was.is_some_and(|was| was.running.as_ref() == Some(step));
            if is_same && activity(self.before, index) == activity(self.now, index) {
                let cause = format!(
                    "the code of step `{step}` has not returned on worker {index}; until it does, the worker does nothing \
                     else"
                );
                let subject = format!("{step} {index}");
                let of = Some(index);
                signs.push(self.sign(StallKind::Step, subject, Some(step), of, cause));
            }
        }
        signs
    }

    /// The busy share of a step on a worker.
    fn share(&self, step: &StepId, now: &StepNumbers) -> f64 {
        let before = numbers(self.before, step, now.worker);
        let busy = now.busy_seconds - before.map_or(0.0, |before| before.busy_seconds);
        (busy / self.passed).clamp(0.0, 1.0)
    }

    fn busiest(&self, is_wanted: impl Fn(&StepReport, usize) -> bool) -> Option<Busiest<'a>> {
        let steps = self.now.steps.iter();
        let all = steps.flat_map(|step| step.workers.iter().map(move |of| (step, of)));
        let wanted = all.filter(|(step, of)| is_wanted(step, of.worker));
        let busy = wanted.map(|(step, of)| Busiest {
            step,
            worker: of.worker,
            share: self.share(&step.step, of),
        });
        busy.max_by(|one, other| one.share.total_cmp(&other.share))
    }

    /// The edges on which a worker waited constantly, and is still waiting.
    fn full(&self) -> Vec<&'a EdgeReport> {
        let is_full = |edge: &&EdgeReport| {
            let place = |it: &EdgeReport| (it.from.clone(), it.to.clone(), it.input, it.worker);
            let mut before = self.before.edges.iter();
            let before = before.find(|before| place(before) == place(edge));
            let waited = edge.waited_seconds - before.map_or(0.0, |before| before.waited_seconds);
            edge.waits && waited >= ALL_THE_TIME * self.passed
        };
        self.now.edges.iter().filter(is_full).collect()
    }

    /// The steps that run in the operator of a step: those after it, up to the next edges.
    fn tree(&self, root: &StepId) -> BTreeSet<&'a StepId> {
        let heads: BTreeSet<&StepId> = self.now.edges.iter().map(|edge| &edge.to).collect();
        let mut tree = BTreeSet::new();
        // Steps are in the order of their description, which is that of the stream.
        for step in &self.now.steps {
            let reads = step.inputs.iter().any(|input| tree.contains(input));
            if step.step == *root || (reads && !heads.contains(&step.step)) {
                tree.insert(&step.step);
            }
        }
        tree
    }

    fn full_edges(&self, stuck: &[Sign]) -> Vec<Sign> {
        let full = self.full();
        let mut signs: Vec<Sign> = Vec::new();
        for edge in &full {
            // The reader may be waiting for its own reader.
            let mut reader = &edge.to;
            let mut seen = BTreeSet::new();
            while seen.insert(reader)
                && let Some(next) = full.iter().find(|next| next.from == *reader)
            {
                reader = &next.to;
            }
            let subject = reader.to_string();
            if signs.iter().any(|sign| sign.key.subject == subject) {
                continue;
            }
            let (step, worker, why) = self.slow(reader, stuck);
            let cause = format!(
                "the edge from `{}` to `{}` is full, so worker {} waits: {why}",
                edge.from, edge.to, edge.worker
            );
            signs.push(self.sign(StallKind::Edge, subject, Some(step), worker, cause));
        }
        signs
    }

    /// Why the operator of a step receives less than others send.
    fn slow(&self, reader: &'a StepId, stuck: &[Sign]) -> (&'a StepId, Option<usize>, String) {
        let tree = self.tree(reader);
        let in_tree = |step: &StepId| tree.contains(step);
        let is_stuck = |step: &StepId, worker: usize| {
            let mut stuck = stuck.iter().map(|sign| &sign.stall);
            stuck.any(|it| it.step.as_ref() == Some(step) && it.worker == Some(worker))
        };
        let mut workers = self.now.workers.iter();
        let held = workers.find_map(|worker| {
            let step = worker.running.as_ref()?;
            (in_tree(step) && is_stuck(step, worker.worker)).then_some((step, worker.worker))
        });
        if let Some((step, worker)) = held {
            let why = format!("the code of step `{step}` has not returned on worker {worker}");
            return (step, Some(worker), why);
        }
        let busiest = self.busiest(|step, _| in_tree(&step.step));
        let Some(busiest) = busiest else {
            return (
                reader,
                None,
                format!("step `{reader}` receives items more slowly"),
            );
        };
        let (step, worker) = (&busiest.step.step, busiest.worker);
        if busiest.share >= MOST_OF_THE_TIME {
            let why = format!("step `{step}` is busy all the time on worker {worker}");
            return (step, Some(worker), why);
        }
        let other = self.busiest(|step, of| of == worker && !in_tree(&step.step));
        match other.filter(|other| other.share >= MOST_OF_THE_TIME) {
            Some(other) => {
                let step = &other.step.step;
                let why = format!(
                    "worker {worker}, which reads it, is busy with step `{step}` most of the time"
                );
                (step, Some(worker), why)
            }
            None => {
                let why = format!(
                    "step `{reader}` receives items more slowly, but is not busy: it waits for an external system or \
                     the recovery store"
                );
                (reader, None, why)
            }
        }
    }

    /// An epoch that has ended but does not complete.
    fn snapshot(&self, causes: &[Sign]) -> Option<Sign> {
        let unfinished = self
            .now
            .workers
            .iter()
            .filter_map(|it| it.unfinished.as_ref());
        let epoch = unfinished.min_by_key(|unfinished| unfinished.epoch)?;
        let (step, worker, partition, why) = match causes.first() {
            Some(Sign { stall, .. }) => {
                let why = stall.cause.clone();
                (stall.step.clone(), stall.worker, None, why)
            }
            None => self.unsaved(),
        };
        let cause = format!("epoch {} has ended but is not complete: {why}", epoch.epoch);
        let kind = StallKind::Snapshot;
        let mut sign = self.sign(kind, String::new(), step.as_ref(), worker, cause);
        sign.stall.partition = partition;
        sign.began = Some(self.now.seconds - epoch.seconds);
        Some(sign)
    }

    /// The unsaved part of an epoch.
    fn unsaved(&self) -> (Option<StepId>, Option<usize>, Option<String>, String) {
        let steps = self.now.steps.iter();
        let all = steps.flat_map(|step| step.workers.iter().map(move |of| (step, of)));
        let more = all.map(|(step, of)| {
            let before = numbers(self.before, &step.step, of.worker);
            let before = before.map_or(0, |before| before.saved_bytes);
            (of.saved_bytes.saturating_sub(before), step, of.worker)
        });
        if let Some((bytes, step, worker)) = more.max_by_key(|(bytes, ..)| *bytes)
            && bytes > 0
        {
            let rate = bytes as f64 / self.passed / 1e6;
            let step = step.step.clone();
            let why = format!(
                "step `{step}` is saving its state on worker {worker}, {rate:.1} MB a second"
            );
            return (Some(step), Some(worker), None, why);
        }
        let busiest = self.busiest(|_, _| true);
        if let Some(busiest) = busiest.filter(|busiest| busiest.share >= ALL_THE_TIME) {
            let (step, worker) = (busiest.step.step.clone(), busiest.worker);
            let why = format!(
                "step `{step}` is busy all the time on worker {worker}, and items of it wait"
            );
            return (Some(step), Some(worker), None, why);
        }
        let mean = |store: &&crate::report::StoreReport| {
            let writes = &store.write_seconds;
            writes.sum / writes.count().max(1) as f64
        };
        let slowest = self
            .now
            .stores
            .iter()
            .max_by(|one, other| mean(one).total_cmp(&mean(other)));
        let Some(store) = slowest else {
            let why = "items of it are still on their way in a step, such as calls that have not returned, or in another \
                       process";
            return (None, None, None, why.to_owned());
        };
        let (partition, worker) = (store.partition.to_string(), store.worker);
        let why = format!(
            "all steps have handed over their state, and the recovery store has not written it: look at the disk of \
             partition {partition} and at the backup, or at the other processes"
        );
        (None, Some(worker), Some(partition), why)
    }

    /// Partitions that hold a watermark back while others advance.
    fn watermarks(&self, moved: &Moved) -> Vec<Sign> {
        let mut signs = Vec::new();
        for step in &self.now.steps {
            let all = step.workers.iter();
            let all = all.flat_map(|of| of.partitions.iter().map(move |it| (of.worker, it)));
            let all: Vec<_> = all.filter(|(_, partition)| !partition.ended).collect();
            let waited_for = all.iter().filter(|(_, partition)| partition.waited_for);
            let Some((worker, least)) = waited_for.min_by_key(|(_, it)| it.watermark) else {
                continue;
            };
            let stands_since = moved.at(step, *worker, least);
            let others = all.iter().filter(|(_, other)| other.newest > least.newest);
            let is_passed = others
                .map(|(worker, other)| moved.at(step, *worker, other))
                .any(|at| at > stands_since);
            // It must not have advanced just now.
            if !is_passed || stands_since >= self.now.seconds {
                continue;
            }
            let (id, name) = (&step.step, &least.name);
            let nothing = match least.newest {
                Some(_) => "has no newer items",
                None => "has had no items",
            };
            let cause = format!(
                "the watermark of step `{id}` does not advance: partition `{name}`, on worker {worker}, {nothing}, unlike \
                 others; `Lateness::idle_after` lets the watermark advance without it"
            );
            let subject = format!("{id} {name}");
            let mut sign = self.sign(
                StallKind::Watermark,
                subject,
                Some(id),
                Some(*worker),
                cause,
            );
            sign.stall.partition = Some(name.clone());
            signs.push(sign);
        }
        signs
    }

    /// Partitions of sources that have items left and emit none.
    fn sources(&self, stuck: &BTreeSet<usize>) -> Vec<Sign> {
        let mut signs = Vec::new();
        for (step, of, partition) in partitions(self.now) {
            let (id, worker) = (&step.step, of.worker);
            let left = partition.lag.and_then(|lag| match (lag.bytes, lag.items) {
                (Some(bytes), _) => Some((bytes, "bytes")),
                (None, items) => Some((items?, "items")),
            });
            let Some((left, unit)) = left.filter(|(left, _)| *left > 0) else {
                continue;
            };
            let before = numbers(self.before, id, worker);
            let before = before.and_then(|before| {
                let mut known = before.partitions.iter();
                known.find(|known| known.name == partition.name)
            });
            let stands = before.is_some_and(|before| before.items == partition.items);
            // A source that waits for room would emit more.
            let mut edges = self.now.edges.iter().chain(&self.before.edges);
            let waits = edges.any(|edge| edge.waits && edge.from == *id && edge.worker == worker);
            if partition.ended || !stands || waits || stuck.contains(&worker) {
                continue;
            }
            let name = &partition.name;
            let cause = format!(
                "partition `{name}` of source `{id}`, on worker {worker}, gives nothing, and has {left} {unit} left: look at \
                 where it reads from"
            );
            let subject = format!("{id} {name}");
            let mut sign = self.sign(StallKind::Source, subject, Some(id), Some(worker), cause);
            sign.stall.partition = Some(name.clone());
            signs.push(sign);
        }
        signs
    }

    /// A worker that is constantly busy while the others are mostly idle.
    fn skew(&self) -> Option<Sign> {
        let busy = |worker: &WorkerReport| {
            let steps = self.now.steps.iter();
            let all = steps.flat_map(|step| step.workers.iter().map(move |of| (step, of)));
            let own = all.filter(|(_, of)| of.worker == worker.worker);
            own.map(|(step, of)| self.share(&step.step, of))
                .sum::<f64>()
        };
        let shares: Vec<(usize, f64)> = self
            .now
            .workers
            .iter()
            .map(|it| (it.worker, busy(it)))
            .collect();
        let (worker, most) = *shares
            .iter()
            .max_by(|one, other| one.1.total_cmp(&other.1))?;
        let others = shares.len().checked_sub(1).filter(|others| *others > 0)?;
        let rest: f64 = shares.iter().map(|(_, share)| share).sum::<f64>() - most;
        if most < ALL_THE_TIME || rest / others as f64 > FAR_LESS {
            return None;
        }
        let busiest = self.busiest(|_, of| of == worker)?;
        let id = &busiest.step.step;
        // Sharing its items evenly, a worker may still be busier than the others: it also reads them.
        if busiest.step.kind != StepKind::Source {
            let items = |of: &StepNumbers| {
                let before = numbers(self.before, id, of.worker);
                let before = before.map_or(0, |before| before.items_in);
                of.items_in.saturating_sub(before) as f64
            };
            let (mut own, mut rest) = (0.0, 0.0);
            for of in &busiest.step.workers {
                match of.worker == worker {
                    true => own += items(of),
                    false => rest += items(of),
                }
            }
            if own <= FAR_MORE * rest / others as f64 {
                return None;
            }
        }
        let help = match busiest.step.kind {
            StepKind::Source => "it reads most of the input: more partitions spread it",
            StepKind::Stateful => "a few keys have most of its items",
            _ => "`redistribute` before it spreads its items",
        };
        let cause = format!(
            "worker {worker} is busy all the time, mostly with step `{id}`, while the others are mostly idle: {help}"
        );
        let of = Some(worker);
        Some(self.sign(StallKind::Skew, worker.to_string(), Some(id), of, cause))
    }
}
