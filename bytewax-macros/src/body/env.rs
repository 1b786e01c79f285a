//! The values of the names in a body.

use std::collections::HashMap;

use proc_macro2::Ident;
use syn::Member;

use crate::registry;

/// The value of an expression or a name, as far as the walk can determine it.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// A value that is not followed.
    Other,
    /// The flow being described.
    Flow,
    /// One stream, or a struct of streams.
    Stream(Stream),
    /// A value that contains streams: a tuple, a list, an option. The trails of all of them.
    Container(Trails),
}

/// The possible ways of items into a stream, as far as the walk can determine them.
pub(crate) type Trails = Vec<Trail>;

/// One way: from a source, through steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trail {
    /// The number of the source, among those with a known name.
    pub(crate) source: usize,
    /// The names of the steps, beginning with the source.
    pub(crate) steps: Vec<String>,
}

/// Both; ways from the same source count once.
pub(crate) fn joined(mut trails: Trails, others: Trails) -> Trails {
    for other in others {
        if trails.iter().all(|trail| trail.source != other.source) {
            trails.push(other);
        }
    }
    trails
}

/// The certainty about a stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stream {
    /// Whether it is certainly a stream that must be read.
    pub(crate) sure: bool,
    /// The operator whose direct result it is.
    pub(crate) made_by: Option<Ident>,
    /// The possible origins of its items.
    pub(crate) trails: Trails,
}

impl Value {
    /// The result of an operator.
    pub(crate) fn made_by(operator: Ident, trails: Trails) -> Self {
        Value::Stream(Stream {
            sure: true,
            made_by: Some(operator),
            trails,
        })
    }

    /// A stream from elsewhere that must be read.
    pub(crate) fn sure_stream() -> Self {
        Value::Stream(Stream {
            sure: true,
            ..Stream::default()
        })
    }

    /// A stream by all signs, which need not be read.
    pub(crate) fn likely_stream() -> Self {
        Value::Stream(Stream::default())
    }

    /// A stream by all signs, with known origins of its items.
    pub(crate) fn stream_from(trails: Trails) -> Self {
        Value::Stream(Stream {
            trails,
            ..Stream::default()
        })
    }

    /// The possible origins of the items of its streams.
    pub(crate) fn trails(&self) -> Trails {
        match self {
            Value::Stream(Stream { trails, .. }) | Value::Container(trails) => trails.clone(),
            Value::Flow | Value::Other => Trails::new(),
        }
    }

    /// Whether it contains a flow or a stream.
    pub(crate) fn is_followed(&self) -> bool {
        !matches!(self, Value::Other)
    }

    /// Whether it contains a stream.
    pub(crate) fn has_streams(&self) -> bool {
        matches!(self, Value::Stream(_) | Value::Container(_))
    }

    /// Whether it is certainly a stream.
    pub(crate) fn is_sure(&self) -> bool {
        matches!(self, Value::Stream(stream) if stream.sure)
    }

    /// Whether it is certainly a stream or the flow.
    pub(crate) fn is_certain(&self) -> bool {
        matches!(self, Value::Flow) || self.is_sure()
    }

    /// The operator whose result it is, if that result has a field `errs`.
    pub(crate) fn errs_of(&self) -> Option<&Ident> {
        match self {
            Value::Stream(stream) => stream.made_by.as_ref(),
            _ => None,
        }
        .filter(|operator| registry::has_errs(&operator.to_string()))
    }

    /// The same value after it was named or passed on.
    pub(crate) fn settled(self) -> Self {
        match self {
            Value::Stream(stream) => Value::Stream(Stream {
                made_by: None,
                ..stream
            }),
            other => other,
        }
    }

    /// The value of one element or field of this value.
    pub(crate) fn element(&self) -> Self {
        match self {
            Value::Stream(stream) => Value::stream_from(stream.trails.clone()),
            // The walk cannot determine which of them it is.
            Value::Container(_) => Value::likely_stream(),
            Value::Flow | Value::Other => Value::Other,
        }
    }

    /// The value of an expression with two alternatives.
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
    /// Its value.
    pub(crate) value: Value,
    /// Whether it is mentioned later.
    pub(crate) read: bool,
    /// Whether not mentioning it is a fault.
    pub(crate) watched: bool,
    /// Whether it is a parameter of an operator.
    pub(crate) is_parameter: bool,
    /// Whether it has, or is, a field `errs` that was not mentioned yet.
    pub(crate) owes_errs: bool,
}

/// The bindings of a body, and those in scope at the present point of the walk.
#[derive(Debug, Default)]
pub(crate) struct Env {
    bindings: Vec<Binding>,
    in_sight: Vec<usize>,
    /// The same by name; each is shadowed by the last. Comparing two names of the compiler would create new
    /// texts.
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

    /// Marks all bindings so far as the parameters of an operator.
    pub(crate) fn end_parameters(&mut self) {
        for binding in &mut self.bindings {
            binding.is_parameter = true;
        }
    }

    /// Returns a mark of the bindings in scope.
    pub(crate) fn mark(&self) -> InSight {
        InSight(self.in_sight.len())
    }

    /// Removes the bindings since the mark.
    pub(crate) fn reset(&mut self, mark: InSight) {
        for index in self.in_sight.drain(mark.0..).rev() {
            let name = self.bindings[index].ident.to_string();
            if let Some(indices) = self.by_name.get_mut(&name) {
                indices.pop();
            }
        }
    }

    /// The value of a name, without reading it.
    pub(crate) fn look(&self, name: &Ident) -> Option<&Binding> {
        self.index(name).map(|index| &self.bindings[index])
    }

    /// The value of a name; counts it as read.
    pub(crate) fn read(&mut self, name: &Ident) -> Value {
        let binding = self.note_read(name);
        binding.map_or(Value::Other, |binding| binding.value.clone())
    }

    /// Whether the value of a name is followed; counts it as read.
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

    /// The value of a name, only one field of which is read.
    pub(crate) fn read_field(&mut self, name: &Ident, field: &Member) -> Value {
        let owes_errs = self.look(name).is_some_and(|binding| binding.owes_errs);
        let value = self.read(name);
        if let Some(index) = self.index(name) {
            self.bindings[index].owes_errs = owes_errs && !is_errs(field);
        }
        value
    }

    /// Records a new value of a name whose value was not followed.
    pub(crate) fn assign(&mut self, name: &Ident, value: Value) {
        if let Some(index) = self.index(name) {
            let binding = &mut self.bindings[index];
            if !binding.value.is_followed() {
                binding.value = value.settled();
            }
        }
    }

    /// A name by which the flow is accessible here.
    pub(crate) fn flow(&self) -> Option<&Ident> {
        self.in_sight.iter().rev().find_map(|&index| {
            let binding = &self.bindings[index];
            let is_flow = matches!(binding.value, Value::Flow);
            (is_flow && self.index(&binding.ident) == Some(index)).then_some(&binding.ident)
        })
    }

    /// The names in scope whose value is followed.
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
