//! `match_pattern`, and the builder of patterns.

use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::TimedLogic;
use super::out::{DOWN, Either, LATE, SECOND, TimedStep, inputs};
use super::stages::{And, Begin, FollowedBy, Next, Stages, Without};
use crate::flow::{KeyOf, Keyed, KeyedStream, Stream, ValueOf};
use crate::key::Key;
use crate::kit::Exchange;
use crate::state::{Fact, Field, Schema, State};
use crate::windowing::clock::Clock;
use crate::windowing::engine::{Aside, Queue, output};
use crate::windowing::fault::Fault;
use crate::windowing::time::{Time, span};

/// A sequence of values of one key, within a time; see [`Stream::match_pattern`].
///
/// It starts with [`Pattern::within`]. Each stage then has a condition on its value:
/// [`begin`](PatternWithin::begin) for the first, [`followed_by`](Self::followed_by) for one at any later
/// time, and [`next`](Self::next) for one directly after the previous value. [`without`](Self::without)
/// forbids values before the next stage. [`and`](Self::and) adds a condition to the last stage, which
/// receives the values matched so far.
///
/// # Examples
///
/// A small payment and then a large one, unless the card was blocked in between:
///
/// ```
/// use bytewax_runtime::windowing::Pattern;
/// use chrono::TimeDelta;
///
/// enum Event {
///     Payment { cents: u64 },
///     Blocked,
/// }
///
/// let pattern = Pattern::within(TimeDelta::minutes(10))
///     .begin(|event: &Event| matches!(event, Event::Payment { cents: ..100 }))
///     .without(|event| matches!(event, Event::Blocked))
///     .followed_by(|event| matches!(event, Event::Payment { cents: 50_000.. }));
/// # let _ = pattern;
/// ```
#[must_use]
pub struct Pattern<V, S> {
    within: i64,
    overlapping: bool,
    stages: S,
    values: PhantomData<fn(&V)>,
}

/// The time of a pattern without stages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct PatternWithin(i64);

impl Pattern<(), ()> {
    /// Creates a pattern whose last value is at most `time` after its first, by the times of the values.
    pub const fn within(time: TimeDelta) -> PatternWithin {
        PatternWithin(span(time))
    }
}

impl PatternWithin {
    /// Sets the condition of the first value.
    pub fn begin<V, F>(self, condition: F) -> Pattern<V, Begin<F>>
    where
        F: Fn(&V) -> bool + Send + Sync + 'static,
    {
        Pattern {
            within: self.0,
            overlapping: false,
            stages: Begin(condition),
            values: PhantomData,
        }
    }
}

impl<V, S> Pattern<V, S> {
    fn with<T>(self, stages: impl FnOnce(S) -> T) -> Pattern<V, T> {
        Pattern {
            within: self.within,
            overlapping: self.overlapping,
            stages: stages(self.stages),
            values: PhantomData,
        }
    }

    /// Adds a stage for the first later value that meets the condition. Other values in between are skipped.
    pub fn followed_by<F>(self, condition: F) -> Pattern<V, FollowedBy<S, F>>
    where
        F: Fn(&V) -> bool + Send + Sync + 'static,
    {
        self.with(|stages| FollowedBy(stages, condition))
    }

    /// Adds a stage for the key's value directly after the previous one. If it does not meet the condition,
    /// there is no match.
    pub fn next<F>(self, condition: F) -> Pattern<V, Next<S, F>>
    where
        F: Fn(&V) -> bool + Send + Sync + 'static,
    {
        self.with(|stages| Next(stages, condition))
    }

    /// Forbids values that meet the condition between the previous and the next stage. A value that meets the
    /// condition of the next stage is not between them.
    pub fn without<F>(self, condition: F) -> Pattern<V, Without<S, F>>
    where
        F: Fn(&V) -> bool + Send + Sync + 'static,
    {
        self.with(|stages| Without(stages, condition))
    }

    /// Adds a condition to the last stage, which also receives the values of the previous stages, in order.
    pub fn and<F>(self, condition: F) -> Pattern<V, And<S, F>>
    where
        F: Fn(&[V], &V) -> bool + Send + Sync + 'static,
    {
        self.with(|stages| And(stages, condition))
    }

