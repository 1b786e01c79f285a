//! How long epochs can still be resumed from.

use std::collections::VecDeque;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::ids::Epoch;

/// Decides which epochs to give up: those that ended the backup interval ago, or longer.
///
/// The copies of partition files that were made within the interval then fit together. The interval counts
/// time, not epochs, so epochs of any length are kept equally long. During an execution, time is monotonic;
/// the store records when earlier executions began.
#[derive(Debug)]
pub(crate) struct Retention {
    interval: TimeDelta,
    /// The epochs with which an execution could begin, and since when, relative to the start of this one:
    /// earlier times are negative.
    kept: VecDeque<(Epoch, TimeDelta)>,
}

impl Retention {
    /// `earlier` are the recorded executions, in order: the first epoch of each, and its start time.
    pub(crate) fn new(
        interval: Duration,
        earlier: &[(Epoch, DateTime<Utc>)],
        resume: Epoch,
        now: DateTime<Utc>,
    ) -> Self {
        let mut kept = VecDeque::new();
        for &(epoch, began) in earlier.iter().chain([&(resume, now)]) {
            // Later epochs were discarded.
            while kept.back().is_some_and(|(last, _)| *last > epoch) {
                kept.pop_back();
            }
            if kept.back().is_none_or(|(last, _)| *last < epoch) {
                kept.push_back((epoch, began));
            }
        }
        // When the clock was set back, the right time is unknown: an epoch is as young as the youngest before
        // it, and none is in the future.
        let mut latest = DateTime::<Utc>::MIN_UTC;
        let since = |(epoch, began): (Epoch, DateTime<Utc>)| {
            latest = latest.max(began);
            let is_known = began == latest && latest <= now;
            let since = if is_known {
                began - now
            } else {
                TimeDelta::zero()
            };
            (epoch, since)
        };
        let mut kept: VecDeque<_> = kept.into_iter().map(since).collect();
        // In order: an epoch of unknown age makes later ones as young.
        let mut least = TimeDelta::MIN;
        for (_, since) in &mut kept {
            least = least.max(*since);
            *since = least;
        }
        Self {
            interval: TimeDelta::from_std(interval).unwrap_or(TimeDelta::MAX),
            kept,
        }
    }

    /// Records that all partitions have committed an epoch, so long after this execution began. Returns the
    /// oldest epoch that must stay resumable, if it changed.
    pub(crate) fn committed(&mut self, epoch: Epoch, now: TimeDelta) -> Option<Epoch> {
        self.kept.push_back((epoch.next(), now));
        let before = self.kept.len();
        // The last one that was already reachable an interval ago must stay resumable.
        while self
            .kept
            .get(1)
            .is_some_and(|(_, since)| now - *since >= self.interval)
        {
            self.kept.pop_front();
        }
        let oldest = self.kept.front().map(|(oldest, _)| *oldest);
        oldest.filter(|_| self.kept.len() < before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Commits epochs 5, 6, .. at these seconds; the epochs that are the oldest then.
    #[track_caller]
    fn check(interval: u64, seconds: &[i64], expected: &[Option<u64>]) {
        check_after(interval, &[], seconds, expected);
    }

    /// The same after executions that began with these epochs, so many seconds before.
    #[track_caller]
    fn check_after(
        interval: u64,
        earlier: &[(u64, i64)],
        seconds: &[i64],
        expected: &[Option<u64>],
    ) {
        let start = DateTime::from_timestamp(1_000_000, 0).unwrap();
        let earlier = earlier
            .iter()
            .map(|&(epoch, ago)| (Epoch(epoch), start - TimeDelta::seconds(ago)));
        let earlier: Vec<_> = earlier.collect();
        let interval = Duration::from_secs(interval);
        let mut retention = Retention::new(interval, &earlier, Epoch(5), start);
        let oldest = seconds
            .iter()
            .zip(5..)
            .map(|(&second, epoch)| retention.committed(Epoch(epoch), TimeDelta::seconds(second)));
        let oldest: Vec<_> = oldest.collect();
        let expected: Vec<_> = expected.iter().map(|oldest| oldest.map(Epoch)).collect();
        assert_eq!(oldest, expected);
    }

    #[test]
    fn what_earlier_executions_left_is_given_up_when_its_time_is_over() {
        // Each run is shorter than the interval.
        let earlier = [(1, 40), (2, 30), (3, 20), (4, 10)];
        check_after(15, &earlier, &[1, 2, 3], &[Some(3), None, None]);
        check_after(15, &earlier, &[1, 6, 16], &[Some(3), Some(4), Some(6)]);
        check_after(1000, &earlier, &[1, 2], &[None, None]);
    }

    #[test]
    fn what_an_execution_discarded_is_not_gone_back_to() {
        // The second one began before the first: files were restored.
        check_after(15, &[(1, 60), (4, 50), (2, 40), (3, 10)], &[1], &[Some(2)]);
        check_after(15, &[(9, 60), (5, 40)], &[1, 16], &[None, Some(6)]);
    }

    #[test]
    fn a_clock_that_was_set_gives_nothing_up_too_early() {
        // It was far behind when the second execution began, and right again afterwards.
        let behind = [(1, 40), (2, 900_000), (3, 20), (4, 10)];
        check_after(15, &behind, &[1, 14], &[None, None]);
        // It was ahead.
        let ahead = [(1, 40), (2, -900_000), (3, 20), (4, 10)];
        check_after(15, &ahead, &[1, 14], &[None, None]);
        // It is behind now.
        check_after(15, &[(1, -40), (2, -30)], &[1, 14], &[None, None]);
    }

    #[test]
    fn r93_without_an_interval_only_the_newest_is_kept() {
        check(0, &[10, 10, 11], &[Some(6), Some(7), Some(8)]);
    }

    #[test]
    fn r93_an_interval_is_kept_however_long_epochs_are() {
        check(
            12,
            &[5, 10, 15, 20, 25],
            &[None, None, None, Some(6), Some(7)],
        );
        check(2, &[1, 1, 1, 1, 9], &[None, None, None, None, Some(9)]);
    }
}
