//! The greatest values of all keys: each worker compares its own before it sends them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytewax_runtime::RecoveryConfig;
use bytewax_runtime::prelude::*;
use bytewax_runtime::testing::{RunConfig, TestingSink, cluster_main};
use bytewax_runtime::windowing::{
    CumulateWindower, Lateness, Once, SlidingWindower, StreamClock, TumblingWindower, Windowing,
};
use chrono::{DateTime, TimeDelta};
use proptest::prelude::*;

use super::graphs::{Dealt, Part, part};
use super::streams::{Hit, at};
use super::support::seconds;
use crate::support::sorted;

#[derive(Clone, Copy, Debug)]
enum Kind {
    Tumbling,
    /// With a length of so many seconds, which is a number of offsets or not.
    Sliding(i64),
    Cumulate,
}

fn kinds() -> impl Strategy<Value = Kind> {
    let kinds = vec![
        Kind::Tumbling,
        Kind::Sliding(30),
        Kind::Sliding(25),
        Kind::Cumulate,
    ];
    prop::sample::select(kinds)
}

/// The windows of a time in seconds.
fn ids(kind: Kind, time: i64) -> Vec<i64> {
    match kind {
        Kind::Tumbling => vec![time / 10],
        Kind::Sliding(length) => {
            let is_in = |id: &i64| (id * 10..id * 10 + length).contains(&time);
            (-3..100).filter(is_in).collect()
        }
        Kind::Cumulate => (time / 10..=time / 30 * 3 + 2).collect(),
    }
}

/// What is compared.
fn weight(hit: &Hit) -> i64 {
    (hit.0 as i64 * 7919 + hit.1 / 1_000_000 * 104_729) % 997
}

/// The greatest of each window, and the late values.
type Outcome = (Vec<(i64, i64)>, Vec<Hit>);

#[derive(Clone, Debug)]
struct Case {
    parts: Vec<Part>,
    kind: Kind,
    wait: i64,
    batch: usize,
    stop: Option<usize>,
    /// After how long a partition is not waited for.
    idle_after: Option<TimeDelta>,
    /// Whether values go to other workers before they are compared.
    spread: bool,
}

impl Case {
    fn outcome(&self, workers: &[usize]) -> Outcome {
        let whole = seconds(10.0);
        match self.kind {
            Kind::Tumbling => self.run(workers, TumblingWindower::new(whole, DateTime::UNIX_EPOCH)),
            Kind::Sliding(length) => {
                let length = TimeDelta::seconds(length);
                let windower = SlidingWindower::new(length, whole, DateTime::UNIX_EPOCH);
                self.run(workers, windower)
            }
            Kind::Cumulate => {
                let windower = CumulateWindower::new(whole, seconds(30.0), DateTime::UNIX_EPOCH);
                self.run(workers, windower)
            }
        }
    }

    fn run<W: Windowing<Mode = Once>>(&self, workers: &[usize], windower: W) -> Outcome {
        let (down, late) = (TestingSink::new(), TestingSink::new());
        let flow = Dataflow::build("f", |flow| {
            let source = Dealt {
                parts: self.parts.clone(),
                batch: self.batch,
                stop: self.stop,
                has_stopped: Arc::default(),
            };
            let hits = flow.input(source).named("in").map(|(_, hit)| ((), hit));
            let mut lateness = Lateness::bounded(TimeDelta::microseconds(self.wait));
            if let Some(time) = self.idle_after {
                lateness = lateness.idle_after(time);
            }
            let timed = hits.event_time(|(_, hit)| at(hit), lateness).named("time");
            let too_late = timed.late.map(|(_, hit)| hit);
            too_late.output(late.clone()).named("late");
            let mut hits = timed.down;
            if self.spread {
                hits = hits.redistribute();
            }
            let most = hits.max_window(StreamClock::new(at), windower, weight);
            let most = most.named("most");
            let windows = most.down.map(|((), (id, hit))| (id.0, weight(&hit)));
            windows.output(down.clone()).named("down");
            let too_late = most.late.map(|((), (_, hit))| hit);
            too_late.output(late.clone()).named("most_late");
        });
        let dir = tempfile::tempdir().unwrap();
        for workers in workers {
            let mut config = RunConfig::new().workers(*workers);
            if self.stop.is_some() {
                let recovery = RecoveryConfig::new(dir.path());
                config = config.recovery(recovery).epoch_interval(Duration::ZERO);
            }
            if let Err(error) = cluster_main(flow.clone(), config) {
                panic!("{}", error.report());
            }
        }
        (down.sorted(), late.sorted())
    }

    /// The greatest of each window, if these values are late.
    fn most(&self, late: &[Hit]) -> Vec<(i64, i64)> {
        let mut most = BTreeMap::new();
        let all = self.parts.iter().flat_map(|part| &part.hits);
        for hit in all.filter(|hit| !late.contains(hit)) {
            for id in ids(self.kind, hit.1 / 1_000_000) {
                let greatest = most.entry(id).or_insert(i64::MIN);
                *greatest = weight(hit).max(*greatest);
            }
        }
        most.into_iter().collect()
    }

    /// Each partition by itself determines what is late, if all are waited for.
    fn model(&self) -> Outcome {
        let mut late = Vec::new();
        for part in &self.parts {
            let mut newest = i64::MIN;
            for hit in &part.hits {
                newest = newest.max(hit.1);
                if hit.1 < newest - self.wait {
                    late.push(*hit);
                }
            }
        }
        (self.most(&late), sorted(late))
    }
}

fn cases() -> impl Strategy<Value = Case> {
    let parts = prop::collection::vec(part(), 3);
    let rest = (1..20_usize, any::<bool>());
    (parts, kinds(), 0..20_000_000_i64, rest).prop_map(|(parts, kind, wait, rest)| {
        // All are different, so that it can be told which are late.
        let mut number = 0;
        let mut different = |mut part: Part| {
            for hit in &mut part.hits {
                number += 1;
                *hit = (number, hit.1);
            }
            part
        };
        Case {
            parts: parts.into_iter().map(&mut different).collect(),
            kind,
            wait,
            batch: rest.0,
            stop: None,
            idle_after: None,
            spread: rest.1,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_greatest_of_all_depend_on_the_values_alone(case in cases()) {
        for workers in [1, 2, 4] {
            prop_assert_eq!(case.outcome(&[workers]), case.model(), "{} workers", workers);
        }
    }

    /// What was told in the epoch of the stop is told again, and nothing else.
    #[test]
    fn a_stop_does_not_change_the_greatest(
        mut case in cases(),
        stop in 0..60_usize,
        workers in [1..5_usize, 1..5_usize],
    ) {
        case.stop = Some(stop.min(case.parts[0].hits.len()));
        let once = |mut outcome: Outcome| {
            outcome.0.dedup();
            outcome.1.dedup();
            outcome
        };
        prop_assert_eq!(once(case.outcome(&workers)), once(case.model()));
    }

    /// What is late then depends on the run; but each value is late, or it was compared.
    #[test]
    fn values_of_partitions_that_were_idle_are_late_or_compared(
        mut case in cases(),
        micros in 1..3_000_i64,
        workers in 1..5_usize,
    ) {
        case.idle_after = Some(TimeDelta::microseconds(micros));
        let (most, late) = case.outcome(&[workers]);
        prop_assert_eq!(most, case.most(&late), "late: {:?}", late);
    }
}