    /// Lets each value that meets the first condition start its own match, regardless of other matches.
    ///
    /// By default, matches of a key do not overlap: when one is complete, all matches that started before its
    /// end are dropped, and the next starts after it.
    pub fn overlapping(mut self) -> Self {
        self.overlapping = true;
        self
    }
}

impl<V, S> fmt::Debug for Pattern<V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pattern")
            .field("within", &self.within)
            .field("overlapping", &self.overlapping)
            .finish_non_exhaustive()
    }
}

/// The streams of [`match_pattern`](Stream::match_pattern).
#[derive(Debug)]
#[must_use]
pub struct PatternOut<K, V> {
    /// The values of each match, one per stage.
    pub down: KeyedStream<K, Vec<V>>,
    /// The values of matches that were not completed in time, as far as they got.
    pub timed_out: KeyedStream<K, Vec<V>>,
    /// The late values.
    pub late: KeyedStream<K, V>,
}

impl<K: 'static, V: 'static> PatternOut<K, V> {
    /// Names the step; see [`Stream::named`].
    pub fn named(self, name: &str) -> Self {
        Self {
            down: self.down.named(name),
            ..self
        }
    }
}

impl<T: 'static> Stream<T> {
    /// Finds sequences of values of each key.
    ///
    /// The step processes values in the order of their times, once the watermark of `clock` reaches them. The
    /// result therefore does not depend on the order of arrival. A value before the watermark is late. A
    /// match is emitted at its last value. A match that is not completed in time goes to `timed_out`; a
    /// pattern of two stages thus also reports that the second value did not arrive. A match that
    /// [`without`](Pattern::without) or [`next`](Pattern::next) ends is dropped. At the end of input, the step
    /// processes the waiting values, and nothing times out. With a recovery store, the next run continues incomplete
    /// matches; a value before the last one of this run is then late, unless the clock
    /// [keeps open](crate::windowing::StreamClock::keep_open) what waits.
    ///
    /// The output watermark is behind that of the clock by the time of the pattern, so later window steps can use
    /// the time of any value of a match.
    ///
    /// # Examples
    ///
    /// Three wrong passwords one after the other, within a minute:
    ///
    /// ```
    /// use bytewax_runtime::testing::run_keyed;
    /// use bytewax_runtime::windowing::{Lateness, Micros, Pattern, StreamClock};
    /// use chrono::TimeDelta;
    ///
    /// // Seconds, and whether the password was right.
    /// let logins = [(0, false), (10, false), (20, true), (30, false), (40, false), (55, false), (60, false)];
    /// let out = run_keyed(logins.map(|login| ('a', login)), |logins| {
    ///     let at = |login: &(i64, bool)| Micros(login.0 * 1_000_000);
    ///     let lateness = Lateness::bounded(TimeDelta::seconds(5));
    ///     let logins = logins.event_time(move |(_, login)| at(login), lateness).named("times").down;
    ///     let wrong = |login: &(i64, bool)| !login.1;
    ///     let pattern = Pattern::within(TimeDelta::minutes(1)).begin(wrong).next(wrong).next(wrong);
    ///     logins.match_pattern(StreamClock::new(at), pattern).named("attacks").down
    /// });
    /// assert_eq!(out, [('a', vec![(30, false), (40, false), (55, false)])]);
    /// ```
    ///
    /// # State
    ///
    /// For each key: the values that wait for the watermark, and the values of each started match, until it
    /// is complete, ended or timed out. Each value that meets the first condition starts a match. A key
    /// without values is dropped.
    #[track_caller]
    pub fn match_pattern<C, S>(
        self,
        clock: C,
        pattern: Pattern<ValueOf<Self>, S>,
    ) -> PatternOut<KeyOf<Self>, ValueOf<Self>>
    where
        Self: Keyed<Key: Key, Value: State + Exchange + Clone>,
        C: Clock<ValueOf<Self>>,
        S: Stages<ValueOf<Self>>,
    {
        let Pattern {
            within,
            overlapping,
            stages,
            ..
        } = pattern;
        let within_fault = Fault::if_negative(
            within,
            "the time of the pattern",
            "give the pattern a time of zero or more",
        );
        let open_fault = S::IS_OPEN.then(|| {
            Fault::new(
                "the pattern ends with `without`, so nothing says when it is complete",
                "add the stage before which the value may not come; or let that value be the last stage, and read \
                 `timed_out`",
            )
        });
        let mut shape = String::new();
        S::write_shape(&mut shape);
        let step = TimedStep {
            operator: "match_pattern",
            clock,
            // The first value of a match is older than its last, or than the watermark when it times out.
            held_back: within.max(0),
            facts: vec![Fact::new("pattern", shape)],
            faults: within_fault.into_iter().chain(open_fault).collect(),
        };
        let stream = self.pairs();
        let inputs = inputs(&stream, &["down", "timed_out", "late"]);
        let stages = Arc::new(stages);
        let make = move || Matching {
            within,
            overlapping,
            stages: Arc::clone(&stages),
        };
        type Values<S> = Vec<ValueOf<S>>;
        let (flow, step) = step.split::<
            KeyOf<Self>,
            ValueOf<Self>,
            _,
            Values<Self>,
            Values<Self>,
            Aside<(KeyOf<Self>, ValueOf<Self>)>,
            Queue<ValueOf<Self>>,
        >(inputs, make);
        PatternOut {
            down: output(&flow, step, DOWN),
            timed_out: output(&flow, step, SECOND),
            late: output(&flow, step, LATE),
        }
    }
}

