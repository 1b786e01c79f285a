//! Operators without inputs: they poll the partitions of a source and end epochs.

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;
use std::vec::IntoIter;

use chrono::{DateTime, TimeDelta, Utc};

use super::budget::Portion;
use super::context::Cx;
use super::edge::EventMark;
use super::epochs::STOPPED;
use super::head::{Operator, Progress};
use super::listeners::{Listener, ListenerId};
use super::meter::{PartitionMeter, StepMeter};
use super::plan::{BuildCx, Outputs};
use super::push::{Flush, Next};
use super::shared::{EdgeId, Stop};
use super::timers::Alarm;
use super::watermark::Partitions;
use crate::clock::{Due, Monotonic, WorkerClock};
use crate::delivery::Promise;
use crate::error::{RunError, StepError};
use crate::guard::with_partition;
use crate::ids::{Epoch, StepIndex};
use crate::key::position_slot;
use crate::source::{Answer, Lag, Poll, Wake, Waker, Woken, opening};
use crate::state::{StateError, StepSchema};

/// The time until an empty partition is polled again.
const COOL_DOWN: TimeDelta = TimeDelta::milliseconds(1);

/// How often partitions report their lag.
const LOOK_AGAIN: TimeDelta = TimeDelta::seconds(1);

/// The plan to build a source on a worker.
pub(crate) trait SourcePlan: Send + Sync {
    /// Returns the partitions that this worker can reach; `None` for a source with one on each worker.
    fn partitions(&self) -> Option<Result<Vec<String>, StepError>>;

    /// Returns the type of its positions, if it saves any.
    fn step_schema(&self) -> Option<StepSchema>;

    /// Whether it can be replayed.
    fn promise(&self) -> Promise;

    /// Opens the partitions that were assigned to this worker.
    fn operator(
        &self,
        build: &BuildCx,
        alarm: Alarm,
        outputs: &mut Outputs,
    ) -> Result<Box<dyn Operator>, RunError>;
}

/// A partition of either kind of source.
pub(crate) trait PolledPartition<T>: Listener {
    fn next_batch(&mut self) -> Result<Poll<T>, StepError>;
    fn next_awake(&self) -> Option<DateTime<Utc>>;
    fn end_epoch(&mut self, epoch: Epoch) -> Result<(), StepError>;
    /// Returns its saved position; `None` for a source without positions.
    fn position(&self) -> Option<Result<Vec<u8>, StateError>>;
    /// Returns its lag, as far as it is known.
    fn lag(&self) -> Option<Lag> {
        None
    }
}

/// The time of the next poll of a partition, unless it is woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awake {
    Now,
    At(Due),
    Never,
}

impl From<Option<DateTime<Utc>>> for Awake {
    fn from(date: Option<DateTime<Utc>>) -> Self {
        date.map_or(Self::Now, |date| Self::At(date.into()))
    }
}

/// An open partition and the time of its next poll.
pub(crate) struct Polled<T> {
    name: String,
    /// Its number among the partitions of the worker.
    number: usize,
    partition: Rc<RefCell<dyn PolledPartition<T>>>,
    listener: ListenerId,
    /// The items of the last poll that had no room yet.
    rest: IntoIter<T>,
    awake: Awake,
    woken: Woken,
    /// Whether it polls at marks. The date is then read before each poll, which may take long.
    has_marks: bool,
    /// The last position that was saved.
    saved: Option<Vec<u8>>,
    /// The former name of its saved position, which no partition has any more.
    earlier_name: Option<String>,
    meter: Arc<PartitionMeter>,
}

