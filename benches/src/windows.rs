//! W4 and W5: event-time windows. Events of 10,000 keys come up to 5 seconds out of order; the watermark is
//! 10 seconds behind the newest; count and mean of each key in each window of a minute. In W4 one window
//! follows the other, in W5 one begins every 10 seconds.

use std::collections::BTreeMap;

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use crate::case::Workload;
use crate::mix::splitmix;

/// The number of keys; even events have even ones and odd events odd ones.
pub const KEYS: u64 = 10_000;
/// Between two events, in microseconds: 20 million are two hours.
const STEP: i64 = 360;
/// Events may come so much too late, in microseconds.
const DISORDER: u64 = 5_000_000;
/// How far the watermark is behind the newest event, in microseconds.
pub const WAIT: i64 = 10_000_000;
/// The length of windows, in microseconds.
pub const LENGTH: i64 = 60_000_000;
/// Between the begins of windows of W5, in microseconds.
const OFFSET: i64 = 10_000_000;
/// The time of the first event: a whole minute, in microseconds since 1970.
pub const BASE: i64 = 1_700_000_040_000_000;

/// Between the begins of the windows of a workload.
pub fn offset(workload: Workload) -> i64 {
    match workload {
        Workload::W5 => OFFSET,
        _ => LENGTH,
    }
}

/// An event: its key, its time, and its value. Values are multiples of 1/256 below 256, so that sums of
/// them are exact.
pub type Event = (u32, i64, f64);

/// Event number `i`.
#[inline(always)]
pub fn event(i: u64) -> Event {
    let random = splitmix(i ^ 0x5BD1_E995);
    let key = 2 * (random % (KEYS / 2)) + i % 2;
    let time = BASE + STEP * i as i64 - (splitmix(random) % DISORDER) as i64;
    let value = (random >> 40) & 0xFFFF;
    (key as u32, time, value as f64 / 256.0)
}

/// The events of one of `parts` partitions.
pub fn events(part: usize, parts: usize, n: u64) -> impl Iterator<Item = Event> + use<> {
    (part as u64..n).step_by(parts).map(event)
}

/// What is kept of a key in a window.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Tallied {
    /// How many values there are.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
}

impl Tallied {
    /// Takes in a value.
    #[inline(always)]
    pub fn push(&mut self, value: f64) {
        self.count += 1;
        self.sum += value;
    }

    /// The number that a result adds to the check: of its key, the begin of its window, count and mean.
    #[inline(always)]
    pub fn checked(&self, key: u32, begin: i64) -> u64 {
        // Windows may begin before the first event.
        let second = (begin - BASE) / 1_000_000 + 100;
        let place = u64::from(key) * 31 + second as u64 * 17 + 1;
        let mean = self.sum / self.count as f64;
        place
            .wrapping_mul(self.count)
            .wrapping_add((mean * 1024.0) as u64)
    }
}

/// Windows by their begins, with all keys of each: what closes a window takes one map apart.
#[derive(Debug)]
pub struct Windows {
    open: BTreeMap<i64, HashMap<u32, Tallied>>,
    offset: i64,
}

impl Windows {
    /// Windows that begin every `offset` microseconds.
    pub fn new(offset: i64) -> Self {
        Self {
            open: BTreeMap::new(),
            offset,
        }
    }

    /// Adds an event to each of its windows.
    #[inline]
    pub fn push(&mut self, (key, time, value): Event) {
        let mut begin = time.div_euclid(self.offset) * self.offset;
        while begin > time - LENGTH {
            let window = self.open.entry(begin).or_default();
            window.entry(key).or_default().push(value);
            begin -= self.offset;
        }
    }

    /// Hands out the windows that end at the watermark or before: key, begin, and what was kept.
    pub fn close(&mut self, watermark: i64, mut each: impl FnMut(u32, i64, Tallied)) {
        while let Some(first) = self.open.first_entry() {
            let begin = *first.key();
            if begin.saturating_add(LENGTH) > watermark {
                break;
            }
            for (key, tallied) in first.remove() {
                each(key, begin, tallied);
            }
        }
    }
}
