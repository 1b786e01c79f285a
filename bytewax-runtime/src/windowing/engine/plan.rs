//! From the method of a window operator to its step.

use std::marker::PhantomData;
use std::sync::Arc;

use super::out::{LateWay, LostOfRun, META, Split};
use super::partitioned::{PartitionedHead, TimedRoute};
use super::per_key::PerKey;
use super::queue::Waiters;
use super::watched::Watched;
use super::{Event, Options, PerWindow, Slices, WindowEngine};
use crate::flow::{Flow, NewStep, OutputSpec, StepKind, Stream};
use crate::ids::{Port, StepIndex};
use crate::key::Key;
use crate::kit::keyed::{KeyedOut, keyed_plan};
use crate::kit::logic::ItemHead;
use crate::kit::{AnyPush, BuildCx, Exchange, Next, Outputs, Plan};
use crate::state::Fact;
use crate::windowing::clock::{CLOCK, Clock, Getter, KeyClock, PartitionClock};
use crate::windowing::firing::{Emission, Firings, Windowing};
use crate::windowing::logic::Fold;
use crate::windowing::windower::{Slicing, Windows};

/// What a window step reads.
pub(crate) struct Inputs<E> {
    pub(crate) flow: Flow,
    pub(crate) ports: Vec<Port>,
    /// What stands before the exchange of an input.
    pub(crate) enter: E,
    /// The fields of the outputs.
    pub(crate) outputs: Vec<OutputSpec>,
}

/// A window step that is being described: its clock, its windows, its order of values (`Q`), and where
/// late values go (`L`).
pub(crate) struct WindowStep<C, W: Windowing, Q, L> {
    operator: &'static str,
    clock: C,
    windower: W::Windower,
    firings: Firings,
    kinds: PhantomData<fn(Q, L)>,
}

impl<C, W: Windowing, Q, L> WindowStep<C, W, Q, L> {
    pub(crate) fn new(operator: &'static str, clock: C, windowing: W) -> Self {
        let windowing = windowing.with_options();
        Self {
            operator,
            clock,
            windower: windowing.windower,
            firings: windowing.firings,
            kinds: PhantomData,
        }
    }

    /// Adds the step, each of whose windows takes each of its values.
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
        E: Fn(StepIndex, usize, KeyedOut<K, V>) -> AnyPush + Send + Sync + 'static,
    {
        let (windower, lateness) = (self.windower.clone(), self.firings.lateness);
        self.add(inputs, move |tells| PerWindow {
            windower: windower.clone(),
            fold: fold(),
            lateness,
            tells,
        })
    }

    /// Adds the step, whose windows are put together from slices if values belong to several of them.
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
        E: Fn(StepIndex, usize, KeyedOut<K, V>) -> AnyPush + Send + Sync + 'static,
    {
        match self.slicing() {
            None => self.each(inputs, fold),
            Some(slicing) => {
                let lateness = self.firings.lateness;
                self.add(inputs, move |tells| Slices {
                    slicing,
                    fold: fold(),
                    lateness,
                    tells,
                })
            }
        }
    }

