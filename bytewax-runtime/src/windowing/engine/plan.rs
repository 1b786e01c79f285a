//! Creates the step of a window operator.

use std::marker::PhantomData;
use std::sync::Arc;

use super::ahead::Ahead;
use super::head::WindowHead;
use super::out::{LateWay, Lost, LostOfRun, META, Split};
use super::parts::{FoldParts, LateParts, OfParts};
use super::queue::Waiters;
use super::{Event, Options, Part, PerWindow, Slices, WindowEngine};
use crate::flow::{Flow, NewStep, OutputSpec, StepKind, Stream};
use crate::ids::{Port, StepIndex};
use crate::key::Key;
use crate::kit::keyed::{KeyedOut, keyed_plan};
use crate::kit::{AnyPush, Exchange, Next, Outputs, Push, StreamTime};
use crate::state::Fact;
use crate::windowing::clock::{CLOCK, Clock};
use crate::windowing::fault::Fault;
use crate::windowing::firing::{Firings, Windowing};
use crate::windowing::logic::Fold;
use crate::windowing::windower::{Slicing, Windows};

/// The inputs of a window step.
pub(crate) struct Inputs<E> {
    pub(crate) flow: Flow,
    pub(crate) ports: Vec<Port>,
    /// The stage before the exchange of an input.
    pub(crate) enter: E,
    /// The fields of the outputs.
    pub(crate) outputs: Vec<OutputSpec>,
}

/// Creates the stage before the exchange of an input, given its number.
pub(crate) trait Enter<K, V>:
    Fn(StepIndex, usize, KeyedOut<K, V>) -> AnyPush + Send + Sync + 'static
{
}

impl<K, V, E> Enter<K, V> for E where
    E: Fn(StepIndex, usize, KeyedOut<K, V>) -> AnyPush + Send + Sync + 'static
{
}

/// A window step under description: its clock, its windows, its order of values (`Q`), and its destination of
/// late values (`L`).
pub(crate) struct WindowStep<C, W: Windowing, Q, L> {
    operator: &'static str,
    clock: Arc<C>,
    windower: W::Windower,
    firings: Firings,
    kinds: PhantomData<fn(Q, L)>,
}

impl<C, W: Windowing, Q, L> WindowStep<C, W, Q, L> {
    pub(crate) fn new(operator: &'static str, clock: C, windowing: W) -> Self {
        let windowing = windowing.with_options();
        Self {
            operator,
            clock: Arc::new(clock),
            windower: windowing.windower,
            firings: windowing.firings,
            kinds: PhantomData,
        }
    }

    /// Adds the step with separate windows, each of which handles all of its values.
    #[track_caller]
    pub(crate) fn each<K, V, F, E>(
        self,
        inputs: Inputs<E>,
        fold: impl Fn() -> F + Send + Sync + 'static,
    ) -> (Flow, StepIndex)
    where
        K: Key,
        V: Exchange + Clone,
        C: Clock<V>,
        F: Fold<V>,
        Q: Waiters<V>,
        L: LateWay<K, V>,
        E: Enter<K, V>,
    {
        let (windower, firings) = (self.windower.clone(), self.firings);
        let (operator, empty) = (self.operator, firings.empty);
        let (flow, step) = self.add(inputs, move |emits_metadata| PerWindow {
            windower: windower.clone(),
            fold: fold(),
            lateness: firings.lateness,
            fires_every: firings.every,
            empty,
            emits_metadata,
        });
        if empty > 0 && !F::HAS_EMPTY {
            flow.fault(
                step,
                format!("`{operator}` has no result for windows without values"),
                "remove `emit_empty`, or use an operator with such a result, such as `fold_window`"
                    .to_owned(),
            );
        }
        (flow, step)
    }

    /// Adds the step, and combines its windows from slices if values belong to several of them.
    #[track_caller]
    pub(crate) fn sliced<K, V, F, E>(
        self,
        inputs: Inputs<E>,
        fold: impl Fn() -> F + Send + Sync + 'static,
    ) -> (Flow, StepIndex)
    where
        K: Key,
        V: Exchange + Clone,
        C: Clock<V>,
        F: Fold<V, State: Clone>,
        Q: Waiters<V>,
        L: LateWay<K, V>,
        E: Enter<K, V>,
    {
        match self.slicing() {
            None => self.each(inputs, fold),
            Some(slicing) => {
                let lateness = self.firings.lateness;
                let fires_always = self.firings.every.is_some();
                self.add(inputs, move |emits_metadata| Slices {
                    slicing,
                    fold: fold(),
                    lateness,
                    fires_always,
                    emits_metadata,
                })
            }
        }
    }

