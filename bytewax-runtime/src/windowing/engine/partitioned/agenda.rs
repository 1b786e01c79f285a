//! Which keys have something to do at which watermark.

use crate::kit::logic::Wheel;
use crate::windowing::time::Time;

/// Keys in the order of the watermarks at which they are to be looked at.
///
/// A key whose time moves to later stays where it is until that time comes; one whose time moves to
/// earlier is there twice.
pub(super) struct Agenda<K> {
    /// The hash and the key, at the microsecond of the watermark; a tick is about a millisecond.
    at: Wheel<(u64, K), 10>,
    /// Those whose time has come, the first of them last.
    due: Vec<(u64, K)>,
}

impl<K> Agenda<K> {
    pub(super) fn new() -> Self {
        Self {
            at: Wheel::new(),
            due: Vec::new(),
        }
    }

    #[inline]
    pub(super) fn list(&mut self, at: Time, hash: u64, key: K) {
        self.at.put(at, (hash, key));
    }

    /// Keys whose time has come, the first of them last; when they are taken there may be more.
    pub(super) fn due(&mut self, mark: Time) -> &[(u64, K)] {
        if self.due.is_empty() {
            let due = std::iter::from_fn(|| self.at.pop(mark));
            self.due.extend(due.map(|(_, key)| key));
            self.due.reverse();
        }
        &self.due
    }

    /// Takes the last of the keys that are due.
    pub(super) fn take(&mut self) -> Option<(u64, K)> {
        self.due.pop()
    }

    pub(super) fn clear(&mut self) {
        self.at.clear();
        self.due.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_when_their_time_has() {
        let mut agenda = Agenda::new();
        for (at, key) in [(5, 'a'), (5, 'b'), (3, 'c'), (5, 'd'), (9, 'e')] {
            agenda.list(at, 0, key);
        }
        let mut pop = |mark| {
            let pop = || {
                agenda.due(mark);
                agenda.take()
            };
            std::iter::from_fn(pop).map(|at| at.1).collect::<String>()
        };
        assert_eq!(pop(2), "");
        assert_eq!(pop(4), "c");
        assert_eq!(pop(9), "abde");
        assert_eq!(pop(Time::MAX), "");
    }
}
