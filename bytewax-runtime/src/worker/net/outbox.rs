//! The messages that wait to be written to a peer.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::hello::clip;
use super::message::{MAX_ANSWER, MAX_TEXT, Message, Place};
use super::sync::lock;

/// The most waiting messages besides credits. A cluster sends only a few in its life.
const MAX_WORDS: usize = 64;

/// The queue of one peer. It never blocks the sender, and it stays small: credits of the same edge and worker
/// are added up, and only the last epoch, question and answer are kept. An answer leaves in pieces, one after all
/// other messages that wait.
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
    /// The last question.
    ask: Option<Message>,
    /// The last answer.
    answer: Option<Answer>,
    finished: bool,
}

/// An answer, and how many of its bytes have left.
struct Answer {
    number: u32,
    text: String,
    sent: usize,
}

/// The writer's next action.
#[derive(Debug, PartialEq)]
pub(super) enum Next {
    /// Write these.
    Write(Vec<Message>),
    /// Nothing arrived in time.
    Idle,
    /// Nothing more will arrive.
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
            Message::Ask { .. } => state.ask = Some(message),
            // Only `answer` makes pieces.
            Message::Answer { .. } => return,
            word if state.words.len() < MAX_WORDS => state.words.push(word),
            _ => return,
        }
        self.changed.notify_one();
    }

    /// Adds an answer, in place of one that has not left. The text of one that is too long is left out.
    pub(super) fn answer(&self, number: u32, mut text: String) {
        let mut state = lock(&self.state);
        if state.finished {
            return;
        }
        if text.len() > MAX_ANSWER {
            text = String::new();
        }
        state.answer = Some(Answer {
            number,
            text,
            sent: 0,
        });
        self.changed.notify_one();
    }

    /// Accepts no more messages. The waiting ones are still written.
    pub(super) fn finish(&self) {
        lock(&self.state).finished = true;
        self.changed.notify_one();
    }

    /// Discards everything, because nobody will write it.
    pub(super) fn abandon(&self) {
        *lock(&self.state) = State {
            finished: true,
            ..State::default()
        };
    }

    /// Waits at most `limit` for messages.
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
        messages.extend(state.ask.take());
        messages.extend(state.piece());
        match (messages.is_empty(), state.finished) {
            (false, _) => Next::Write(messages),
            (true, true) => Next::Finished,
            (true, false) => Next::Idle,
        }
    }
}

impl State {
    /// The next piece of the answer.
    fn piece(&mut self) -> Option<Message> {
        let answer = self.answer.as_mut()?;
        let text = clip(&answer.text[answer.sent..], MAX_TEXT).to_owned();
        let is_first = answer.sent == 0;
        answer.sent += text.len();
        let is_last = answer.sent == answer.text.len();
        let number = answer.number;
        if is_last {
            self.answer = None;
        }
        Some(Message::Answer {
            number,
            place: Place { is_first, is_last },
            text,
        })
    }

    fn is_empty(&self) -> bool {
        let is_asked = self.ask.is_some() || self.answer.is_some();
        self.words.is_empty()
            && self.credits.is_empty()
            && self.epoch.is_none()
            && !is_asked
            && !self.finished
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
    fn only_the_last_question_and_answer_are_kept() {
        let outbox = Outbox::default();
        let whole = Place {
            is_first: true,
            is_last: true,
        };
        for number in 0..1000 {
            outbox.push(Message::Ask { number, what: 1 });
            outbox.answer(number, String::from("a"));
        }
        outbox.push(Message::Bye);
        let number = 999;
        let expected = vec![
            Message::Bye,
            Message::Ask { number, what: 1 },
            Message::Answer {
                number,
                place: whole,
                text: String::from("a"),
            },
        ];
        assert_eq!(outbox.next(Duration::ZERO), Next::Write(expected));
        assert_eq!(outbox.next(Duration::ZERO), Next::Idle);
    }

    /// The texts of the pieces that leave next, until the last, and how many other messages leave meanwhile.
    fn pieces(outbox: &Outbox) -> (Vec<String>, usize) {
        let (mut texts, mut others) = (Vec::new(), 0);
        loop {
            let Next::Write(mut messages) = outbox.next(Duration::ZERO) else {
                panic!("the answer has no end");
            };
            let Some(Message::Answer { place, text, .. }) = messages.pop() else {
                panic!("a piece leaves after the others");
            };
            assert_eq!(place.is_first, texts.is_empty());
            others += messages.len();
            texts.push(text);
            if place.is_last {
                return (texts, others);
            }
            outbox.push(Message::Epoch(texts.len() as u64));
        }
    }

    #[test]
    fn other_messages_leave_between_the_pieces_of_an_answer() {
        let outbox = Outbox::default();
        let text = format!("a{}", "é".repeat(MAX_TEXT));
        outbox.answer(7, text.clone());
        let (texts, others) = pieces(&outbox);
        assert_eq!((texts.len(), others), (3, 2));
        assert!(texts.concat() == text && texts.iter().all(|text| text.len() <= MAX_TEXT));
        // Another answer takes the place of the rest of one.
        outbox.answer(8, text);
        let _ = outbox.next(Duration::ZERO);
        outbox.answer(9, String::from("b"));
        assert_eq!(pieces(&outbox), (vec![String::from("b")], 0));
        assert_eq!(outbox.next(Duration::ZERO), Next::Idle);
    }

    #[test]
    fn an_answer_that_is_too_long_is_left_out() {
        let outbox = Outbox::default();
        outbox.answer(1, "x".repeat(MAX_ANSWER + 1));
        assert_eq!(pieces(&outbox), (vec![String::new()], 0));
        outbox.answer(1, "x".repeat(MAX_ANSWER));
        assert_eq!(pieces(&outbox).0.concat().len(), MAX_ANSWER);
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
