//! The stage that declares the event time of a stream, partition by partition.

use std::rc::Rc;
use std::sync::Arc;

use chrono::TimeDelta;

use super::{DOWN, FUTURE, LATE, Lateness};
use crate::clock::Monotonic;
use crate::error::RunError;
use crate::ids::StepIndex;
use crate::kit::meter::PartitionMeter;
use crate::kit::{BuildCx, Cx, EventMark, Flush, Next, Outputs, Push, Watermark};
use crate::state;
use crate::windowing::clock::{Getter, bound};
use crate::windowing::engine::{Aside, LostOfRun};
use crate::windowing::time::{FIRST, Time};

/// The items of the step that a run drops because nothing reads them.
#[derive(Debug)]
pub(super) struct LostItems {
    late: LostOfRun,
    future: LostOfRun,
}

impl Default for LostItems {
    fn default() -> Self {
        Self {
            late: LostOfRun::new("late items", "read its `late`, or allow a longer lateness"),
            future: LostOfRun::new(
                "items from the future",
                "read its `future`, or allow items to be further ahead with `Lateness::future`",
            ),
        }
    }
}

/// Passes on the items that are in time, and their watermark.
pub(super) struct Declare<T, G> {
    step: StepIndex,
    getter: Arc<G>,
    lateness: Lateness,
    partitions: Vec<Partition>,
    /// The watermark of a later step on this worker, which partitions must not be too far ahead of; looked for when all
    /// steps are built.
    known: Option<Rc<Watermark>>,
    down: Next<T>,
    late: Aside<T>,
    future: Aside<T>,
}

/// The progress of a partition.
struct Partition {
    meter: Arc<PartitionMeter>,
    name: String,
    newest: Time,
    /// The last saved time.
    saved: Time,
    /// Whether items arrived since the last check.
    has_moved: bool,
    /// When it becomes idle without new items.
    idle_at: Option<Monotonic>,
    is_idle: bool,
    /// Whether its idleness was reported.
    is_reported: bool,
}

impl Partition {
    fn new(name: String, newest: Time) -> Self {
        Self {
            meter: Arc::new(PartitionMeter::new(&name)),
            name,
            newest,
            saved: newest,
            has_moved: true,
            idle_at: None,
            is_idle: false,
            is_reported: false,
        }
    }
}

/// The classification of an item.
#[derive(PartialEq, Eq)]
enum Fate {
    InTime,
    Late,
    Future,
}

impl<T: 'static, G: Getter<T>> Declare<T, G> {
    pub(super) fn new(
        build: &BuildCx,
        outputs: &mut Outputs,
        getter: Arc<G>,
        lateness: Lateness,
        lost: &LostItems,
    ) -> Result<Self, RunError> {
        let worker = &build.worker;
        let assigned = build
            .root_of(0)
            .and_then(|root| worker.assignments.get()?.get(&root));
        let names = match assigned {
            Some(assigned) => assigned.of(worker.index),
            None => vec![format!("worker-{}", worker.index)],
        };
        let partition = |name: String| {
            let newest = build.position(&name)?.unwrap_or(Time::MIN);
            let partition = Partition::new(name, newest);
            build.meter().add_partition(&partition.meter);
            Ok(partition)
        };
        Ok(Self {
            step: build.step,
            getter,
            lateness,
            partitions: names
                .into_iter()
                .map(partition)
                .collect::<Result<_, RunError>>()?,
            known: None,
            down: outputs.next(DOWN),
            late: Aside::new(outputs, LATE, &lost.late.of(build.id())),
            future: Aside::new(outputs, FUTURE, &lost.future.of(build.id())),
        })
    }

    /// Learns the added partitions.
    fn know_added(&mut self, cx: &Cx) {
        if self.partitions.len() < cx.partitions.len() {
            let added = cx.partitions.added_from(self.partitions.len());
            let meter = cx.worker.meter.step(self.step);
            self.partitions.extend(added.iter().map(|name| {
                let partition = Partition::new(name.clone(), Time::MIN);
                meter.add_partition(&partition.meter);
                partition
            }));
        }
    }

    /// The latest valid time of an item.
    fn limit(&self, cx: &Cx) -> Time {
        let now = || cx.worker.clock.now().timestamp_micros();
        let ahead = self.lateness.ahead;
        ahead.map_or(Time::MAX, |ahead| now().saturating_add(ahead))
    }

    /// Determines the active partitions.
    fn look_after(&mut self, cx: &Cx) {
        let Some(idle_after) = self.lateness.idle_after else {
            return;
        };
        let now = cx.worker.clock.monotonic();
        let mut wake = None;
        for (index, partition) in self.partitions.iter_mut().enumerate() {
            if cx.partitions.has_ended(index) {
                continue;
            }
            if std::mem::take(&mut partition.has_moved) {
                partition.is_idle = false;
                partition.idle_at = Some(now.after(TimeDelta::microseconds(idle_after)));
            }
            match partition.idle_at {
                Some(at) if at > now => wake = wake.into_iter().chain([at]).min(),
                Some(_) if cx.partitions.is_quiet(index) => {
                    partition.idle_at = None;
                    partition.is_idle = true;
                    if !std::mem::replace(&mut partition.is_reported, true) {
                        let step = cx.step_id(self.step);
                        tracing::warn!(
                            %step,
                            partition = partition.name,
                            "step `{}`: partition `{}` has had no items for {}; the watermark goes on \
                             without it until it has some",
                            step,
                            partition.name,
                            shown(idle_after),
                        );
                    }
                }
                _ => {}
            }
        }
        if let Some(wake) = wake {
            cx.worker.timers.wake_by(cx.alarm, wake);
        }
    }

    /// Pauses partitions that are too far ahead.
    fn align(&mut self, cx: &mut Cx) {
        let Some(lead) = self.lateness.max_lead else {
            return;
        };
        if self.known.is_none() {
            let root = cx.worker.steps.get(self.step).roots.first();
            self.known = root.and_then(|root| cx.worker.watermark_behind(*root));
        }
        let Some(known) = &self.known else { return };
        let limit = known.get().max(FIRST).saturating_add(self.lateness.wait);
        let limit = limit.saturating_add(lead);
        for (index, partition) in self.partitions.iter().enumerate() {
            if partition.newest > limit && !cx.partitions.has_ended(index) {
                cx.partitions.hold(index);
                known.wait(cx.alarm);
            }
        }
    }

    /// Updates the progress of the partitions, and the watermark.
    fn count(&self, mark: EventMark, cx: &Cx) {
        for (index, partition) in self.partitions.iter().enumerate() {
            let Partition { meter, newest, .. } = partition;
            if *newest > Time::MIN {
                meter.newest.set(*newest);
            }
            if cx.partitions.has_ended(index) {
                meter.end();
            } else if partition.is_idle {
                meter.bound.clear();
            } else {
                let bound = bound(*newest, self.lateness.wait);
                meter
                    .bound
                    .set(bound.unwrap_or(PartitionMeter::NOTHING_CAME));
            }
        }
        cx.worker.meter.step(self.step).mark(mark, None);
    }

    /// The watermark of the output.
    fn mark(&self, cx: &Cx) -> EventMark {
        let open = self.partitions.iter().enumerate();
        let open = open.filter(|(index, _)| !cx.partitions.has_ended(*index));
        let marks = open.map(|(_, partition)| match partition.is_idle {
            true => EventMark::IDLE,
            false => bound(partition.newest, self.lateness.wait).map_or(EventMark::NONE, EventMark),
        });
        marks.min().unwrap_or(EventMark::END)
    }

    /// Saves the newest times with the present epoch.
    fn save(&mut self, cx: &mut Cx) -> Result<(), RunError> {
        if cx.worker.store.get().is_none() {
            return Ok(());
        }
        for partition in &mut self.partitions {
            if partition.saved != partition.newest {
                let mut bytes = Vec::new();
                state::seal(&partition.newest, &mut bytes).map_err(|error| {
                    let text = "the newest time cannot be saved";
                    RunError::step(text, error.into()).in_partition(&partition.name)
                })?;
                cx.save_position(self.step, &partition.name, bytes);
                partition.saved = partition.newest;
            }
        }
        Ok(())
    }
}

