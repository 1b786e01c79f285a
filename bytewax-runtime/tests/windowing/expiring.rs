//! Operators whose states expire by event time: the same as those without expiry, with a new key after each gap.

use std::fmt::Debug;
use std::time::Duration;

use bytewax_runtime::RecoveryConfig;
use bytewax_runtime::operators::{JoinInsert, Within};
use bytewax_runtime::prelude::*;
use bytewax_runtime::testing::TestingItem::{Eof, Item};
use bytewax_runtime::testing::{RunConfig, TestingSink, TestingSource, cluster_main};
use bytewax_runtime::windowing::{Clock, Lateness, Micros, StreamClock};
use chrono::TimeDelta;
use proptest::prelude::*;

use crate::shared::sorted;

/// The gap after which a state expires, in seconds.
const AFTER: i64 = 10;

/// The key of the value that takes the watermark behind all others.
const LAST_KEY: u8 = 9;

/// A value: its key, the number of gaps of its key before it, its time in seconds, and a number.
type Value = (u8, u32, i64, i64);

fn at(value: &Value) -> Micros {
    Micros(value.2 * 1_000_000)
}

fn session(value: &Value) -> (u8, u32) {
    (value.0, value.1)
}

#[derive(Clone, Debug)]
struct Case {
    values: Vec<Value>,
    /// How many values there are before each stop.
    stops: Vec<usize>,
    batch: usize,
    /// Whether each batch is an epoch: then also values of several streams have an order.
    in_order: bool,
    workers: Vec<usize>,
}

fn case(most: usize) -> impl Strategy<Value = Case> {
    let values = prop::collection::vec((0..3_u8, 0..8_i64, 0..6_i64), 1..most);
    let stops = prop::collection::vec(0..most, 0..4);
    let workers = prop::collection::vec(1..4_usize, 5);
    (values, stops, 1..9_usize, workers).prop_map(|(values, mut stops, batch, workers)| {
        stops.sort_unstable();
        Case {
            values: with_sessions(values),
            stops,
            batch,
            in_order: false,
            workers,
        }
    })
}

/// Cases for several streams.
fn case_in_order() -> impl Strategy<Value = Case> {
    case(25).prop_map(|case| Case {
        batch: 1,
        in_order: true,
        ..case
    })
}

/// Numbers the sessions of each key; the last value is behind the end of all sessions.
fn with_sessions(values: Vec<(u8, i64, i64)>) -> Vec<Value> {
    let mut now = 0;
    let mut last = [(0, i64::MIN / 2); LAST_KEY as usize];
    let mut all: Vec<Value> = Vec::new();
    for (key, step, number) in values {
        now += step;
        let (session, newest) = &mut last[usize::from(key)];
        if now - *newest >= AFTER {
            *session += 1;
        }
        *newest = now;
        all.push((key, *session, now, number));
    }
    all.push((LAST_KEY, 0, now + 2 * AFTER, 0));
    all
}

/// What a step gives in all runs: results, and expired states.
type Outcome = (Vec<(u8, String)>, Vec<(u8, String)>);

type Texts = KeyedStream<u8, String>;

/// The results of a step, and its expired states if they expire.
type Streams = (Texts, Option<Texts>);