impl<T: 'static> Polled<T> {
    /// Opens a partition in an epoch, with its waker as the current one.
    pub(crate) fn open<P: PolledPartition<T>>(
        build: &BuildCx,
        alarm: Alarm,
        from: Epoch,
        name: String,
        open: impl FnOnce(&str) -> Result<P, RunError>,
    ) -> Result<Self, RunError> {
        let remote = build.worker.timers.remote(alarm);
        let (waker, woken) = Waker::new(move || remote.wake());
        let saved = build.worker.store.get().is_some();
        let partition = with_partition(&name, || opening(saved, || waker.offer(|| open(&name))))?;
        drop(waker);
        let awake = with_partition(&name, || partition.next_awake()).into();
        let partition = Rc::new(RefCell::new(partition));
        let epochs = &build.worker.epochs;
        let listening: Rc<RefCell<dyn Listener>> = Rc::clone(&partition) as _;
        let listener = epochs
            .listeners
            .add(build.step, Some(&name), from, listening);
        Ok(Self {
            meter: Arc::new(PartitionMeter::new(&name)),
            name,
            number: 0,
            partition,
            listener,
            rest: Vec::new().into_iter(),
            awake,
            woken,
            has_marks: false,
            saved: None,
            earlier_name: None,
        })
    }

    /// The same with a former name; its first position under the new name removes the one under the former.
    pub(crate) fn renamed_from(mut self, name: String) -> Self {
        self.earlier_name = Some(name);
        self
    }

    /// Ends an epoch, and saves the position with it, if it has changed.
    fn end_epoch(&mut self, step: StepIndex, cx: &mut Cx) -> Result<(), RunError> {
        cx.enter(step);
        let ended = with_partition(&self.name, || {
            self.partition.borrow_mut().end_epoch(cx.epoch)
        });
        ended.map_err(|error| {
            RunError::step("the source cannot end the epoch", error).in_partition(&self.name)
        })?;
        self.save(step, cx)
    }

    fn save(&mut self, step: StepIndex, cx: &mut Cx) -> Result<(), RunError> {
        if cx.worker.store.get().is_none() {
            return Ok(());
        }
        let worker = Rc::clone(&cx.worker);
        let position = || self.partition.borrow().position();
        let position = with_partition(&self.name, || {
            let meter = &worker.meter.step(step).snapshot;
            worker.timing.measured(meter, 1, position)
        });
        let Some(position) = position else {
            return Ok(());
        };
        let position = position.map_err(|error| {
            let text = "the position of the source cannot be saved";
            RunError::step(text, error.into()).in_partition(&self.name)
        })?;
        if self.saved.as_ref() != Some(&position) {
            cx.save_position(step, &self.name, position.clone());
            if let Some(earlier) = self.earlier_name.take() {
                cx.save_position(step, &earlier, Vec::new());
            }
            self.saved = Some(position);
        }
        Ok(())
    }

    fn is_due(&self, clock: &WorkerClock) -> bool {
        let is_due = match self.awake {
            Awake::Now => true,
            Awake::At(due) => clock.has_come(due),
            Awake::Never => false,
        };
        is_due || self.woken.is_woken()
    }

    /// Sets the time of the next poll after this result of a poll at `now`; by `idle`, if it was empty and
    /// requested no time.
    fn plan(
        &mut self,
        wake: Wake,
        idle: Option<Awake>,
        now: Monotonic,
        date: impl FnOnce() -> DateTime<Utc>,
    ) -> Result<(), StepError> {
        self.awake = match wake {
            Wake::After(time) => Awake::At(now.after_std(time).into()),
            Wake::At(time) => Awake::At(time.into()),
            Wake::Aligned(aligned) => {
                self.has_marks = true;
                Awake::At(aligned.after(date()).into())
            }
            Wake::Woken if self.woken.is_held() || self.woken.is_woken() => Awake::Never,
            Wake::Woken => {
                return Err(StepError::msg(
                    "it waits for a wake-up, but no waker of it exists: call `Waker::current()` when the \
                     partition opens, and keep the waker until all items are returned",
                ));
            }
            Wake::Default => {
                let date = with_partition(&self.name, || self.partition.borrow().next_awake());
                match (date, idle) {
                    (None, Some(idle)) => idle,
                    (date, _) => date.into(),
                }
            }
        };
        Ok(())
    }
}

type OpenAdded<T> = dyn Fn(&BuildCx, Alarm, Epoch, String) -> Result<Polled<T>, RunError>;

/// Finds partitions that appear while the flow runs, and opens those of this worker.
pub(crate) struct Discovering<T> {
    names: Polled<String>,
    /// All partitions that any worker has or had.
    known: HashSet<String>,
    open: Box<OpenAdded<T>>,
}

