//! Windows are there again when a run is resumed.

use std::fmt::Display;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytewax_runtime::clock::WorkerClock;
use bytewax_runtime::prelude::*;
use bytewax_runtime::source::Poll;
use bytewax_runtime::testing::TestingItem::{self, Abort, Eof, Item};
use bytewax_runtime::testing::{RunConfig, TestingSink, TestingSource, cluster_main};
use bytewax_runtime::windowing::{
    Clock, EventClock, Micros, Once, SystemClock, TumblingWindower, WindowOut, Windowing,
};
use bytewax_runtime::{RecoveryConfig, StepError};
use chrono::{DateTime, TimeDelta};

use super::support::{
    Value, clock, seconds, session, sliding, told_down, told_late, tumbling, values,
};
use crate::shared::{Answer, Parts};

/// `"a@1 ABORT b@2 EOF c@3"`.
fn marked(text: &str) -> Vec<TestingItem<(String, Value)>> {
    let element = |word: &str| match word {
        "ABORT" => Abort,
        "EOF" => Eof,
        value => Item(values(value).remove(0)),
    };
    text.split_whitespace().map(element).collect()
}

/// Runs until all input has been seen, each value an epoch, with other workers each time. Gives what each
/// run told: windows, and late values.
fn runs<W: Windowing<Mode = Once> + Copy + 'static>(
    text: &str,
    wait: f64,
    windower: W,
    passes: TimeDelta,
) -> Vec<(String, String)> {
    runs_on([1, 3, 2], text, wait, windower, passes)
}

/// The same with these workers in turn.
fn runs_on<W: Windowing<Mode = Once> + Copy + 'static>(
    workers: [usize; 3],
    text: &str,
    wait: f64,
    windower: W,
    passes: TimeDelta,
) -> Vec<(String, String)> {
    let dir = tempfile::tempdir().unwrap();
    let flow = Texts::new(text, |_, values| {
        values.fold_window(
            clock(wait),
            windower,
            String::new,
            |texts, value: Value| texts.push_str(&value.0),
            |texts, later: String| texts.push_str(&later),
        )
    });
    let mut now = DateTime::UNIX_EPOCH;
    let stops = text.matches("ABORT").count() + text.matches("EOF").count();
    let run = |run: usize| {
        let (clock, _) = WorkerClock::by_hand(now);
        now += passes;
        let config = RunConfig::new()
            .workers(workers[run % 3])
            .epoch_interval(Duration::ZERO)
            .clock(clock)
            .recovery(RecoveryConfig::new(dir.path()));
        flow.run(config).unwrap()
    };
    (0..=stops).map(run).collect()
}

/// A flow of a step `texts`, and what it has told.
struct Texts {
    flow: Dataflow,
    down: TestingSink<String>,
    late: TestingSink<String>,
}

impl Texts {
    fn new<U: Display + 'static>(
        text: &str,
        body: impl FnOnce(&Flow, KeyedStream<String, Value>) -> WindowOut<String, U, Value>,
    ) -> Self {
        Self::named("texts", text, body)
    }

    fn named<U: Display + 'static>(
        name: &str,
        text: &str,
        body: impl FnOnce(&Flow, KeyedStream<String, Value>) -> WindowOut<String, U, Value>,
    ) -> Self {
        let (down, late) = (TestingSink::new(), TestingSink::new());
        let flow = Dataflow::build("f", |flow| {
            let values = flow
                .input(TestingSource::with_marks(marked(text)))
                .named("in");
            let out = body(flow, values).named(name);
            out.down.map(told_down).output(down.clone()).named("down");
            out.late.map(told_late).output(late.clone()).named("late");
        });
        Self { flow, down, late }
    }

    /// Windows and late values.
    fn run(&self, config: RunConfig) -> Result<(String, String), String> {
        let ran = cluster_main(self.flow.clone(), config).map_err(|error| error.report());
        ran.map(|()| (self.down.take().join(" "), self.late.take().join(" ")))
    }

    fn resume(&self, store: &Path) -> Result<(String, String), String> {
        let (clock, _) = WorkerClock::by_hand(DateTime::UNIX_EPOCH);
        self.run(
            RunConfig::new()
                .epoch_interval(Duration::ZERO)
                .clock(clock)
                .recovery(RecoveryConfig::new(store)),
        )
    }
}