/// Runs a flow as often as it stops. Returns what each of its steps has given.
fn run(case: &Case, steps: impl Fn(Stream<Value>) -> Vec<Streams>) -> Vec<Outcome> {
    let mut sinks = Vec::new();
    let dir = tempfile::tempdir().unwrap();
    let mut elements = Vec::new();
    for (place, value) in case.values.iter().enumerate() {
        let stops = case.stops.iter().filter(|stop| **stop == place);
        elements.extend(stops.map(|_| Eof));
        elements.push(Item(*value));
    }
    let runs = 1 + elements.iter().filter(|it| matches!(it, Eof)).count();
    let source = TestingSource::with_marks(elements).batch_size(case.batch);
    for run in 0..runs {
        let flow = Dataflow::build("f", |flow| {
            let values = flow.input(source.clone()).named("in");
            let lateness = Lateness::bounded(TimeDelta::zero());
            let timed = values.event_time(at, lateness).named("time").down;
            for (number, (texts, gone)) in steps(timed).into_iter().enumerate() {
                if sinks.len() == number {
                    sinks.push((TestingSink::new(), TestingSink::new()));
                }
                let (down, expired) = &sinks[number];
                texts.output(down.clone()).named(&format!("down_{number}"));
                if let Some(gone) = gone {
                    gone.output(expired.clone())
                        .named(&format!("expired_{number}"));
                }
            }
        });
        let mut config = RunConfig::new()
            .workers(case.workers[run % case.workers.len()])
            .recovery(RecoveryConfig::new(dir.path()));
        if case.in_order {
            config = config.epoch_interval(Duration::ZERO);
        }
        cluster_main(flow, config).unwrap();
    }
    let outcomes = sinks.into_iter();
    outcomes
        .map(|(down, expired)| (sorted(down.take()), sorted(expired.take())))
        .collect()
}

fn text<T: Debug>(value: T) -> String {
    format!("{value:?}")
}

/// Whether each session of a key gives one expired state.
#[derive(Clone, Copy, PartialEq)]
enum Expire {
    Each,
    Some,
}

/// Compares operators on expiring states with the same on one key for each session.
fn compare(
    case: &Case,
    names: &[(&str, Expire)],
    plain: impl Fn(KeyedStream<(u8, u32), Value>) -> Vec<KeyedStream<(u8, u32), String>>,
    expiring: impl Fn(KeyedStream<u8, Value>) -> Vec<Streams>,
) -> Result<(), TestCaseError> {
    let expected = run(case, |values| {
        let all = plain(values.key_on(session)).into_iter();
        all.map(|texts| (texts.map(|((key, _), text)| (key, text)), None))
            .collect()
    });
    let found = run(case, |values| expiring(values.key_on(|value| value.0)));
    let mut sessions: Vec<(u8, u32)> = case.values.iter().map(session).collect();
    sessions.sort_unstable();
    sessions.dedup();
    // That of the last value is still there.
    let keys = sessions[..sessions.len() - 1].iter().map(|(key, _)| *key);
    let keys: Vec<u8> = keys.collect();
    prop_assert_eq!(found.len(), names.len());
    for (((down, expired), (expected, _)), (name, expire)) in
        found.into_iter().zip(expected).zip(names)
    {
        prop_assert_eq!(down, expected, "{}", name);
        if *expire == Expire::Each {
            let gone: Vec<u8> = expired.iter().map(|(key, _)| *key).collect();
            prop_assert_eq!(&gone, &keys, "{}", name);
        }
    }
    Ok(())
}

fn clock() -> impl Clock<Value> {
    StreamClock::new(at)
}

fn gap() -> TimeDelta {
    TimeDelta::seconds(AFTER)
}

/// Compares operators with one input.
macro_rules! of_one {
    ($case:ident: $($method:ident($($argument:expr),*) $expire:ident;)+) => {
        compare(
            &$case,
            &[$((stringify!($method), Expire::$expire)),+],
            |values| vec![$(
                values.clone().$method($($argument),*).named(stringify!($method)).map_value(text)
            ),+],
            |values| vec![$({
                let out = values.clone().expire_after(gap(), clock()).$method($($argument),*);
                let out = out.named(stringify!($method));
                (out.down.map_value(text), Some(out.expired.map_value(text)))
            }),+],
        )
    };
}

