//! Steps that all other processes take together, each when all have taken the one before.

#![cfg_attr(
    not(feature = "serve"),
    allow(dead_code, reason = "only the server makes savepoints")
)]

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often a waiting thread looks whether the run has ended.
const TURN: Duration = Duration::from_millis(50);

/// The last step, and what came of it.
#[derive(Debug, Default)]
pub(crate) struct Rounds {
    round: Mutex<Round>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Round {
    number: u32,
    answers: BTreeMap<usize, String>,
}

impl Rounds {
    fn lock(&self) -> MutexGuard<'_, Round> {
        self.round.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a step, and returns its number.
    pub(crate) fn begin(&self) -> u32 {
        let mut round = self.lock();
        round.number = round.number.wrapping_add(1);
        round.answers.clear();
        round.number
    }

    /// Keeps what came of a step in a process, unless it is an earlier one.
    pub(crate) fn note(&self, process: usize, number: u32, text: String) {
        let mut round = self.lock();
        if round.number == number {
            round.answers.insert(process, text);
            self.changed.notify_all();
        }
    }

    /// Waits until so many processes have taken the step; `None` if the run ends before.
    pub(crate) fn wait(
        &self,
        processes: usize,
        has_ended: impl Fn() -> bool,
    ) -> Option<BTreeMap<usize, String>> {
        let mut round = self.lock();
        while round.answers.len() < processes {
            if has_ended() {
                return None;
            }
            let waited = self.changed.wait_timeout(round, TURN);
            round = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Some(std::mem::take(&mut round.answers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_ends_when_all_have_taken_it_or_the_run_ends() {
        let rounds = Rounds::default();
        let first = rounds.begin();
        rounds.note(1, first, "early".to_owned());
        let second = rounds.begin();
        assert_ne!(first, second);
        rounds.note(2, second, "b".to_owned());
        // An answer to the step before does not count.
        rounds.note(1, first, "late".to_owned());
        assert_eq!(rounds.wait(2, || true), None);
        rounds.note(1, second, "a".to_owned());
        let answers = rounds.wait(2, || true).unwrap();
        let answers: Vec<_> = answers.into_iter().collect();
        assert_eq!(answers, [(1, "a".to_owned()), (2, "b".to_owned())]);
    }
}
