//! Steps that go by event time without windows, against loops over the values of each key.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytewax_macros::stateful;
use bytewax_runtime::operators::JoinInsert;
use bytewax_runtime::prelude::*;
use bytewax_runtime::source::{FixedPartitionedSource, Poll, StatefulSourcePartition};
use bytewax_runtime::testing::{TestingSink, TestingSource, run_main};
use bytewax_runtime::windowing::{
    Clock, Lateness, Micros, Pattern, PatternOut, StreamClock, SystemClock,
};
use bytewax_runtime::{Exchange, StepError};
use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;

use super::exact::Exact;
use super::graphs::{run_all, stops};
use super::support::seconds;

/// A time in seconds, and a number.
type Value = (i64, i64);
type Values = KeyedStream<u64, Value>;

fn at(value: &Value) -> Micros {
    Micros(value.0 * 1_000_000)
}

fn clock() -> impl Clock<Value> {
    StreamClock::new(at)
}

/// Behind all times.
const FAR: i64 = 1_000_000;

/// The keys that take the watermark there.
const FAR_KEYS: u64 = 1000;

#[derive(Clone, Debug)]
struct Case {
    /// The values of each partition; keys are of one partition.
    parts: Vec<Vec<(u64, Value)>>,
    wait: i64,
    batch: usize,
    /// Where the first partition stops a run, and the numbers of workers of such runs.
    stops: Vec<usize>,
    workers: [usize; 3],
}

fn case() -> impl Strategy<Value = Case> {
    let part = prop::collection::vec((0..4_u64, 0..5_i64, -9..9_i64, 0..50_i64), 0..50);
    let parts = prop::collection::vec(part, 3);
    let runs = (stops(), [1..5_usize, 1..5_usize, 1..5_usize]);
    (parts, 0..15_i64, 1..9_usize, runs).prop_map(|(parts, wait, batch, (stops, workers))| {
        let parts = parts.into_iter().zip(0..).map(|(part, number)| {
            let mut now = 0;
            let value = |(key, step, off, n): (u64, i64, i64, i64)| {
                now += step;
                (key + 10 * number, ((now + off).max(0), n))
            };
            part.into_iter().map(value).collect()
        });
        Case {
            parts: parts.collect(),
            wait,
            batch,
            stops,
            workers,
        }
    })
}

/// The values of each partition, and then one behind all times.
struct Source {
    parts: Vec<Vec<(u64, Value)>>,
    batch: usize,
    stops: Vec<usize>,
    stopped: Arc<AtomicUsize>,
    /// The partitions that are behind all times, each a bit.
    far: Arc<AtomicUsize>,
}

struct Partition {
    values: Vec<(u64, Value)>,
    batch: usize,
    given: usize,
    number: usize,
    stops: Vec<usize>,
    stopped: Arc<AtomicUsize>,
    far: Arc<AtomicUsize>,
    idle: usize,
}

impl FixedPartitionedSource for Source {
    type Item = (u64, Value);
    type Position = usize;
    type Partition = Partition;

    fn partitions(&self) -> Result<Vec<String>, StepError> {
        Ok((0..self.parts.len()).map(|part| part.to_string()).collect())
    }

    fn open(&self, name: &str, position: Option<usize>) -> Result<Partition, StepError> {
        let number: usize = name.parse()?;
        let mut values = self.parts[number].clone();
        values.push((FAR_KEYS + number as u64, (FAR, 0)));
        Ok(Partition {
            values,
            batch: self.batch,
            given: position.unwrap_or_default(),
            number,
            stops: match number {
                0 => self.stops.clone(),
                _ => Vec::new(),
            },
            stopped: Arc::clone(&self.stopped),
            far: Arc::clone(&self.far),
            idle: 0,
        })
    }
}

impl StatefulSourcePartition for Partition {
    type Item = (u64, Value);
    type Position = usize;

    fn next_batch(&mut self) -> Result<Poll<(u64, Value)>, StepError> {
        let stopped = self.stopped.load(Ordering::SeqCst);
        let stop = self.stops.get(stopped);
        if stop.is_some_and(|stop| self.given >= (*stop).min(self.values.len())) {
            self.stopped.store(stopped + 1, Ordering::SeqCst);
            return Ok(Poll::abort());
        }
        let next = self.values.len().min(self.given + self.batch);
        let some = self.values[self.given..next].to_vec();
        self.given = next;
        if next == self.values.len() {
            self.far.fetch_or(1 << self.number, Ordering::SeqCst);
        }
        if !some.is_empty() {
            return Ok(Poll::batch(some));
        }
        // The others go on until all are behind all times.
        if self.far.load(Ordering::SeqCst) == 0b111 {
            self.idle += 1;
        }
        Ok(match self.idle {
            0..=3 => Poll::idle(Duration::ZERO),
            _ => Poll::end(),
        })
    }

