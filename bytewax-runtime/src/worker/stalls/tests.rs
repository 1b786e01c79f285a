//! Staged runs, of which it is known why they stall. A look is half a second after the one before.

use chrono::{DateTime, TimeDelta, Utc};

use super::*;
use crate::ids::{StepId, StepKind};
use crate::report::{
    Distribution, EdgeReport, LagReport, PartitionReport, RunState, StepNumbers, StepReport,
    StoreReport, UnfinishedEpoch, WorkerReport,
};

/// The steps of the staged flow, each with those that it reads from. Edges are before `sums` and `out`.
const STEPS: [(&str, &str, StepKind); 5] = [
    ("f.in", "", StepKind::Source),
    ("f.time", "f.in", StepKind::Stateless),
    ("f.sums", "f.time", StepKind::Stateful),
    ("f.slow", "f.sums", StepKind::Stateless),
    ("f.out", "f.slow", StepKind::Sink),
];
const EDGES: [(&str, &str); 2] = [("f.in", "f.sums"), ("f.sums", "f.out")];

fn event_time(second: i64) -> Option<DateTime<Utc>> {
    Some(DateTime::UNIX_EPOCH + TimeDelta::seconds(second))
}

fn numbers(worker: usize) -> StepNumbers {
    let none = Distribution::default;
    StepNumbers {
        worker,
        items_in: 0,
        batches_in: 0,
        items_out: 0,
        batches_out: 0,
        busy_seconds: 0.0,
        outputs: Vec::new(),
        keys: None,
        state_bytes: None,
        saved_bytes: 0,
        watermark: None,
        windows: None,
        partitions: Vec::new(),
        batch_seconds: none(),
        notify_seconds: none(),
        end_seconds: none(),
        snapshot_seconds: none(),
        polled_items: none(),
    }
}

fn partition(name: &str) -> PartitionReport {
    PartitionReport {
        name: name.to_owned(),
        items: 0,
        batches: 0,
        lag: None,
        newest: None,
        watermark: None,
        waited_for: false,
        ended: false,
    }
}

/// Two workers at the beginning. Partition `a` is on worker 0, `b` on worker 1.
fn report() -> RunReport {
    let step = |(id, input, kind): &(&str, &str, StepKind)| StepReport {
        step: StepId::new(*id),
        operator: String::new(),
        kind: *kind,
        inputs: (!input.is_empty())
            .then(|| StepId::new(*input))
            .into_iter()
            .collect(),
        workers: vec![numbers(0), numbers(1)],
    };
    let worker = |worker| WorkerReport {
        process: 0,
        run_seconds: 0.0,
        worker,
        runs: true,
        running: None,
        epoch: Some(7),
        epoch_seconds: Some(0.0),
        epochs_complete: 0,
        last: None,
        unfinished: None,
        saved_bytes: 0,
    };
    let edge = |(from, to): (&str, &str), worker| EdgeReport {
        from: StepId::new(from),
        to: StepId::new(to),
        input: 0,
        worker,
        items: 0,
        batches: 0,
        bytes: 0,
        queued_bytes: 0,
        limit_bytes: 100,
        waited_seconds: 0.0,
        waits: false,
    };
    let mut report = RunReport {
        flow: "f".to_owned(),
        process: 0,
        processes: 1,
        read_at: DateTime::UNIX_EPOCH,
        state: RunState::Running,
        seconds: 0.0,
        execution: None,
        members: Vec::new(),
        workers: vec![worker(0), worker(1)],
        steps: STEPS.iter().map(step).collect(),
        edges: EDGES
            .into_iter()
            .flat_map(|it| [edge(it, 0), edge(it, 1)])
            .collect(),
        stores: Vec::new(),
        stalls: Vec::new(),
    };
    for (worker, name) in ["a", "b"].into_iter().enumerate() {
        for step in ["f.in", "f.time"] {
            report.at(step, worker).partitions.push(partition(name));
        }
    }
    report
}

impl RunReport {
    fn at(&mut self, step: &str, worker: usize) -> &mut StepNumbers {
        let mut steps = self.steps.iter_mut();
        let step = steps.find(|known| known.step == *step).unwrap();
        &mut step.workers[worker]
    }

    fn partition(&mut self, step: &str, worker: usize) -> &mut PartitionReport {
        &mut self.at(step, worker).partitions[0]
    }

    fn edge(&mut self, to: &str, worker: usize) -> &mut EdgeReport {
        let mut edges = self.edges.iter_mut();
        edges
            .find(|edge| edge.to == *to && edge.worker == worker)
            .unwrap()
    }

