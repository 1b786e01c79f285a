//! Numbers that one thread counts, and all threads may read at any time.
//!
//! The writer uses a plain load and a plain store, without locked instructions. A number therefore costs as
//! much as a field, and readers see it without any publication, even while the worker is stuck in user code.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::report::Distribution;

/// A counter.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    #[inline]
    pub(crate) fn add(&self, more: u64) {
        self.set(self.get().wrapping_add(more));
    }

    #[inline]
    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A gauge, which may be unknown.
#[derive(Debug)]
pub(crate) struct Gauge(AtomicI64);

/// Represents an unknown value.
const UNKNOWN: i64 = i64::MIN;

impl Default for Gauge {
    fn default() -> Self {
        Self(AtomicI64::new(UNKNOWN))
    }
}

impl Gauge {
    #[inline]
    pub(crate) fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn clear(&self) {
        self.set(UNKNOWN);
    }

    #[inline]
    pub(crate) fn get(&self) -> Option<i64> {
        match self.0.load(Ordering::Relaxed) {
            UNKNOWN => None,
            value => Some(value),
        }
    }

    /// The value of a gauge that is never negative.
    pub(crate) fn count(&self) -> Option<u64> {
        self.get().and_then(|value| u64::try_from(value).ok())
    }
}

/// The upper bounds of durations, in nanoseconds.
const DURATIONS: [u64; 16] = {
    let tenths_of_milliseconds = [
        0, 5, 50, 100, 250, 500, 750, 1_000, 2_500, 5_000, 7_500, 10_000, 25_000, 50_000, 75_000,
        100_000,
    ];
    let mut nanos = [0; 16];
    let mut at = 0;
    while at < 16 {
        nanos[at] = tenths_of_milliseconds[at] * 100_000;
        at += 1;
    }
    nanos
};

/// The upper bounds of numbers of items.
const SIZES: [u64; 15] = [
    0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1_000, 2_500, 5_000, 7_500, 10_000,
];

/// A histogram.
#[derive(Debug)]
pub(crate) struct Histogram {
    bounds: &'static [u64],
    /// One more than the number of bounds.
    counts: [Counter; 17],
    sum: Counter,
    /// The number of value units per unit of the report.
    unit: f64,
}

impl Histogram {
    /// A histogram of durations in nanoseconds, which are reported in seconds.
    pub(crate) fn durations() -> Self {
        Self::new(&DURATIONS, 1e9)
    }

    /// A histogram of item counts.
    pub(crate) fn sizes() -> Self {
        Self::new(&SIZES, 1.0)
    }

    fn new(bounds: &'static [u64], unit: f64) -> Self {
        Self {
            bounds,
            counts: Default::default(),
            sum: Counter::default(),
            unit,
        }
    }

    /// Counts a value that represents `weight` values.
    #[inline]
    pub(crate) fn observe(&self, value: u64, weight: u64) {
        let place = self.bounds.partition_point(|bound| *bound < value);
        self.counts[place].add(weight);
        self.sum.add(value.saturating_mul(weight));
    }

    pub(crate) fn read(&self) -> Distribution {
        let counts = &self.counts[..=self.bounds.len()];
        Distribution {
            bounds: self
                .bounds
                .iter()
                .map(|bound| *bound as f64 / self.unit)
                .collect(),
            counts: counts.iter().map(Counter::get).collect(),
            sum: self.sum.get() as f64 / self.unit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_on_a_bound_is_below_it() {
        let sizes = Histogram::sizes();
        for (value, weight) in [(0, 1), (5, 2), (6, 4), (10_000, 8), (10_001, 16)] {
            sizes.observe(value, weight);
        }
        let read = sizes.read();
        assert_eq!(read.bounds.len() + 1, read.counts.len());
        assert_eq!(read.counts[..3], [1, 2, 4]);
        assert_eq!(read.counts[14..], [8, 16]);
        assert_eq!(read.count(), 31);
        assert_eq!(read.sum, f64::from(10 + 24 + 80_000 + 160_016));
    }

    #[test]
    fn durations_are_reported_in_seconds() {
        let durations = Histogram::durations();
        durations.observe(500_000, 1);
        let read = durations.read();
        assert_eq!(read.bounds[..3], [0.0, 0.0005, 0.005]);
        assert_eq!(read.bounds.last(), Some(&10.0));
        assert_eq!(read.counts[1], 1);
        assert_eq!(read.sum, 0.0005);
    }

    #[test]
    fn a_gauge_is_unknown_until_it_is_set() {
        let gauge = Gauge::default();
        assert_eq!(gauge.get(), None);
        gauge.set(-3);
        assert_eq!((gauge.get(), gauge.count()), (Some(-3), None));
        gauge.clear();
        assert_eq!(gauge.get(), None);
    }
}
