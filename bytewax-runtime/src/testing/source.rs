//! A source over a fixed list, with marks that control a test.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::delivery::Replayable;
use crate::error::StepError;
use crate::source::{FixedPartitionedSource, Poll, StatefulSourcePartition};

/// An element of a [`TestingSource`]: an item, or a mark.
#[derive(Clone, Debug)]
pub enum TestingItem<T> {
    /// An item of the stream.
    Item(T),
    /// Ends the input of this run; the next run continues after it.
    Eof,
    /// Stops the run like a crash, the first time it is reached.
    Abort,
    /// Returns nothing for this time.
    Pause(Duration),
}

/// A source with one partition, named `iterable`, over a fixed list.
///
/// Its position is the number of elements read, including marks.
///
/// # Examples
///
/// ```
/// use bytewax_runtime::source::{FixedPartitionedSource, StatefulSourcePartition};
/// use bytewax_runtime::testing::{TestingItem, TestingSource};
/// use TestingItem::{Eof, Item};
///
/// let source = TestingSource::with_marks(vec![Item(1), Item(2), Eof, Item(3)]).batch_size(5);
/// let mut part = source.open("iterable", None).unwrap();
/// assert_eq!(part.next_batch().unwrap().items(), [1, 2]);
/// assert!(part.next_batch().unwrap().is_end());
///
/// let mut part = source.open("iterable", Some(part.snapshot())).unwrap();
/// assert_eq!(part.next_batch().unwrap().items(), [3]);
/// ```
#[derive(Clone, Debug)]
pub struct TestingSource<T> {
    elements: Arc<[TestingItem<T>]>,
    /// For each element, whether it is an abort that has happened.
    aborted: Arc<[AtomicBool]>,
    batch_size: usize,
}

impl<T> TestingSource<T> {
    /// Creates a source of items.
    #[must_use]
    pub fn new(items: impl IntoIterator<Item = T>) -> Self {
        Self::with_marks(items.into_iter().map(TestingItem::Item))
    }

    /// Creates a source of items and marks.
    #[must_use]
    pub fn with_marks(elements: impl IntoIterator<Item = TestingItem<T>>) -> Self {
        let elements: Arc<[_]> = elements.into_iter().collect();
        Self {
            aborted: elements.iter().map(|_| AtomicBool::new(false)).collect(),
            elements,
            batch_size: 1,
        }
    }

    /// Sets the maximum number of items per poll. The default is 1, and 0 counts as 1.
    #[must_use]
    pub fn batch_size(mut self, items: usize) -> Self {
        self.batch_size = items.max(1);
        self
    }
}

impl<T: Clone + Send + Sync + 'static> FixedPartitionedSource<Replayable> for TestingSource<T> {
    type Item = T;
    type Position = u64;
    type Partition = TestingSourcePartition<T>;

    fn partitions(&self) -> Result<Vec<String>, StepError> {
        Ok(vec!["iterable".to_owned()])
    }

    fn open(&self, _: &str, resume: Option<u64>) -> Result<Self::Partition, StepError> {
        Ok(TestingSourcePartition {
            source: self.clone(),
            next: usize::try_from(resume.unwrap_or(0))?,
        })
    }
}

/// The open partition of a [`TestingSource`].
#[derive(Debug)]
pub struct TestingSourcePartition<T> {
    source: TestingSource<T>,
    next: usize,
}

impl<T: Clone + Send + Sync + 'static> StatefulSourcePartition for TestingSourcePartition<T> {
    type Item = T;
    type Position = u64;

    fn next_batch(&mut self) -> Result<Poll<T>, StepError> {
        let mut items = Vec::new();
        while items.len() < self.source.batch_size {
            let index = self.next;
            match self.source.elements.get(index) {
                Some(TestingItem::Item(item)) => items.push(item.clone()),
                Some(TestingItem::Abort) if self.source.aborted[index].load(Ordering::Relaxed) => {}
                // The mark itself is answered by the next poll.
                _ if !items.is_empty() => break,
                None => return Ok(Poll::end()),
                Some(TestingItem::Eof) => {
                    self.next += 1;
                    return Ok(Poll::end());
                }
                Some(TestingItem::Abort) => {
                    self.source.aborted[index].store(true, Ordering::Relaxed);
                    return Ok(Poll::abort());
                }
                Some(TestingItem::Pause(time)) => {
                    self.next += 1;
                    return Ok(Poll::idle(*time));
                }
            }
            self.next += 1;
        }
        Ok(Poll::batch(items))
    }

    fn snapshot(&self) -> u64 {
        self.next as u64
    }
}