/// Compares operators with two inputs.
macro_rules! of_two {
    ($case:ident: $($method:ident($($argument:expr),*) $expire:ident;)+) => {
        compare(
            &$case,
            &[$((stringify!($method), Expire::$expire)),+],
            |values| vec![$({
                let sides = values.clone().branch(|(_, value)| value.3 % 2 == 0);
                let rows = sides.trues.$method(sides.falses, $($argument),*);
                rows.named(stringify!($method)).map_value(text)
            }),+],
            |values| vec![$({
                let sides = values.clone().branch(|(_, value)| value.3 % 2 == 0);
                let evens = sides.trues.expire_after(gap(), StreamClock::of_sides((at, at)));
                let out = evens.$method(sides.falses, $($argument),*).named(stringify!($method));
                (out.down.map_value(text), Some(out.expired.map_value(text)))
            }),+],
        )
    };
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    #[test]
    fn states_of_one_stream_expire(case in case(60)) {
        of_one! { case:
            stateful_map(|sum: &mut i64, value| { *sum += value.3; *sum }) Each;
            scan(|| 100, |sum: &mut i64, value| { *sum += value.3; *sum }) Each;
            top_n(2, |value| value.3) Each;
            lag(2) Each;
            last_n(3, Clone::clone) Each;
            sample(3) Some;
            dedupe(Within::Last(2), |value| value.3) Each;
        }?;
    }

    #[test]
    fn rows_of_two_streams_expire(case in case_in_order()) {
        of_two! { case:
            zip_latest() Each;
            join_running(JoinInsert::Last) Each;
            join() Some;
            join_with(JoinInsert::Product) Some;
        }?;
    }

    /// The same pairs as those of a loop, which is what the pairs that expire are compared with.
    #[test]
    fn newest_values_are_paired(case in case_in_order()) {
        let found = run(&case, |values| {
            let sides = values.key_on(|value| value.0).branch(|(_, value)| value.3 % 2 == 0);
            let pairs = sides.trues.zip_latest(sides.falses).named("pairs");
            vec![(pairs.map_value(text), None)]
        });
        let mut newest = [[None; 2]; LAST_KEY as usize + 1];
        let mut pairs = Vec::new();
        for value in &case.values {
            let newest = &mut newest[usize::from(value.0)];
            newest[usize::from(value.3 % 2 != 0)] = Some(*value);
            if let [Some(even), Some(odd)] = newest {
                pairs.push((value.0, text((*even, *odd))));
            }
        }
        prop_assert_eq!(&found[0].0, &sorted(pairs));
    }

    /// What waits when a key expires has no later value, as at the end of input.
    #[test]
    fn waiting_values_expire(case in case(60)) {
        compare(
            &case,
            &[("lead", Expire::Some)],
            |values| vec![values.lead(2).named("lead").map_value(text)],
            |values| {
                let out = values.expire_after(gap(), clock()).lead(2).named("lead");
                let alone = out.expired.flat_map_value(|waiting| waiting.into_iter().map(|it| (it, None)));
                vec![(out.down.merge(alone).map_value(text), None)]
            },
        )?;
    }
}

/// The rows and the expired rows of three streams: of each value the key, the time in seconds, and the stream.
fn of_three(times: &[(char, i64, u64)]) -> [Vec<(char, String)>; 2] {
    let (down, expired) = (TestingSink::new(), TestingSink::new());
    let flow = Dataflow::build("f", |flow| {
        let source = TestingSource::new(times.to_vec()).batch_size(1);
        let values = flow.input(source).named("in");
        let at = |value: &(i64, u64)| Micros(value.0 * 1_000_000);
        let lateness = Lateness::bounded(TimeDelta::zero());
        let keyed = values.map(|(key, second, side)| (key, (second, side)));
        let timed = keyed.event_time(move |(_, value)| at(value), lateness);
        let timed = timed.named("time").down;
        let side = |side: u64| timed.clone().filter_value(move |value| value.1 == side);
        let all = (side(0), side(1), side(2));
        let all = all.expire_after(gap(), StreamClock::of_sides((at, at, at)));
        let rows = all.join().named("rows");
        rows.down.map_value(text).output(down.clone()).named("down");
        let gone = rows.expired.map_value(text);
        gone.output(expired.clone()).named("expired");
    });
    let config = RunConfig::new().workers(2).epoch_interval(Duration::ZERO);
    cluster_main(flow, config).unwrap();
    [sorted(down.take()), sorted(expired.take())]
}

