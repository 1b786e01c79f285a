//! The rows of the conformance table for windowers, by their tags. Times are seconds.

use chrono::{DateTime, TimeDelta};

use proptest::prelude::{prop, prop_assert, prop_assert_eq, proptest};

use super::{
    CountWindower, CumulateWindower, Open, SessionWindower, SlidingWindower, TumblingWindower,
    Visit, WindowList, Windows,
};
use crate::windowing::time::{END, Time};

fn micros(seconds: f64) -> Time {
    (seconds * 1e6).round() as Time
}

fn seconds(seconds: f64) -> TimeDelta {
    TimeDelta::microseconds(micros(seconds))
}

fn sliding(length: f64, offset: f64, align: f64) -> SlidingWindower {
    let align_to = DateTime::UNIX_EPOCH + seconds(align);
    SlidingWindower::new(seconds(length), seconds(offset), align_to)
}

/// The windows of one key.
struct Key<W> {
    windower: W,
    line: WindowList<()>,
    seen: Seen,
}

#[derive(Default)]
struct Seen {
    placed: Vec<i64>,
    merges: Vec<(i64, i64)>,
}

impl Visit<()> for Seen {
    fn open(&mut self) {}

    fn add(&mut self, window: &mut Open<()>, _: Time, _: bool) {
        self.placed.push(window.id);
    }

    fn merge(&mut self, into: &mut Open<()>, other: Open<()>) {
        self.merges.push((other.id, into.id));
    }

    fn settled(&mut self, _: &mut Open<()>, _: Time) {}
}

impl<W: Windows> Key<W> {
    fn new(windower: W) -> Self {
        Self {
            windower,
            line: WindowList::default(),
            seen: Seen::default(),
        }
    }

    /// The ids of a value.
    fn at(&mut self, time: f64) -> Vec<i64> {
        self.windower
            .place(&mut self.line, micros(time), &mut self.seen);
        std::mem::take(&mut self.seen.placed)
    }

    fn merged(&mut self) -> Vec<(i64, i64)> {
        std::mem::take(&mut self.seen.merges)
    }

    fn wake(&self) -> Option<Time> {
        let ends = |window: &Open<()>| self.windower.ends(self.line.counted, window);
        self.line.iter().map(ends).min()
    }

    /// Id, begin, end and merged ids of each window.
    fn windows(&self) -> Vec<(i64, f64, f64, Vec<i64>)> {
        let window = |window: &Open<()>| {
            let merged = window.metadata().merged_ids;
            let merged = merged.into_iter().map(|id| id.0).collect();
            (
                window.id,
                window.open as f64 / 1e6,
                window.close as f64 / 1e6,
                merged,
            )
        };
        self.line.iter().map(window).collect()
    }
}

fn ids(windower: &impl Windows, time: f64) -> Vec<i64> {
    windower.late(micros(time)).collect()
}

#[test]
fn s01_s02_ids_when_the_length_is_a_multiple_of_the_offset() {
    let windower = sliding(10.0, 5.0, 0.0);
    for (time, expect) in [
        (13.0, [1, 2]),
        (3.0, [-1, 0]),
        (7.0, [0, 1]),
        (15.0, [2, 3]),
        (0.0, [-1, 0]),
        (10.0, [1, 2]),
        (-3.0, [-2, -1]),
        (-5.0, [-2, -1]),
    ] {
        assert_eq!(ids(&windower, time), expect, "{time}");
        assert_eq!(Key::new(windower).at(time), expect, "{time}");
    }
}

#[test]
fn s03_s04_s05_ids_when_it_is_not() {
    let windower = sliding(10.0, 3.0, 0.0);
    for (time, expect) in [
        (11.0, [1, 2, 3]),
        (11.5, [1, 2, 3]),
        (5.0, [-1, 0, 1]),
        (-1.0, [-3, -2, -1]),
        (-1.5, [-3, -2, -1]),
    ] {
        assert_eq!(ids(&windower, time), expect, "{time}");
    }
    let windower = sliding(10.0, 7.0, 0.0);
    for (time, expect) in [
        (14.0, &[1, 2][..]),
        (-7.0, &[-2, -1]),
        (0.0, &[-1, 0]),
        (17.0, &[2]),
        (-4.0, &[-1]),
        (10.0, &[1]),
    ] {
        assert_eq!(ids(&windower, time), expect, "{time}");
    }
}

fn tumbling() -> TumblingWindower {
    TumblingWindower::new(seconds(10.0), DateTime::UNIX_EPOCH)
}

