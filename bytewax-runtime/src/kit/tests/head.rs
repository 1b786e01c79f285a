//! The order in which a head hands items and ends to its logic.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use chrono::TimeDelta;

use crate::error::{RunError, RunErrorKind};
use crate::kit::bench::{Bench, Downstream, Event, OUT, Upstream, run};
use crate::kit::edge::EventMark;
use crate::kit::{Cx, EdgeId, Flush, Head, HeadLogic, Marks, Next, Operator, Progress};

/// Hands items on, and notes what else it is told.
struct Noting {
    next: Next<u32>,
    told: Rc<RefCell<Vec<String>>>,
    may_settle: Rc<Cell<bool>>,
    accepts_more: Rc<Cell<bool>>,
}

impl Noting {
    fn note(&self, text: String) {
        self.told.borrow_mut().push(text);
    }
}

impl HeadLogic<u32> for Noting {
    fn accepts_more(&mut self, _: &mut Cx) -> Result<bool, RunError> {
        Ok(self.accepts_more.get())
    }

    fn batch(&mut self, items: &mut Vec<u32>, cx: &mut Cx) -> Result<(), RunError> {
        if items.contains(&13) {
            return Err(RunError::new(RunErrorKind::Step, "unlucky"));
        }
        self.next.pass(items, cx)
    }

    fn mark(&mut self, marks: &Marks, _: &mut Cx) -> Result<(), RunError> {
        self.note(format!("mark {}", marks.least().0));
        Ok(())
    }

    fn settle(&mut self, _: &[EdgeId], _: &mut Cx) -> Result<bool, RunError> {
        Ok(self.may_settle.get())
    }

    fn end_epoch(&mut self, cx: &mut Cx) -> Result<(), RunError> {
        self.note(format!("end of {}", cx.epoch));
        Ok(())
    }

    fn end_input(&mut self, cx: &mut Cx) -> Result<(), RunError> {
        self.note(format!("no more in {}", cx.epoch));
        Ok(())
    }

    fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError> {
        self.next.flush(what, cx)
    }
}

struct Fixture {
    bench: Bench,
    inputs: [Upstream<u32>; 2],
    out: Downstream<u32>,
    told: Rc<RefCell<Vec<String>>>,
    may_settle: Rc<Cell<bool>>,
    accepts_more: Rc<Cell<bool>>,
    head: Head<u32, Noting>,
}

impl Fixture {
    fn new() -> Self {
        let bench = Bench::new(2, TimeDelta::seconds(10), 4);
        let inputs = [Upstream::new(&bench), Upstream::new(&bench)];
        let out = Downstream::new();
        let (told, may_settle) = (Rc::default(), Rc::new(Cell::new(true)));
        let accepts_more = Rc::new(Cell::new(true));
        let logic = Noting {
            next: out.outputs().next(0),
            told: Rc::clone(&told),
            may_settle: Rc::clone(&may_settle),
            accepts_more: Rc::clone(&accepts_more),
        };
        let ends = inputs.iter().map(Upstream::input).collect();
        let head = Head::new(&bench.build_cx(), ends, logic);
        Self {
            bench,
            inputs,
            out,
            told,
            may_settle,
            accepts_more,
            head,
        }
    }

    fn told(&self) -> Vec<String> {
        self.told.take()
    }
}

#[test]
fn items_of_a_later_epoch_wait_for_the_end_of_the_earlier() {
    let mut f = Fixture::new();
    let (mut cx, link, _) = f.bench.cx();
    f.inputs[0].send(2, 0, vec![20]);
    f.inputs[1].send(1, 1, vec![10]);
    assert_eq!(run(&mut f.head, Some(1), &mut cx), Progress::Waiting);
    assert_eq!(f.out.items(), [(1, vec![10])]);
    assert_eq!(link.frontier(), (1, 1));

    // More of the first epoch, also from the input that is ahead.
    f.inputs[0].send(1, 0, vec![11]);
    run(&mut f.head, Some(1), &mut cx);
    assert_eq!(f.out.items(), [(1, vec![11])]);
    assert_eq!(f.told(), [""; 0]);

    run(&mut f.head, Some(2), &mut cx);
    let ended = [Event::Flush(Flush::Epoch), Event::Items(2, vec![20])];
    assert_eq!(f.out.events(), ended);
    assert_eq!(f.told(), ["end of 1"]);
    assert_eq!(link.frontier(), (2, 2));
}

#[test]
fn the_end_of_input_belongs_to_the_last_epoch() {
    let mut f = Fixture::new();
    let (mut cx, _, _) = f.bench.cx();
    f.inputs[0].send(3, 0, vec![30]);
    assert_eq!(run(&mut f.head, None, &mut cx), Progress::Finished);
    assert_eq!(f.told(), ["no more in 3", "end of 3"]);
    let expected = [
        Event::Items(3, vec![30]),
        Event::Flush(Flush::Epoch),
        Event::Flush(Flush::End),
    ];
    assert_eq!(f.out.events(), expected);
}