/// Finds the matches of one pattern.
pub(super) struct Matching<S> {
    pub(super) within: i64,
    pub(super) overlapping: bool,
    pub(super) stages: Arc<S>,
}

/// The started matches of a key, the oldest first.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Begun<V>(VecDeque<Partial<V>>);

/// An incomplete match.
#[derive(Debug, Serialize, Deserialize)]
struct Partial<V> {
    began: Time,
    /// A value of each stage so far.
    values: Vec<V>,
}

impl<V: State> State for Begun<V> {
    const SCHEMA: Schema = Schema::of_library("Begun", 1, &[Field::of::<Vec<(i64, Vec<V>)>>("0")]);
}

impl<V, S> TimedLogic<V> for Matching<S>
where
    V: State + Clone,
    S: Stages<V>,
{
    type State = Begun<V>;
    type Out = Either<Vec<V>, Vec<V>>;

    fn on_value(
        &self,
        kept: &mut Option<Begun<V>>,
        at: Time,
        value: V,
        emit: &mut impl FnMut(Self::Out),
    ) {
        let mut is_over = false;
        if let Some(Begun(begun)) = kept {
            begun.retain_mut(|partial| {
                if is_over {
                    return false;
                }
                let stage = partial.values.len();
                if !self.stages.takes(stage, &partial.values, &value) {
                    return !S::is_next(stage) && !self.stages.ends(stage, &value);
                }
                partial.values.push(value.clone());
                if stage + 1 < S::COUNT {
                    return true;
                }
                emit(Either::Down(std::mem::take(&mut partial.values)));
                is_over = !self.overlapping;
                false
            });
            if is_over || begun.is_empty() {
                // Those before the one that is complete were begun before it, too.
                *kept = None;
            }
        }
        if !is_over && self.stages.takes(0, &[], &value) {
            if S::COUNT == 1 {
                emit(Either::Down(vec![value]));
            } else {
                let Begun(begun) = kept.get_or_insert_with(|| Begun(VecDeque::new()));
                begun.push_back(Partial {
                    began: at,
                    values: vec![value],
                });
            }
        }
    }

    fn due(&self, Begun(begun): &Begun<V>) -> Time {
        let first = begun.front().map_or(Time::MAX, |partial| partial.began);
        first.saturating_add(self.within).saturating_add(1)
    }

    fn on_due(&self, kept: &mut Option<Begun<V>>, _: Time, emit: &mut impl FnMut(Self::Out)) {
        let Some(Begun(begun)) = kept else { return };
        if let Some(partial) = begun.pop_front() {
            emit(Either::Second(partial.values));
        }
        if begun.is_empty() {
            *kept = None;
        }
    }
}
