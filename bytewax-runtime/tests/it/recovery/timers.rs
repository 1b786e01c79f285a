//! Timers that were saved come due at their time in the next run, and not that time after its start.

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytewax_runtime::clock::{ClockHand, WorkerClock};
use bytewax_runtime::operators::Within;
use bytewax_runtime::prelude::*;
use bytewax_runtime::source::Poll;
use bytewax_runtime::testing::TestingSink;
use bytewax_runtime::{RecoveryConfig, Run};
use chrono::{DateTime, TimeDelta};

use crate::shared::{Answer, Parts, flow_of, workers_of};

const MINUTE: Duration = Duration::from_secs(60);

type Values = KeyedStream<char, i64>;

/// A run that reads what the test gives.
struct Step {
    answers: Sender<Poll<(char, i64)>>,
    polled: Receiver<()>,
    seen: Receiver<(char, i64)>,
    run: Run,
}

impl Step {
    fn start(
        dir: &Path,
        clock: WorkerClock,
        workers: usize,
        body: impl FnOnce(Values) -> Values,
    ) -> Self {
        let (answers, receiver) = channel::<Poll<(char, i64)>>();
        let receiver = Arc::new(Mutex::new(receiver));
        let (ack, polled) = channel();
        let source = Parts(&["only"], move |_: &str| {
            let (receiver, ack) = (Arc::clone(&receiver), ack.clone());
            Ok(move || -> Answer<(char, i64)> {
                let Ok(answer) = receiver.lock().unwrap().try_recv() else {
                    return Ok(Poll::idle_until(DateTime::UNIX_EPOCH));
                };
                ack.send(()).unwrap();
                Ok(answer)
            })
        });
        let (sender, seen) = channel();
        let see = move |item: &(char, i64)| sender.send(*item).unwrap();
        let flow = flow_of(
            source,
            |values| body(values).inspect(see),
            TestingSink::new(),
        );
        let config = workers_of(workers)
            .clock(clock)
            .epoch_interval(Duration::ZERO)
            .recovery(RecoveryConfig::new(dir));
        Self {
            answers,
            polled,
            seen,
            run: config.spawn(flow),
        }
    }

    fn give(&self, key: char, value: i64) {
        self.answers.send(Poll::item((key, value))).unwrap();
        self.polled.recv().unwrap();
    }

    fn next(&self) -> (char, i64) {
        self.seen.recv_timeout(Duration::from_secs(20)).unwrap()
    }

    /// Stops the run, which saves what it has read, and returns what was not looked at.
    fn stop(self) -> Vec<(char, i64)> {
        self.run.stop();
        self.run.wait().unwrap();
        self.seen.try_iter().collect()
    }
}

/// Half a minute passes between the runs.
fn two_runs(
    body: impl Fn(Values) -> Values,
    first: impl Fn(&Step),
    second: impl Fn(&Step, &ClockHand),
) {
    for (before, after) in [(1, 1), (1, 3), (3, 2)] {
        let dir = tempfile::tempdir().unwrap();
        let (clock, hand) = WorkerClock::by_hand(DateTime::UNIX_EPOCH);
        let run = Step::start(dir.path(), clock.clone(), before, &body);
        first(&run);
        assert_eq!(run.stop(), []);
        hand.advance(TimeDelta::seconds(30));
        let run = Step::start(dir.path(), clock, after, &body);
        second(&run, &hand);
        assert_eq!(run.stop(), []);
    }
}

#[test]
fn a_value_that_is_delayed_comes_at_its_time() {
    two_runs(
        |values| values.delay(MINUTE).named("step"),
        |run| run.give('a', 1),
        |run, hand| {
            hand.advance(TimeDelta::seconds(30));
            assert_eq!(run.next(), ('a', 1));
        },
    );
}

#[test]
fn a_value_above_the_limit_comes_at_its_time() {
    two_runs(
        |values| values.rate_limit(1, MINUTE).named("step"),
        |run| {
            run.give('a', 1);
            assert_eq!(run.next(), ('a', 1));
            run.give('a', 2);
        },
        |run, hand| {
            hand.advance(TimeDelta::seconds(30));
            assert_eq!(run.next(), ('a', 2));
        },
    );
}

#[test]
fn an_id_is_forgotten_at_its_time() {
    two_runs(
        |values| {
            let within = Within::Time(MINUTE);
            values.dedupe(within, |value| *value).named("step")
        },
        |run| {
            run.give('a', 1);
            assert_eq!(run.next(), ('a', 1));
        },
        |run, hand| {
            run.give('a', 1);
            run.give('a', 2);
            assert_eq!(run.next(), ('a', 2));
            hand.advance(TimeDelta::seconds(30));
            run.give('a', 1);
            assert_eq!(run.next(), ('a', 1));
        },
    );
}

#[test]
fn a_list_is_emitted_at_its_time() {
    two_runs(
        |values| {
            let lists = values.collect(10, MINUTE).named("step");
            lists.map_value(|list| list.into_iter().sum())
        },
        |run| {
            run.give('a', 1);
            run.give('a', 2);
        },
        |run, hand| {
            hand.advance(TimeDelta::seconds(30));
            assert_eq!(run.next(), ('a', 3));
        },
    );
}
