//! Windows over all keys: each worker combines its own values before it sends them.

use std::collections::BTreeMap;

use bytewax_runtime::prelude::*;
use bytewax_runtime::testing::TestingSink;
use bytewax_runtime::windowing::{
    CumulateWindower, Lateness, Once, SlidingWindower, StreamClock, TumblingWindower, Windowing,
};
use chrono::{DateTime, TimeDelta};
use proptest::prelude::*;

use super::exact::Exact;
use super::graphs::{Dealt, Part, part, run_all, stops};
use super::streams::{Hit, at};
use super::support::seconds;
use crate::shared::sorted;

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

/// What is compared: at least 0.
fn weight(hit: &Hit) -> i64 {
    (hit.0 as i64 * 7919 + hit.1 / 1_000_000 * 104_729) % 997
}

/// The greatest value by its weight, the number of values, the sum of their numbers, the same with their number, the two
/// greatest weights; and the step before all of them.
const STEPS: [&str; 5] = ["most", "count", "sum", "fold", "best"];
const TIME: usize = STEPS.len();

/// Of each step, the result of each window, and the late values.
type Outcome = (Vec<(usize, i64, i64)>, Vec<(usize, Hit)>);

#[derive(Clone, Debug)]
struct Case {
    parts: Vec<Part>,
    kind: Kind,
    wait: i64,
    batch: usize,
    stops: Vec<usize>,
    /// After how long a partition is not waited for.
    idle_after: Option<TimeDelta>,
    /// Whether values go to other workers before they are combined.
    spread: bool,
}

impl Case {
    fn outcome(&self, workers: &[usize]) -> Outcome {
        let whole = seconds(10.0);
        match self.kind {
            Kind::Tumbling => {
                let windower = TumblingWindower::new(whole, DateTime::UNIX_EPOCH);
                self.run(workers, windower.in_arrival_order())
            }
            Kind::Sliding(length) => {
                let length = TimeDelta::seconds(length);
                let windower = SlidingWindower::new(length, whole, DateTime::UNIX_EPOCH);
                self.run(workers, windower.in_arrival_order())
            }
            Kind::Cumulate => {
                let windower = CumulateWindower::new(whole, seconds(30.0), DateTime::UNIX_EPOCH);
                self.run(workers, windower.in_arrival_order())
            }
        }
    }

    fn run<W: Windowing<Mode = Once> + Clone>(&self, workers: &[usize], windower: W) -> Outcome {
        let (down, late) = (Exact::new(), Exact::new());
        let flow = Dataflow::build("f", |flow| {
            let source = Dealt::new(&self.parts, self.batch, &self.stops);
            let hits = flow.input(source).named("in").map(|(_, hit)| ((), hit));
            let mut lateness = Lateness::bounded(TimeDelta::microseconds(self.wait));
            if let Some(time) = self.idle_after {
                lateness = lateness.idle_after(time);
            }
            let timed = hits.event_time(|(_, hit)| at(hit), lateness).named("time");
            let mut too_late = vec![timed.late.map(|(_, hit)| (TIME, hit))];
            let mut results = Vec::new();
            let mut hits = timed.down;
            if self.spread {
                hits = hits.redistribute();
            }
            let most = hits
                .clone()
                .max_window(StreamClock::new(at), windower.clone(), weight);
            let most = most.named(STEPS[0]);
            let weights = most.down.map(|((), (id, hit))| (0, id.0, weight(&hit)));
            results.push(weights);
            too_late.push(most.late.map(|((), (_, hit))| (0, hit)));

            let count = hits
                .clone()
                .count_window(StreamClock::new(at), windower.clone());
            let count = count.named(STEPS[1]);
            let counts = count.down.map(|((), (id, count))| (1, id.0, count as i64));
            results.push(counts);
            too_late.push(count.late.map(|((), (_, hit))| (1, hit)));

            // The sum has no time.
            let sum = |a: Hit, b: Hit| (a.0 + b.0, i64::MIN);
            let sum = hits
                .clone()
                .reduce_window(StreamClock::new(at), windower.clone(), sum)
                .named(STEPS[2]);
            let sums = sum.down.map(|((), (id, sum))| (2, id.0, sum.0 as i64));
            results.push(sums);
            too_late.push(sum.late.map(|((), (_, hit))| (2, hit)));

            let fold = hits.clone().fold_window(
                StreamClock::new(at),
                windower.clone(),
                || (0, 0),
                |(sum, count): &mut (i64, i64), hit: Hit| {
                    *sum += hit.0 as i64;
                    *count += 1;
                },
                |(sum, count), others| {
                    *sum += others.0;
                    *count += others.1;
                },
            );
            let fold = fold.named(STEPS[3]);
            let folds = fold
                .down
                .map(|((), (id, fold))| (3, id.0, fold.0 * 1000 + fold.1));
            results.push(folds);
            too_late.push(fold.late.map(|((), (_, hit))| (3, hit)));

            let best = hits
                .top_n_window(StreamClock::new(at), windower, 2, weight)
                .named(STEPS[4]);
            let bests = best.down.map(|((), (id, best))| {
                let weight = |place: usize| best.get(place).map_or(0, weight);
                (4, id.0, weight(0) * 1000 + weight(1))
            });
            results.push(bests);
            too_late.push(best.late.map(|((), (_, hit))| (4, hit)));

            if let Some(stream) = results.into_iter().reduce(Stream::merge) {
                stream.output(down.clone()).named("down");
            }
            if let Some(stream) = too_late.into_iter().reduce(Stream::merge) {
                stream.output(late.clone()).named("late");
            }
        });
        run_all(&flow, self.stops.len(), workers);
        (down.sorted(), late.sorted())
    }

