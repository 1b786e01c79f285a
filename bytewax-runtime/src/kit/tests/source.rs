//! When a source polls its partitions, and when its epochs end.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::error::StepError;
use crate::ids::Epoch;
use crate::kit::bench::{Bench, Downstream, Event, Link, OUT, Shelf, Woken, run};
use crate::kit::{
    Cx, Flush, Frontier, Listener, NoteBody, Operator, Polled, PolledPartition, Progress,
    SourceHead, WorkerCx,
};
use crate::source::{Lag, Poll};
use crate::state::StateError;

const SECOND: TimeDelta = TimeDelta::seconds(1);
const ROOM: u64 = 8;

type Answer = Result<Poll<u32>, StepError>;

/// A partition that answers as it is told; without an answer, with nothing.
#[derive(Clone, Default)]
struct Scripted {
    answers: Rc<RefCell<VecDeque<Answer>>>,
    polls: Rc<Cell<u8>>,
    /// The epochs that it was told are complete.
    completed: Rc<RefCell<Vec<u64>>>,
    lag: Rc<Cell<u64>>,
}

impl Listener for Scripted {
    fn completed(&mut self, epoch: Epoch) -> Result<(), StepError> {
        self.completed.borrow_mut().push(epoch.0);
        Ok(())
    }
}

impl Scripted {
    fn says(&self, poll: Poll<u32>) {
        self.answers.borrow_mut().push_back(Ok(poll));
    }

    /// How often it was polled since this was last asked.
    fn polls(&self) -> u8 {
        self.polls.take()
    }
}

impl PolledPartition<u32> for Scripted {
    fn next_batch(&mut self) -> Answer {
        self.polls.set(self.polls.get() + 1);
        let answer = self.answers.borrow_mut().pop_front();
        answer.unwrap_or_else(|| Ok(Poll::batch(Vec::new())))
    }

    fn next_awake(&self) -> Option<DateTime<Utc>> {
        None
    }

    fn end_epoch(&mut self, _: Epoch) -> Result<(), StepError> {
        Ok(())
    }

    fn position(&self) -> Option<Result<Vec<u8>, StateError>> {
        Some(Ok(vec![self.answers.borrow().len() as u8]))
    }

    fn lag(&self) -> Option<Lag> {
        Some(Lag::Items(self.lag.get()))
    }
}

struct Fixture {
    bench: Bench,
    parts: [Scripted; 2],
    out: Downstream<u32>,
    head: SourceHead<u32>,
    cx: Cx,
    link: Link,
    woken: Woken,
}

impl Fixture {
    fn new(interval: TimeDelta) -> Self {
        Self::on(Bench::new(1, interval, ROOM))
    }

    fn on(bench: Bench) -> Self {
        let parts = [Scripted::default(), Scripted::default()];
        let out = Downstream::new();
        let (cx, link, woken) = bench.cx();
        let (build, alarm) = (bench.build_cx(), cx.alarm);
        let open = |(name, part): (&str, &Scripted)| {
            Polled::open(
                &build,
                alarm,
                bench.worker.epochs.first(),
                name.to_owned(),
                |_| Ok(part.clone()),
            )
            .unwrap()
        };
        let polled = ["a", "b"].into_iter().zip(&parts).map(open).collect();
        let head = SourceHead::new(&build, alarm, polled, &mut out.outputs());
        Self {
            bench,
            parts,
            out,
            head,
            cx,
            link,
            woken,
        }
    }

    fn worker(&self) -> &WorkerCx {
        &self.bench.worker
    }

    fn run(&mut self) -> Progress {
        run(&mut self.head, Some(0), &mut self.cx)
    }

    fn polls(&self) -> [u8; 2] {
        [self.parts[0].polls(), self.parts[1].polls()]
    }

    /// All epochs before this one are complete.
    fn complete(&self, before: u64) {
        let frontier = Frontier::At(Epoch(before));
        self.worker().complete_epochs(frontier).unwrap();
    }
}

#[test]
fn each_partition_is_polled_once_in_an_activation() {
    let mut f = Fixture::new(SECOND);
    f.parts[0].says(Poll::batch(vec![1, 2]));
    f.parts[0].says(Poll::item(3));
    f.parts[1].says(Poll::item(10));
    f.run();
    assert_eq!(f.out.items(), [(1, vec![1, 2]), (1, vec![10])]);
    // It has itself woken for what may be there already.
    assert!(f.woken.take());
    f.run();
    assert_eq!(f.out.items(), [(1, vec![3])]);
    assert_eq!(f.link.frontier(), (1, 1));
}