#[test]
fn incomplete_rows_of_three_streams_expire() {
    let times = [
        ('a', 0, 0),
        ('b', 1, 1),
        ('a', 5, 1),
        // It renews the time of its key.
        ('a', 14, 2),
        ('b', 15, 0),
        ('z', 99, 0),
    ];
    let [down, expired] = of_three(&times);
    assert_eq!(down, [('a', "((0, 0), (5, 1), (14, 2))".to_owned())]);
    assert_eq!(
        expired,
        [
            ('b', "(None, Some((1, 1)), None)".to_owned()),
            ('b', "(Some((15, 0)), None, None)".to_owned()),
        ]
    );
}

#[test]
fn only_some_values_renew_the_time_of_a_key() {
    let case = Case {
        values: vec![
            (0, 0, 0, 1),
            // Reads do not renew it.
            (0, 0, 6, 0),
            (0, 0, 9, 0),
            (0, 0, 10, 0),
            // The first value of a key begins it, whatever it is.
            (0, 0, 19, 0),
            (0, 0, 20, 2),
            (LAST_KEY, 0, 99, 1),
        ],
        stops: vec![2, 4],
        batch: 2,
        in_order: false,
        workers: vec![1, 2],
    };
    let (down, expired) = run(&case, |values| {
        let values = values.key_on(|value| value.0);
        let values = values.expire_after(gap(), clock());
        let values = values.renewed_by(|value: &Value| value.3 > 0);
        let sums = values.stateful_map(|sum: &mut i64, value| {
            *sum += 10 + value.3;
            *sum
        });
        let sums = sums.named("sums");
        let expired = sums.expired.map_value(text);
        vec![(sums.down.map_value(text), Some(expired))]
    })
    .remove(0);
    let of = |sums: &[i64]| {
        sums.iter()
            .map(|sum| (0, sum.to_string()))
            .collect::<Vec<_>>()
    };
    let mut expected = of(&[11, 21, 31, 10, 20, 12]);
    expected.push((LAST_KEY, "11".to_owned()));
    assert_eq!(down, sorted(expected));
    assert_eq!(expired, sorted(of(&[31, 20, 12])));
}

/// Ids within a time: that of the values, and not that of the machine.
#[test]
fn ids_expire_by_the_times_of_values() {
    let case = Case {
        values: vec![
            (0, 0, 0, 7),
            (0, 0, 4, 7),
            (0, 0, 5, 7),
            (0, 0, 8, 7),
            (0, 0, 9, 8),
            (0, 0, 30, 8),
            (LAST_KEY, 0, 99, 1),
        ],
        stops: vec![1, 3],
        batch: 1,
        in_order: false,
        workers: vec![2, 1],
    };
    let (down, expired) = run(&case, |values| {
        let values = values.key_on(|value| value.0);
        let values = values.expire_after(gap(), clock());
        let within = Within::Time(Duration::from_secs(5));
        let once = values.dedupe(within, |value: &Value| value.3).named("once");
        let times = once.down.map_value(|value| text(value.2));
        vec![(times, Some(once.expired.map_value(text)))]
    })
    .remove(0);
    let expected = [(0, "0"), (0, "30"), (0, "5"), (0, "9"), (LAST_KEY, "99")];
    let of = |all: &[(u8, &str)]| -> Vec<(u8, String)> {
        all.iter()
            .map(|(key, text)| (*key, (*text).to_owned()))
            .collect()
    };
    assert_eq!(down, of(&expected));
    assert_eq!(expired, of(&[(0, "[7, 8]"), (0, "[8]")]));
}