    /// Half a second passes, in which a worker takes and sends some items.
    fn works(&mut self, worker: usize) {
        for (step, ..) in STEPS {
            let of = self.at(step, worker);
            of.items_in += 10;
            of.items_out += 10;
            of.busy_seconds += 0.05;
        }
        self.partition("f.in", worker).items += 10;
    }

    /// Event time of a partition goes on to a second.
    fn goes_on(&mut self, worker: usize, second: i64) {
        let partition = self.partition("f.time", worker);
        partition.waited_for = true;
        (partition.newest, partition.watermark) = (event_time(second), event_time(second));
    }

    /// A worker waits for room on an edge for all of half a second.
    fn waits(&mut self, to: &str, worker: usize) {
        let edge = self.edge(to, worker);
        edge.waits = true;
        edge.waited_seconds += 0.5;
    }

    fn is_busy(&mut self, step: &str, worker: usize, share: f64) {
        self.at(step, worker).busy_seconds += 0.5 * share;
    }

    fn runs_in(&mut self, step: &str, worker: usize) {
        self.workers[worker].running = Some(StepId::new(step));
    }

    fn has_left(&mut self, worker: usize, bytes: Option<u64>, items: Option<u64>) {
        self.partition("f.in", worker).lag = Some(LagReport {
            items,
            bytes,
            messages: None,
        });
    }

    /// An epoch has been over since the beginning.
    fn is_unfinished(&mut self) {
        let seconds = self.seconds;
        for worker in &mut self.workers {
            worker.unfinished = Some(UnfinishedEpoch { epoch: 6, seconds });
        }
    }

    fn has_store(&mut self) {
        let store = |partition, sum| StoreReport {
            partition,
            worker: 1,
            load_seconds: Distribution::default(),
            write_seconds: Distribution {
                bounds: Vec::new(),
                counts: vec![2],
                sum,
            },
        };
        self.stores = vec![store(0, 0.1), store(1, 9.0)];
    }
}

/// What is expected of a staged run: the kind, step, worker, partition, and a part of the cause.
type Expected = (
    StallKind,
    Option<&'static str>,
    Option<usize>,
    Option<&'static str>,
    &'static str,
);

/// What happens in each half second of a staged run.
type Staged = fn(&mut RunReport);

/// What is found after so many looks at a run, and when it was named first.
fn looks(count: u32, staged: Staged) -> Vec<(f64, Change)> {
    let (mut stalls, mut report) = (Stalls::default(), report());
    let mut changes = Vec::new();
    for look in 0..count {
        report.seconds = 0.5 * f64::from(look);
        staged(&mut report);
        let found = stalls.look(&report);
        changes.extend(found.into_iter().map(|change| (report.seconds, change)));
    }
    changes
}