fn told(runs: &[(&str, &str)]) -> Vec<(String, String)> {
    runs.iter()
        .map(|(down, late)| ((*down).to_owned(), (*late).to_owned()))
        .collect()
}

const STILL: TimeDelta = TimeDelta::zero();

#[test]
fn x56_a_window_is_emitted_once_a_run() {
    let runs = runs(
        "a@1 EOF b@2",
        0.0,
        tumbling(10.0),
        TimeDelta::milliseconds(1),
    );
    assert_eq!(runs, told(&[("0=a", ""), ("0=b", "")]));
}

#[test]
fn x57() {
    let runs = runs("a@1 ABORT b@2 c@12", 0.0, tumbling(10.0), STILL);
    assert_eq!(runs, told(&[("", ""), ("0=ab 1=c", "")]));
}

#[test]
fn x58_the_watermark_survives() {
    let runs = runs("a@5 ABORT b@2 c@12", 0.0, tumbling(10.0), STILL);
    assert_eq!(runs, told(&[("", ""), ("0=a 1=c", "0:b")]));
}

#[test]
fn x59_ids_go_on_after_the_end_of_input() {
    assert_eq!(
        runs("a@1 EOF b@2 c@30", 0.0, session(10.0), STILL),
        told(&[("0=a", ""), ("1=b 2=c", "")]),
    );
    assert_eq!(
        runs("a@1 EOF b@0.5 c@30", 0.0, session(10.0), STILL),
        told(&[("0=a", ""), ("1=c", "-1:b")]),
    );
}

#[test]
fn x60_values_that_wait_are_saved() {
    let runs = runs("p@3 q@1 ABORT r@2 x@30", 10.0, tumbling(10.0), STILL);
    assert_eq!(runs, told(&[("", ""), ("0=qrp 3=x", "")]));
}

#[test]
fn slices_are_saved() {
    let runs = runs(
        "a@4 b@9 ABORT c@7 ABORT d@18",
        3.0,
        sliding(10.0, 5.0),
        STILL,
    );
    assert_eq!(
        runs,
        told(&[("-1=a", ""), ("", ""), ("0=acb 1=cb 2=d 3=d", "")])
    );
}

/// The time that passes while nothing runs counts.
#[test]
fn a_window_that_is_over_when_a_run_is_resumed_closes_first() {
    let runs = runs(
        "a@1 ABORT b@2 c@30",
        0.0,
        tumbling(10.0),
        TimeDelta::seconds(15),
    );
    assert_eq!(runs, told(&[("", ""), ("0=a 3=c", "0:b")]));
}

/// At the end of input, keys would come in their order.
#[test]
fn a_window_that_is_over_when_a_run_is_resumed_closes_without_a_value() {
    let runs = runs_on(
        [1; 3],
        "k/a@1 ABORT a/x@100",
        0.0,
        tumbling(10.0),
        TimeDelta::seconds(15),
    );
    assert_eq!(runs, told(&[("", ""), ("0=a a/10=x", "")]));
}

/// The system's clock may be set back meanwhile; the watermark stays where it is.
#[test]
fn a_clock_that_is_behind_when_a_run_is_resumed_is_not_believed() {
    let runs = runs(
        "a@5 ABORT b@4 c@30",
        0.0,
        tumbling(10.0),
        TimeDelta::seconds(-100),
    );
    assert_eq!(runs, told(&[("", ""), ("0=a 3=c", "0:b")]));
}