    /// Adds the step like [`sliced`](Self::sliced), for one key, all of whose values go to one worker: each worker combines
    /// its values before it sends them, if windows process them in order of arrival. It sends the state of a window whenever
    /// it was active, so the state should be no larger than its values. `P` is the order of values and their states.
    #[track_caller]
    pub(crate) fn ahead<K, V, F, M, E, P>(self, inputs: Inputs<E>, fold: M) -> (Flow, StepIndex)
    where
        P: Waiters<Part<V, F::State>>,
        K: Key,
        V: Exchange + Clone,
        C: Clock<V>,
        F: Fold<V, State: Exchange + Clone>,
        M: Fn() -> F + Send + Sync + 'static,
    {
        let fold = Arc::new(fold);
        let ahead = Ahead {
            clock: Arc::clone(&self.clock),
            windower: self.windower.clone(),
            fold: Arc::clone(&fold),
            combines: (self.firings.in_arrival_order || !P::ORDERED)
                && self.firings.every.is_none(),
        };
        let step = WindowStep::<OfParts<C>, W, P, LateParts<K, V>> {
            operator: self.operator,
            clock: Arc::new(OfParts(self.clock)),
            windower: self.windower,
            firings: self.firings,
            kinds: PhantomData,
        };
        let inputs = Inputs {
            flow: inputs.flow,
            ports: inputs.ports,
            enter: move |step, _, out| ahead.stage::<K, V, F>(step, out),
            outputs: inputs.outputs,
        };
        step.sliced(inputs, move || FoldParts(fold()))
    }

    /// The slicing of values, unless the parameters are invalid, or windows must be kept one by one.
    fn slicing(&self) -> Option<Slicing> {
        let counts = self.firings.every.is_some_and(|every| every > 1);
        let is_each = counts || self.firings.empty > 0;
        match self.windower.fault() {
            None if !is_each => self.windower.slicing(),
            _ => None,
        }
    }

    #[track_caller]
    fn add<K, V, B, E>(
        self,
        inputs: Inputs<E>,
        engine: impl Fn(bool) -> B + Send + Sync + 'static,
    ) -> (Flow, StepIndex)
    where
        K: Key,
        V: Exchange + Clone,
        C: Clock<V>,
        B: WindowEngine<V>,
        Q: Waiters<V>,
        L: LateWay<K, V>,
        E: Enter<K, V>,
    {
        let lateness = self.firings.lateness;
        let options = Options {
            lateness,
            // Windows are stamped with their ends, and emit again while late values are allowed.
            held_back: Some(lateness),
            early: self.firings.early,
            ordered: Q::ORDERED && !self.firings.in_arrival_order,
            keep_open: self.firings.keep_open,
        };
        let mut faults: Vec<_> = self.windower.fault().into_iter().collect();
        faults.extend(self.windower.fault_with::<V>());
        faults.append(&mut self.firings.faults());
        let step = Step {
            operator: self.operator,
            clock: self.clock,
            facts: self.windower.facts(),
            faults,
            options,
        };
        let make = move |outputs: &mut Outputs, lost: &Arc<Lost>| {
            let engine = engine(outputs.is_read(META));
            (
                engine,
                Split::<K, B::Out, V, W::Mode, L>::new(outputs, lost),
            )
        };
        step.add::<K, V, B, Q, _, _>(inputs, make)
    }
}

/// A step under description that uses the head of window steps.
pub(crate) struct Step<C> {
    pub(crate) operator: &'static str,
    pub(crate) clock: Arc<C>,
    /// The facts about its states, apart from the clock.
    pub(crate) facts: Vec<Fact>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) options: Options,
}

impl<C> Step<C> {
    /// Adds the step. `make` creates the state of a key and the stages after the head.
    #[track_caller]
    pub(crate) fn add<K, V, B, Q, E, P>(
        self,
        inputs: Inputs<E>,
        make: impl Fn(&mut Outputs, &Arc<Lost>) -> (B, P) + Send + Sync + 'static,
    ) -> (Flow, StepIndex)
    where
        K: Key,
        V: Exchange + Clone,
        C: Clock<V>,
        B: WindowEngine<V>,
        Q: Waiters<V>,
        E: Enter<K, V>,
        P: Push<(K, Event<B::Out, V>)>,
    {
        let mut facts = self.facts;
        facts.push(Fact::new(CLOCK, C::NAME));
        let mut faults = self.clock.faults();
        faults.extend(self.faults);
        let keep_open = self.options.keep_open || self.clock.keeps_open();
        let options = Options {
            keep_open,
            ..self.options
        };
        let time = match options.held_back {
            None => StreamTime::Passes,
            // A watermark so far behind would never move.
            Some(i64::MAX) if C::STREAM_TIME == StreamTime::Reads => StreamTime::ReadsOnly,
            Some(_) => C::STREAM_TIME,
        };
        let (clock, lost) = (self.clock, LostOfRun::late_values());
        let (of_senders, enter) = (Arc::clone(&clock), inputs.enter);
        let plan = keyed_plan(
            facts,
            time,
            move |step, input, out: KeyedOut<K, V>| {
                of_senders.sender(step, out, |out| enter(step, input, out))
            },
            move |build, outputs: &mut Outputs| {
                let (engine, split) = make(outputs, &lost.of(build.id()));
                // The outputs behind it count the items.
                let next = Next::new(build.step, Some(Box::new(split)), &Arc::default());
                let clock = Arc::clone(&clock);
                WindowHead::<K, V, C, B, Q>::new(build, clock, (engine, options), next)
            },
        );
        let step = inputs.flow.add(NewStep {
            operator: self.operator,
            kind: StepKind::Stateful,
            inputs: inputs.ports,
            outputs: inputs.outputs,
            plan,
            location: std::panic::Location::caller(),
        });
        for fault in faults {
            inputs
                .flow
                .fault(step, fault.fault.to_string(), fault.help.to_string());
        }
        (inputs.flow, step)
    }
}

/// The streams of a window step.
pub(crate) fn output<T: 'static>(flow: &Flow, step: StepIndex, output: usize) -> Stream<T> {
    Stream::from_port(flow, step, output as u16)
}