const CASES: &[(&str, Staged, Expected)] = &[
    (
        "a poll does not return",
        |it| {
            it.works(1);
            it.runs_in("f.in", 0);
        },
        (
            StallKind::Step,
            Some("f.in"),
            Some(0),
            None,
            "the code of step `f.in` has not returned on worker 0",
        ),
    ),
    (
        "a closure does not return",
        |it| {
            it.works(0);
            it.runs_in("f.slow", 1);
        },
        (
            StallKind::Step,
            Some("f.slow"),
            Some(1),
            None,
            "`f.slow` has not returned on worker 1",
        ),
    ),
    (
        "a write does not return",
        |it| {
            it.works(0);
            it.runs_in("f.out", 1);
        },
        (
            StallKind::Step,
            Some("f.out"),
            Some(1),
            None,
            "`f.out` has not returned on worker 1",
        ),
    ),
    (
        "a keyed step is slow",
        |it| {
            it.works(0);
            it.works(1);
            it.waits("f.sums", 0);
            it.is_busy("f.sums", 1, 0.95);
        },
        (
            StallKind::Edge,
            Some("f.sums"),
            Some(1),
            None,
            "the edge from `f.in` to `f.sums` is full, so worker 0 waits: step `f.sums` is busy all the time on worker 1",
        ),
    ),
    (
        "a step behind it is slow",
        |it| {
            it.works(0);
            it.works(1);
            it.waits("f.sums", 0);
            it.waits("f.sums", 1);
            it.is_busy("f.slow", 0, 0.9);
            it.is_busy("f.slow", 1, 0.8);
        },
        (
            StallKind::Edge,
            Some("f.slow"),
            Some(0),
            None,
            "step `f.slow` is busy all the time on worker 0",
        ),
    ),
    (
        "the sink is slow, and all before it wait",
        |it| {
            it.works(0);
            it.works(1);
            it.waits("f.sums", 0);
            it.waits("f.out", 0);
            it.is_busy("f.sums", 0, 0.7);
            it.is_busy("f.out", 1, 0.9);
        },
        (
            StallKind::Edge,
            Some("f.out"),
            Some(1),
            None,
            "step `f.out` is busy all the time on worker 1",
        ),
    ),
    (
        "the reader of an edge is stuck",
        |it| {
            it.works(0);
            it.waits("f.out", 0);
            it.runs_in("f.out", 1);
        },
        (
            StallKind::Edge,
            Some("f.out"),
            Some(1),
            None,
            "the code of step `f.out` has not returned on worker 1",
        ),
    ),
    (
        "the reader of an edge waits for something else",
        |it| {
            it.works(0);
            it.works(1);
            it.waits("f.out", 0);
        },
        (
            StallKind::Edge,
            Some("f.out"),
            None,
            None,
            "it waits for an external system",
        ),
    ),
    (
        "the worker of the reader is busy with another step",
        |it| {
            it.works(0);
            it.works(1);
            it.waits("f.out", 0);
            it.is_busy("f.out", 1, 0.1);
            it.is_busy("f.time", 1, 0.75);
        },
        (
            StallKind::Edge,
            Some("f.time"),
            Some(1),
            None,
            "worker 1, which reads it, is busy with step `f.time` most of the time",
        ),
    ),
    (
        "a partition has no newer items",
        |it| {
            it.works(0);
            it.works(1);
            it.goes_on(1, 0);
            let second = (it.seconds * 60.0) as i64;
            it.goes_on(0, second);
        },
        (
            StallKind::Watermark,
            Some("f.time"),
            Some(1),
            Some("b"),
            "partition `b`, on worker 1, has no newer items",
        ),
    ),
    (
        "a partition has had no items",
        |it| {
            it.works(1);
            it.goes_on(1, (it.seconds * 60.0) as i64);
            it.partition("f.time", 0).waited_for = true;
        },
        (
            StallKind::Watermark,
            Some("f.time"),
            Some(0),
            Some("a"),
            "partition `a`, on worker 0, has had no items",
        ),
    ),
    (
        "of two partitions of a worker one stands",
        |it| {
            it.works(0);
            it.works(1);
            let second = (it.seconds * 60.0) as i64;
            it.goes_on(0, second);
            it.goes_on(1, second);
            let mut other = partition("c");
            other.waited_for = true;
            (other.newest, other.watermark) = (event_time(-5), event_time(-5));
            let partitions = &mut it.at("f.time", 0).partitions;
            partitions.truncate(1);
            partitions.push(other);
        },
        (
            StallKind::Watermark,
            Some("f.time"),
            Some(0),
            Some("c"),
            "the watermark of step `f.time` does not advance",
        ),
    ),
    (
        "a step saves much state",
        |it| {
            it.works(0);
            it.works(1);
            it.has_store();
            it.is_unfinished();
            it.at("f.sums", 1).saved_bytes += 5_000_000;
        },
        (
            StallKind::Snapshot,
            Some("f.sums"),
            Some(1),
            None,
            "epoch 6 has ended but is not complete: step `f.sums` is saving its state on worker 1, 10.0 MB a second",
        ),
    ),
    (
        "the store does not write",
        |it| {
            it.works(0);
            it.works(1);
            it.has_store();
            it.is_unfinished();
        },
        (
            StallKind::Snapshot,
            None,
            Some(1),
            Some("1"),
            "look at the disk of partition 1",
        ),
    ),
    (
        "a snapshot waits for a step that does not return",
        |it| {
            it.works(0);
            it.has_store();
            it.is_unfinished();
            it.runs_in("f.sums", 1);
        },
        (
            StallKind::Snapshot,
            Some("f.sums"),
            Some(1),
            None,
            "epoch 6 has ended but is not complete: the code of step `f.sums` has not returned on worker 1",
        ),
    ),
    (
        "a snapshot waits for a slow sink",
        |it| {
            it.works(0);
            it.works(1);
            it.has_store();
            it.is_unfinished();
            it.waits("f.out", 0);
            it.is_busy("f.out", 0, 0.9);
        },
        (
            StallKind::Snapshot,
            Some("f.out"),
            Some(0),
            None,
            "epoch 6 has ended but is not complete: the edge from `f.sums` to `f.out` is full",
        ),
    ),
    (
        "an epoch waits for a busy step whose queue has room",
        |it| {
            it.works(0);
            it.works(1);
            it.has_store();
            it.is_unfinished();
            it.is_busy("f.slow", 0, 0.5);
            it.is_busy("f.slow", 1, 0.95);
        },
        (
            StallKind::Snapshot,
            Some("f.slow"),
            Some(1),
            None,
            "epoch 6 has ended but is not complete: step `f.slow` is busy all the time on worker 1",
        ),
    ),
    (
        "an epoch waits for calls",
        |it| {
            it.works(0);
            it.works(1);
            it.is_unfinished();
        },
        (
            StallKind::Snapshot,
            None,
            None,
            None,
            "calls that have not returned",
        ),
    ),
    (
        "a file gives nothing",
        |it| {
            it.works(1);
            it.has_left(0, Some(17), None);
        },
        (
            StallKind::Source,
            Some("f.in"),
            Some(0),
            Some("a"),
            "partition `a` of source `f.in`, on worker 0, gives nothing, and has 17 bytes left",
        ),
    ),
    (
        "a topic gives nothing",
        |it| it.has_left(1, None, Some(400)),
        (
            StallKind::Source,
            Some("f.in"),
            Some(1),
            Some("b"),
            "has 400 items left",
        ),
    ),
    (
        "one worker reads all",
        |it| {
            it.works(0);
            it.is_busy("f.in", 0, 0.85);
        },
        (
            StallKind::Skew,
            Some("f.in"),
            Some(0),
            None,
            "more partitions spread it",
        ),
    ),
    (
        "one worker has the keys",
        |it| {
            it.works(1);
            it.is_busy("f.sums", 1, 0.85);
            it.at("f.sums", 0).items_in += 3;
        },
        (
            StallKind::Skew,
            Some("f.sums"),
            Some(1),
            None,
            "a few keys have most of its items",
        ),
    ),
    (
        "one worker has the work behind a source",
        |it| {
            it.works(0);
            it.is_busy("f.time", 0, 0.85);
        },
        (
            StallKind::Skew,
            Some("f.time"),
            Some(0),
            None,
            "`redistribute` before it",
        ),
    ),
];

