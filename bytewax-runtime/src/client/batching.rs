//! Items that are put together.

use std::time::{Duration, Instant};

/// When a batch is complete: by the number of its items, by their bytes, and by its age.
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
    /// Batches of so many items, and of at least one, however many bytes that are and whatever time it takes.
    pub const fn new(items: usize) -> Self {
        Self {
            items: if items == 0 { 1 } else { items },
            bytes: usize::MAX,
            time: Duration::MAX,
        }
    }

    /// A batch has no more than so many bytes, unless one item has more.
    pub const fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }

    /// A batch is complete when its first item has waited for so long.
    pub const fn time(mut self, time: Duration) -> Self {
        self.time = time;
        self
    }

    /// Splits items into batches by number and bytes. `weigh` says how many bytes an item has.
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

    /// A batch that is to be filled over time.
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

/// A batch that is being filled; made by [`Batching::gather`].
///
/// A source with one says when it wants to be polled next by [`due`](Self::due); a sink with one empties it at the end
/// of each epoch, so that what is saved says what is written.
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
    /// Adds an item of so many bytes. The result is a batch that is complete: with the item, or the one before it if
    /// that would have too many bytes with it.
    pub fn push(&mut self, item: T, bytes: usize) -> Option<Vec<T>> {
        self.push_at(Instant::now(), item, bytes)
    }

    /// The same, at a time that the caller says.
    pub fn push_at(&mut self, now: Instant, item: T, bytes: usize) -> Option<Vec<T>> {
        let batch = self.add(now, item, bytes);
        batch.or_else(|| self.take_due(now))
    }

    /// The same, whatever time it is.
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

    /// When the batch is complete whatever comes until then; `None` if it is empty or has no limit of time.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        self.since?.checked_add(self.batching.time)
    }

    /// Takes the batch, if it is complete now.
    pub fn take_due(&mut self, now: Instant) -> Option<Vec<T>> {
        let is_due = self.is_full() || self.due().is_some_and(|due| due <= now);
        if is_due { self.take() } else { None }
    }

    /// Takes what there is, if anything.
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