#[test]
fn s06_ids_of_tumbling_windows() {
    let windower = tumbling();
    for (time, expect) in [
        (15.0, 1),
        (-5.0, -1),
        (5.0, 0),
        (20.0, 2),
        (-10.0, -1),
        (0.0, 0),
        (10.0, 1),
    ] {
        assert_eq!(ids(&windower, time), [expect], "{time}");
    }
}

#[test]
fn s07_ids_of_other_alignments_and_offsets() {
    assert_eq!(ids(&sliding(7.0, 3.0, 1.0), 0.0), [-2, -1]);
    let windower = sliding(1.0, 0.25, 0.0);
    assert_eq!(ids(&windower, 0.5), [-1, 0, 1, 2]);
    assert_eq!(ids(&windower, 0.3), [-2, -1, 0, 1]);
}

#[test]
fn s08_a_microsecond_counts() {
    assert_eq!(ids(&tumbling(), -0.000_001), [-1]);
}

#[test]
fn s09_windows_are_born_in_the_order_in_which_they_are_opened() {
    let mut key = Key::new(sliding(10.0, 5.0, 0.0));
    assert_eq!(key.at(12.0), [1, 2]);
    assert_eq!(key.at(3.0), [-1, 0]);
    assert_eq!(key.wake(), Some(micros(5.0)));
    let mut over: Vec<_> = key
        .line
        .iter()
        .filter(|it| it.close <= micros(15.0))
        .collect();
    over.sort_by_key(|window| window.born);
    assert_eq!(
        over.iter().map(|window| window.id).collect::<Vec<_>>(),
        [1, -1, 0]
    );
    assert_eq!(ids(&key.windower, 12.0), [1, 2]);
    assert_eq!(key.line.len(), 4);
}

#[test]
fn s10_s11_parameters_that_cannot_be() {
    for (length, offset, expect) in [
        (10.0, 11.0, Some("the offset of windows is longer")),
        (10.0, 0.0, Some("windows begin at the same time")),
        (10.0, -1.0, Some("windows begin at the same time")),
        (0.0, 0.0, Some("windows have no length")),
        (-1.0, -1.0, Some("windows have no length")),
        (
            1000.0,
            0.0001,
            Some("each value would be in 10000000 windows"),
        ),
        (10.0, 10.0, None),
        (10.0, 3.0, None),
    ] {
        let fault = sliding(length, offset, 0.0).fault();
        let fault = fault.as_ref().map(|fault| fault.fault.as_str());
        assert_eq!(fault.is_some(), expect.is_some(), "{length} {offset}");
        assert!(
            fault
                .unwrap_or_default()
                .starts_with(expect.unwrap_or_default())
        );
    }
    assert!(
        TumblingWindower::new(TimeDelta::zero(), DateTime::UNIX_EPOCH)
            .fault()
            .is_some()
    );
    for (values, every, is_fault) in [(0, 0, true), (2, 0, true), (2, 3, true), (2, 1, false)] {
        assert_eq!(
            CountWindower::new(values).every(every).fault().is_some(),
            is_fault
        );
    }
}

fn sessions() -> Key<SessionWindower> {
    Key::new(SessionWindower::new(seconds(10.0)))
}

#[test]
fn s12_a_session_begins_and_ends_with_its_value() {
    let mut key = sessions();
    assert_eq!(key.at(0.0), [0]);
    assert_eq!(key.windows(), [(0, 0.0, 0.0, vec![])]);
}

#[test]
fn s13_later_values_are_in_it_up_to_the_gap() {
    for time in [5.0, 10.0] {
        let mut key = sessions();
        key.at(0.0);
        assert_eq!(key.at(time), [0]);
        assert_eq!(key.windows(), [(0, 0.0, time, vec![])]);
    }
    let mut key = sessions();
    key.at(0.0);
    assert_eq!(key.at(10.000_001), [1]);
}

#[test]
fn s14_so_are_earlier_ones() {
    for time in [-5.0, -10.0] {
        let mut key = sessions();
        key.at(0.0);
        assert_eq!(key.at(time), [0]);
        assert_eq!(key.windows(), [(0, time, 0.0, vec![])]);
    }
}

#[test]
fn s15_a_value_between_two_makes_them_one() {
    let mut key = sessions();
    key.at(0.0);
    key.at(20.0);
    assert_eq!(key.at(10.0), [0]);
    assert_eq!(key.merged(), [(1, 0)]);
    assert_eq!(key.windows(), [(0, 0.0, 20.0, vec![1])]);
}

