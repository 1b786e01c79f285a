//! Batches of items.

use std::time::{Duration, Instant};

/// The limits of a batch: the number of its items, their bytes, and its age.
///
/// # Examples
///
/// ```
/// use bytewax_runtime::client::Batching;
///
/// let batching = Batching::new(3).bytes(10);
/// let batches = batching.split(["a", "b", "c", "d", "123456789", "long-winded"], |text| text.len());
/// assert_eq!(batches, [vec!["a", "b", "c"], vec!["d", "123456789"], vec!["long-winded"]]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Batching {
    pub(crate) items: usize,
    pub(crate) bytes: usize,
    pub(crate) time: Duration,
}

impl Batching {
    /// Creates a limit of `items` items, at least one, without a limit of bytes or time.
    pub const fn new(items: usize) -> Self {
        Self {
            items: if items == 0 { 1 } else { items },
            bytes: usize::MAX,
            time: Duration::MAX,
        }
    }

    /// Limits the bytes of a batch. A larger item is a batch by itself.
    pub const fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }

    /// Limits the time that the first item of a batch waits.
    pub const fn time(mut self, time: Duration) -> Self {
        self.time = time;
        self
    }

    /// Splits items into batches by number and bytes. `weigh` returns the bytes of an item.
    pub fn split<T>(
        &self,
        items: impl IntoIterator<Item = T>,
        weigh: impl Fn(&T) -> usize,
    ) -> Vec<Vec<T>> {
        let mut gathering = self.gather();
        let now = Instant::now();
        let mut batches = Vec::new();
        for item in items {
            let bytes = weigh(&item);
            batches.extend(gathering.push_at(now, item, bytes));
        }
        batches.extend(gathering.take());
        batches
    }

    /// Creates a batch that is filled over time.
    #[must_use]
    pub fn gather<T>(&self) -> Gathering<T> {
        Gathering {
            batching: *self,
            items: Vec::new(),
            bytes: 0,
            since: None,
        }
    }
}

/// A batch that is being filled; created by [`Batching::gather`].
///
/// A source with such a batch returns the time of its next poll from [`due`](Self::due). A sink with one
/// empties it at the end of each epoch, so that its saved position matches its writes.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
/// use bytewax_runtime::client::Batching;
///
/// let second = Duration::from_secs(1);
/// let mut batch = Batching::new(2).time(second).gather();
/// let now = Instant::now();
/// assert_eq!(batch.push_at(now, 'a', 1), None);
/// assert_eq!(batch.push_at(now, 'b', 1), Some(vec!['a', 'b']));
/// assert_eq!(batch.push_at(now, 'c', 1), None);
/// assert_eq!(batch.due(), Some(now + second));
/// assert_eq!(batch.take_due(now), None);
/// assert_eq!(batch.take_due(now + second), Some(vec!['c']));
/// assert_eq!(batch.take(), None);
/// ```
#[derive(Debug)]
pub struct Gathering<T> {
    batching: Batching,
    items: Vec<T>,
    bytes: usize,
    since: Option<Instant>,
}

impl<T> Gathering<T> {
    /// Adds an item of `bytes` bytes. Returns a complete batch, if any: with the item, or the previous batch
    /// if the item would exceed its bytes.
    pub fn push(&mut self, item: T, bytes: usize) -> Option<Vec<T>> {
        self.push_at(Instant::now(), item, bytes)
    }

    /// The same, at a time from the caller.
    pub fn push_at(&mut self, now: Instant, item: T, bytes: usize) -> Option<Vec<T>> {
        let batch = self.add(now, item, bytes);
        batch.or_else(|| self.take_due(now))
    }

    /// The same, regardless of the time.
    pub(crate) fn add(&mut self, now: Instant, item: T, bytes: usize) -> Option<Vec<T>> {
        let is_too_much = self.bytes.saturating_add(bytes) > self.batching.bytes;
        let before = if is_too_much { self.take() } else { None };
        self.items.push(item);
        self.bytes = self.bytes.saturating_add(bytes);
        self.since.get_or_insert(now);
        match before {
            Some(before) => Some(before),
            None if self.is_full() => self.take(),
            None => None,
        }
    }

    fn is_full(&self) -> bool {
        self.items.len() >= self.batching.items || self.bytes >= self.batching.bytes
    }

    /// Returns the time at which the batch is complete at the latest; `None` if it is empty or has no time
    /// limit.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        self.since?.checked_add(self.batching.time)
    }

    /// Returns the batch, if it is complete now.
    pub fn take_due(&mut self, now: Instant) -> Option<Vec<T>> {
        let is_due = self.is_full() || self.due().is_some_and(|due| due <= now);
        if is_due { self.take() } else { None }
    }

    /// Returns the items so far, if any.
    pub fn take(&mut self) -> Option<Vec<T>> {
        (self.bytes, self.since) = (0, None);
        let items = std::mem::take(&mut self.items);
        (!items.is_empty()).then_some(items)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// All items are there in order, and no batch could have been longer.
        #[test]
        fn batches_are_as_long_as_may_be(
            weights in prop::collection::vec(0..20_usize, 0..50),
            items in 0..6_usize,
            bytes in 1..40_usize,
        ) {
            let batches = Batching::new(items).bytes(bytes).split(weights.clone(), |weight| *weight);
            prop_assert_eq!(batches.concat(), weights);
            let sum = |batch: &[usize]| batch.iter().sum::<usize>();
            for (index, batch) in batches.iter().enumerate() {
                prop_assert!(!batch.is_empty() && batch.len() <= items.max(1));
                prop_assert!(batch.len() == 1 || sum(batch) <= bytes);
                if let Some(next) = batches.get(index + 1) {
                    let is_full = batch.len() == items.max(1) || sum(batch) + next[0] > bytes;
                    prop_assert!(is_full || sum(batch) >= bytes);
                }
            }
        }
    }
}