    /// How values are kept by slices, unless the parameters are wrong.
    fn slicing(&self) -> Option<Slicing> {
        match self.windower.fault() {
            None => self.windower.slicing(),
            Some(_) => None,
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
        E: Fn(StepIndex, usize, KeyedOut<K, V>) -> AnyPush + Send + Sync + 'static,
    {
        let options = Options {
            lateness: self.firings.lateness,
            early: self.firings.early,
            ordered: Q::ORDERED && !self.firings.in_arrival_order,
        };
        let mut facts = self.windower.facts();
        facts.push(Fact::new(CLOCK, C::NAME));
        let mut faults = self.clock.faults();
        faults.extend(self.windower.fault());
        faults.append(&mut self.firings.faults());
        let plan = C::Form::plan::<K, B, Q, L, W::Mode, _>(
            self.clock,
            facts,
            inputs.enter,
            (engine, options),
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

/// The form that a window step has with a clock `C` for values `V`.
pub(crate) trait Form<C, V> {
    /// The plan of a step, whose states mean what `facts` say. `enter` makes what stands before the exchange
    /// of an input, and `engine` is told whether anybody reads the metadata.
    fn plan<K, B, Q, L, M, E>(
        clock: C,
        facts: Vec<Fact>,
        enter: E,
        kept: (impl Fn(bool) -> B + Send + Sync + 'static, Options),
    ) -> Plan
    where
        K: Key,
        V: Exchange + Clone,
        B: WindowEngine<V>,
        Q: Waiters<V>,
        L: LateWay<K, V>,
        M: Emission,
        E: Fn(StepIndex, usize, KeyedOut<K, V>) -> AnyPush + Send + Sync + 'static;
}

/// The form in which each key has a time of its own.
#[derive(Debug)]
pub(crate) enum EachKey {}

/// The form in which all keys have one time.
#[derive(Debug)]
pub(crate) enum AllKeys {}

impl<V: 'static, C: KeyClock<V>> Form<C, V> for EachKey {
    fn plan<K, B, Q, L, M, E>(
        clock: C,
        facts: Vec<Fact>,
        enter: E,
        (engine, options): (impl Fn(bool) -> B + Send + Sync + 'static, Options),
    ) -> Plan
    where
        K: Key,
        V: Exchange + Clone,
        B: WindowEngine<V>,
        Q: Waiters<V>,
        L: LateWay<K, V>,
        M: Emission,
        E: Fn(StepIndex, usize, KeyedOut<K, V>) -> AnyPush + Send + Sync + 'static,
    {
        let (clock, lost) = (Arc::new(clock), LostOfRun::default());
        keyed_plan(facts, enter, move |build, outputs: &mut Outputs| {
            let to_ask = engine(false);
            let (engine, next) = way_out::<K, V, B, L, M>(build, outputs, &engine, &lost);
            let logic = PerKey::<V, C, B, Q>::new(Arc::clone(&clock), engine, options);
            Watched {
                head: ItemHead::<K, V, _>::with(build.step, next, logic),
                engine: to_ask,
                probe: clock.probe().cloned(),
            }
        })
    }
}

impl<V: 'static, G: Getter<V>> Form<PartitionClock<G>, V> for AllKeys {
    // What stands before the exchange sees the times of values, which are those of one stream.
    fn plan<K, B, Q, L, M, E>(
        clock: PartitionClock<G>,
        facts: Vec<Fact>,
        _: E,
        (engine, options): (impl Fn(bool) -> B + Send + Sync + 'static, Options),
    ) -> Plan
    where
        K: Key,
        V: Exchange + Clone,
        B: WindowEngine<V>,
        Q: Waiters<V>,
        L: LateWay<K, V>,
        M: Emission,
        E: Fn(StepIndex, usize, KeyedOut<K, V>) -> AnyPush + Send + Sync + 'static,
    {
        let (clock, lost) = (Arc::new(clock), LostOfRun::default());
        let of_senders = Arc::clone(&clock);
        let enter = move |step, _: usize, out: KeyedOut<K, V>| {
            AnyPush::new::<(K, V)>(TimedRoute::new(step, Arc::clone(&of_senders), out))
        };
        keyed_plan(facts, enter, move |build, outputs: &mut Outputs| {
            let (engine, next) = way_out::<K, V, B, L, M>(build, outputs, &engine, &lost);
            PartitionedHead::<K, V, G, B, Q>::new(
                build,
                Arc::clone(&clock),
                (engine, options),
                next,
            )
        })
    }
}

/// The way of what a key emits.
type EventWay<K, V, B> = Next<(K, Event<<B as WindowEngine<V>>::Out, V>)>;

/// How windows are kept, and where goes what they emit.
fn way_out<K: Key, V: 'static, B: WindowEngine<V>, L: LateWay<K, V>, M: Emission>(
    build: &BuildCx,
    outputs: &mut Outputs,
    engine: impl Fn(bool) -> B,
    lost: &LostOfRun,
) -> (B, EventWay<K, V, B>) {
    let engine = engine(outputs.is_read(META));
    let split = Split::<K, B::Out, V, M, L>::new(outputs, &lost.of(build.id()));
    (engine, Next::new(build.step, Some(Box::new(split))))
}

/// The streams of a window step.
pub(crate) fn output<T: 'static>(flow: &Flow, step: StepIndex, output: usize) -> Stream<T> {
    Stream::from_port(flow, step, output as u16)
}
