//! The description of a flow: steps, streams between them, and defects.
//!
//! [`Dataflow::build`] runs its closure once to describe a flow. Every worker later builds the flow. The
//! description opens nothing.

mod check;
mod exchange;
mod graph;
mod inputs;
mod lock;
mod moved;
mod numbered;
mod numbers;
mod origin;
mod paths;
mod stream;

pub use crate::ids::StepKind;
pub use check::{FlowDefect, FlowDefects};
pub(crate) use exchange::{Look, exchanged, lines as exchange_lines};
pub use graph::StepInfo;
pub(crate) use graph::{Graph, NewStep, Output as OutputSpec, Step};
pub(crate) use lock::LockFile;
pub(crate) use moved::same_end;
pub(crate) use numbered::{Numbered, changed as numbered_scopes};
#[doc(hidden)]
pub use origin::Origin;
pub use paths::PathInfo;
pub use stream::{KeyOf, Keyed, KeyedStream, Stream, Terminal, ValueOf};

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use crate::delivery::Delivery;
use crate::ids::StepId;
use graph::Description;

/// A finished description of a flow: it can be listed, drawn, checked and run.
#[derive(Clone)]
pub struct Dataflow {
    graph: Arc<Graph>,
}

/// The handle through which a flow is described; see [`Dataflow::build`].
#[derive(Clone)]
pub struct Flow {
    description: Rc<RefCell<Description>>,
}

impl Dataflow {
    /// Describes a flow by running `body` once.
    ///
    /// `name` is the first part of every step id and must not contain `.`. [`check`](Self::check) and every
    /// run report all mistakes in the description together.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::prelude::*;
    /// use bytewax_runtime::testing::{TestingSink, TestingSource, run_main};
    ///
    /// let out = TestingSink::new();
    /// let flow = Dataflow::build("doubles", |flow| {
    ///     flow.input(TestingSource::new(vec![1, 2, 3]))
    ///         .named("numbers")
    ///         .map(|n| 2 * n)
    ///         .output(out.clone())
    ///         .named("out");
    /// });
    /// run_main(flow).unwrap();
    /// assert_eq!(out.items(), [2, 4, 6]);
    /// ```
    #[track_caller]
    pub fn build(name: &str, body: impl FnOnce(&Flow)) -> Self {
        let flow = Flow {
            description: Rc::new(RefCell::new(Description::new(name))),
        };
        body(&flow);
        let graph = flow.description.borrow_mut().finish();
        Self {
            graph: Arc::new(graph),
        }
    }

    /// Returns the name of the flow.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.graph.name
    }

    /// Returns the ids of all steps, in the order of the description.
    #[must_use]
    pub fn step_ids(&self) -> Vec<StepId> {
        self.graph
            .steps
            .iter()
            .map(|step| step.id.clone())
            .collect()
    }

    /// Returns id, kind, operator, source location and inputs of each step.
    #[must_use]
    pub fn steps(&self) -> Vec<StepInfo> {
        self.graph.infos()
    }

    /// Returns the paths from sources to sinks, each with its promise; see [`delivery`](crate::delivery).
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::delivery::Delivery;
    /// use bytewax_runtime::prelude::*;
    /// use bytewax_runtime::testing::{TestingSink, TestingSource};
    ///
    /// let flow = Dataflow::build("doubles", |flow| {
    ///     let numbers = flow.input(TestingSource::new([1, 2])).named("numbers");
    ///     numbers.map(|n| 2 * n).named("twice").output(TestingSink::new()).named("out");
    /// });
    /// let path = &flow.paths()[0];
    /// assert_eq!(path.delivery, Delivery::AtLeastOnce);
    /// assert_eq!(
    ///     path.to_string(),
    ///     "doubles.numbers -> doubles.twice -> doubles.out: at least once, as `doubles.out` is append",
    /// );
    /// ```
    #[must_use]
    pub fn paths(&self) -> Vec<PathInfo> {
        self.graph.paths()
    }

    /// Checks the description.
    ///
    /// # Errors
    ///
    /// All defects at once: no input, no output, an unnamed source, sink or stateful step, two steps with one
    /// id, an invalid name, unread errors, a path that promises less than [declared](Flow::delivery).
    pub fn check(&self) -> Result<(), FlowDefects> {
        check::check(&self.graph)
    }

    /// Notes what `dataflow!` saw of the flow. Whether the compiler accepts states of this version and
    /// fingerprint for a step.
    #[doc(hidden)]
    #[must_use]
    pub fn reads_state(&self, step: &str, version: u32, fingerprint: u64) -> bool {
        let schema = self.schema_of(step);
        schema.is_some_and(|schema| schema.state.reads(version, fingerprint))
    }

    /// Whether the compiler accepts keys of this shape for a step.
    #[doc(hidden)]
    #[must_use]
    pub fn reads_keys(&self, step: &str, shape: &str) -> bool {
        let schema = self.schema_of(step);
        schema.is_some_and(|schema| schema.reads_keys(shape))
    }

    fn schema_of(&self, name: &str) -> Option<crate::state::StepSchema> {
        let graph = &self.graph;
        let step = graph
            .steps
            .iter()
            .find(|step| graph.own_id(&step.id) == name);
        graph.schema(step?)
    }

    #[doc(hidden)]
    pub fn with_origin(mut self, origin: Origin) -> Self {
        // It was described just now, so nobody else has it.
        if let Some(graph) = Arc::get_mut(&mut self.graph) {
            graph.set_origin(origin);
        }
        self
    }

    pub(crate) fn graph(&self) -> &Arc<Graph> {
        &self.graph
    }
}