    fn snapshot(&self) -> usize {
        self.given
    }
}

impl Case {
    /// The values of each key in the order in which they come, without those that are late for their partition.
    fn by_key(&self) -> BTreeMap<u64, Vec<Value>> {
        let mut keys: BTreeMap<u64, Vec<Value>> = BTreeMap::new();
        for part in &self.parts {
            let mut newest = i64::MIN;
            for (key, value) in part {
                newest = newest.max(value.0);
                if value.0 >= newest - self.wait {
                    keys.entry(*key).or_default().push(*value);
                }
            }
        }
        keys
    }

    /// What comes of the values, by key. Then the watermark goes far on, before the input ends.
    fn run<U: Exchange>(
        &self,
        stops: &[usize],
        workers: &[usize],
        body: impl FnOnce(Values) -> KeyedStream<u64, U>,
    ) -> BTreeMap<u64, Vec<U>> {
        let out = Exact::<(u64, U)>::new();
        let flow = Dataflow::build("f", |flow| {
            let source = Source {
                parts: self.parts.clone(),
                batch: self.batch,
                stops: stops.to_vec(),
                stopped: Arc::default(),
                far: Arc::default(),
            };
            let values = flow.input(source).named("in");
            let lateness = Lateness::bounded(TimeDelta::seconds(self.wait)).never_idle();
            let values = values.event_time(|(_, value)| at(value), lateness);
            let values = values.named("time").down;
            body(values).output(out.clone()).named("out");
        });
        run_all(&flow, stops.len(), workers);
        let mut keys: BTreeMap<u64, Vec<U>> = BTreeMap::new();
        for (key, result) in out.take() {
            if key < FAR_KEYS {
                keys.entry(key).or_default().push(result);
            }
        }
        keys
    }

    /// Checks a step against what a model makes of the values of each key, with any number of workers and over stops.
    fn check<U: Exchange + Debug + PartialEq>(
        &self,
        body: impl Fn(Values) -> KeyedStream<u64, U>,
        model: impl Fn(Vec<Value>) -> Vec<U>,
    ) -> Result<(), TestCaseError> {
        let expect = self.by_key().into_iter();
        let expect = expect.map(|(key, values)| (key, model(values)));
        let expect = expect.filter(|(_, results)| !results.is_empty());
        let expect: BTreeMap<_, _> = expect.collect();
        for workers in [1, 2, 4] {
            let got = self.run(&[], &[workers], &body);
            prop_assert_eq!(&got, &expect, "{} workers", workers);
        }
        let got = self.run(&self.stops, &self.workers, &body);
        prop_assert_eq!(&got, &expect, "over stops");
        Ok(())
    }
}

/// In the order of times, and of what came first.
fn in_order(mut values: Vec<Value>) -> Vec<Value> {
    values.sort_by_key(|value| value.0);
    values
}

/// Waits for times as its values say, and emits what it is called for.
#[stateful(crate = "bytewax_runtime")]
#[derive(Default)]
struct Alarm {
    sum: i64,
    due: Option<DateTime<Utc>>,
    again: i64,
}

impl StatefulLogic for Alarm {
    type In = Value;
    type Out = (char, i64, i64);

    fn on_item(&mut self, (_, n): Value, out: &mut Emit<Self::Out>) -> Keep {
        self.sum += n;
        out.emit(('i', out.now().timestamp(), self.sum));
        match n % 5 {
            0 => self.due = None,
            1 => {}
            other => {
                // A time that has passed, too.
                self.due = Some(out.now() + TimeDelta::seconds(3 * other - 7));
                self.again = n % 3;
            }
        }
        if n % 11 == 0 { Keep::No } else { Keep::Yes }
    }

    fn notify_at(&self) -> Option<DateTime<Utc>> {
        self.due
    }