#[test]
fn each_staged_stall_is_named_right_within_two_seconds() {
    assert!(CASES.len() >= 20);
    for (name, staged, expected) in CASES {
        let (kind, step, worker, partition, cause) = expected;
        let found = looks(6, *staged);
        let named = found.iter().find_map(|(at, change)| match change {
            Change::Begins(stall) if stall.kind == *kind => Some((at, stall)),
            _ => None,
        });
        let (at, stall) = named.unwrap_or_else(|| panic!("{name}: {found:?}"));
        assert!(*at <= 2.0, "{name}: {at}");
        let step_found = stall.step.as_ref().map(ToString::to_string);
        assert_eq!(step_found.as_deref(), *step, "{name}: {}", stall.cause);
        assert_eq!(stall.worker, *worker, "{name}: {}", stall.cause);
        assert_eq!(
            stall.partition.as_deref(),
            *partition,
            "{name}: {}",
            stall.cause
        );
        assert!(stall.cause.contains(cause), "{name}: {}", stall.cause);
        // What follows from another is not named beside it, but for a snapshot that waits and edges that are full.
        let others: Vec<_> = found
            .iter()
            .filter(|(_, change)| {
                matches!(change, Change::Begins(other) if other.kind != *kind
                    && !matches!(other.kind, StallKind::Step | StallKind::Edge))
            })
            .collect();
        assert!(others.is_empty(), "{name}: {others:?}");
        let ends = found
            .iter()
            .any(|(_, change)| matches!(change, Change::Ends(_)));
        assert!(!ends, "{name}: {found:?}");
    }
}