    /// The results of each step, if these values are late.
    fn results(&self, late: &[(usize, Hit)]) -> Vec<(usize, i64, i64)> {
        let mut results = BTreeMap::new();
        for hit in self.parts.iter().flat_map(|part| &part.hits) {
            let is_late = |step| late.contains(&(step, *hit));
            for step in (0..TIME).filter(|step| !is_late(TIME) && !is_late(*step)) {
                for id in ids(self.kind, hit.1 / 1_000_000) {
                    let result: &mut i64 = results.entry((step, id)).or_default();
                    *result = match STEPS[step] {
                        "most" => weight(hit).max(*result),
                        "count" => *result + 1,
                        "fold" => *result + hit.0 as i64 * 1000 + 1,
                        "best" => {
                            let mut best = [*result / 1000, *result % 1000, weight(hit)];
                            best.sort_unstable();
                            best[2] * 1000 + best[1]
                        }
                        _ => *result + hit.0 as i64,
                    };
                }
            }
        }
        let result = |((step, id), result)| (step, id, result);
        results.into_iter().map(result).collect()
    }

    /// Each partition by itself determines what is late, if all are waited for.
    fn model(&self) -> Outcome {
        let mut late = Vec::new();
        for part in &self.parts {
            let mut newest = i64::MIN;
            for hit in &part.hits {
                newest = newest.max(hit.1);
                if hit.1 < newest - self.wait {
                    late.push((TIME, *hit));
                }
            }
        }
        (self.results(&late), sorted(late))
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
            stops: Vec::new(),
            idle_after: None,
            spread: rest.1,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn results_for_all_keys_depend_on_the_values_alone(case in cases()) {
        for workers in [1, 2, 4] {
            prop_assert_eq!(case.outcome(&[workers]), case.model(), "{} workers", workers);
        }
    }

    #[test]
    fn stops_do_not_change_the_results(
        mut case in cases(),
        stops in stops(),
        workers in [1..5_usize, 1..5_usize, 1..5_usize],
    ) {
        case.stops = stops;
        prop_assert_eq!(case.outcome(&workers), case.model());
    }

    /// What is late then depends on the run; but each value is late, or it was combined.
    #[test]
    fn values_of_partitions_that_were_idle_are_late_or_combined(
        mut case in cases(),
        micros in 1..3_000_i64,
        workers in 1..5_usize,
    ) {
        case.idle_after = Some(TimeDelta::microseconds(micros));
        let (results, late) = case.outcome(&[workers]);
        prop_assert_eq!(results, case.results(&late), "late: {:?}", late);
    }
}

/// Values that are processed in the order of their times are not combined by workers, each of which has some of them.
#[test]
fn values_in_the_order_of_times_keep_it() {
    const SECOND: i64 = 1_000_000;
    for workers in [1, 2, 4] {
        let part = |first: i64| {
            let hits = (0..40).map(|n| (n as u64, (n * 3 + first) * SECOND));
            Part::of(hits.collect())
        };
        let parts: Vec<_> = (0..3).map(part).collect();
        let source = Dealt::new(&parts, 4, &[]);
        let out = TestingSink::new();
        let flow = Dataflow::build("f", |flow| {
            let hits = flow.input(source).named("in").map(|(_, hit)| ((), hit));
            let lateness = Lateness::bounded(seconds(10.0)).never_idle();
            let hits = hits.event_time(|(_, hit)| at(hit), lateness).named("time");
            let times = hits.down.fold_window(
                StreamClock::new(at),
                TumblingWindower::new(seconds(10.0), DateTime::UNIX_EPOCH),
                Vec::new,
                |times: &mut Vec<i64>, hit: Hit| times.push(hit.1 / SECOND),
                |times, mut later| times.append(&mut later),
            );
            let times = times.named("times").down.map(|((), (_, times))| times);
            times.output(out.clone()).named("out");
        });
        run_all(&flow, 0, &[workers]);
        let times = out.take();
        assert!(times.iter().all(|times| times.is_sorted()), "{times:?}");
        assert_eq!(times.concat(), (0..120).collect::<Vec<_>>());
    }
}
