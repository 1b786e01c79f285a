//! Runs on threads of their own, by their handles.

use std::future::Future;
use std::pin::pin;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll as Ready, Wake, Waker};
use std::thread::{self, Thread};

use bytewax_macros::source;
use bytewax_runtime::prelude::*;
use bytewax_runtime::report::RunState;
use bytewax_runtime::source::Poll;
use bytewax_runtime::testing::{TestingSink, TestingSource};
use bytewax_runtime::{Monitor, RecoveryConfig, RunConfig, RunErrorKind, StepError};

/// All numbers: the input does not end.
#[source(crate = "bytewax_runtime")]
fn numbers(#[resume] next: &mut u64) -> Poll<u64> {
    *next += 1;
    Poll::item(*next - 1)
}

/// A flow of all numbers. `seen` receives each of them; without it, the run ends.
fn endless(seen: Sender<u64>) -> Dataflow {
    let seen = Mutex::new(seen);
    Dataflow::build("endless", |flow| {
        let numbers = flow.input(numbers()).named("numbers");
        let see = move |number| seen.lock().unwrap().send(number);
        let see = move |number| see(number).map_err(|_| StepError::abort());
        numbers.try_for_each(see).named("seen");
    })
}

fn few(out: &TestingSink<u64>) -> Dataflow {
    let out = out.clone();
    Dataflow::build("few", |flow| {
        let numbers = flow.input(TestingSource::new(0..3_u64)).named("numbers");
        numbers.output(out).named("out");
    })
}

#[test]
fn a_run_ends_with_its_input() {
    for workers in [1, 3] {
        let out = TestingSink::new();
        let run = RunConfig::new().workers(workers).spawn(few(&out));
        run.wait().unwrap();
        assert_eq!(out.sorted(), [0, 1, 2]);
    }
}

#[test]
fn a_run_that_is_stopped_is_saved_and_goes_on_later() {
    let dir = tempfile::tempdir().unwrap();
    let mut next = 0;
    for workers in [1, 2, 1] {
        let (sender, seen) = mpsc::channel();
        let config = RunConfig::new().workers(workers);
        let config = config.recovery(RecoveryConfig::new(dir.path()));
        let run = config.spawn(endless(sender));
        // Nothing is lost, and nothing comes twice.
        assert_eq!(seen.recv().unwrap(), next);
        assert!(!run.is_finished());
        run.stop();
        run.stop();
        run.wait().unwrap();
        next = seen.iter().last().unwrap_or(next) + 1;
    }
}

#[test]
fn a_stop_before_the_start_stops_the_run() {
    // The flow is built on the thread of the run, so the call may come before.
    let (sender, seen) = mpsc::channel();
    let run = RunConfig::new().spawn(endless(sender));
    run.stop();
    run.wait().unwrap();
    drop::<Receiver<u64>>(seen);
}

#[test]
fn a_report_shows_a_run_while_it_runs_and_after() {
    let (sender, seen) = mpsc::channel();
    let monitor = Monitor::new();
    let run = RunConfig::new().monitor(&monitor).spawn(endless(sender));
    seen.recv().unwrap();
    let report = run.report().unwrap();
    assert_eq!(report.flow, "endless");
    assert_eq!(report.state, RunState::Running);
    run.stop();
    run.wait().unwrap();
    let report = monitor.report().unwrap();
    assert_eq!(report.state, RunState::Ended);
    assert!(report.items() > 0);
}

#[test]
fn a_handle_that_is_dropped_leaves_its_run_alone() {
    let (sender, seen) = mpsc::channel();
    let monitor = Monitor::new();
    let run = RunConfig::new().monitor(&monitor).spawn(endless(sender));
    drop(run);
    assert_eq!(seen.iter().take(1000).last(), Some(999));
}

#[test]
fn a_failure_is_returned() {
    let flow = Dataflow::build("fails", |flow| {
        let numbers = flow.input(TestingSource::new([1, 2])).named("numbers");
        let fail = |number: i32| match number {
            2 => "two".parse::<u32>().map(drop),
            _ => Ok(()),
        };
        numbers.try_for_each(fail).named("few");
    });
    let error = RunConfig::new().spawn(flow).wait().unwrap_err();
    assert_eq!(error.kind(), RunErrorKind::Step);
    let report = error.report().to_string();
    assert!(
        report.contains("fails.few") && report.contains("invalid digit"),
        "{report}"
    );

    let panics = Dataflow::build("panics", |flow| {
        let numbers = flow.input(TestingSource::new([1])).named("numbers");
        numbers.for_each(|_| panic!("no more")).named("end");
    });
    let error = RunConfig::new()
        .workers(2)
        .spawn(panics)
        .wait()
        .unwrap_err();
    assert_eq!(error.kind(), RunErrorKind::Panic);

    let empty = Dataflow::build("empty", |_| {});
    let error = RunConfig::new().spawn(empty).wait().unwrap_err();
    assert_eq!(error.kind(), RunErrorKind::Flow);
}

/// Wakes a thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        if let Ready::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
        thread::park();
    }
}

#[test]
fn a_run_can_be_awaited() {
    let out = TestingSink::new();
    block_on(RunConfig::new().spawn(few(&out))).unwrap();
    assert_eq!(out.items(), [0, 1, 2]);

    let (sender, seen) = mpsc::channel();
    let run = RunConfig::new().workers(2).spawn(endless(sender));
    let stopped = block_on(async {
        seen.recv().unwrap();
        run.stop();
        run.await
    });
    stopped.unwrap();
}