    fn on_notify(&mut self, out: &mut Emit<Self::Out>) -> Keep {
        out.emit(('n', out.now().timestamp(), self.sum));
        if self.again > 0 {
            self.again -= 1;
            self.due = Some(out.now() + TimeDelta::seconds(2));
        }
        if self.sum % 7 == 0 {
            Keep::No
        } else {
            Keep::Yes
        }
    }

    fn on_eof(&mut self, out: &mut Emit<Self::Out>) -> Keep {
        out.emit(('e', 0, self.sum));
        Keep::No
    }
}

/// The same as a loop.
fn alarms(values: Vec<Value>) -> Vec<(char, i64, i64)> {
    struct State {
        sum: i64,
        due: Option<i64>,
        again: i64,
        told: Option<i64>,
    }
    let mut all = Vec::new();
    let mut state: Option<State> = None;
    let wake = |state: &mut Option<State>, until: i64, all: &mut Vec<_>| {
        while let Some(at) = state
            && let Some(due) = at.due.filter(|due| *due <= until && at.told != Some(*due))
        {
            all.push(('n', due, at.sum));
            at.told = Some(due);
            if at.again > 0 {
                at.again -= 1;
                at.due = Some(due + 2);
            }
            if at.sum % 7 == 0 {
                *state = None;
            }
        }
    };
    for (time, n) in in_order(values) {
        wake(&mut state, time, &mut all);
        let at = state.get_or_insert(State {
            sum: 0,
            due: None,
            again: 0,
            told: None,
        });
        at.sum += n;
        all.push(('i', time, at.sum));
        match n % 5 {
            0 => at.due = None,
            1 => {}
            other => {
                at.due = Some(time + 3 * other - 7);
                at.again = n % 3;
            }
        }
        if n % 11 == 0 {
            state = None;
        }
    }
    wake(&mut state, FAR, &mut all);
    all.extend(state.map(|at| ('e', 0, at.sum)));
    all
}

/// Sums that expire, and what has expired: a loop over the values as they come.
fn expiring(values: Vec<Value>, after: i64) -> Vec<(char, i64)> {
    let mut all = Vec::new();
    let mut state: Option<(i64, i64)> = None;
    for (time, n) in values {
        if let Some((written, sum)) = state
            && time >= written + after
        {
            all.push(('x', sum));
            state = None;
        }
        let (written, sum) = state.unwrap_or((time, 0));
        state = Some((written.max(time), sum + n));
        all.push(('s', sum + n));
    }
    all.extend(state.map(|(_, sum)| ('x', sum)));
    all
}

/// A stage of a pattern, as the model has it.
struct Stage {
    takes: fn(&[Value], &Value) -> bool,
    is_next: bool,
    without: fn(&Value) -> bool,
}

/// What becomes of a match that was begun.
enum Outcome {
    /// It is complete with the value at this place.
    Match(usize, Vec<Value>),
    TimedOut(Vec<Value>),
    Ended,
}

/// Looks for a match that begins with the value at a place.
fn search(values: &[Value], begin: usize, stages: &[Stage], within: i64) -> Outcome {
    let mut found = vec![values[begin]];
    for (place, value) in values.iter().enumerate().skip(begin + 1) {
        if value.0 - found[0].0 > within {
            return Outcome::TimedOut(found);
        }
        let stage = &stages[found.len()];
        if (stage.takes)(&found, value) {
            found.push(*value);
            if found.len() == stages.len() {
                return Outcome::Match(place, found);
            }
        } else if stage.is_next || (stage.without)(value) {
            return Outcome::Ended;
        }
    }
    Outcome::TimedOut(found)
}