#[test]
fn a_partition_with_nothing_is_left_alone_until_its_time() {
    let mut f = Fixture::new(SECOND);
    f.parts[0].says(Poll::idle(std::time::Duration::from_millis(300)));
    f.run();
    assert_eq!(f.polls(), [1, 1]);
    f.run();
    assert_eq!(f.polls()[0], 0);
    f.bench.advance(TimeDelta::milliseconds(299));
    f.run();
    assert_eq!(f.polls()[0], 0);
    f.woken.take();
    f.bench.advance(TimeDelta::milliseconds(1));
    assert!(f.woken.take());
    f.run();
    assert_eq!(f.polls()[0], 1);
}

#[test]
fn a_source_without_new_items_reports_its_lag_once_more() {
    let mut f = Fixture::new(TimeDelta::hours(1));
    let day = std::time::Duration::from_secs(86_400);
    f.parts[0].lag.set(50);
    f.parts[0].says(Poll::item(1).wait(day));
    f.parts[1].says(Poll::idle(day));
    f.run();
    let meter = std::sync::Arc::clone(f.bench.build_cx().meter());
    let lag = || meter.partitions()[0].lag();
    assert_eq!(lag(), Some(Lag::Items(50)));
    f.parts[0].lag.set(3);
    f.woken.take();
    f.bench.advance(TimeDelta::milliseconds(999));
    assert!(!f.woken.take());
    f.bench.advance(TimeDelta::milliseconds(1));
    assert!(f.woken.take());
    f.run();
    assert_eq!(lag(), Some(Lag::Items(3)));
    // Nothing was read since, so an idle source is not woken for it again.
    f.bench.advance(TimeDelta::minutes(10));
    assert!(!f.woken.take());
}

#[test]
fn an_epoch_ends_when_its_interval_is_over() {
    let mut f = Fixture::new(SECOND);
    f.run();
    f.bench.advance(TimeDelta::milliseconds(999));
    f.run();
    assert_eq!(f.link.frontier(), (1, 1));
    f.out.events();
    f.bench.advance(TimeDelta::milliseconds(1));
    f.parts[0].says(Poll::item(1));
    f.run();
    // What is polled in the activation that ends an epoch belongs to it.
    let expected = [Event::Items(1, vec![1]), Event::Flush(Flush::Epoch)];
    assert_eq!(f.out.events(), expected);
    assert_eq!(f.link.frontier(), (2, 2));
    assert_eq!(f.worker().shared.latest_epoch(), Epoch(2));
}

#[test]
fn a_source_follows_into_an_epoch_that_another_worker_has_begun() {
    let mut f = Fixture::new(SECOND);
    f.run();
    f.worker().shared.join_epoch(Epoch(2), None);
    f.parts[1].says(Poll::item(5));
    f.bench.advance(TimeDelta::milliseconds(1));
    f.out.events();
    f.run();
    let expected = [Event::Flush(Flush::Epoch), Event::Items(2, vec![5])];
    assert_eq!(f.out.events(), expected);
    // Its own interval begins anew.
    f.bench.advance(TimeDelta::milliseconds(999));
    f.run();
    assert_eq!(f.link.frontier(), (2, 2));
}

#[test]
fn at_most_two_epochs_are_under_way() {
    let mut f = Fixture::new(SECOND);
    for epoch in [2, 3] {
        f.run();
        f.bench.advance(SECOND);
        f.run();
        assert_eq!(f.link.frontier().0, epoch);
    }
    f.polls();
    f.bench.advance(SECOND);
    f.run();
    assert_eq!((f.polls(), f.link.frontier().0), ([0, 0], 3));
    f.woken.take();
    f.complete(2);
    assert!(f.woken.take());
    f.run();
    assert_eq!(f.polls(), [1, 1]);
}

#[test]
fn a_full_edge_leaves_the_partitions_alone() {
    let mut f = Fixture::new(SECOND);
    f.parts[0].says(Poll::item(1));
    let worker = Rc::clone(&f.bench.worker);
    worker.shared.sent(OUT, worker.index, ROOM);
    f.run();
    assert_eq!(f.polls(), [0, 0]);
    worker.shared.count_taken(OUT, worker.index, 1);
    f.run();
    assert_eq!((f.polls(), f.out.items()), ([1, 1], vec![(1, vec![1])]));
}