#[test]
fn s16_a_value_within_changes_nothing() {
    let mut key = sessions();
    key.at(0.0);
    key.at(10.0);
    assert_eq!(key.at(5.0), [0]);
    assert_eq!(key.windows(), [(0, 0.0, 10.0, vec![])]);
}

#[test]
fn s17_late_values_have_no_session() {
    assert_eq!(ids(&sessions().windower, 3.0), [-1]);
}

#[test]
fn s18_to_s21_sessions_that_are_near_enough_are_one() {
    // Sessions are never nearer to each other than the gap, so they are brought together by values.
    for (times, expect) in [
        (
            &[0.0, 20.0][..],
            &[(0, 0.0, 0.0, vec![]), (1, 20.0, 20.0, vec![])][..],
        ),
        (&[0.0, 15.0, 5.0], &[(0, 0.0, 15.0, vec![1])]),
        (&[0.0, 20.0, 10.0], &[(0, 0.0, 20.0, vec![1])]),
        (&[0.0, 15.0, 30.0, 5.0, 20.0], &[(0, 0.0, 30.0, vec![1, 2])]),
        (
            &[0.0, 20.0, 35.0, 50.0, 25.0],
            &[
                (0, 0.0, 0.0, vec![]),
                (1, 20.0, 35.0, vec![2]),
                (3, 50.0, 50.0, vec![]),
            ],
        ),
    ] {
        let mut key = sessions();
        for time in times {
            key.at(*time);
        }
        assert_eq!(key.windows(), expect, "{times:?}");
    }
}

#[test]
fn s22_the_earliest_takes_in_the_others_and_those_that_they_took_in() {
    let mut key = sessions();
    let placed: Vec<_> = [40.0, 20.0, 0.0, 30.0, 10.0]
        .map(|time| key.at(time))
        .concat();
    assert_eq!(placed, [0, 1, 2, 0, 1]);
    assert_eq!(key.merged(), [(0, 1), (1, 2)]);
    assert_eq!(key.merged(), []);
    // At the end and the gap it is open still.
    assert_eq!(key.wake(), Some(micros(50.0) + 1));
    assert_eq!(key.windows(), [(2, 0.0, 40.0, vec![0, 1])]);
    key.line.take(0);
    assert_eq!(key.wake(), None);
    assert_eq!(key.at(100.0), [3]);
}

#[test]
fn s23_a_gap_may_be_zero_and_not_less() {
    assert!(SessionWindower::new(seconds(-1.0)).fault().is_some());
    let mut key = Key::new(SessionWindower::new(TimeDelta::zero()));
    assert!(key.windower.fault().is_none());
    assert_eq!([key.at(0.0), key.at(0.0), key.at(1.0)].concat(), [0, 0, 1]);
}

#[test]
fn the_longest_gap_never_ends() {
    let mut key = Key::new(SessionWindower::new(TimeDelta::MAX));
    assert_eq!([key.at(0.0), key.at(1e9), key.at(-1e9)].concat(), [0, 0, 0]);
    assert_eq!(key.wake(), Some(END));
}

#[test]
fn windows_of_a_number_of_values() {
    let mut key = Key::new(CountWindower::new(3).every(2));
    let placed: Vec<_> = (0..5).map(|time| key.at(f64::from(time))).collect();
    assert_eq!(placed, [vec![0], vec![0], vec![0, 1], vec![1], vec![1, 2]]);
    assert_eq!(key.wake(), Some(Time::MIN), "the first two are full");
    assert_eq!(
        key.windows(),
        [
            (0, 0.0, 2.0, vec![]),
            (1, 2.0, 4.0, vec![]),
            (2, 4.0, 4.0, vec![])
        ],
    );
}

#[test]
fn the_furthest_times_are_no_error() {
    let far = [
        Time::MIN / 2,
        crate::windowing::time::FIRST,
        crate::windowing::time::LAST,
    ];
    for time in far {
        let mut seen = Seen::default();
        let windower = sliding(10.0, 5.0, 1e12);
        windower.place(&mut WindowList::default(), time, &mut seen);
        assert!(!seen.placed.is_empty());
    }
}

fn cumulate(step: f64, length: f64, align: f64) -> CumulateWindower {
    let align_to = DateTime::UNIX_EPOCH + seconds(align);
    CumulateWindower::new(seconds(step), seconds(length), align_to)
}