/// The matches, and what has timed out: each begin by itself, and then which of them count.
fn matches(
    values: Vec<Value>,
    stages: &[Stage],
    within: i64,
    overlapping: bool,
) -> (Vec<Vec<Value>>, Vec<Vec<Value>>) {
    let values = in_order(values);
    let begins = (0..values.len()).filter(|place| (stages[0].takes)(&[], &values[*place]));
    let mut open: Vec<_> = begins
        .map(|begin| (begin, search(&values, begin, stages, within)))
        .collect();
    let (mut found, mut timed_out) = (Vec::new(), Vec::new());
    loop {
        let end = |(begin, outcome): &(usize, Outcome)| match outcome {
            Outcome::Match(end, _) => Some((*end, *begin)),
            _ => None,
        };
        let first = open.iter().filter_map(end).min();
        let Some((end, first)) = first else { break };
        let mut left = Vec::new();
        for (begin, outcome) in open {
            match outcome {
                Outcome::Match(_, values) if begin == first => found.push(values),
                // Its time was over before the match was complete.
                Outcome::TimedOut(begun) if begun[0].0 + within < values[end].0 => {
                    timed_out.push(begun);
                }
                _ if begin <= end && !overlapping => {}
                outcome => left.push((begin, outcome)),
            }
        }
        open = left;
    }
    for (_, outcome) in open {
        if let Outcome::TimedOut(begun) = outcome {
            timed_out.push(begun);
        }
    }
    timed_out.sort_by_key(|begun| begun[0].0);
    (found, timed_out)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn values_come_in_the_order_of_times(case in case()) {
        case.check(|values| values.sort_by_time(clock()).named("sorted").down, in_order)?;
    }

    #[test]
    fn a_logic_goes_by_event_time(case in case()) {
        let body = |values: Values| values.stateful_by_time(clock(), Alarm::default).named("alarms").down;
        case.check(body, alarms)?;
    }

    #[test]
    fn states_expire_by_event_time(case in case(), after in 1..12_i64) {
        let expiring_step = |values: Values| {
            let values = values.expire_after(TimeDelta::seconds(after), clock());
            let sums = values.stateful_map(|sum: &mut i64, (_, n)| {
                *sum += n;
                *sum
            });
            let sums = sums.named("sums");
            let expired = sums.expired.map_value(|sum| ('x', sum));
            (sums.down.map_value(|sum| ('s', sum)), expired)
        };
        // Of two streams of a step, nothing is said of the order between them.
        let of = |what: char| move |values| {
            let mut all = expiring(values, after);
            all.retain(|told| told.0 == what);
            all
        };
        case.check(|values| expiring_step(values).0, of('s'))?;
        case.check(
            |values| {
                let (down, expired) = expiring_step(values);
                drop(down);
                expired
            },
            of('x'),
        )?;

        // A state that the closure drops does not expire.
        let flat = |values: Values| {
            let values = values.expire_after(TimeDelta::seconds(after), clock());
            let sums = values.stateful_flat_map(|sum: &mut Option<i64>, (_, n): Value| {
                let next = sum.take().unwrap_or_default() + n;
                if n % 3 != 0 {
                    *sum = Some(next);
                }
                [next]
            });
            sums.named("sums").expired
        };
        let model = |values: Vec<Value>| {
            let (mut all, mut state) = (Vec::new(), None::<(i64, i64)>);
            for (time, n) in values {
                if let Some((written, sum)) = state && time >= written + after {
                    all.push(sum);
                    state = None;
                }
                let (written, sum) = state.unwrap_or((time, 0));
                state = (n % 3 != 0).then_some((written.max(time), sum + n));
            }
            all.extend(state.map(|(_, sum)| sum));
            all
        };
        case.check(flat, model)?;
    }

    #[test]
    fn patterns_are_found(case in case(), within in 0..25_i64, overlapping in any::<bool>()) {
        type Build = fn(Values, i64, bool) -> PatternOut<u64, Value>;
        let never: fn(&Value) -> bool = |_| false;
        macro_rules! found {
            ($values:ident, $pattern:expr, $overlapping:ident) => {{
                let pattern = if $overlapping { $pattern.overlapping() } else { $pattern };
                $values.match_pattern(clock(), pattern).named("found")
            }};
        }
        let patterns: [(Build, Vec<Stage>); 3] = [
            (
                |values, within, overlapping| {
                    let pattern = Pattern::within(TimeDelta::seconds(within))
                        .begin(|value: &Value| value.1 % 4 == 0)
                        .without(|value| value.1 % 4 == 3)
                        .followed_by(|value| value.1 % 4 == 1);
                    found!(values, pattern, overlapping)
                },
                vec![
                    Stage { takes: |_, value| value.1 % 4 == 0, is_next: false, without: never },
                    Stage { takes: |_, value| value.1 % 4 == 1, is_next: false, without: |value| value.1 % 4 == 3 },
                ],
            ),
            (
                |values, within, overlapping| {
                    let pattern = Pattern::within(TimeDelta::seconds(within))
                        .begin(|value: &Value| value.1 % 2 == 0)
                        .next(|value| value.1 % 3 != 0)
                        .followed_by(|value| value.1 % 2 == 1)
                        .and(|before, value| value.1 > before[0].1);
                    found!(values, pattern, overlapping)
                },
                vec![
                    Stage { takes: |_, value| value.1 % 2 == 0, is_next: false, without: never },
                    Stage { takes: |_, value| value.1 % 3 != 0, is_next: true, without: never },
                    Stage {
                        takes: |before, value| value.1 % 2 == 1 && value.1 > before[0].1,
                        is_next: false,
                        without: never,
                    },
                ],
            ),
            (
                |values, within, overlapping| {
                    let pattern = Pattern::within(TimeDelta::seconds(within))
                        .begin(|value: &Value| value.1 % 3 == 0)
                        .and(|before, value| before.is_empty() && value.1 > 10);
                    found!(values, pattern, overlapping)
                },
                vec![Stage { takes: |_, value| value.1 % 3 == 0 && value.1 > 10, is_next: false, without: never }],
            ),
        ];
        for (build, stages) in &patterns {
            // A pattern of one stage is complete at once.
            let model = |values| match stages.len() {
                1 => (in_order(values).into_iter().filter(|value| (stages[0].takes)(&[], value)).map(|value| vec![value]).collect(), Vec::new()),
                _ => matches(values, stages, within, overlapping),
            };
            case.check(|values| build(values, within, overlapping).down, |values| model(values).0)?;
            case.check(|values| build(values, within, overlapping).timed_out, |values| model(values).1)?;
        }
    }

    #[test]
    fn joined_values_expire_together(case in case(), after in 1..12_i64) {
        let case = Case { batch: 1, ..case };
        let body = |values: Values| {
            // One stream is the other's past, so that both come in order.
            let values = values.map_value(|value| (value, value));
            let (left, right) = (values.clone(), values.filter(|_| false));
            let clock = StreamClock::of_sides((|pair: &(Value, Value)| at(&pair.0), |pair: &(Value, Value)| at(&pair.1)));
            let left = left.expire_after(TimeDelta::seconds(after), clock);
            let rows = left.join_running(right, JoinInsert::First).named("rows");
            rows.down.map_value(|(left, right)| {
                assert!(right.is_none());
                left.map(|pair| pair.0)
            })
        };
        let model = |values: Vec<Value>| {
            let (mut all, mut state) = (Vec::new(), None::<(i64, Value)>);
            for value in values {
                state = state.filter(|(written, _)| value.0 < written + after);
                let (written, first) = state.unwrap_or((value.0, value));
                state = Some((written.max(value.0), first));
                all.push(Some(first));
            }
            all
        };
        case.check(body, model)?;
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let flow = |after| {
        Dataflow::build("f", |flow| {
            let values = flow.input(TestingSource::new([('a', 1_i64)])).named("in");
            let values = values.expire_after(after, SystemClock::new());
            let sums = values.stateful_map(|_: &mut i64, n| n).named("sums");
            sums.down.output(TestingSink::new()).named("out");
        })
    };
    for after in [TimeDelta::zero(), -seconds(1.0)] {
        let told = run_main(flow(after)).unwrap_err().report();
        assert!(told.contains("step `f.sums` at "), "{told}");
        assert!(told.contains(": states would expire at once\n"), "{told}");
    }
    // Longer than all times.
    run_main(flow(TimeDelta::MAX)).unwrap();

    let open = Dataflow::build("f", |flow| {
        let values = flow.input(TestingSource::new([(1_u64, 1_i64)])).named("in");
        let pattern = Pattern::within(-seconds(1.0))
            .begin(|n: &i64| *n > 0)
            .without(|n| *n < 0);
        let found = values
            .match_pattern(SystemClock::new(), pattern)
            .named("found");
        found.down.output(TestingSink::new()).named("out");
    });
    let told = run_main(open).unwrap_err().report();
    assert!(
        told.contains(": the time of the pattern is negative\n"),
        "{told}"
    );
    assert!(
        told.contains(": the pattern ends with `without`, so nothing says"),
        "{told}"
    );

    let flow = Dataflow::build("f", |flow| {
        let values = flow.input(TestingSource::new([(1, (1, 1))])).named("in");
        let values = values.sort_by_time(clock()).named("sorted");
        values.down.output(TestingSink::new()).named("out");
    });
    let told = run_main(flow).unwrap_err().report();
    assert!(
        told.contains("step `f.sorted`") && told.contains(".event_time("),
        "{told}"
    );
}