const QUIET: &[(&str, Staged)] = &[
    ("all is well", |it| {
        it.works(0);
        it.works(1);
        let second = (it.seconds * 60.0) as i64;
        it.goes_on(0, second);
        it.goes_on(1, second - 7);
        it.has_left(0, Some(1000), None);
    }),
    ("there is nothing to do", |it| {
        it.has_left(0, Some(0), None);
        it.goes_on(0, 70);
        it.goes_on(1, 30);
    }),
    ("both partitions are quiet after a while", |it| {
        if it.seconds < 2.0 {
            it.goes_on(0, (it.seconds * 60.0) as i64);
            it.goes_on(1, (it.seconds * 60.0) as i64);
        }
    }),
    ("the watermark goes on without a partition", |it| {
        it.works(0);
        it.works(1);
        it.goes_on(0, (it.seconds * 60.0) as i64);
        it.goes_on(1, 0);
        it.partition("f.time", 1).waited_for = false;
        it.partition("f.time", 1).watermark = None;
    }),
    ("a partition has ended", |it| {
        it.works(0);
        it.goes_on(0, (it.seconds * 60.0) as i64);
        it.goes_on(1, 0);
        it.partition("f.time", 1).ended = true;
        it.has_left(1, Some(9), None);
        it.partition("f.in", 1).ended = true;
    }),
    ("a worker reads all items, and keeps half of them", |it| {
        it.works(0);
        it.is_busy("f.sums", 0, 0.85);
        it.at("f.sums", 1).items_in += 10;
    }),
    ("a source pauses for a second", |it| {
        it.works(1);
        it.has_left(0, Some(9), None);
        if it.seconds % 1.5 == 0.0 {
            it.works(0);
        }
    }),
    ("a sender waits half the time", |it| {
        it.works(0);
        it.works(1);
        it.edge("f.sums", 0).waits = true;
        it.edge("f.sums", 0).waited_seconds += 0.25;
    }),
    ("all workers are busy", |it| {
        it.works(0);
        it.works(1);
        it.is_busy("f.sums", 0, 0.9);
        it.is_busy("f.sums", 1, 0.9);
    }),
    ("one worker does half as much again", |it| {
        it.works(0);
        it.works(1);
        it.is_busy("f.sums", 0, 0.9);
    }),
    ("snapshots take a second", |it| {
        it.works(0);
        it.works(1);
        let seconds = it.seconds % 1.0;
        let unfinished = UnfinishedEpoch { epoch: 6, seconds };
        it.workers[0].unfinished = Some(unfinished);
    }),
    ("a step is in its code at each look, and works", |it| {
        it.works(0);
        it.works(1);
        it.runs_in("f.slow", 0);
    }),
    ("the run has not begun", |it| {
        it.state = RunState::Starting;
        it.runs_in("f.in", 0);
    }),
    ("the run has ended", |it| {
        it.state = RunState::Ended;
        it.has_left(0, Some(9), None);
        it.is_unfinished();
    }),
    ("the machine was asleep", |it| {
        it.seconds *= 20.0;
        it.has_left(0, Some(9), None);
    }),
];

#[test]
fn what_is_usual_is_no_stall() {
    for (name, staged) in QUIET {
        let found = looks(12, *staged);
        assert!(found.is_empty(), "{name}: {found:?}");
    }
}

#[test]
fn a_stall_begins_and_ends_once() {
    let staged: Staged = |it| {
        it.works(1);
        it.has_left(0, Some(9), None);
        // Its only pause is from 1 to 4.
        if !(1.0..=4.0).contains(&it.seconds) {
            it.works(0);
        }
    };
    let found = looks(20, staged);
    let [(begins, Change::Begins(begun)), (ends, Change::Ends(ended))] = &found[..] else {
        panic!("{found:?}");
    };
    assert_eq!((*begins, *ends), (2.0, 5.0));
    assert_eq!((begun.seconds, ended.seconds), (1.5, 3.5));
    assert_eq!(begun.cause, ended.cause);
}

#[test]
fn what_comes_again_and_again_has_to_last_longer() {
    // It gives something every three seconds.
    let staged: Staged = |it| {
        it.works(1);
        it.has_left(0, Some(9), None);
        if it.seconds % 3.0 < 1.5 {
            it.works(0);
        }
    };
    let begun = looks(40, staged);
    let begun = begun
        .iter()
        .filter(|(_, change)| matches!(change, Change::Begins(_)));
    assert_eq!(begun.count(), 1);
}

#[test]
fn the_stalls_of_now_are_those_that_have_begun() {
    let (mut stalls, mut report) = (Stalls::default(), report());
    for look in 0..4 {
        report.seconds = 0.5 * f64::from(look);
        report.runs_in("f.slow", 1);
        stalls.look(&report);
        assert_eq!(stalls.present().len(), usize::from(look == 3));
    }
    report.seconds = 2.0;
    report.works(1);
    stalls.look(&report);
    assert_eq!(stalls.present().len(), 1, "it may come again at once");
    report.seconds = 3.0;
    report.works(1);
    stalls.look(&report);
    assert_eq!(stalls.present(), []);
}
