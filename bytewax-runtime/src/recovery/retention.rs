//! How long epochs can still be resumed from.

use std::collections::VecDeque;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::ids::Epoch;

/// Decides which epochs to give up: those that ended the backup interval ago, or longer.
///
/// Files of partitions that were copied within the interval then fit together. It counts time, not
/// epochs, so that epochs of any length are kept for as long; what an earlier execution left is
/// kept for one interval from the start of this one.
#[derive(Debug)]
pub(crate) struct Retention {
    interval: TimeDelta,
    /// The epochs with which an execution could begin, and since when.
    kept: VecDeque<(Epoch, DateTime<Utc>)>,
}

impl Retention {
    pub(crate) fn new(interval: Duration, resume: Epoch, now: DateTime<Utc>) -> Self {
        Self {
            interval: TimeDelta::from_std(interval).unwrap_or(TimeDelta::MAX),
            kept: VecDeque::from([(resume, now)]),
        }
    }

    /// Notes that all partitions have committed an epoch. The oldest epoch that must stay resumable,
    /// when it changed.
    pub(crate) fn committed(&mut self, epoch: Epoch, now: DateTime<Utc>) -> Option<Epoch> {
        self.kept.push_back((epoch.next(), now));
        let before = self.kept.len();
        // The last that was already reachable an interval ago is the one to go back to.
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
        let start = DateTime::UNIX_EPOCH;
        let mut retention = Retention::new(Duration::from_secs(interval), Epoch(5), start);
        let oldest = seconds.iter().zip(5..).map(|(&second, epoch)| {
            retention.committed(Epoch(epoch), start + TimeDelta::seconds(second))
        });
        let oldest: Vec<_> = oldest.collect();
        let expected: Vec<_> = expected.iter().map(|oldest| oldest.map(Epoch)).collect();
        assert_eq!(oldest, expected);
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
