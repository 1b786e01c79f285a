//! What the other processes of the cluster answered when they were asked for their numbers.

#![cfg_attr(
    not(feature = "serve"),
    allow(dead_code, reason = "only the server asks other processes")
)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::meter::SeenError;
use crate::ids::{StepId, WorkerIndex};
use crate::report::{ProcessReport, ProcessState, RunReport};

/// The least time between two questions: of many clients that ask, the others are asked once.
const APART: Duration = Duration::from_millis(250);

/// How long an answer may take before its process is slow.
pub(crate) const PATIENCE: Duration = Duration::from_millis(500);

/// What is asked of another process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Question {
    /// The histograms of steps.
    pub(crate) histograms: bool,
    /// The newest errors of items.
    pub(crate) errors: bool,
}

impl Question {
    pub(crate) fn bits(self) -> u8 {
        u8::from(self.histograms) | u8::from(self.errors) << 1
    }

    pub(crate) fn from_bits(bits: u8) -> Self {
        Self {
            histograms: bits & 1 != 0,
            errors: bits & 2 != 0,
        }
    }

    fn with(self, other: Self) -> Self {
        Self::from_bits(self.bits() | other.bits())
    }
}

/// An answer.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) report: RunReport,
    pub(crate) errors: Vec<(StepId, WorkerIndex, SeenError)>,
}

/// The answers of the other processes.
#[derive(Debug, Default)]
pub(crate) struct Answers(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// The last question, its number, and when it was asked.
    asked: Option<(u32, Question, Instant)>,
    members: BTreeMap<usize, Member>,
}

/// What is known of another process.
#[derive(Debug, Default)]
struct Member {
    /// The number of the question that it answered last, and when.
    answered: Option<(u32, Instant)>,
    /// The answer before anybody has looked at it.
    text: Option<String>,
    answer: Option<Arc<Answer>>,
    /// Whether it did not answer an earlier question in time, and none since.
    is_slow: bool,
}

impl Answers {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of a question, and the question if it is to be asked: another one just before may do.
    pub(crate) fn ask(&self, question: Question, now: Instant) -> (u32, Option<Question>) {
        let mut known = self.lock();
        let (number, question) = match known.asked {
            None => (1, question),
            Some((number, before, at)) if now.duration_since(at) < APART => {
                let both = before.with(question);
                if both == before {
                    return (number, None);
                }
                (number.wrapping_add(1), both)
            }
            Some((number, _, at)) => {
                if now.duration_since(at) >= PATIENCE {
                    known.miss(number);
                }
                (number.wrapping_add(1), question)
            }
        };
        known.asked = Some((number, question, now));
        (number, Some(question))
    }

    /// Expects answers of these processes.
    pub(crate) fn expect(&self, others: impl Iterator<Item = usize>) {
        let mut known = self.lock();
        for process in others {
            known.members.entry(process).or_default();
        }
    }

    /// Keeps the answer of a process to a question.
    pub(crate) fn note(&self, process: usize, number: u32, text: String, now: Instant) {
        let mut known = self.lock();
        let member = known.members.entry(process).or_default();
        member.answered = Some((number, now));
        member.text = Some(text);
        member.is_slow = false;
    }

    /// Whether all processes that are not slow have answered a question.
    pub(crate) fn are_complete(&self, number: u32) -> bool {
        let known = self.lock();
        let mut members = known.members.values();
        members.all(|member| member.is_slow || member.has_answered(number))
    }

    /// The last answer of each process.
    pub(crate) fn read(&self, now: Instant) -> Vec<(ProcessReport, Option<Arc<Answer>>)> {
        let mut known = self.lock();
        let late = match known.asked {
            Some((number, _, at)) if now.duration_since(at) >= PATIENCE => number,
            _ => 0,
        };
        let read = |(process, member): (&usize, &mut Member)| {
            let is_slow = member.is_slow || !member.has_answered(late);
            let age = member.answered.map(|(_, at)| now.duration_since(at));
            let state = match age {
                None => ProcessState::Silent,
                Some(_) if is_slow => ProcessState::Slow,
                Some(_) => ProcessState::Current,
            };
            let age = age.map(|age| age.as_secs_f64());
            let report = ProcessReport::new(*process, state, age);
            (report, member.read())
        };
        known.members.iter_mut().map(read).collect()
    }
}

impl Known {
    /// Notes the processes that have not answered a question in time.
    fn miss(&mut self, number: u32) {
        for member in self.members.values_mut() {
            member.is_slow |= !member.has_answered(number);
        }
    }
}

impl Member {
    fn read(&mut self) -> Option<Arc<Answer>> {
        if let Some(text) = self.text.take() {
            // All processes run the same release, so only a text that was left out cannot be read.
            let answer = serde_json::from_str(&text).ok().map(Arc::new);
            self.answer = answer.or(self.answer.take());
        }
        self.answer.clone()
    }

    fn has_answered(&self, number: u32) -> bool {
        number == 0 || self.answered.is_some_and(|(last, _)| last >= number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: Question = Question {
        histograms: false,
        errors: false,
    };

    fn states(answers: &Answers, now: Instant) -> Vec<(usize, ProcessState)> {
        let read = answers.read(now).into_iter();
        read.map(|(of, _)| (of.process, of.state)).collect()
    }

    #[test]
    fn of_many_questions_at_once_one_is_asked() {
        let answers = Answers::default();
        let now = Instant::now();
        assert_eq!(answers.ask(REPORT, now), (1, Some(REPORT)));
        assert_eq!(answers.ask(REPORT, now), (1, None));
        let more = Question {
            errors: true,
            ..REPORT
        };
        assert_eq!(answers.ask(more, now), (2, Some(more)));
        assert_eq!(
            answers.ask(REPORT, now),
            (2, None),
            "it is part of the last"
        );
        assert_eq!(answers.ask(REPORT, now + APART), (3, Some(REPORT)));
    }

    #[test]
    fn a_process_that_does_not_answer_is_slow_and_not_waited_for_again() {
        let answers = Answers::default();
        answers.expect(1..3);
        let mut now = Instant::now();
        let (first, _) = answers.ask(REPORT, now);
        assert!(!answers.are_complete(first));
        use ProcessState::{Current, Silent, Slow};
        assert_eq!(states(&answers, now), [(1, Silent), (2, Silent)]);
        answers.note(1, first, "cut off".to_owned(), now);
        answers.note(2, first, "cut off".to_owned(), now);
        assert!(answers.are_complete(first));
        assert_eq!(states(&answers, now), [(1, Current), (2, Current)]);
        // A long time without questions makes nobody slow.
        now += Duration::from_secs(100);
        assert_eq!(states(&answers, now), [(1, Current), (2, Current)]);
        let (second, _) = answers.ask(REPORT, now);
        assert!(!answers.are_complete(second));
        answers.note(1, second, "cut off".to_owned(), now);
        now += PATIENCE;
        assert_eq!(states(&answers, now), [(1, Current), (2, Slow)]);
        let (third, _) = answers.ask(REPORT, now);
        answers.note(1, third, "cut off".to_owned(), now);
        assert!(answers.are_complete(third), "nobody waits for process 2");
        answers.note(2, third, "cut off".to_owned(), now);
        assert_eq!(states(&answers, now), [(1, Current), (2, Current)]);
    }

    #[test]
    fn a_question_has_bits() {
        for bits in 0..4 {
            assert_eq!(Question::from_bits(bits).bits(), bits);
        }
    }
}
