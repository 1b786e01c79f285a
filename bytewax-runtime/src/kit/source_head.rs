//! Operators without inputs: they poll the partitions of a source and end epochs.

use chrono::{DateTime, TimeDelta, Utc};

use super::context::Cx;
use super::head::{Operator, Progress};
use super::plan::{Outs, Site};
use super::push::{Flush, Next};
use super::shared::{EdgeId, Stop};
use super::timers::Alarm;
use super::watermark::Partitions;
use crate::error::{RunError, StepError};
use crate::ids::{Epoch, StepIndex};
use crate::source::{Answer, Poll, Wake};
use crate::state::{Kept, StateError};

/// How long a partition that gave nothing is left alone.
const COOL_DOWN: TimeDelta = TimeDelta::milliseconds(1);

/// How a source is built on a worker.
pub(crate) trait SourcePlan: Send + Sync {
    /// The partitions that this worker can reach; `None` for a source with one on each worker.
    fn partitions(&self) -> Option<Result<Vec<String>, StepError>>;

    /// The type of its positions, if it saves any.
    fn kept(&self) -> Option<Kept>;

    /// Opens the partitions that were assigned to this worker.
    fn operator(
        &self,
        site: &Site,
        alarm: Alarm,
        outs: &mut Outs,
    ) -> Result<Box<dyn Operator>, RunError>;
}

/// A partition of either kind of source.
pub(crate) trait PolledPartition<T>: 'static {
    fn next_batch(&mut self) -> Result<Poll<T>, StepError>;
    fn next_awake(&self) -> Option<DateTime<Utc>>;
    /// Where it is, as it is saved; `None` for a source that saves nothing.
    fn position(&self) -> Option<Result<Vec<u8>, StateError>>;
}

/// One opened partition and when to poll it.
pub(crate) struct Polled<T> {
    name: String,
    /// Its number among the partitions of the worker.
    number: usize,
    partition: Box<dyn PolledPartition<T>>,
    /// The earliest time of the next poll; `None` is at once.
    awake: Option<DateTime<Utc>>,
    /// The last position that was saved.
    saved: Option<Vec<u8>>,
}

impl<T: 'static> Polled<T> {
    pub(crate) fn new(name: String, partition: Box<dyn PolledPartition<T>>) -> Self {
        let awake = partition.next_awake();
        Self {
            name,
            number: 0,
            partition,
            awake,
            saved: None,
        }
    }

    /// Has the position saved, if it has changed.
    fn save(&mut self, step: StepIndex, cx: &mut Cx) -> Result<(), RunError> {
        if cx.worker.store.get().is_none() {
            return Ok(());
        }
        cx.enter(step);
        let Some(position) = self.partition.position() else {
            return Ok(());
        };
        let position = position.map_err(|error| {
            let text = "the position of the source cannot be saved";
            RunError::step(text, error.into()).in_partition(&self.name)
        })?;
        if self.saved.as_ref() != Some(&position) {
            cx.save_position(step, &self.name, position.clone());
            self.saved = Some(position);
        }
        Ok(())
    }

    fn is_due(&self, now: DateTime<Utc>) -> bool {
        self.awake.is_none_or(|awake| awake <= now)
    }
}

/// Polls partitions in turn, one batch of each an activation, and moves the epoch on.
pub(crate) struct SourceHead<T> {
    step: StepIndex,
    alarm: Alarm,
    partitions: Vec<Polled<T>>,
    next: Next<T>,
    /// The last epoch in which a partition was polled.
    polled_in: Epoch,
    /// The time for which a wake-up is under way already.
    wake_set: Option<DateTime<Utc>>,
    has_begun: bool,
}

