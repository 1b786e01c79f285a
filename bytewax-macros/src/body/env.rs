//! Which name in the body holds what.

use std::collections::HashMap;

use proc_macro2::Ident;
use syn::Member;

use crate::registry;

/// What an expression or a name stands for, as far as the walk can tell.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// Nothing that is followed.
    Other,
    /// The flow being described.
    Flow,
    /// One stream, or a struct of streams.
    Stream(Stream),
    /// Something with streams inside: a tuple, a list, an option. The trails of all of them.
    Container(Trails),
}

/// The ways by which items can have come into a stream, as far as the walk can tell.
pub(crate) type Trails = Vec<Trail>;

/// One way: from a source, through steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trail {
    /// The number of the source, of those with a name that is known.
    pub(crate) source: usize,
    /// The names of the steps, the source first.
    pub(crate) steps: Vec<String>,
}

/// Both, of which those from one source count once.
pub(crate) fn joined(mut trails: Trails, others: Trails) -> Trails {
    for other in others {
        if trails.iter().all(|trail| trail.source != other.source) {
            trails.push(other);
        }
    }
    trails
}

/// How much is known about a stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stream {
    /// Whether it is certain to be a stream that somebody has to read.
    pub(crate) sure: bool,
    /// The operator whose result it is, directly.
    pub(crate) made_by: Option<Ident>,
    /// Where its items can have come from.
    pub(crate) trails: Trails,
}

impl Value {
    /// What an operator returned.
    pub(crate) fn made_by(operator: Ident, trails: Trails) -> Self {
        Value::Stream(Stream {
            sure: true,
            made_by: Some(operator),
            trails,
        })
    }

    /// A stream that somebody has to read, from elsewhere.
    pub(crate) fn sure_stream() -> Self {
        Value::Stream(Stream {
            sure: true,
            ..Stream::default()
        })
    }

    /// A stream by all signs, of which nothing is demanded.
    pub(crate) fn likely_stream() -> Self {
        Value::Stream(Stream::default())
    }

    /// A stream by all signs, of which it is known where its items have come from.
    pub(crate) fn stream_from(trails: Trails) -> Self {
        Value::Stream(Stream {
            trails,
            ..Stream::default()
        })
    }

    /// Where the items of the streams in it can have come from.
    pub(crate) fn trails(&self) -> Trails {
        match self {
            Value::Stream(Stream { trails, .. }) | Value::Container(trails) => trails.clone(),
            Value::Flow | Value::Other => Trails::new(),
        }
    }

    /// Whether there is a flow or a stream in it.
    pub(crate) fn is_followed(&self) -> bool {
        !matches!(self, Value::Other)
    }

    /// Whether there is a stream in it.
    pub(crate) fn has_streams(&self) -> bool {
        matches!(self, Value::Stream(_) | Value::Container(_))
    }

    /// Whether it is certain to be a stream.
    pub(crate) fn is_sure(&self) -> bool {
        matches!(self, Value::Stream(stream) if stream.sure)
    }

    /// Whether it is certain to be a stream or the flow.
    pub(crate) fn is_certain(&self) -> bool {
        matches!(self, Value::Flow) || self.is_sure()
    }

    /// The operator whose result it is, if that has a field `errs`.
    pub(crate) fn errs_of(&self) -> Option<&Ident> {
        match self {
            Value::Stream(stream) => stream.made_by.as_ref(),
            _ => None,
        }
        .filter(|operator| registry::has_errs(&operator.to_string()))
    }

    /// The same value once it has been given a name or been passed on.
    pub(crate) fn settled(self) -> Self {
        match self {
            Value::Stream(stream) => Value::Stream(Stream {
                made_by: None,
                ..stream
            }),
            other => other,
        }
    }

    /// What taking one element or field out of this value gives.
    pub(crate) fn element(&self) -> Self {
        match self {
            Value::Stream(stream) => Value::stream_from(stream.trails.clone()),
            // Which of them it is, the walk cannot tell.
            Value::Container(_) => Value::likely_stream(),
            Value::Flow | Value::Other => Value::Other,
        }
    }

    /// The value of an expression that is either of two.
    pub(crate) fn either(self, other: Self) -> Self {
        match (self, other) {
            (Value::Other, value) | (value, Value::Other) => value,
            (Value::Flow, Value::Flow) => Value::Flow,
            (Value::Stream(one), Value::Stream(two)) => Value::Stream(Stream {
                sure: one.sure && two.sure,
                made_by: None,
                trails: joined(one.trails, two.trails),
            }),
            (one, two) => Value::Container(joined(one.trails(), two.trails())),
        }
    }
}

/// Whether a field is the one that must be read.
pub(crate) fn is_errs(field: &Member) -> bool {
    matches!(field, Member::Named(name) if name == "errs")
}

