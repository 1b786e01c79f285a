//! Which keys have something to do at which watermark.

use std::collections::BTreeMap;

use crate::windowing::time::Time;

/// Keys in the order of the watermarks at which they are to be looked at.
///
/// Windows that follow the calendar end at few times, each shared by many keys. A key whose time moves to
/// later stays where it is until that time comes; one whose time moves to earlier is there twice.
pub(super) struct Agenda<K> {
    at: BTreeMap<Time, Vec<(u64, K)>>,
    /// Those whose time has come.
    due: Vec<(u64, K)>,
    /// The time that was listed last, and its list: it mostly comes again.
    last: Option<(Time, Vec<(u64, K)>)>,
}

impl<K> Agenda<K> {
    pub(super) fn new() -> Self {
        Self {
            at: BTreeMap::new(),
            due: Vec::new(),
            last: None,
        }
    }

    #[inline]
    pub(super) fn list(&mut self, at: Time, hash: u64, key: K) {
        match &mut self.last {
            Some((time, keys)) if *time == at => keys.push((hash, key)),
            _ => self.list_elsewhere(at, hash, key),
        }
    }

    fn list_elsewhere(&mut self, at: Time, hash: u64, key: K) {
        self.put_back();
        let mut keys = self.at.remove(&at).unwrap_or_default();
        keys.push((hash, key));
        self.last = Some((at, keys));
    }

    fn put_back(&mut self) {
        if let Some((time, keys)) = self.last.take() {
            self.at.insert(time, keys);
        }
    }

    /// Keys whose time has come, the first of them last; when they are taken there may be more.
    pub(super) fn due(&mut self, mark: Time) -> &[(u64, K)] {
        if self.due.is_empty() {
            let first = self.at.first_key_value().map(|(time, _)| *time);
            let last = self.last.as_ref().map(|(time, _)| *time);
            if first
                .into_iter()
                .chain(last)
                .min()
                .is_some_and(|first| first <= mark)
            {
                self.put_back();
                self.due = self.at.pop_first().map_or_else(Vec::new, |(_, keys)| keys);
                self.due.reverse();
            }
        }
        &self.due
    }

    /// Takes the last of the keys that are due.
    pub(super) fn take(&mut self) -> Option<(u64, K)> {
        self.due.pop()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::new();
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