impl<T: 'static> SourceHead<T> {
    pub(crate) fn new(
        site: &Site,
        alarm: Alarm,
        mut partitions: Vec<Polled<T>>,
        outs: &mut Outs,
    ) -> Self {
        for (number, partition) in partitions.iter_mut().enumerate() {
            partition.number = number;
        }
        site.worker.epochs.add_source(alarm);
        Self {
            step: site.step,
            alarm,
            partitions,
            next: outs.next(0),
            polled_in: Epoch(0),
            wake_set: None,
            has_begun: false,
        }
    }

    fn end_epoch(&mut self, to: Epoch, cx: &mut Cx) -> Result<(), RunError> {
        if cx.epoch >= cx.worker.epochs.first() {
            self.next.flush(Flush::Epoch, cx)?;
            for partition in &mut self.partitions {
                partition.save(self.step, cx)?;
            }
        }
        cx.advance(to);
        Ok(())
    }

    /// Polls each partition that is due once. Gives whether any was.
    fn poll(&mut self, now: DateTime<Utc>, cx: &mut Cx) -> Result<bool, RunError> {
        let mut polled = false;
        let mut index = 0;
        while let Some(partition) = self.partitions.get_mut(index) {
            if !partition.is_due(now) || cx.partitions.is_held(partition.number) {
                index += 1;
                continue;
            }
            polled = true;
            cx.enter(self.step);
            let poll = partition.partition.next_batch().map_err(|error| {
                RunError::step("the source failed", error).in_partition(&partition.name)
            })?;
            match poll.answer {
                Answer::Items(mut items) => {
                    partition.awake = match poll.wake {
                        Wake::After(time) => Some(later(
                            now,
                            TimeDelta::from_std(time).unwrap_or(TimeDelta::MAX),
                        )),
                        Wake::At(time) => Some(time),
                        Wake::Mark(mark) => Some(mark.after(now)),
                        Wake::Default => match partition.partition.next_awake() {
                            None if items.is_empty() => Some(later(now, COOL_DOWN)),
                            awake => awake,
                        },
                    };
                    cx.partitions.current = partition.number;
                    self.next.pass(&mut items, cx)?;
                    index += 1;
                }
                Answer::End => {
                    let mut ended = self.partitions.remove(index);
                    cx.partitions.end(ended.number);
                    ended.save(self.step, cx)?;
                }
                Answer::Abort => {
                    cx.worker.shared.stop(Stop::Aborted);
                    return Ok(true);
                }
            }
        }
        Ok(polled)
    }

    /// Has the operator woken when a partition is due or the epoch is over.
    fn sleep(
        &mut self,
        now: DateTime<Utc>,
        epoch_end: Option<DateTime<Utc>>,
        may_poll: bool,
        cx: &Cx,
    ) {
        let may_poll =
            |partition: &&Polled<T>| may_poll && !cx.partitions.is_held(partition.number);
        let polls = self.partitions.iter().filter(may_poll);
        let polls = polls.map(|partition| partition.awake.unwrap_or(now));
        let Some(wake) = polls.chain(epoch_end).min() else {
            return;
        };
        if wake <= now {
            cx.worker.timers.wake(self.alarm);
        } else if self.wake_set.is_none_or(|set| set <= now || wake < set) {
            cx.worker.timers.wake_at(self.alarm, wake);
            self.wake_set = Some(wake);
        }
    }
}

/// A time after another one; when there is none so late, the last there is.
fn later(time: DateTime<Utc>, by: TimeDelta) -> DateTime<Utc> {
    time.checked_add_signed(by)
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}

impl<T: 'static> Operator for SourceHead<T> {
    fn run(
        &mut self,
        _: Option<Epoch>,
        edges: &[EdgeId],
        cx: &mut Cx,
    ) -> Result<Progress, RunError> {
        let worker = std::rc::Rc::clone(&cx.worker);
        cx.enter(self.step);
        if !self.has_begun {
            self.has_begun = true;
            cx.partitions = Partitions::new(self.partitions.len());
        }
        let interval = worker.shared.settings.epoch_interval;
        let zero = interval <= TimeDelta::zero();
        let epochs = &worker.epochs;
        let now = worker.clock.now();
        let latest = worker.shared.latest_epoch();
        if epochs.current() < latest {
            epochs.begin(latest, now, &worker.timers);
        }
        if cx.epoch < epochs.current() {
            self.end_epoch(epochs.current(), cx)?;
        }

        // At most two epochs are under way, and with an interval of zero only one, so that a slow
        // epoch holds the sources back and not the memory.
        let oldest = Epoch(cx.epoch.0 - u64::from(!zero));
        let may_go_on = epochs.complete_before() >= oldest;
        let full = edges.iter().any(|edge| worker.is_full(*edge));
        // With an interval of zero, an epoch has one poll of each source of the worker.
        let may_poll = may_go_on && !full && !(zero && self.polled_in == cx.epoch);
        if may_poll && self.poll(now, cx)? {
            self.polled_in = cx.epoch;
            epochs.note_poll();
        }
        let all_had_a_turn = may_go_on && (!zero || epochs.take_turn(self.alarm));
        // One snapshot follows the other: while that of the epoch before is under way, this one lasts.
        let may_end = match worker.store.get() {
            Some(_) => epochs.complete_before() >= cx.epoch,
            None => may_go_on,
        };

        if self.partitions.is_empty() {
            self.next.flush(Flush::Epoch, cx)?;
            self.next.flush(Flush::End, cx)?;
            cx.tell_end();
            epochs.remove_source(self.alarm);
            return Ok(Progress::Finished);
        }
        self.next.flush(Flush::Activation, cx)?;
        cx.partitions.hold_asked();

        // With an interval of zero it is polls that end epochs, and a worker whose sources are all
        // asleep only follows the others.
        let epoch_end = |began| (!zero).then(|| later(began, interval));
        let is_over = match epoch_end(epochs.began()) {
            Some(end) => may_end && now >= end,
            None => all_had_a_turn && epochs.had_a_poll(),
        };
        if is_over {
            let next = cx.epoch.next();
            epochs.begin(next, now, &worker.timers);
            worker.shared.begin_epoch(next, worker.index);
            self.end_epoch(next, cx)?;
        }
        if !may_end {
            epochs.wait(self.alarm);
        }
        if may_go_on {
            let epoch_end = epoch_end(epochs.began()).filter(|_| may_end);
            self.sleep(now, epoch_end, !full, cx);
        }
        Ok(Progress::Waiting)
    }
}
