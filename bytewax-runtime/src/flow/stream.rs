//! Streams: typed handles to the outputs of steps.

use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;

use super::{Flow, NewStep, OutputSpec, StepKind};
use crate::ids::{Port, StepIndex};
use crate::kit::meter::ShowPlan;
use crate::kit::{Plan, TeePlan};

/// A stream of items of one type: the output of a step.
///
/// A method consumes the stream. To read it twice, call `.clone()`: every reader receives every item, so the
/// items must be [`Clone`]. Streams of one type fit in a `Vec`, so loops and helper functions are plain Rust.
///
/// The methods are the operators. Each adds a step to the flow; nothing runs during the description.
pub struct Stream<T> {
    flow: Flow,
    port: Port,
    items: PhantomData<fn() -> T>,
}

/// A stream of pairs of key and value. State is kept per key.
///
/// Any stream of pairs is one; [`key_on`](Stream::key_on) computes the key from the item.
pub type KeyedStream<K, V> = Stream<(K, V)>;

impl<K, V> Stream<(K, V)> {
    /// Ties the type of its keys to the type in a compile-time check.
    #[doc(hidden)]
    #[must_use]
    pub fn with_keys(self, _: PhantomData<K>) -> Self {
        self
    }
}

/// Streams that have a key: streams of pairs of key and value. See [`KeyedStream`].
#[diagnostic::on_unimplemented(
    message = "this operator works per key, but `{Self}` has no key",
    label = "not a keyed stream",
    note = "call `.key_on(|item| ..)` first; the steps after it see one key at a time"
)]
pub trait Keyed: Sized {
    /// The type of the key.
    type Key: 'static;
    /// The type of the value.
    type Value: 'static;

    #[doc(hidden)]
    fn pairs(self) -> KeyedStream<Self::Key, Self::Value>;
}

/// The type of the keys of a keyed stream.
pub type KeyOf<S> = <S as Keyed>::Key;

/// The type of the values of a keyed stream.
pub type ValueOf<S> = <S as Keyed>::Value;

impl<K: 'static, V: 'static> Stream<(K, V)> {
    /// Records that the items are keys with values.
    pub(crate) fn with_pairs(self) -> Self {
        self.flow.add_pair::<K, V>();
        self
    }
}

impl<K: 'static, V: 'static> Keyed for Stream<(K, V)> {
    type Key = K;
    type Value = V;

    fn pairs(self) -> Self {
        self.with_pairs()
    }
}

impl<T: 'static> Stream<T> {
    pub(crate) fn from_port(flow: &Flow, step: StepIndex, output: u16) -> Self {
        Self {
            flow: flow.clone(),
            port: Port { step, output },
            items: PhantomData,
        }
    }

    /// Names the step of this stream.
    ///
    /// The id of the step becomes `flow.scope.name`. A name consists of letters, digits, `_` and `-`, with
    /// `.` between parts. A source, a sink and a stateful step need a name, because they save state under it;
    /// `dataflow!` names every step.
    pub fn named(self, name: &str) -> Self {
        self.flow.name_step(self.port.step, name);
        self
    }

    /// Allows the live page of a run to show items of this stream: a sample of them, as their [`Debug`] form,
    /// shortened, and only while somebody asks for them. Without this, no item leaves the flow.
    ///
    /// Wrap the fields of a type that nobody should see in [`Secret`](crate::Secret). This adds no step and
    /// changes no id.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::prelude::*;
    /// use bytewax_runtime::testing::{TestingSink, TestingSource};
    ///
    /// let flow = Dataflow::build("doubles", |flow| {
    ///     let numbers = flow.input(TestingSource::new([1, 2])).named("numbers");
    ///     let doubles = numbers.map(|n| 2 * n).named("doubles").shown();
    ///     doubles.output(TestingSink::new()).named("out");
    /// });
    /// assert_eq!(flow.steps()[1].shown, ["down"]);
    /// ```
    pub fn shown(self) -> Self
    where
        T: fmt::Debug,
    {
        self.flow.set_show(self.port, ShowPlan::debug::<T>());
        self
    }

    /// Returns the flow of this stream.
    #[must_use]
    pub fn flow(&self) -> Flow {
        self.flow.clone()
    }

    pub(crate) fn port(&self) -> Port {
        self.port
    }

    /// Adds a step that reads this stream alone.
    #[track_caller]
    pub(crate) fn then(
        self,
        operator: &'static str,
        kind: StepKind,
        outputs: Vec<OutputSpec>,
        plan: Plan,
    ) -> (Flow, StepIndex) {
        let step = self.flow.add(NewStep {
            operator,
            kind,
            inputs: vec![self.port],
            outputs,
            plan,
            location: Location::caller(),
        });
        (self.flow, step)
    }

    /// Adds a step with several inputs of possibly different types.
    #[track_caller]
    pub(crate) fn join_step(
        flow: &Flow,
        operator: &'static str,
        kind: StepKind,
        inputs: Vec<Port>,
        plan: Plan,
    ) -> Self {
        let step = flow.add(NewStep {
            operator,
            kind,
            inputs,
            outputs: vec![OutputSpec::DOWN],
            plan,
            location: Location::caller(),
        });
        Self::from_port(flow, step, 0)
    }

    /// Panics if a step reads streams of two flows.
    #[track_caller]
    pub(crate) fn assert_same_flow(&self, flow: &Flow) {
        assert!(
            self.flow.same_as(flow),
            "streams of two dataflows cannot meet in one step"
        );
    }
}

impl<T: Clone + 'static> Clone for Stream<T> {
    fn clone(&self) -> Self {
        self.flow.set_tee(self.port, TeePlan::cloning::<T>());
        Self {
            flow: self.flow.clone(),
            port: self.port,
            items: PhantomData,
        }
    }
}

impl<T> fmt::Debug for Stream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stream<{}>", std::any::type_name::<T>())
    }
}

/// The end of a stream: a step without an output, such as a sink.
#[derive(Debug)]
pub struct Terminal {
    flow: Flow,
    step: StepIndex,
}

impl Terminal {
    pub(crate) fn new(flow: Flow, step: StepIndex) -> Self {
        Self { flow, step }
    }

    /// Names the step; see [`Stream::named`].
    pub fn named(self, name: &str) -> Self {
        self.flow.name_step(self.step, name);
        self
    }
}
