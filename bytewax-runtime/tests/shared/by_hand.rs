//! A run whose source and clock a test moves by hand.

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use bytewax_runtime::RunError;
use bytewax_runtime::clock::{ClockHand, WorkerClock};
use bytewax_runtime::prelude::*;
use bytewax_runtime::source::Poll;
use bytewax_runtime::testing::{RunConfig, TestingSink};
use chrono::{DateTime, TimeDelta, Utc};

use super::{Answer, Parts, flow_of, start, workers_of};

/// A time, in seconds from the beginning of all times.
pub(crate) fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
}

/// A run whose source gives what the test says, by a clock that the test moves.
pub(crate) struct ByHand<T, U> {
    pub(crate) hand: ClockHand,
    answers: std::sync::mpsc::Sender<Poll<T>>,
    pub(crate) seen: Receiver<U>,
    run: JoinHandle<Result<(), RunError>>,
}

impl<T: Send + 'static, U: Send + Clone + std::fmt::Debug + 'static> ByHand<T, U> {
    /// A run of one epoch.
    pub(crate) fn start(workers: usize, body: impl FnOnce(Stream<T>) -> Stream<U>) -> Self {
        let config = workers_of(workers).epoch_interval(Duration::from_secs(1 << 40));
        Self::start_in(config, body)
    }

    pub(crate) fn start_in(config: RunConfig, body: impl FnOnce(Stream<T>) -> Stream<U>) -> Self {
        let (clock, hand) = WorkerClock::by_hand(at(0));
        let (answers, receiver) = channel::<Poll<T>>();
        let receiver = Arc::new(Mutex::new(receiver));
        // Without an answer, the source is asked again at once: it never holds the worker.
        let source = Parts(&["only"], move |_: &str| {
            let receiver = Arc::clone(&receiver);
            Ok(move || -> Answer<T> {
                let told = receiver.lock().unwrap().try_recv();
                Ok(told.unwrap_or_else(|_| Poll::idle_until(at(0))))
            })
        });
        let (sender, seen) = channel();
        let flow = flow_of(
            source,
            |s| body(s).inspect(move |item| sender.send(item.clone()).unwrap()),
            TestingSink::new(),
        );
        let run = start(flow, config.clock(clock));
        Self {
            hand,
            answers,
            seen,
            run,
        }
    }

    pub(crate) fn give(&self, items: impl IntoIterator<Item = T>) {
        self.answers
            .send(Poll::batch(items.into_iter().collect()))
            .unwrap();
    }

    pub(crate) fn next(&self) -> U {
        self.seen.recv_timeout(Duration::from_secs(20)).unwrap()
    }

    /// Ends the input, and gives what had not been looked at.
    pub(crate) fn end(self) -> Vec<U> {
        self.answers.send(Poll::end()).unwrap();
        self.run.join().unwrap().unwrap();
        self.seen.try_iter().collect()
    }
}

impl<T, U> ByHand<T, U> {
    /// What comes next, if need be when the hand has moved on.
    pub(crate) fn next_after(&self, by: TimeDelta) -> U {
        loop {
            if let Ok(next) = self.seen.recv_timeout(Duration::from_millis(50)) {
                return next;
            }
            self.hand.advance(by);
        }
    }
}