/// Runs a value until its epoch is saved and the source fails, and then a second at a time without any.
/// Gives what was told at the end of each second of the second run, and at its end.
fn told_without_values<C: Clock<Value>>(clock_of: C) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let sink = TestingSink::new();
    let (clock, hand) = WorkerClock::by_hand(DateTime::UNIX_EPOCH);
    let (told, runs): (Arc<Mutex<Vec<String>>>, _) = (Arc::default(), AtomicUsize::new(0));
    let (note, seen) = (Arc::clone(&told), sink.clone());
    let source = Parts(&["only"], move |_: &str| {
        let is_first = runs.fetch_add(1, Ordering::SeqCst) == 0;
        let (hand, note, seen) = (hand.clone(), Arc::clone(&note), seen.clone());
        let mut polls = 0;
        Ok(move || -> Answer<(String, Value)> {
            polls += 1;
            match (is_first, polls) {
                (true, 1) => Ok(Poll::batch(values("a@1 b@5"))),
                (true, _) => Err(StepError::msg("the source is gone")),
                (false, 1..=4) => {
                    note.lock().unwrap().push(seen.take().join(" "));
                    hand.advance(TimeDelta::seconds(1));
                    Ok(Poll::idle(Duration::ZERO))
                }
                (false, _) => Ok(Poll::end()),
            }
        })
    });
    let flow = Dataflow::build("f", |flow| {
        let values = flow.input(source).named("in");
        let windower = tumbling(10.0).in_arrival_order().fire_early(seconds(2.0));
        let counts = values.count_window(clock_of, windower).named("counts");
        let down = counts.down.map_value(|(id, fired)| {
            let (firing, count) = (fired.firing, fired.value);
            format!("{id}={firing:?}:{count}")
        });
        down.key_rm().output(sink.clone()).named("down");
    });
    let config = || {
        RunConfig::new()
            .epoch_interval(Duration::ZERO)
            .clock(clock.clone())
            .recovery(RecoveryConfig::new(dir.path()))
    };
    cluster_main(flow.clone(), config()).unwrap_err();
    assert_eq!(sink.take(), [""; 0]);
    cluster_main(flow, config()).unwrap();
    let mut told = told.lock().unwrap().clone();
    told.push(sink.take().join(" "));
    told
}

#[test]
fn windows_that_were_to_emit_early_do_so_when_a_run_is_resumed() {
    let each = told_without_values(clock(100.0));
    let all = told_without_values(EventClock::per_partition(
        |value: &Value| Micros(value.1),
        seconds(100.0),
    ));
    assert_eq!(each, ["", "", "0=Early:2", "", "0=OnTime:2"]);
    // It is not saved when the value came, so the time counts from the resume.
    let waited = all.iter().take_while(|told| told.is_empty()).count();
    assert!(waited <= 3, "{all:?}");
    assert_eq!(
        all[waited..]
            .join(" ")
            .split_whitespace()
            .collect::<Vec<_>>(),
        ["0=Early:2", "0=OnTime:2"]
    );
}

/// Counts the values of [`ALL`].
fn counts<C: Clock<Value>, W: Windowing<Mode = Once>>(clock: C, windower: W) -> Texts {
    Texts::new(ALL, |_, values| values.count_window(clock, windower))
}

const ALL: &str = "a@1 b@12 c@25 d@27 e@41";

/// Leaves a store with the first two of [`ALL`] in windows of ten seconds.
fn left_open() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let flow = Texts::new("a@1 b@12 ABORT", |_, values| {
        values.count_window(clock(15.0), tumbling(10.0))
    });
    assert_eq!(flow.resume(dir.path()), Ok(<(String, String)>::default()));
    dir
}

/// What is said when a run with other windows resumes the store of one with windows of ten seconds.
#[track_caller]
fn refused(other: &Texts, expected: &[&str]) {
    let dir = left_open();
    let error = other.resume(dir.path()).unwrap_err();
    for expected in expected {
        assert!(error.contains(expected), "{error}");
    }
    let help = "help: write it as it was, or give the step another name with `.named(\"..\")` and add \
    `flow.dropped(\"texts\", \"why\")`";
    assert!(error.contains(help), "{error}");
    assert!(!error.contains("#[stateful"), "{error}");
}

#[test]
fn windows_of_other_parameters_are_refused() {
    let wait = || clock(15.0);
    let length = [
        "the windower of the step `f.texts` (",
        "is `tumbling 20s`, but its state was saved with `tumbling 10s`",
    ];
    refused(&counts(wait(), tumbling(20.0)), &length);
    let other = "is `sliding 10s every 5s`, but its state was saved with `tumbling 10s`";
    refused(&counts(wait(), sliding(10.0, 5.0)), &[other]);
    let other = "is `session 10s`, but its state was saved with `tumbling 10s`";
    refused(&counts(wait(), session(10.0)), &[other]);
    let align = DateTime::UNIX_EPOCH + TimeDelta::milliseconds(1500);
    let windower = TumblingWindower::new(seconds(10.0), align);
    let other = "the align_to of the step `f.texts` (";
    let times =
        "is `1970-01-01T00:00:01.500000Z`, but its state was saved with `1970-01-01T00:00:00Z`";
    refused(&counts(wait(), windower), &[other, times]);
}

