//! The items in flight on one worker.

use std::collections::{BTreeSet, VecDeque};
use std::fmt::Display;
use std::marker::PhantomData;
use std::sync::Arc;

use tokio::task::AbortHandle;

use super::AsyncConfig;
use super::mailbox::Mailbox;
use crate::clock::Monotonic;
use crate::error::RunError;
use crate::executor::Executor;
use crate::ids::StepIndex;
use crate::kit::{BuildCx, Cx, EdgeId, Edges, Flush, HeadLogic, Next, Outputs, RemoteAlarm, Weigh};
use crate::operators::try_map::Errored;

/// An item in flight.
struct Flight<T, U> {
    item: T,
    weight: usize,
    /// The number of attempts so far.
    tries: u32,
    stage: Stage<U>,
}

enum Stage<U> {
    /// An attempt is in progress, with this deadline.
    Tried {
        attempt: u64,
        task: AbortHandle,
        until: Option<Monotonic>,
    },
    /// The next attempt starts at this time.
    Waits,
    Done(Result<U, String>),
}

/// Makes calls for the items of one epoch at a time.
pub(super) struct Calls<T, U, F, Fut> {
    step: StepIndex,
    config: AsyncConfig,
    executor: Arc<Executor>,
    f: F,
    /// Items that wait for room, at most one batch.
    waiting: VecDeque<T>,
    flights: Vec<Option<Flight<T, U>>>,
    weigh: Weigh<T>,
    /// The total weight of the items in flight.
    weight: usize,
    /// The limit of the weight in flight, at which other items wait.
    most_weight: usize,
    /// The free slots of `flights`.
    free: Vec<usize>,
    /// Flights in the order of emission: all of them, or the completed ones.
    order: VecDeque<usize>,
    /// The deadlines and retry times of flights.
    times: BTreeSet<(Monotonic, usize)>,
    mailbox: Mailbox<U>,
    waker: Option<RemoteAlarm>,
    attempts: u64,
    oks: Next<U>,
    errs: Next<Errored<T>>,
    /// The time of this activation, once it is read.
    now: Option<Monotonic>,
    futures: PhantomData<fn() -> Fut>,
}

