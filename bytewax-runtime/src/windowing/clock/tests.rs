//! The rows of the conformance table for clocks, by their tags. Times are seconds.

use chrono::TimeDelta;

use super::{EventClock, KeyMark, SystemClock, TimeOf, Timing, Watermark};
use crate::windowing::Micros;
use crate::windowing::time::{FIRST, LAST};

const SECOND: i64 = 1_000_000;

fn micros(seconds: f64) -> i64 {
    (seconds * 1e6) as i64
}

fn clock(wait: TimeDelta) -> EventClock<TimeOf<impl Fn(&f64) -> Micros>> {
    EventClock::new(|seconds: &f64| Micros(micros(*seconds)), wait)
}

/// A key of a clock, and what the system's clock shows.
struct OneKey<C> {
    clock: C,
    watermark: Watermark,
    now: i64,
}

impl<C: Timing<f64, Mark = Watermark>> OneKey<C> {
    fn at(clock: C, now: f64) -> Self {
        let now = micros(now);
        Self {
            watermark: Watermark::new(FIRST, now),
            clock,
            now,
        }
    }

    fn ask(&mut self) -> i64 {
        self.watermark.pass(self.now)
    }

    fn item(&mut self, seconds: f64) -> i64 {
        let time = self.clock.time(&seconds, self.now);
        self.clock
            .observe(&mut self.watermark, (time, &seconds), self.now)
            .1
    }
}

fn five() -> OneKey<impl Timing<f64, Mark = Watermark>> {
    OneKey::at(clock(TimeDelta::seconds(5)), 0.0)
}

fn longest() -> OneKey<impl Timing<f64, Mark = Watermark>> {
    OneKey::at(clock(TimeDelta::MAX), 0.0)
}

#[test]
fn k01_the_watermark_starts_at_the_beginning_of_time() {
    assert_eq!(five().ask(), FIRST);
}

#[test]
fn k02_it_is_behind_the_value_by_the_wait() {
    assert_eq!(five().item(7.0), 2 * SECOND);
}

#[test]
fn k03_it_goes_on_with_the_systems_time() {
    let mut key = five();
    key.item(7.0);
    key.now += 2 * SECOND;
    assert_eq!(key.ask(), 4 * SECOND);
}

#[test]
fn k04_a_newer_value_moves_it() {
    let mut key = five();
    key.item(7.0);
    assert_eq!(key.item(10.0), 5 * SECOND);
}

#[test]
fn k05_an_older_value_does_not() {
    let mut key = five();
    key.item(7.0);
    assert_eq!(key.item(3.0), 2 * SECOND);
}

#[test]
fn k06_nor_later() {
    let mut key = five();
    key.item(7.0);
    key.now += 2 * SECOND;
    assert_eq!(key.item(3.0), 4 * SECOND);
}

#[test]
fn k07_nor_does_a_newer_one_that_is_behind_the_systems_time() {
    let mut key = five();
    key.item(7.0);
    key.now += 2 * SECOND;
    assert_eq!(key.item(8.0), 4 * SECOND);
}

#[test]
fn k09_the_longest_wait_is_endless() {
    assert_eq!(longest().item(7.0), FIRST);
}

#[test]
fn k10_and_the_watermark_still_goes_on() {
    let mut key = longest();
    key.item(7.0);
    key.now += 2 * SECOND;
    assert_eq!(key.item(10.0), FIRST + 2 * SECOND);
}

#[test]
fn k11_a_clock_that_steps_back_is_not_believed() {
    let mut key = OneKey::at(clock(TimeDelta::seconds(5)), 100.0);
    let first = [7.0, 7.0, 12.0, 11.0, 12.5].map(|seconds| key.item(seconds));
    assert_eq!(first, [2.0, 2.0, 7.0, 7.0, 7.5].map(micros));
    key.now = micros(103.0);
    let second = [10.0, 15.5, 15.6].map(|seconds| key.item(seconds));
    assert_eq!(second, [10.5, 10.5, 10.6].map(micros));
    key.now = micros(50.0);
    assert_eq!(key.item(1.0), micros(10.6));
    assert_eq!(key.ask(), micros(10.6));
    key.now = micros(104.0);
    assert_eq!(key.ask(), micros(11.6));
    let mut bytes = Vec::new();
    crate::state::seal(&key.watermark, &mut bytes).unwrap();
    key.watermark = crate::state::open(&bytes).unwrap();
    key.now = micros(110.0);
    assert_eq!(key.item(0.0), micros(17.6));
}

#[test]
fn k12_nor_after_a_resume() {
    let clock = clock(TimeDelta::seconds(5));
    let mut key = OneKey::at(clock, 90.0);
    key.watermark = Watermark::new(micros(10.0), micros(103.0));
    assert_eq!(key.item(0.0), micros(10.0));
    assert_eq!(key.item(200.0), micros(195.0));
}

#[test]
fn a_system_clock_that_steps_back_stands_still() {
    let mut key = OneKey::at(SystemClock::new(), 100.0);
    key.watermark = KeyMark::new();
    assert_eq!(key.item(0.0), micros(100.0));
    key.now = micros(90.0);
    assert_eq!(key.item(0.0), micros(100.0));
    key.now = micros(101.0);
    assert_eq!(key.item(0.0), micros(101.0));
}

#[test]
fn a_watermark_reaches_a_time_when_the_difference_has_passed() {
    let mut key = five();
    assert!(key.watermark.reaches(SECOND) > LAST);
    key.item(7.0);
    assert_eq!(key.watermark.reaches(6 * SECOND), 4 * SECOND);
    assert_eq!(key.watermark.reaches(SECOND), 0);
}