impl<T> Discovering<T> {
    pub(crate) fn new(
        names: Polled<String>,
        known: HashSet<String>,
        open: impl Fn(&BuildCx, Alarm, Epoch, String) -> Result<Polled<T>, RunError> + 'static,
    ) -> Self {
        Self {
            names,
            known,
            open: Box::new(open),
        }
    }
}

/// Polls partitions in turn, one batch of each per activation, and advances the epoch.
pub(crate) struct SourceHead<T> {
    step: StepIndex,
    alarm: Alarm,
    partitions: Vec<Polled<T>>,
    discovering: Option<Discovering<T>>,
    next: Next<T>,
    /// The maximum number of items that are passed on together.
    portion: Portion,
    has_begun: bool,
    meter: Arc<StepMeter>,
    /// The time when partitions report their lag next.
    look_at: Monotonic,
    /// Whether a partition had a lag when it reported last.
    is_behind: bool,
    /// Whether a partition was polled since.
    has_polled: bool,
}

impl<T: 'static> SourceHead<T> {
    pub(crate) fn new(
        build: &BuildCx,
        alarm: Alarm,
        mut partitions: Vec<Polled<T>>,
        outputs: &mut Outputs,
    ) -> Self {
        let meter = build.meter();
        for (number, partition) in partitions.iter_mut().enumerate() {
            partition.number = number;
            meter.add_partition(&partition.meter);
        }
        build.worker.epochs.protocol().add_source(alarm);
        Self {
            step: build.step,
            alarm,
            partitions,
            discovering: None,
            next: outputs.next(0),
            portion: Portion::default(),
            has_begun: false,
            meter: Arc::clone(meter),
            look_at: Monotonic::default(),
            is_behind: false,
            has_polled: false,
        }
    }

    /// Records the lag of partitions, from time to time.
    fn look(&mut self, now: Monotonic, cx: &Cx) {
        cx.worker.timing.note(now);
        if now < self.look_at {
            return;
        }
        self.look_at = now.after(LOOK_AGAIN);
        self.is_behind = false;
        self.has_polled = false;
        for partition in &self.partitions {
            let lag = with_partition(&partition.name, || partition.partition.borrow().lag());
            self.is_behind |= lag.is_some_and(Lag::is_behind);
            partition.meter.set_lag(lag);
        }
    }

    /// Opens partitions that appear while the flow runs.
    pub(crate) fn discovering(mut self, discovering: Option<Discovering<T>>) -> Self {
        self.discovering = discovering;
        self
    }

    /// Opens the new partitions that belong to this worker.
    fn discover(&mut self, now: Monotonic, cx: &mut Cx) -> Result<(), RunError> {
        let Some(Discovering { names, known, open }) = &mut self.discovering else {
            return Ok(());
        };
        if !names.is_due(&cx.worker.clock) {
            return Ok(());
        }
        cx.enter(self.step);
        let failed =
            |error| RunError::step("the source cannot find partitions that were added", error);
        names.woken.polled();
        let poll = names.partition.borrow_mut().next_batch().map_err(failed)?;
        let found = match poll.answer {
            Answer::Items(found) => found,
            Answer::End => {
                cx.worker.epochs.listeners.end(names.listener, cx.epoch);
                self.discovering = None;
                return Ok(());
            }
            Answer::Abort => {
                cx.worker.shared.stop(Stop::Aborted);
                return Ok(());
            }
        };
        let clock = &cx.worker.clock;
        let idle = Some(Awake::At(now.after(COOL_DOWN).into()));
        let planned = names.plan(poll.wake, idle, now, || clock.now());
        planned.map_err(failed)?;
        let build = BuildCx {
            worker: Rc::clone(&cx.worker),
            step: self.step,
        };
        for name in found {
            if !known.insert(name.clone()) {
                continue;
            }
            let slot = position_slot(build.id(), &name);
            if slot.index() % cx.worker.count == cx.worker.index.0 {
                let number = cx.partitions.add(&name);
                let mut opened = open(&build, self.alarm, cx.epoch, name)?;
                opened.number = number;
                self.meter.add_partition(&opened.meter);
                self.partitions.push(opened);
            }
        }
        Ok(())
    }

    /// Ends the current epoch, and advances to another.
    fn go_to(&mut self, to: Epoch, cx: &mut Cx) -> Result<(), RunError> {
        if cx.epoch >= cx.worker.epochs.first() {
            self.next.flush(Flush::Epoch, cx)?;
            for partition in &mut self.partitions {
                partition.end_epoch(self.step, cx)?;
            }
            if to == STOPPED {
                cx.notify_end();
            }
        }
        cx.advance(to);
        Ok(())
    }

    /// Advances to the epoch of the worker.
    fn follow(&mut self, cx: &mut Cx) -> Result<(), RunError> {
        loop {
            let next = cx.worker.epochs.protocol().next_of(cx.epoch);
            match next {
                Some(next) => self.go_to(next, cx)?,
                None => return Ok(()),
            }
        }
    }

    /// Passes on items of the polled partition.
    fn pass(&mut self, items: &mut Vec<T>, cx: &mut Cx) -> Result<(), RunError> {
        let (count, sent) = (items.len(), cx.worker.sent());
        self.next.pass(items, cx)?;
        cx.note_portion(&mut self.portion, count, sent);
        Ok(())
    }

    /// Passes on the items of polls, a portion at a time. Returns whether there was room for all.
    fn pass_rest(&mut self, edges: &[EdgeId], cx: &mut Cx) -> Result<bool, RunError> {
        let mut index = 0;
        while let Some(partition) = self.partitions.get_mut(index) {
            if partition.rest.len() == 0 {
                index += 1;
                continue;
            }
            if cx.worker.any_full(edges) {
                return Ok(false);
            }
            let few = cx.items_of(&self.portion);
            let mut items = partition.rest.by_ref().take(few).collect();
            cx.partitions.current = partition.number;
            self.pass(&mut items, cx)?;
        }
        Ok(true)
    }

    fn has_rest(&self) -> bool {
        self.partitions
            .iter()
            .any(|partition| partition.rest.len() > 0)
    }

    /// Polls each due partition once; unless polls end epochs, only while there is room. Returns whether any
    /// was due.
    fn poll(&mut self, now: Monotonic, edges: &[EdgeId], cx: &mut Cx) -> Result<bool, RunError> {
        let all = cx.worker.epochs.protocol().has_turns();
        let mut polled = false;
        let mut index = 0;
        while let Some(partition) = self.partitions.get_mut(index) {
            if polled && !all && cx.worker.any_full(edges) {
                // They are polled when there is room again.
                for left in &self.partitions[index..] {
                    cx.partitions.answered(left.number, false);
                }
                self.partitions.rotate_left(index);
                break;
            }
            if cx.partitions.is_held(partition.number) {
                cx.partitions.answered(partition.number, false);
                index += 1;
                continue;
            }
            if !partition.is_due(&cx.worker.clock) {
                index += 1;
                continue;
            }
            polled = true;
            cx.enter(self.step);
            let clock = &cx.worker.clock;
            let before = partition.has_marks.then(|| clock.now());
            partition.woken.polled();
            let poll = with_partition(&partition.name, || {
                let poll = || partition.partition.borrow_mut().next_batch();
                cx.worker.timing.measure(&self.meter.batch, poll)
            });
            let poll = poll.map_err(|error| {
                RunError::step("the source failed", error).in_partition(&partition.name)
            })?;
            match poll.answer {
                Answer::Items(mut items) => {
                    self.meter.polled.observe(items.len() as u64, 1);
                    if !items.is_empty() {
                        partition.meter.gave(items.len());
                    }
                    let is_quiet = items.is_empty() && !poll.has_more;
                    cx.partitions.answered(partition.number, is_quiet);
                    let date = || before.unwrap_or_else(|| clock.now());
                    // The milliseconds of a hand-driven clock may never pass.
                    let idle = items.is_empty().then(|| match clock.is_by_hand() {
                        true => Awake::Now,
                        false => Awake::At(now.after(COOL_DOWN).into()),
                    });
                    let planned = partition.plan(poll.wake, idle, now, date);
                    planned.map_err(|error| {
                        RunError::step("the source failed", error).in_partition(&partition.name)
                    })?;
                    cx.partitions.current = partition.number;
                    if items.len() <= cx.items_of(&self.portion) {
                        self.pass(&mut items, cx)?;
                    } else {
                        partition.rest = items.into_iter();
                        self.pass_rest(edges, cx)?;
                    }
                    index += 1;
                }
                Answer::End => {
                    let mut ended = self.partitions.remove(index);
                    cx.partitions.end(ended.number);
                    ended.meter.end();
                    ended.end_epoch(self.step, cx)?;
                    cx.worker.epochs.listeners.end(ended.listener, cx.epoch);
                }
                Answer::Abort => {
                    cx.worker.shared.stop(Stop::Aborted);
                    return Ok(true);
                }
            }
        }
        Ok(polled)
    }

    /// Wakes the operator when a partition is due, or the epoch is over.
    fn sleep(&self, full: bool, cx: &Cx) {
        let timers = &cx.worker.timers;
        let protocol = cx.worker.epochs.protocol();
        if let Some(end) = protocol.ends_at() {
            timers.wake_by(self.alarm, end);
        }
        // Otherwise a source without new items would report the lag that it had before its last poll.
        if self.is_behind && self.has_polled {
            timers.wake_by(self.alarm, self.look_at);
        }
        if full || !protocol.may_poll(self.alarm) {
            return;
        }
        let held = |partition: &&Polled<T>| cx.partitions.is_held(partition.number);
        let partitions = self.partitions.iter().filter(|partition| !held(partition));
        let awake = partitions.map(|partition| partition.awake);
        let discovers = self.discovering.iter().map(|all| all.names.awake);
        for awake in awake.chain(discovers) {
            match awake {
                Awake::Now => timers.wake(self.alarm),
                Awake::At(due) => timers.wake_by(self.alarm, due),
                // Its waker wakes the operator too.
                Awake::Never => {}
            }
        }
    }
}