impl Flow {
    /// Prefixes the names of all steps in `body` with `name.`.
    ///
    /// Steps in a loop need a scope with a different name in each iteration.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::prelude::*;
    /// use bytewax_runtime::testing::{TestingSink, TestingSource};
    ///
    /// let flow = Dataflow::build("regions", |flow| {
    ///     for region in ["eu", "us"] {
    ///         flow.scope(region, || {
    ///             let orders = flow.input(TestingSource::new(vec![1])).named("orders");
    ///             orders.output(TestingSink::new()).named("out");
    ///         });
    ///     }
    /// });
    /// let ids: Vec<_> = flow.step_ids().iter().map(ToString::to_string).collect();
    /// assert_eq!(
    ///     ids,
    ///     ["regions.eu.orders", "regions.eu.out", "regions.us.orders", "regions.us.out"],
    /// );
    /// ```
    pub fn scope<R>(&self, name: impl AsRef<str>, body: impl FnOnce() -> R) -> R {
        let _scope = Scope::enter(self, name.as_ref());
        body()
    }

    /// Declares how often an item of a source takes effect in each sink that it reaches. If a path promises
    /// less, the flow is refused before anything starts. A run without a recovery store is refused too,
    /// because it cannot replay anything. See [`delivery`](crate::delivery) for the promises of paths.
    ///
    /// `dataflow!("name", delivery = exactly_once, |flow| ..)` generates this call, and does not compile if
    /// it sees such a path.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::delivery::Delivery;
    /// use bytewax_runtime::prelude::*;
    /// use bytewax_runtime::testing::{TestingSink, TestingSource};
    ///
    /// let flow = Dataflow::build("copy", |flow| {
    ///     flow.delivery(Delivery::ExactlyOnce);
    ///     let numbers = flow.input(TestingSource::new([1])).named("numbers");
    ///     numbers.output(TestingSink::new()).named("out");
    /// });
    /// let defects = flow.check().unwrap_err();
    /// let fault = &defects.defects()[0].fault;
    /// assert!(fault.contains("the sink `copy.out`") && fault.ends_with("is append"), "{fault}");
    /// ```
    pub fn delivery(&self, delivery: Delivery) {
        self.description.borrow_mut().declare(delivery);
    }

    /// Declares that an earlier version of the flow had a step with this name, and that its saved state is no
    /// longer needed. `why` is for readers of the program and of the lock file.
    ///
    /// A resume refuses a store with saved state that no step claims, because a step may have been renamed by
    /// mistake. With this line, it deletes the state and continues. The name is that in
    /// [`named`](Stream::named), within the current scope.
    ///
    /// Keep the line until no store with such state is left.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::prelude::*;
    /// use bytewax_runtime::testing::{TestingSink, TestingSource};
    ///
    /// let flow = Dataflow::build("shop", |flow| {
    ///     flow.dropped("visits", "nobody looked at the counts of visits");
    ///     let orders = flow.input(TestingSource::new([1])).named("orders");
    ///     orders.output(TestingSink::new()).named("out");
    /// });
    /// assert!(flow.check().is_ok());
    /// ```
    #[track_caller]
    pub fn dropped(&self, name: &str, why: &str) {
        self.description.borrow_mut().drop_step(name, why);
    }

