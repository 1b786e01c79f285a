//! What a source answers when it is polled.

use std::time::Duration;

use chrono::{DateTime, Utc};

/// The answer of a source to one poll: items, nothing for now, or the end.
///
/// A poll never blocks: a source that has nothing says so and is asked again later.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use bytewax_runtime::source::Poll;
///
/// let one = Poll::item(5).wait(Duration::from_millis(10));
/// let many = Poll::batch(vec![1, 2, 3]);
/// let nothing: Poll<i32> = Poll::idle(Duration::from_secs(1));
/// let end: Poll<i32> = Poll::end();
/// # let _ = (one, many, nothing, end);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Poll<T> {
    pub(crate) answer: Answer<T>,
    pub(crate) wake: Wake,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer<T> {
    Items(Vec<T>),
    End,
    Abort,
}

/// When the next poll is wanted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Wake {
    /// As the partition's `next_awake` says, or at once after items.
    Default,
    After(Duration),
    At(DateTime<Utc>),
}

impl<T> Poll<T> {
    fn new(answer: Answer<T>) -> Self {
        Self {
            answer,
            wake: Wake::Default,
        }
    }

    /// One item.
    pub fn item(item: T) -> Self {
        Self::batch(vec![item])
    }

    /// Several items. An empty batch is like [`idle`](Self::idle) for a millisecond.
    ///
    /// About 16 KiB of items in one batch, such as 2000 numbers or 600 strings, are fastest.
    pub fn batch(items: Vec<T>) -> Self {
        Self::new(Answer::Items(items))
    }

    /// Nothing for now; ask again after this time.
    pub fn idle(time: Duration) -> Self {
        Self::batch(Vec::new()).wait(time)
    }

    /// Nothing for now; ask again at this time.
    pub fn idle_until(time: DateTime<Utc>) -> Self {
        let mut poll = Self::batch(Vec::new());
        poll.wake = Wake::At(time);
        poll
    }

    /// The end: the partition is not asked again in this run.
    pub fn end() -> Self {
        Self::new(Answer::End)
    }

    /// Stops the whole run at once, without an error and without saving anything more.
    ///
    /// This stands for a crash in tests of recovery.
    pub fn abort() -> Self {
        Self::new(Answer::Abort)
    }

    /// Asks to be polled again no sooner than after this time.
    pub fn wait(mut self, time: Duration) -> Self {
        self.wake = Wake::After(time);
        self
    }

    /// The items of this answer; none for an end.
    #[must_use]
    pub fn items(&self) -> &[T] {
        match &self.answer {
            Answer::Items(items) => items,
            Answer::End | Answer::Abort => &[],
        }
    }

    /// The items of this answer, taken out; none for an end.
    #[must_use]
    pub fn into_items(self) -> Vec<T> {
        match self.answer {
            Answer::Items(items) => items,
            Answer::End | Answer::Abort => Vec::new(),
        }
    }

    /// Whether this is the end.
    #[must_use]
    pub fn is_end(&self) -> bool {
        matches!(self.answer, Answer::End)
    }

    /// Whether this stops the run.
    #[must_use]
    pub fn is_abort(&self) -> bool {
        matches!(self.answer, Answer::Abort)
    }
}