impl<T: 'static> Operator for SourceHead<T> {
    fn run(
        &mut self,
        _: Option<Epoch>,
        edges: &[EdgeId],
        cx: &mut Cx,
    ) -> Result<Progress, RunError> {
        let worker = Rc::clone(&cx.worker);
        cx.enter(self.step);
        if !self.has_begun {
            self.has_begun = true;
            cx.partitions = Partitions::new(self.partitions.len());
            cx.partitions.not_polled();
        }
        // They belong to this epoch, and precede the position that is saved with it.
        if !self.pass_rest(edges, cx)? {
            self.next.flush(Flush::Activation, cx)?;
            cx.partitions.hold_asked();
            return Ok(Progress::Waiting);
        }
        let now = worker.clock.monotonic();
        self.look(now, cx);
        worker.join_epoch(now);
        self.follow(cx)?;
        if cx.epoch == STOPPED {
            return Ok(Progress::Waiting);
        }

        let full = worker.any_full(edges);
        let may_poll = !full && worker.epochs.protocol().may_poll(self.alarm);
        if !may_poll {
            cx.partitions.not_polled();
        }
        if may_poll {
            self.discover(now, cx)?;
        }
        let polled = may_poll && self.poll(now, edges, cx)?;
        self.has_polled |= polled;
        worker.epochs.protocol().had_a_turn(self.alarm, polled);

        if self.partitions.is_empty() && self.discovering.is_none() {
            self.next.flush(Flush::Epoch, cx)?;
            cx.mark = EventMark::END;
            self.next.flush(Flush::End, cx)?;
            cx.notify_end();
            worker.epochs.protocol().remove_source(self.alarm);
            // The others may have waited for its turn.
            worker.begin_epoch(now);
            return Ok(Progress::Finished);
        }
        self.next.flush(Flush::Activation, cx)?;
        cx.partitions.hold_asked();

        worker.begin_epoch(now);
        if !self.has_rest() {
            self.follow(cx)?;
        }
        self.sleep(full, cx);
        Ok(Progress::Waiting)
    }
}