impl<T, U, E, F, Fut> Calls<T, U, F, Fut>
where
    T: 'static,
    U: Send + 'static,
    E: Display,
    F: Fn(&T) -> Fut,
    Fut: Future<Output = Result<U, E>> + Send + 'static,
{
    pub(super) fn new(
        build: &BuildCx,
        config: AsyncConfig,
        executor: Arc<Executor>,
        f: F,
        outputs: &mut Outputs,
    ) -> Self {
        let Edges { budget, scales, .. } = build.worker.edges();
        Self {
            step: build.step,
            config,
            executor,
            f,
            waiting: VecDeque::new(),
            flights: Vec::new(),
            weigh: scales.weigh(),
            weight: 0,
            most_weight: usize::try_from(budget.under_way).unwrap_or(usize::MAX),
            free: Vec::new(),
            order: VecDeque::new(),
            times: BTreeSet::new(),
            mailbox: Mailbox::new(),
            waker: None,
            attempts: 0,
            oks: outputs.next(0),
            errs: outputs.next(1),
            now: None,
            futures: PhantomData,
        }
    }

    fn in_flight(&self) -> usize {
        self.flights.len() - self.free.len()
    }

    fn weigh(&self, item: &T) -> usize {
        (self.weigh)(std::slice::from_ref(item))
    }

    /// Handles replies and due times, emits completed items, and starts waiting ones.
    fn go_on(&mut self, cx: &mut Cx) -> Result<(), RunError> {
        let now = *self.now.get_or_insert_with(|| cx.worker.clock.monotonic());
        self.take_replies(now)?;
        self.do_what_is_due(now, cx);
        self.hand_on(cx)?;
        self.fill(now, cx);
        Ok(())
    }

    /// Starts items that wait for room.
    fn fill(&mut self, now: Monotonic, cx: &Cx) {
        while self.in_flight() < self.config.in_flight {
            let Some(weight) = self.waiting.front().map(|item| self.weigh(item)) else {
                return;
            };
            if self.in_flight() > 0 && self.weight.saturating_add(weight) > self.most_weight {
                return;
            }
            let Some(item) = self.waiting.pop_front() else {
                return;
            };
            self.weight += weight;
            let slot = self.free.pop().unwrap_or_else(|| {
                self.flights.push(None);
                self.flights.len() - 1
            });
            if self.config.ordered {
                self.order.push_back(slot);
            }
            let flight = self.attempt(slot, item, weight, 1, now, cx);
            self.flights[slot] = Some(flight);
        }
    }

    /// Starts an attempt.
    fn attempt(
        &mut self,
        slot: usize,
        item: T,
        weight: usize,
        tries: u32,
        now: Monotonic,
        cx: &Cx,
    ) -> Flight<T, U> {
        self.attempts += 1;
        let attempt = self.attempts;
        let until = self.config.timeout.map(|timeout| now.after_std(timeout));
        self.times.extend(until.map(|until| (until, slot)));
        let waker = self
            .waker
            .get_or_insert_with(|| cx.worker.timers.remote(cx.alarm));
        let future = self.executor.within(|| (self.f)(&item));
        let task = self
            .mailbox
            .spawn(slot, attempt, future, &self.executor, waker);
        let stage = Stage::Tried {
            attempt,
            task,
            until,
        };
        Flight {
            item,
            weight,
            tries,
            stage,
        }
    }

    fn take_replies(&mut self, now: Monotonic) -> Result<(), RunError> {
        let replies: Vec<_> = self.mailbox.take().collect();
        for reply in replies {
            // An abandoned attempt may still have replied.
            let flight = self.flights[reply.slot].as_ref();
            match flight.map(|flight| &flight.stage) {
                Some(Stage::Tried { attempt, until, .. }) if *attempt == reply.attempt => {
                    if let Some(until) = until {
                        self.times.remove(&(*until, reply.slot));
                    }
                    self.tried(reply.slot, reply.result?, now);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// An attempt has ended.
    fn tried(&mut self, slot: usize, result: Result<U, String>, now: Monotonic) {
        let Some(flight) = &mut self.flights[slot] else {
            return;
        };
        if result.is_err() && flight.tries <= self.config.retries {
            let again = now.after_std(self.config.next_wait(flight.tries));
            flight.stage = Stage::Waits;
            self.times.insert((again, slot));
        } else {
            flight.stage = Stage::Done(result);
            if !self.config.ordered {
                self.order.push_back(slot);
            }
        }
    }

    /// Abandons attempts that exceed the time-out, and starts retries that are due.
    fn do_what_is_due(&mut self, now: Monotonic, cx: &Cx) {
        while let Some((time, slot)) = self.times.first().copied()
            && time <= now
        {
            self.times.remove(&(time, slot));
            match self.flights[slot].take() {
                Some(Flight {
                    item,
                    weight,
                    tries,
                    stage: Stage::Waits,
                }) => {
                    let again = self.attempt(slot, item, weight, tries + 1, now, cx);
                    self.flights[slot] = Some(again);
                }
                Some(flight) => {
                    if let Stage::Tried { task, .. } = &flight.stage {
                        task.abort();
                    }
                    self.flights[slot] = Some(flight);
                    let timeout = self.config.timeout.unwrap_or_default();
                    self.tried(slot, Err(format!("no answer within {timeout:?}")), now);
                }
                None => {}
            }
        }
    }

    /// Emits completed items in their order.
    fn hand_on(&mut self, cx: &mut Cx) -> Result<(), RunError> {
        while let Some(slot) = self.order.front().copied() {
            match self.flights[slot].take() {
                Some(Flight {
                    item,
                    weight,
                    stage: Stage::Done(result),
                    ..
                }) => {
                    self.weight -= weight;
                    match result {
                        Ok(value) => self.oks.buffer.push(value),
                        Err(error) => self.errs.buffer.push(Errored::new(item, &error, cx)),
                    }
                    self.order.pop_front();
                    self.free.push(slot);
                }
                unfinished => {
                    self.flights[slot] = unfinished;
                    break;
                }
            }
        }
        self.oks.send(cx)?;
        self.errs.send(cx)
    }

    /// Wakes the operator at the next due time.
    fn sleep(&mut self, cx: &Cx) {
        if let Some((due, _)) = self.times.first() {
            cx.worker.timers.wake_by(cx.alarm, *due);
        }
    }
}

impl<T, U, E, F, Fut> HeadLogic<T> for Calls<T, U, F, Fut>
where
    T: 'static,
    U: Send + 'static,
    E: Display,
    F: Fn(&T) -> Fut + 'static,
    Fut: Future<Output = Result<U, E>> + Send + 'static,
{
    fn accepts_more(&mut self, cx: &mut Cx) -> Result<bool, RunError> {
        cx.enter(self.step);
        self.go_on(cx)?;
        Ok(self.waiting.is_empty())
    }

    fn batch(&mut self, items: &mut Vec<T>, cx: &mut Cx) -> Result<(), RunError> {
        self.waiting.extend(items.drain(..));
        let now = *self.now.get_or_insert_with(|| cx.worker.clock.monotonic());
        self.fill(now, cx);
        Ok(())
    }

    fn settle(&mut self, _: &[EdgeId], cx: &mut Cx) -> Result<bool, RunError> {
        self.go_on(cx)?;
        self.sleep(cx);
        Ok(self.waiting.is_empty() && self.in_flight() == 0)
    }

    // `settle` is not complete while anything is in flight, so watermarks follow the items.

    fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError> {
        if what == Flush::Activation {
            self.now = None;
        }
        self.oks.flush(what, cx)?;
        self.errs.flush(what, cx)
    }
}
