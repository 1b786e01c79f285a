//! What waits to be written to a peer.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::message::Message;
use super::sync::lock;

/// Most messages besides credits that wait. There are a few in the life of a cluster.
const MAX_WORDS: usize = 64;

/// The queue of one peer. It never makes the sender wait, and it stays small: credits of the same
/// edge and worker add up, and of epochs only the last is told.
#[derive(Default)]
pub(super) struct Outbox {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    words: Vec<Message>,
    credits: BTreeMap<(u32, u32), u64>,
    epoch: Option<u64>,
    finished: bool,
}

/// What the writer has to do next.
#[derive(Debug, PartialEq)]
pub(super) enum Next {
    /// Write these.
    Write(Vec<Message>),
    /// Nothing came up in time.
    Idle,
    /// Nothing will come any more.
    Finished,
}

impl Outbox {
    /// Adds a message.
    pub(super) fn push(&self, message: Message) {
        let mut state = lock(&self.state);
        if state.finished {
            return;
        }
        match message {
            Message::Credit { edge, worker, load } => {
                let sum = state.credits.entry((edge, worker)).or_insert(0);
                *sum = sum.saturating_add(load);
            }
            Message::Epoch(epoch) => state.epoch = state.epoch.max(Some(epoch)),
            word if state.words.len() < MAX_WORDS => state.words.push(word),
            _ => return,
        }
        self.changed.notify_one();
    }

    /// Takes no more messages. Those that wait are still written.
    pub(super) fn finish(&self) {
        lock(&self.state).finished = true;
        self.changed.notify_one();
    }

    /// Forgets everything, since nobody will write it.
    pub(super) fn abandon(&self) {
        *lock(&self.state) = State {
            finished: true,
            ..State::default()
        };
    }

    /// Waits at most `limit` for something to write.
    pub(super) fn next(&self, limit: Duration) -> Next {
        let (mut state, _) = self
            .changed
            .wait_timeout_while(lock(&self.state), limit, |state| state.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        let mut messages = std::mem::take(&mut state.words);
        let credits = std::mem::take(&mut state.credits);
        messages.extend(
            credits
                .into_iter()
                .map(|((edge, worker), load)| Message::Credit { edge, worker, load }),
        );
        messages.extend(state.epoch.take().map(Message::Epoch));
        match (messages.is_empty(), state.finished) {
            (false, _) => Next::Write(messages),
            (true, true) => Next::Finished,
            (true, false) => Next::Idle,
        }
    }
}

impl State {
    fn is_empty(&self) -> bool {
        self.words.is_empty() && self.credits.is_empty() && self.epoch.is_none() && !self.finished
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credit(edge: u32, worker: u32, load: u64) -> Message {
        Message::Credit { edge, worker, load }
    }

    #[test]
    fn credits_add_up() {
        let outbox = Outbox::default();
        for _ in 0..1000 {
            outbox.push(credit(1, 0, 2));
            outbox.push(credit(1, 1, 3));
        }
        let expected = vec![credit(1, 0, 2000), credit(1, 1, 3000)];
        assert_eq!(outbox.next(Duration::ZERO), Next::Write(expected));
        assert_eq!(outbox.next(Duration::ZERO), Next::Idle);
    }

    #[test]
    fn only_the_last_epoch_is_told() {
        let outbox = Outbox::default();
        for epoch in [4, 6, 5] {
            outbox.push(Message::Epoch(epoch));
        }
        assert_eq!(
            outbox.next(Duration::ZERO),
            Next::Write(vec![Message::Epoch(6)])
        );
        assert_eq!(outbox.next(Duration::ZERO), Next::Idle);
    }

    #[test]
    fn what_waits_is_written_before_the_end() {
        let outbox = Outbox::default();
        outbox.push(Message::Bye);
        outbox.finish();
        outbox.push(Message::Heartbeat);
        assert_eq!(outbox.next(Duration::MAX), Next::Write(vec![Message::Bye]));
        assert_eq!(outbox.next(Duration::MAX), Next::Finished);
    }

    #[test]
    fn the_queue_is_bounded() {
        let outbox = Outbox::default();
        for _ in 0..2 * MAX_WORDS {
            outbox.push(Message::Heartbeat);
        }
        assert_eq!(
            outbox.next(Duration::ZERO),
            Next::Write(vec![Message::Heartbeat; MAX_WORDS])
        );
    }
}