#[test]
fn windows_that_begin_together_and_end_step_by_step() {
    let mut key = Key::new(cumulate(10.0, 30.0, 5.0));
    assert_eq!(key.at(5.0), [0, 1, 2]);
    assert_eq!(key.at(14.9), [0, 1, 2]);
    assert_eq!(key.at(25.0), [2]);
    assert_eq!(key.at(35.0), [3, 4, 5]);
    assert_eq!(key.at(4.9), [-1]);
    assert_eq!(
        key.windows(),
        [
            (-1, -25.0, 5.0, vec![]),
            (0, 5.0, 15.0, vec![]),
            (1, 5.0, 25.0, vec![]),
            (2, 5.0, 35.0, vec![]),
            (3, 35.0, 45.0, vec![]),
            (4, 35.0, 55.0, vec![]),
            (5, 35.0, 65.0, vec![]),
        ]
    );
    for (step, length) in [
        (0.0, 10.0),
        (-1.0, 10.0),
        (3.0, 10.0),
        (10.0, 5.0),
        (0.000_001, 10.0),
    ] {
        assert!(
            cumulate(step, length, 0.0).fault().is_some(),
            "{step} {length}"
        );
    }
    assert!(cumulate(10.0, 10.0, 0.0).fault().is_none());
}

proptest! {
    /// Of values in the order of time: the next is in the session unless it is too far from the last or from the first.
    #[test]
    fn sessions_have_a_greatest_length(
        steps in prop::collection::vec(0..14_i64, 0..40),
        (gap, length) in (0..12_i64, 0..40_i64),
    ) {
        let micros = TimeDelta::microseconds;
        let windower = SessionWindower::new(micros(gap)).max_length(micros(length));
        let (mut line, mut seen) = (WindowList::default(), Seen::default());
        let (mut now, mut session) = (0, None::<(i64, i64, i64)>);
        for step in steps {
            now += step;
            let next = match session {
                Some((id, first, last)) if now - last <= gap && now - first <= length => (id, first, now),
                Some((id, ..)) => (id + 1, now, now),
                None => (0, now, now),
            };
            session = Some(next);
            windower.place(&mut line, now, &mut seen);
            prop_assert_eq!(seen.placed.pop(), Some(next.0));
            let window = line.get_mut(next.1).map(|window| (window.close, windower.ends(0, window)));
            prop_assert_eq!(window, Some((now, (now + gap).min(next.1 + length) + 1)));
        }
    }

    /// However values come, no session is too long, and each value is in one.
    #[test]
    fn sessions_of_any_order_are_no_longer(
        times in prop::collection::vec(0..60_i64, 0..40),
        (gap, length) in (0..12_i64, 0..40_i64),
    ) {
        let micros = TimeDelta::microseconds;
        let windower = SessionWindower::new(micros(gap)).max_length(micros(length));
        let (mut line, mut seen) = (WindowList::default(), Seen::default());
        for time in &times {
            windower.place(&mut line, *time, &mut seen);
        }
        let spans: Vec<_> = line.iter().map(|session| (session.open, session.close)).collect();
        prop_assert_eq!(seen.placed.len(), times.len());
        for time in &times {
            let around = spans.iter().filter(|(open, close)| open <= time && time <= close);
            prop_assert_eq!(around.count(), 1);
        }
        assert!(spans.iter().all(|(open, close)| close - open <= length));
        assert!(spans.windows(2).all(|two| two[0].1 < two[1].0));
    }
}

proptest! {
    #[test]
    fn a_time_near_the_start_of_a_slice_is_in_it(
        length in 2..60_i64,
        offset in 1..60_i64,
        time in -100..100_i64,
    ) {
        let micros = TimeDelta::microseconds;
        let offset = offset.min(length - 1);
        let windower = SlidingWindower::new(micros(length), micros(offset), DateTime::UNIX_EPOCH);
        let slicing = windower.slicing().unwrap();
        let (begin, last) = slicing.slice(time);
        prop_assert!(slicing.is_near(begin, begin));
        for other in begin - 70..begin + 70 {
            if slicing.is_near(begin, other) {
                prop_assert_eq!(slicing.slice(other), (begin, last));
            }
        }
    }
}

#[test]
fn a_session_that_was_longer_is_over_at_once() {
    let of = |length| SessionWindower::new(seconds(10.0)).max_length(seconds(length));
    let mut key = Key::new(of(100.0));
    for time in [0.0, 8.0, 16.0, 24.0] {
        key.at(time);
    }
    key.windower = of(20.0);
    assert_eq!(key.wake(), Some(micros(24.0) + 1));
    assert_eq!(key.at(24.0), [0], "a value within it is still of it");
    assert_eq!(key.at(25.0), [1]);
    assert!(of(-1.0).fault().is_some());
}
