//! A source for first steps.

use std::fmt;
use std::time::Duration;

use bytewax_runtime::StepError;
use bytewax_runtime::delivery::Replayable;
use bytewax_runtime::source::{FixedPartitionedSource, Poll, StatefulSourcePartition};

/// Emits values of a metric with its name: by default, numbers from 0 to 9 every 0.7 seconds, without end.
///
/// It has one partition, named after the metric. The values look random, but are the same in every run, so a
/// resume after a crash continues the same sequence.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use bytewax_connectors::demo::RandomMetricSource;
/// use bytewax_runtime::prelude::*;
/// use bytewax_runtime::testing::{TestingSink, run_main};
///
/// let out = TestingSink::new();
/// let flow = Dataflow::build("metrics", |flow| {
///     let volts = RandomMetricSource::new("volts").interval(Duration::ZERO).count(3);
///     flow.input(volts).named("volts").output(out.clone()).named("out");
/// });
/// run_main(flow).unwrap();
/// let volts = out.take();
/// assert_eq!(volts.len(), 3);
/// assert!(volts.iter().all(|(name, value)| name == "volts" && *value < 10));
/// ```
///
/// # State
///
/// The number of values emitted so far.
#[derive(Clone)]
#[must_use]
pub struct RandomMetricSource<F = fn(u64) -> u64> {
    name: String,
    interval: Duration,
    count: u64,
    value: F,
}

impl RandomMetricSource {
    /// Creates a source of values of the metric with this name.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_connectors::demo::RandomMetricSource;
    /// let source = RandomMetricSource::new("volts");
    /// # let _ = source;
    /// ```
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            interval: Duration::from_millis(700),
            count: u64::MAX,
            value: |random| random % 10,
        }
    }
}

impl<F> RandomMetricSource<F> {
    /// Sets the time between two values.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// use bytewax_connectors::demo::RandomMetricSource;
    /// let source = RandomMetricSource::new("volts").interval(Duration::from_millis(50));
    /// # let _ = source;
    /// ```
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Sets the number of values.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_connectors::demo::RandomMetricSource;
    /// let source = RandomMetricSource::new("volts").count(100);
    /// # let _ = source;
    /// ```
    pub fn count(mut self, count: u64) -> Self {
        self.count = count;
        self
    }

    /// Computes each value from a random number.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_connectors::demo::RandomMetricSource;
    /// let source = RandomMetricSource::new("volts").values(|random| 220.0 + (random % 20) as f64);
    /// # let _ = source;
    /// ```
    pub fn values<T, G: Fn(u64) -> T>(self, value: G) -> RandomMetricSource<G> {
        RandomMetricSource {
            name: self.name,
            interval: self.interval,
            count: self.count,
            value,
        }
    }
}

impl<F> fmt::Debug for RandomMetricSource<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RandomMetricSource")
            .field("name", &self.name)
            .field("interval", &self.interval)
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

impl<T, F> FixedPartitionedSource<Replayable> for RandomMetricSource<F>
where
    T: 'static,
    F: Fn(u64) -> T + Clone + Send + Sync + 'static,
{
    type Item = (String, T);
    type Position = u64;
    type Partition = RandomMetricPartition<F>;

    fn partitions(&self) -> Result<Vec<String>, StepError> {
        Ok(vec![self.name.clone()])
    }

    fn open(&self, _: &str, resume: Option<u64>) -> Result<Self::Partition, StepError> {
        Ok(RandomMetricPartition {
            source: self.clone(),
            seed: self
                .name
                .bytes()
                .fold(0, |seed, byte| mixed(seed ^ u64::from(byte))),
            given: resume.unwrap_or(0),
        })
    }
}

/// The partition of a [`RandomMetricSource`].
#[derive(Debug)]
pub struct RandomMetricPartition<F> {
    source: RandomMetricSource<F>,
    seed: u64,
    given: u64,
}

impl<T: 'static, F: Fn(u64) -> T + 'static> StatefulSourcePartition for RandomMetricPartition<F> {
    type Item = (String, T);
    type Position = u64;

    fn next_batch(&mut self) -> Result<Poll<(String, T)>, StepError> {
        if self.given >= self.source.count {
            return Ok(Poll::end());
        }
        let random = mixed(self.seed.wrapping_add(self.given));
        self.given += 1;
        let value = (self.source.value)(random);
        Ok(Poll::item((self.source.name.clone(), value)).wait(self.source.interval))
    }

    fn snapshot(&self) -> u64 {
        self.given
    }
}

/// A number that looks random: splitmix64, by Steele, Lea and Flood.
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(source: &RandomMetricSource, resume: Option<u64>) -> Vec<u64> {
        let mut partition = source.open("volts", resume).unwrap();
        let mut values = Vec::new();
        loop {
            let poll = partition.next_batch().unwrap();
            if poll.is_end() {
                return values;
            }
            values.extend(poll.items().iter().map(|(_, value)| *value));
        }
    }

    #[test]
    fn row_124_so_many_values() {
        let source = RandomMetricSource::new("volts")
            .interval(Duration::ZERO)
            .count(3);
        let mut partition = source.values(|_| 42).open("volts", None).unwrap();
        for given in 1..=3 {
            let poll = partition.next_batch().unwrap();
            assert_eq!(poll.items(), [("volts".to_owned(), 42)]);
            assert_eq!(partition.snapshot(), given);
        }
        assert!(partition.next_batch().unwrap().is_end());
    }

    #[test]
    fn values_go_on_and_are_spread() {
        let source = RandomMetricSource::new("volts").count(1000);
        let whole = values(&source, None);
        assert_eq!(values(&source, Some(400)), whole[400..]);
        for value in 0..10 {
            let count = whole.iter().filter(|given| **given == value).count();
            assert!((60..140).contains(&count), "{value} comes {count} times");
        }
        let other = values(&RandomMetricSource::new("amperes").count(1000), None);
        assert_ne!(other, whole);
    }
}