#[test]
fn an_epoch_does_not_end_before_it_is_settled() {
    let mut f = Fixture::new();
    let (mut cx, link, _) = f.bench.cx();
    f.inputs[0].send(1, 0, vec![10]);
    f.inputs[0].send(2, 0, vec![20]);
    run(&mut f.head, Some(1), &mut cx);
    f.may_settle.set(false);
    run(&mut f.head, Some(2), &mut cx);
    assert_eq!(run(&mut f.head, None, &mut cx), Progress::Waiting);
    assert_eq!((f.told(), link.frontier()), (Vec::new(), (1, 1)));
    f.may_settle.set(true);
    assert_eq!(run(&mut f.head, None, &mut cx), Progress::Finished);
    assert_eq!(f.told(), ["end of 1", "no more in 2", "end of 2"]);
    assert_eq!(f.out.items(), [(1, vec![10]), (2, vec![20])]);
}

#[test]
fn a_full_edge_holds_items_back_and_their_room_with_them() {
    let mut f = Fixture::new();
    let (mut cx, _, _) = f.bench.cx();
    let worker = Rc::clone(&f.bench.worker);
    worker.shared.sent(OUT, worker.index, 4);
    f.inputs[0].send(1, 0, vec![1, 2, 3, 4]);
    run(&mut f.head, Some(1), &mut cx);
    assert_eq!(f.out.items(), []);
    // What it has not taken counts against the sender.
    assert!(worker.is_full(crate::kit::bench::IN));
    worker.shared.count_taken(OUT, worker.index, 1);
    run(&mut f.head, Some(1), &mut cx);
    assert_eq!(f.out.items(), [(1, vec![1, 2, 3, 4])]);
    assert!(!worker.is_full(crate::kit::bench::IN));
}

#[test]
fn a_logic_that_takes_no_more_is_asked_again() {
    let mut f = Fixture::new();
    let (mut cx, _, _) = f.bench.cx();
    f.inputs[0].send(1, 0, vec![1]);
    f.accepts_more.set(false);
    assert_eq!(run(&mut f.head, None, &mut cx), Progress::Waiting);
    assert_eq!(f.out.items(), []);
    f.accepts_more.set(true);
    assert_eq!(run(&mut f.head, None, &mut cx), Progress::Finished);
    assert_eq!(f.out.items(), [(1, vec![1])]);
}

#[test]
fn a_mark_comes_behind_the_items_of_its_batch() {
    let mut f = Fixture::new();
    let (mut cx, _, _) = f.bench.cx();
    for (input, from) in [(0, 0), (1, 0), (1, 1)] {
        f.inputs[input].send_marked(1, from, Vec::new(), EventMark(7));
    }
    run(&mut f.head, Some(1), &mut cx);
    assert_eq!(f.told(), [""; 0], "one of them has said nothing");
    f.inputs[0].send_marked(1, 1, vec![5], EventMark(9));
    run(&mut f.head, Some(1), &mut cx);
    assert_eq!(f.told(), ["mark 7"]);
    assert_eq!(f.out.items(), [(1, vec![5])]);
}

#[test]
fn the_least_of_all_inputs_and_senders_is_passed_on() {
    let mut f = Fixture::new();
    let (mut cx, _, _) = f.bench.cx();
    let said = [(0, 0, 7), (0, 1, 5), (1, 0, 9)];
    for (input, from, mark) in said {
        f.inputs[input].send_marked(1, from, vec![mark as u32], EventMark(mark));
    }
    run(&mut f.head, Some(1), &mut cx);
    assert_eq!(cx.mark, EventMark::NONE);
    // What is due at the mark is not done yet.
    f.may_settle.set(false);
    f.inputs[1].send_marked(1, 1, Vec::new(), EventMark(6));
    run(&mut f.head, Some(1), &mut cx);
    assert_eq!(cx.mark, EventMark::NONE);
    f.may_settle.set(true);
    run(&mut f.head, Some(1), &mut cx);
    assert_eq!(cx.mark, EventMark(5));
    // A sender that is not waited for.
    f.inputs[0].send_marked(1, 1, Vec::new(), EventMark::END);
    run(&mut f.head, Some(1), &mut cx);
    assert_eq!(cx.mark, EventMark(6));
    run(&mut f.head, None, &mut cx);
    assert_eq!(cx.mark, EventMark::END);
}

#[test]
fn an_error_of_the_logic_ends_the_activation() {
    let mut f = Fixture::new();
    let (mut cx, _, _) = f.bench.cx();
    f.inputs[0].send(1, 0, vec![13]);
    let error = f.head.run(None, &[], &mut cx).unwrap_err();
    let error = f.bench.worker.locate(error);
    assert_eq!(
        error.step_id().map(ToString::to_string).as_deref(),
        Some("flow.step")
    );
    assert_eq!(error.worker(), Some(f.bench.worker.index));
    assert_eq!(f.told(), [""; 0]);
}