#[test]
fn with_an_interval_of_zero_each_poll_is_an_epoch() {
    let mut f = Fixture::new(TimeDelta::zero());
    for epoch in 1..4 {
        f.parts[0].says(Poll::item(epoch as u32));
        f.run();
        assert_eq!(f.out.items(), [(epoch, vec![epoch as u32])]);
        assert_eq!(f.link.frontier().0, epoch + 1);
        // The next is not polled before this one is complete.
        f.parts[0].says(Poll::item(99));
        f.polls();
        f.run();
        assert_eq!(f.polls(), [0, 0]);
        f.parts[0].answers.borrow_mut().clear();
        f.complete(epoch + 1);
        f.bench.advance(TimeDelta::milliseconds(1));
    }
}

#[test]
fn positions_are_saved_with_the_epoch_that_ends_if_they_have_changed() {
    let (bench, _) = Bench::saving(SECOND, ROOM, Shelf::new(usize::MAX));
    let mut f = Fixture::on(bench);
    f.parts[0].says(Poll::item(1));
    f.parts[0].says(Poll::item(2));
    let positions = |f: &Fixture| -> Vec<(u64, String, u8)> {
        let notes = f.link.notes().into_iter();
        notes
            .filter_map(|(epoch, note)| match note.body {
                NoteBody::Position {
                    partition, bytes, ..
                } => Some((epoch, partition, bytes[0])),
                NoteBody::Ends => None,
            })
            .collect()
    };
    f.run();
    assert_eq!(positions(&f), []);
    f.bench.advance(SECOND);
    f.run();
    assert_eq!(
        positions(&f),
        [(1, "a".to_owned(), 0), (1, "b".to_owned(), 0)]
    );
    // The epoch before is being saved, so this one lasts.
    f.parts[1].says(Poll::item(3));
    f.parts[1].says(Poll::idle(std::time::Duration::from_secs(100)));
    f.parts[1].says(Poll::item(4));
    f.bench.advance(SECOND);
    f.run();
    assert_eq!((positions(&f), f.link.frontier().0), (Vec::new(), 2));
    f.complete(2);
    f.run();
    assert_eq!(positions(&f), [(2, "b".to_owned(), 1)]);
}

#[test]
fn a_source_is_finished_when_all_its_partitions_are() {
    let mut f = Fixture::new(SECOND);
    f.parts[0].says(Poll::end());
    f.parts[1].says(Poll::item(7));
    assert_eq!(f.run(), Progress::Waiting);
    f.parts[1].says(Poll::end());
    assert_eq!(f.run(), Progress::Finished);
    let expected = [
        Event::Items(1, vec![7]),
        Event::Flush(Flush::Epoch),
        Event::Flush(Flush::End),
    ];
    assert_eq!(f.out.events(), expected);
}

#[test]
fn an_abort_stops_the_run_without_an_error() {
    let mut f = Fixture::new(SECOND);
    f.parts[0].says(Poll::abort());
    f.run();
    let shared = &f.worker().shared;
    assert!(shared.is_stopping() && shared.outcome().is_ok());
}

#[test]
fn an_error_names_the_partition() {
    let mut f = Fixture::new(SECOND);
    let error = Err(StepError::msg("no more paper"));
    f.parts[1].answers.borrow_mut().push_back(error);
    let error = f.head.run(Some(Epoch(0)), &[], &mut f.cx).unwrap_err();
    let error = f.worker().locate(error).report();
    assert!(error.contains("step `flow.step`, partition `b`"), "{error}");
    assert!(error.contains("no more paper"), "{error}");
}

#[test]
fn a_partition_is_told_what_is_complete_up_to_the_epoch_it_ended_in() {
    let mut f = Fixture::new(SECOND);
    f.parts[0].says(Poll::end());
    f.run();
    f.bench.advance(SECOND);
    f.run();
    f.complete(2);
    f.complete(4);
    assert_eq!(f.parts[0].completed.take(), [1]);
    assert_eq!(f.parts[1].completed.take(), [1, 2, 3]);
}

#[test]
fn a_run_that_stops_ends_the_epoch_and_polls_no_more() {
    let mut f = Fixture::new(SECOND);
    f.run();
    f.worker().epochs.protocol().stop();
    f.bench.advance(TimeDelta::milliseconds(5));
    f.out.events();
    f.polls();
    assert_eq!(f.run(), Progress::Waiting);
    assert_eq!(
        (f.polls(), f.out.events()),
        ([0, 0], vec![Event::Flush(Flush::Epoch)])
    );
    assert_eq!(f.link.frontier().0, u64::MAX);
}