    /// Declares that the step with the id `new` was `old` in earlier versions of the flow. It continues with
    /// the state saved under `old`, and keeps saving under it. Use it for steps that were moved into or out
    /// of scopes, functions and your own operators, where [`named`](Stream::named) cannot restore the old id.
    ///
    /// Both are full ids without the name of the flow, as in `dataflow.lock`; the current scope does not
    /// matter. The id of a scope stands for all steps in it. If several lines match a step, the one with the
    /// longest `new` applies. Two lines can swap the state of two steps. If `old` and `new` are equal, the
    /// line confirms that this step continues with its own state, although it looks like another step of the
    /// earlier version; or that a numbered scope is new and the last one.
    ///
    /// Keep the line as long as stores with such state exist.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::prelude::*;
    /// use bytewax_runtime::testing::{TestingSink, TestingSource};
    ///
    /// let flow = Dataflow::build("shop", |flow| {
    ///     // The steps were in no scope before.
    ///     flow.moved("orders", "eu.orders");
    ///     flow.scope("eu", || {
    ///         let orders = flow.input(TestingSource::new([1])).named("orders");
    ///         orders.output(TestingSink::new()).named("out");
    ///     });
    /// });
    /// let ids: Vec<_> = flow.step_ids().iter().map(ToString::to_string).collect();
    /// assert_eq!(ids, ["shop.orders", "shop.eu.out"]);
    /// ```
    #[track_caller]
    pub fn moved(&self, old: &str, new: &str) {
        self.description.borrow_mut().move_step(old, new);
    }

    /// Declares that the flow has no step with this name for now, and that its saved state is kept. Use it
    /// for a step that is built only with a feature, or only on some machines. `why` is for readers of the
    /// program.
    ///
    /// A resume refuses a store with saved state that no step claims. With this line, it continues and leaves
    /// the state unchanged for a later run that has the step again. The step then continues where it stopped,
    /// without the items that the others have read in between. The name is that in [`named`](Stream::named),
    /// within the current scope; the lock file keeps its line.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::prelude::*;
    /// use bytewax_runtime::testing::{TestingSink, TestingSource};
    ///
    /// let with_visits = false;
    /// let flow = Dataflow::build("shop", |flow| {
    ///     let orders = flow.input(TestingSource::new([('a', 1)])).named("orders");
    ///     if with_visits {
    ///         let visits = orders.clone().stateful_map(|sum: &mut i32, n| *sum + n);
    ///         visits.named("visits").output(TestingSink::new()).named("visits_out");
    ///     } else {
    ///         flow.kept("visits", "only the main site counts visits");
    ///     }
    ///     orders.output(TestingSink::new()).named("out");
    /// });
    /// assert!(flow.check().is_ok());
    /// ```
    pub fn kept(&self, name: &str, why: &str) {
        let _ = why;
        self.description.borrow_mut().keep_step(name);
    }

    /// Adds a step and returns its index; `Stream::from_port` creates its output streams.
    pub(crate) fn add(&self, step: NewStep) -> crate::ids::StepIndex {
        self.description.borrow_mut().add(step)
    }

    pub(crate) fn name_step(&self, step: crate::ids::StepIndex, name: &str) {
        self.description.borrow_mut().name_step(step, name);
    }

    /// Records that the parameters of a step are invalid.
    pub(crate) fn fault(&self, step: crate::ids::StepIndex, fault: String, help: String) {
        self.description
            .borrow_mut()
            .fault(step, FlowDefect { fault, help });
    }

    pub(crate) fn set_show(&self, port: crate::ids::Port, show: crate::kit::meter::ShowPlan) {
        self.description.borrow_mut().set_show(port, show);
    }

    /// Records a type of keyed items.
    pub(crate) fn add_pair<K: 'static, V: 'static>(&self) {
        self.description.borrow_mut().keys().add_pair::<K, V>();
    }

    /// Records a type of keyed items with its type of keys.
    pub(crate) fn add_keys<K: std::fmt::Debug + 'static, V: 'static>(&self) {
        let mut description = self.description.borrow_mut();
        description.keys().add_key::<K>();
        description.keys().add_pair::<K, V>();
    }

    pub(crate) fn set_tee(&self, port: crate::ids::Port, tee: crate::kit::TeePlan) {
        self.description.borrow_mut().set_tee(port, tee);
    }

    fn same_as(&self, other: &Flow) -> bool {
        Rc::ptr_eq(&self.description, &other.description)
    }
}

/// A guard that leaves its scope when it is dropped; [`Flow::scope`] uses it.
#[doc(hidden)]
#[derive(Debug)]
#[must_use]
pub struct Scope {
    flow: Flow,
}

impl Scope {
    /// Enters a scope.
    pub fn enter(flow: &Flow, name: &str) -> Self {
        flow.description.borrow_mut().enter(name);
        Self { flow: flow.clone() }
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        self.flow.description.borrow_mut().leave();
    }
}

impl fmt::Debug for Dataflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dataflow")
            .field("name", &self.graph.name)
            .field("steps", &self.step_ids())
            .finish()
    }
}

impl fmt::Debug for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Flow")
    }
}