/// A duration in messages.
fn shown(micros: i64) -> String {
    match micros {
        micros if micros % 60_000_000 == 0 => format!("{} min", micros / 60_000_000),
        micros if micros % 1_000_000 == 0 => format!("{} s", micros / 1_000_000),
        micros => format!("{} ms", micros / 1_000),
    }
}

impl<T: 'static, G: Getter<T>> Push<T> for Declare<T, G> {
    fn push(&mut self, batch: &mut Vec<T>, cx: &mut Cx) -> Result<(), RunError> {
        cx.enter(self.step);
        if batch.is_empty() {
            return Ok(());
        }
        self.know_added(cx);
        let limit = self.limit(cx);
        let (getter, wait) = (&*self.getter, self.lateness.wait);
        let partition = &mut self.partitions[cx.partitions.current];
        partition.has_moved = true;
        let mut newest = partition.newest;
        let mut oldest = newest.saturating_sub(wait);
        let mut judge = |item: &T| {
            let time = getter.time(item);
            if time > limit {
                return Fate::Future;
            }
            if time > newest {
                newest = time;
                oldest = newest.saturating_sub(wait);
            }
            if time < oldest {
                Fate::Late
            } else {
                Fate::InTime
            }
        };
        let numbers = cx.numbers(batch.len());
        let mut fate = Fate::InTime;
        let aside = batch.iter().enumerate().position(|(index, item)| {
            fate = numbers.at(index, || judge(item));
            fate != Fate::InTime
        });
        if let Some(first) = aside {
            // Most batches have none, and pass unchanged.
            let mut rest = batch.split_off(first).into_iter().enumerate();
            let mut put = |fate: Fate, item: T| match fate {
                Fate::InTime => batch.push(item),
                Fate::Late => self.late.put(item),
                Fate::Future => self.future.put(item),
            };
            if let Some((_, item)) = rest.next() {
                put(fate, item);
            }
            for (index, item) in rest {
                let fate = numbers.at(first + index, || judge(&item));
                put(fate, item);
            }
        }
        partition.newest = newest;
        self.down.pass(batch, cx)?;
        self.late.send(cx)?;
        self.future.send(cx)
    }

    fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError> {
        cx.enter(self.step);
        self.know_added(cx);
        self.look_after(cx);
        self.align(cx);
        if what >= Flush::Epoch {
            self.save(cx)?;
        }
        // The output for other items has no watermark until its end.
        self.late.flush(what, cx)?;
        self.future.flush(what, cx)?;
        let outer = cx.mark;
        if what < Flush::End {
            cx.mark = self.mark(cx);
        }
        self.count(cx.mark, cx);
        let flushed = self.down.flush(what, cx);
        cx.mark = outer;
        flushed
    }
}