#[test]
fn windows_of_another_clock_are_refused() {
    let ten = || tumbling(10.0);
    let other = "is `time of arrival`, but its state was saved with `event time by key`";
    refused(&counts(SystemClock::new(), ten()), &[other]);
    let of_partitions = EventClock::per_partition(|value: &Value| Micros(value.1), seconds(15.0));
    let other = "is `event time by partition`, but its state was saved with `event time by key`";
    refused(&counts(of_partitions, ten()), &[other]);
}

/// What another operator keeps of a window means something else.
#[test]
fn windows_of_other_values_are_refused() {
    let lists = Texts::new(ALL, |_, values| {
        values.fold_window(
            clock(15.0),
            tumbling(10.0),
            String::new,
            |texts, value: Value| texts.push_str(&value.0),
            |texts, later: String| texts.push_str(&later),
        )
    });
    refused(
        &lists,
        &["is `fold_window`, but its state was saved with `count_window`"],
    );
}

#[test]
fn windows_begin_anew_as_the_help_says() {
    let dir = left_open();
    let anew = Texts::named("twenty", ALL, |flow, values| {
        flow.dropped("texts", "windows are of twenty seconds now");
        values.count_window(clock(15.0), tumbling(20.0))
    });
    let told = anew.resume(dir.path()).unwrap();
    assert_eq!(told, ("1=2 2=1".to_owned(), String::new()));
}

#[test]
fn what_says_nothing_of_saved_windows_may_change() {
    let dir = left_open();
    let clock = clock(1.0).forget_after(seconds(5.0));
    // Windows of one length that begin at each other's ends, in other words.
    let windower = sliding(10.0, 10.0).in_arrival_order();
    let told = counts(clock, windower).resume(dir.path()).unwrap();
    assert_eq!(told, ("0=1 1=1 2=2 4=1".to_owned(), String::new()));
}

/// Windows that were saved without the option have values; those that were opened without values are told in any case.
#[test]
fn windows_without_values_may_come_and_go() {
    let dir = left_open();
    let windower = tumbling(10.0).emit_empty(2);
    let told = counts(clock(15.0), windower).resume(dir.path()).unwrap();
    assert_eq!(told.0, "0=1 1=1 2=2 3=0 4=1 5=0 6=0");

    let dir = tempfile::tempdir().unwrap();
    let with = Texts::new("a@1 b@32 ABORT", |_, values| {
        values.count_window(clock(15.0), windower)
    });
    assert_eq!(with.resume(dir.path()).unwrap().0, "0=1");
    let without = Texts::new("a@1 b@32 c@41 d@80", |_, values| {
        values.count_window(clock(15.0), tumbling(10.0))
    });
    assert_eq!(without.resume(dir.path()).unwrap().0, "1=0 3=1 4=1 8=1");
}

/// What an earlier release does not say is taken from the first run that resumes its store.
#[test]
fn a_store_that_does_not_say_what_windows_it_has_learns_it() {
    let dir = tempfile::tempdir().unwrap();
    copy_old_store(dir.path());
    let texts = |length, text| {
        Texts::new(text, move |_, values| {
            values.fold_window(
                clock(3.0),
                sliding(length, 5.0),
                String::new,
                |texts, value: Value| texts.push_str(&value.0),
                |texts, later: String| texts.push_str(&later),
            )
        })
    };
    let text = "a@4 b@9 ABORT c@7 ABORT d@18 e@19 EOF f@40";
    // The earlier release had closed windows 2 and 3 at the end of input, and left them so.
    let told = texts(10.0, text).resume(dir.path()).unwrap();
    assert_eq!(told, ("2=e 3=e".to_owned(), String::new()));
    let error = texts(20.0, text).resume(dir.path()).unwrap_err();
    let other = "is `sliding 20s every 5s`, but its state was saved with `sliding 10s every 5s`";
    assert!(error.contains(other), "{error}");
    let told = texts(10.0, text).resume(dir.path()).unwrap();
    assert_eq!(told, ("7=f 8=f".to_owned(), String::new()));
}

/// The store that [`slices_are_saved`] has left in the release before facts were saved.
fn copy_old_store(to: &Path) {
    let store = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/stores/windows-v1/part-0.sqlite3"
    );
    std::fs::copy(store, to.join("part-0.sqlite3")).unwrap();
}
