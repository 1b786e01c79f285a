//! The result of a poll.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// The result of one poll of a source: items, nothing for now, or the end.
///
/// A poll never blocks. A source without items returns immediately, and is polled again later or when it is
/// [woken](super::Waker).
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
    /// Whether the partition has items, although it returns none now.
    pub(crate) has_more: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer<T> {
    Items(Vec<T>),
    End,
    Abort,
}

/// The time of the next poll.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Wake {
    /// The partition's `next_awake`, or immediately after items.
    Default,
    After(Duration),
    At(DateTime<Utc>),
    Aligned(Aligned),
    /// When the partition is woken.
    Woken,
}

/// A time at a whole number of intervals from another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Aligned {
    every: Duration,
    align_to: DateTime<Utc>,
    /// Whether the current time counts if it is a mark.
    or_now: bool,
}

impl Aligned {
    /// Returns the next mark. With an interval of zero, every time is a mark.
    pub(crate) fn after(self, now: DateTime<Utc>) -> DateTime<Utc> {
        let every = TimeDelta::from_std(self.every).unwrap_or(TimeDelta::MAX);
        let nanos = |span: TimeDelta| {
            i128::from(span.num_seconds()) * 1_000_000_000 + i128::from(span.subsec_nanos())
        };
        if every.is_zero() {
            return now;
        }
        let passed = nanos(now - self.align_to).rem_euclid(nanos(every));
        if passed == 0 && self.or_now {
            return now;
        }
        let left = nanos(every) - passed;
        let left = i64::try_from(left).map_or(TimeDelta::MAX, TimeDelta::nanoseconds);
        now.checked_add_signed(left)
            .unwrap_or(DateTime::<Utc>::MAX_UTC)
    }
}

impl<T> Poll<T> {
    fn new(answer: Answer<T>) -> Self {
        Self {
            answer,
            wake: Wake::Default,
            has_more: false,
        }
    }

    /// Returns one item.
    pub fn item(item: T) -> Self {
        Self::batch(vec![item])
    }

    /// Returns several items. An empty batch is like [`idle`](Self::idle) for a millisecond; a source that is
    /// often empty should be [woken](super::Waker) instead.
    ///
    /// Batches of about 16 KiB, such as 2000 numbers or 600 strings, are fastest.
    pub fn batch(items: Vec<T>) -> Self {
        Self::new(Answer::Items(items))
    }

    /// Returns nothing for now; the next poll is after this time.
    pub fn idle(time: Duration) -> Self {
        Self::batch(Vec::new()).wait(time)
    }

    /// Returns nothing for now; the next poll is at this time.
    pub fn idle_until(time: DateTime<Utc>) -> Self {
        let mut poll = Self::batch(Vec::new());
        poll.wake = Wake::At(time);
        poll
    }

    /// Returns nothing; the next poll is when the partition's [`Waker`](super::Waker) is called.
    ///
    /// If no waker of the partition exists, the run fails.
    pub fn until_woken() -> Self {
        let mut poll = Self::batch(Vec::new());
        poll.wake = Wake::Woken;
        poll
    }

    /// Marks the partition as not [idle](crate::windowing::Lateness::idle_after): it has items, but returns
    /// none now because it waits for its turn.
    pub fn not_idle(mut self) -> Self {
        self.has_more = true;
        self
    }

    /// Ends the partition: it is not polled again in this run.
    pub fn end() -> Self {
        Self::new(Answer::End)
    }

    /// Stops the whole run immediately, without an error and without saving anything more.
    ///
    /// It simulates a crash in tests of recovery.
    pub fn abort() -> Self {
        Self::new(Answer::Abort)
    }

    /// Delays the next poll by at least this time, unless the [`Waker`](super::Waker) is called.
    pub fn wait(mut self, time: Duration) -> Self {
        self.wake = Wake::After(time);
        self
    }

    /// Delays the next poll until the next mark: a time at a whole number of intervals from `align_to`. With
    /// an hour from midnight, this is the next full hour.
    ///
    /// Late polls, or other waits in between, do not shift later marks.
    ///
    /// # Examples
    ///
    /// A reading at each full hour, starting at the next:
    ///
    /// ```
    /// use std::time::Duration;
    /// use bytewax_macros::source;
    /// use bytewax_runtime::source::Poll;
    /// use chrono::DateTime;
    ///
    /// # fn read_meter() -> u64 { 0 }
    /// #[source(crate = "bytewax_runtime")]
    /// fn meter(#[local(false)] begun: &mut bool) -> Poll<u64> {
    ///     let (hour, midnight) = (Duration::from_secs(3600), DateTime::UNIX_EPOCH);
    ///     if !std::mem::replace(begun, true) {
    ///         return Poll::until_mark(hour, midnight);
    ///     }
    ///     Poll::item(read_meter()).wait_for_mark(hour, midnight)
    /// }
    /// # let _ = meter();
    /// ```
    pub fn wait_for_mark(mut self, every: Duration, align_to: DateTime<Utc>) -> Self {
        self.wake = Wake::Aligned(Aligned {
            every,
            align_to,
            or_now: false,
        });
        self
    }

    /// Returns nothing for now; the next poll is at the next mark of [`wait_for_mark`](Self::wait_for_mark),
    /// or immediately if the current time is one.
    pub fn until_mark(every: Duration, align_to: DateTime<Utc>) -> Self {
        let mut poll = Self::batch(Vec::new());
        poll.wake = Wake::Aligned(Aligned {
            every,
            align_to,
            or_now: true,
        });
        poll
    }

    /// Returns the items; empty for an end.
    #[must_use]
    pub fn items(&self) -> &[T] {
        match &self.answer {
            Answer::Items(items) => items,
            Answer::End | Answer::Abort => &[],
        }
    }

    /// Converts the result into its items; empty for an end.
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A time of one day, in hours and minutes.
    fn at(hour: i64, minute: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::minutes(60 * hour + minute)
    }

    fn mark(
        every: u64,
        align_to: DateTime<Utc>,
        now: DateTime<Utc>,
        or_now: bool,
    ) -> DateTime<Utc> {
        let every = Duration::from_secs(60 * every);
        let mark = Aligned {
            every,
            align_to,
            or_now,
        };
        mark.after(now)
    }

    #[test]
    fn r53_r55_r56_marks_are_aligned() {
        assert_eq!(mark(30, at(5, 0), at(5, 0), false), at(5, 30));
        assert_eq!(mark(30, at(4, 0), at(5, 15), true), at(5, 30));
        assert_eq!(mark(30, at(4, 0), at(5, 0), true), at(5, 0));
    }

    #[test]
    fn marks_before_the_first_and_without_an_interval() {
        assert_eq!(mark(30, at(9, 10), at(5, 0), true), at(5, 10));
        assert_eq!(mark(0, at(4, 0), at(5, 1), false), at(5, 1));
        let late = DateTime::<Utc>::MAX_UTC;
        assert_eq!(mark(u64::MAX / 60, at(0, 1), late, false), late);
    }
}
