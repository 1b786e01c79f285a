//! What a source answers when it is polled.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// The answer of a source to one poll: items, nothing for now, or the end.
///
/// A poll never blocks: a source that has nothing says so, and is asked again later or when it is
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
    /// Whether there are items, though none is given now.
    pub(crate) has_more: bool,
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
    Aligned(Aligned),
    /// When the partition's waker says so.
    Woken,
}

/// A time that lies a whole number of intervals from another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Aligned {
    every: Duration,
    align_to: DateTime<Utc>,
    /// Whether the present counts, if it is one.
    or_now: bool,
}

impl Aligned {
    /// The next mark. With an interval of zero every time is one.
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

    /// One item.
    pub fn item(item: T) -> Self {
        Self::batch(vec![item])
    }

    /// Several items. An empty batch is like [`idle`](Self::idle) for a millisecond; a source that often has nothing had
    /// better be [woken](super::Waker).
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

    /// Nothing until the partition is woken: it is not asked before its [`Waker`](super::Waker) says so.
    ///
    /// It is an error if nobody has its waker.
    pub fn until_woken() -> Self {
        let mut poll = Self::batch(Vec::new());
        poll.wake = Wake::Woken;
        poll
    }

    /// Says that the partition has items, though it gives none now, because it waits for its turn: it does not
    /// count as [idle](crate::windowing::Lateness::idle_after).
    pub fn not_idle(mut self) -> Self {
        self.has_more = true;
        self
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

    /// Asks to be polled again no sooner than after this time, unless its [`Waker`](super::Waker) says so.
    pub fn wait(mut self, time: Duration) -> Self {
        self.wake = Wake::After(time);
        self
    }

    /// Asks to be polled again at the next of the times that lie a whole number of intervals from
    /// `align_to`: with an hour from midnight, at the next full hour.
    ///
    /// Polls that were late, or that asked to wait otherwise in between, do not move the later ones.
    ///
    /// # Examples
    ///
    /// A reading at each full hour, and the first at the next:
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

    /// Nothing for now; ask again at the next of the times of [`wait_for_mark`](Self::wait_for_mark), or at
    /// once if the present is one.
    pub fn until_mark(every: Duration, align_to: DateTime<Utc>) -> Self {
        let mut poll = Self::batch(Vec::new());
        poll.wake = Wake::Aligned(Aligned {
            every,
            align_to,
            or_now: true,
        });
        poll
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
