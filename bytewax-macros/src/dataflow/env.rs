//! Which name in the body holds what.

use proc_macro2::Ident;

/// What an expression or a name stands for, as far as the walk can tell.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// Nothing that is followed.
    Other,
    /// The flow being described.
    Flow,
    /// One stream, or a struct of streams.
    Stream(Stream),
    /// Something with streams inside: a tuple, a list, an option.
    Container,
}

/// How much is known about a stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Stream {
    /// Whether it is certain to be a stream that somebody has to read.
    pub(super) sure: bool,
    /// The operator whose result it is, directly.
    pub(super) made_by: Option<Ident>,
}

impl Value {
    /// What an operator returned.
    pub(super) fn made_by(operator: Ident) -> Self {
        Value::Stream(Stream {
            sure: true,
            made_by: Some(operator),
        })
    }

    /// A stream by all signs, of which nothing is demanded.
    pub(super) fn likely_stream() -> Self {
        Value::Stream(Stream::default())
    }

    /// Whether there is a flow or a stream in it.
    pub(super) fn is_followed(&self) -> bool {
        !matches!(self, Value::Other)
    }

    /// Whether there is a stream in it.
    pub(super) fn has_streams(&self) -> bool {
        matches!(self, Value::Stream(_) | Value::Container)
    }

    /// Whether it is certain to be a stream.
    pub(super) fn is_sure(&self) -> bool {
        matches!(self, Value::Stream(stream) if stream.sure)
    }

    /// The same value once it has been given a name or been passed on.
    pub(super) fn settled(self) -> Self {
        match self {
            Value::Stream(stream) => Value::Stream(Stream {
                made_by: None,
                ..stream
            }),
            other => other,
        }
    }

    /// What taking one element or field out of this value gives.
    pub(super) fn element(&self) -> Self {
        match self {
            Value::Stream(_) | Value::Container => Value::likely_stream(),
            Value::Flow | Value::Other => Value::Other,
        }
    }

    /// The value of an expression that is either of two.
    pub(super) fn either(self, other: Self) -> Self {
        match (self, other) {
            (Value::Other, value) | (value, Value::Other) => value,
            (Value::Flow, Value::Flow) => Value::Flow,
            (Value::Stream(one), Value::Stream(two)) => Value::Stream(Stream {
                sure: one.sure && two.sure,
                made_by: None,
            }),
            _ => Value::Container,
        }
    }
}

/// A name that some pattern in the body binds.
#[derive(Clone, Debug)]
pub(super) struct Binding {
    /// The name, where it is bound.
    pub(super) ident: Ident,
    /// What it holds.
    pub(super) value: Value,
    /// Whether anything mentions it later.
    pub(super) read: bool,
    /// Whether it is a fault if nothing does.
    pub(super) watched: bool,
}

/// The bindings of a body, and those in sight at the point that the walk has reached.
#[derive(Debug, Default)]
pub(super) struct Env {
    bindings: Vec<Binding>,
    in_sight: Vec<usize>,
}

/// A point to return to when a block ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark(usize);

impl Env {
    /// Binds a name, shadowing any earlier one.
    pub(super) fn bind(&mut self, ident: Ident, value: Value, watched: bool) {
        self.in_sight.push(self.bindings.len());
        self.bindings.push(Binding {
            ident,
            value: value.settled(),
            read: false,
            watched,
        });
    }

    /// Remembers what is in sight.
    pub(super) fn mark(&self) -> Mark {
        Mark(self.in_sight.len())
    }

    /// Forgets the names bound since.
    pub(super) fn reset(&mut self, mark: Mark) {
        self.in_sight.truncate(mark.0);
    }

    /// What a name holds, without reading it.
    pub(super) fn look(&self, name: &Ident) -> Option<&Binding> {
        self.index(name).map(|index| &self.bindings[index])
    }

    /// What a name holds; it counts as read.
    pub(super) fn read(&mut self, name: &Ident) -> Value {
        let Some(index) = self.index(name) else {
            return Value::Other;
        };
        let binding = &mut self.bindings[index];
        binding.read = true;
        binding.value.clone()
    }

    /// Notes that a name that held nothing of interest has been given a value.
    pub(super) fn assign(&mut self, name: &Ident, value: Value) {
        if let Some(index) = self.index(name) {
            let binding = &mut self.bindings[index];
            if !binding.value.is_followed() {
                binding.value = value.settled();
            }
        }
    }

    /// A name by which the flow can be reached here.
    pub(super) fn flow(&self) -> Option<&Ident> {
        self.in_sight.iter().rev().find_map(|&index| {
            let binding = &self.bindings[index];
            let is_flow = matches!(binding.value, Value::Flow);
            (is_flow && self.index(&binding.ident) == Some(index)).then_some(&binding.ident)
        })
    }

    /// The names in sight whose value is followed.
    pub(super) fn followed(&self) -> Vec<Ident> {
        self.in_sight
            .iter()
            .map(|&index| &self.bindings[index])
            .filter(|binding| binding.value.is_followed())
            .map(|binding| binding.ident.clone())
            .collect()
    }

    /// Every binding of the body, in order.
    pub(super) fn into_bindings(self) -> Vec<Binding> {
        self.bindings
    }

    fn index(&self, name: &Ident) -> Option<usize> {
        let same = |index: &&usize| self.bindings[**index].ident == *name;
        self.in_sight.iter().rev().find(same).copied()
    }
}