/// A name that some pattern in the body binds.
#[derive(Clone, Debug)]
pub(crate) struct Binding {
    /// The name, where it is bound.
    pub(crate) ident: Ident,
    /// What it holds.
    pub(crate) value: Value,
    /// Whether anything mentions it later.
    pub(crate) read: bool,
    /// Whether it is a fault if nothing does.
    pub(crate) watched: bool,
    /// Whether it is a parameter of an operator.
    pub(crate) is_parameter: bool,
    /// Whether it has, or is, a field `errs` that nothing has mentioned yet.
    pub(crate) owes_errs: bool,
}

/// The bindings of a body, and those in sight at the point that the walk has reached.
#[derive(Debug, Default)]
pub(crate) struct Env {
    bindings: Vec<Binding>,
    in_sight: Vec<usize>,
    /// The same by name, each shadowed by the last: two names of the compiler are compared as new texts.
    by_name: HashMap<String, Vec<usize>>,
}

/// A point to return to when a block ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InSight(usize);

impl Env {
    /// Binds a name, shadowing any earlier one.
    pub(crate) fn bind(&mut self, ident: Ident, value: Value, watched: bool) {
        let owes_errs = value.errs_of().is_some();
        let index = self.bindings.len();
        self.in_sight.push(index);
        self.by_name
            .entry(ident.to_string())
            .or_default()
            .push(index);
        self.bindings.push(Binding {
            ident,
            value: value.settled(),
            read: false,
            watched,
            is_parameter: false,
            owes_errs,
        });
    }

    /// Binds a name to the field `errs` itself.
    pub(crate) fn bind_errs(&mut self, ident: Ident) {
        self.bind(ident, Value::likely_stream(), false);
        if let Some(binding) = self.bindings.last_mut() {
            binding.owes_errs = true;
        }
    }

    /// Marks all that is bound so far as the parameters of an operator.
    pub(crate) fn end_parameters(&mut self) {
        for binding in &mut self.bindings {
            binding.is_parameter = true;
        }
    }

    /// Remembers what is in sight.
    pub(crate) fn mark(&self) -> InSight {
        InSight(self.in_sight.len())
    }

    /// Forgets the names bound since.
    pub(crate) fn reset(&mut self, mark: InSight) {
        for index in self.in_sight.drain(mark.0..).rev() {
            let name = self.bindings[index].ident.to_string();
            if let Some(indices) = self.by_name.get_mut(&name) {
                indices.pop();
            }
        }
    }

    /// What a name holds, without reading it.
    pub(crate) fn look(&self, name: &Ident) -> Option<&Binding> {
        self.index(name).map(|index| &self.bindings[index])
    }

    /// What a name holds; it counts as read.
    pub(crate) fn read(&mut self, name: &Ident) -> Value {
        let binding = self.note_read(name);
        binding.map_or(Value::Other, |binding| binding.value.clone())
    }

    /// Whether a name holds something that is followed; it counts as read.
    pub(crate) fn mention(&mut self, name: &Ident) -> bool {
        let binding = self.note_read(name);
        binding.is_some_and(|binding| binding.value.is_followed())
    }

    fn note_read(&mut self, name: &Ident) -> Option<&Binding> {
        let index = self.index(name)?;
        let binding = &mut self.bindings[index];
        binding.read = true;
        binding.owes_errs = false;
        Some(binding)
    }

    /// What a name holds of which a single field is read.
    pub(crate) fn read_field(&mut self, name: &Ident, field: &Member) -> Value {
        let owes_errs = self.look(name).is_some_and(|binding| binding.owes_errs);
        let value = self.read(name);
        if let Some(index) = self.index(name) {
            self.bindings[index].owes_errs = owes_errs && !is_errs(field);
        }
        value
    }

    /// Notes that a name that held nothing of interest has been given a value.
    pub(crate) fn assign(&mut self, name: &Ident, value: Value) {
        if let Some(index) = self.index(name) {
            let binding = &mut self.bindings[index];
            if !binding.value.is_followed() {
                binding.value = value.settled();
            }
        }
    }

    /// A name by which the flow can be reached here.
    pub(crate) fn flow(&self) -> Option<&Ident> {
        self.in_sight.iter().rev().find_map(|&index| {
            let binding = &self.bindings[index];
            let is_flow = matches!(binding.value, Value::Flow);
            (is_flow && self.index(&binding.ident) == Some(index)).then_some(&binding.ident)
        })
    }

    /// The names in sight whose value is followed.
    pub(crate) fn followed(&self) -> Vec<Ident> {
        self.in_sight
            .iter()
            .map(|&index| &self.bindings[index])
            .filter(|binding| binding.value.is_followed())
            .map(|binding| binding.ident.clone())
            .collect()
    }

    /// Every binding of the body, in order.
    pub(crate) fn into_bindings(self) -> Vec<Binding> {
        self.bindings
    }

    fn index(&self, name: &Ident) -> Option<usize> {
        self.by_name.get(&name.to_string())?.last().copied()
    }
}
