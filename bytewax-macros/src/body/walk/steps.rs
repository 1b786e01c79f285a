//! Steps: their names, and faults of the names.

use proc_macro2::Ident;
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::{LitStr, Type};

use super::{Frame, Label, Walk};
use crate::body::model::{Clash, Pattern, Repeat, Step};
use crate::body::names::{self, Holder};
use crate::body::windows::Stated;
use crate::registry::Kind;

/// A name given by the user with `.named(..)`.
#[derive(Clone)]
pub(super) enum Given {
    /// Text in the source.
    Text(LitStr),
    /// Known only when the flow is built.
    Computed,
}

/// The properties of an operator's call, except its name.
pub(super) struct CallFacts {
    /// The type in `stateful::<T>()`.
    pub(super) state: Option<Type>,
    pub(super) stated: Vec<Stated>,
    /// A hash of its arguments.
    pub(super) arguments: u32,
}

impl Walk {
    /// Records an operator's step, and adds its name unless the user has named it.
    pub(super) fn step(
        &mut self,
        kind: Kind,
        operator: &Ident,
        CallFacts {
            state,
            stated,
            arguments,
        }: CallFacts,
        given: Option<Given>,
    ) -> Option<String> {
        self.built += 1;
        let text = match given {
            Some(Given::Computed) => {
                self.build_unseen("");
                return None;
            }
            Some(Given::Text(text)) => Some(text),
            None => None,
        };
        let place = match &text {
            Some(text) => text.to_token_stream(),
            None => operator.to_token_stream(),
        };
        let mut name = match &text {
            Some(text) => text.value(),
            None => names::join(&self.label_text(), &operator.unraw().to_string()),
        };
        let holder = Holder {
            place: place.clone(),
            statement: self.statement,
        };
        let full = format!("{}{name}", self.prefix);
        let mut clash = None;
        if text.is_none() && kind.is_numbered() {
            name += &self.names.claim_numbered(&full, holder);
        } else {
            clash = self.names.claim(&full, holder);
        }
        let is_given = text.is_some();
        self.model.texts.extend(text);
        self.model.steps.push(Step {
            name: self.shown(&name),
            full: self.pattern(&name),
            saved: self.pattern(&name),
            scope_len: self.pattern("").0.len(),
            kind: Some(kind),
            state,
            stated,
            arguments,
            callee: operator.clone(),
            place,
            label: self.label_ident().filter(|_| !is_given),
            is_given,
            clash: clash.map(|first| self.clash(first)),
            repeat: self.repeat(),
        });
        (!is_given).then_some(name)
    }

    /// Records a call of a user's function that takes a stream, and so builds steps in a scope.
    pub(super) fn call_step(&mut self, function: &Ident) {
        let name = names::join(&self.label_text(), &function.unraw().to_string());
        let holder = Holder {
            place: function.to_token_stream(),
            statement: self.statement,
        };
        let full = format!("{}{name}", self.prefix);
        let clash = self.names.claim(&full, holder);
        self.model.steps.push(Step {
            name: self.shown(&name),
            full: self.pattern(&self.label_text()),
            saved: self.pattern(&self.label_text()),
            scope_len: self.pattern("").0.len(),
            kind: None,
            state: None,
            stated: Vec::new(),
            arguments: 0,
            callee: function.clone(),
            place: function.to_token_stream(),
            label: self.label_ident(),
            is_given: false,
            clash: clash.map(|first| self.clash(first)),
            // In a loop it may be correct: the function may derive its step names from its arguments.
            repeat: None,
        });
    }

    /// The source of names in the present statement; empty for the flow itself.
    pub(super) fn label_text(&self) -> String {
        match &self.label {
            Label::Open => String::new(),
            Label::Let(name) => name.unraw().to_string(),
            Label::Chain(root) => root.clone(),
        }
    }

    fn label_ident(&self) -> Option<Ident> {
        match &self.label {
            Label::Let(name) => Some(name.clone()),
            Label::Open | Label::Chain(_) => None,
        }
    }

    /// Records that steps are built out of sight, in a scope with this name or, for `None`, in the present
    /// scope.
    pub(super) fn build_unseen(&mut self, scope: &str) {
        let dot = if scope.is_empty() { "" } else { "." };
        let pattern = self.pattern(&format!("{scope}{dot}*"));
        if !self.model.unseen.contains(&pattern) {
            self.model.unseen.push(pattern);
        }
    }

    /// A name with its scopes; `*` stands for those that are not literals.
    pub(super) fn pattern(&self, name: &str) -> Pattern {
        let parts = self
            .prefix
            .split('.')
            .map(|part| match part.starts_with('{') {
                true => "*",
                false => part,
            });
        let prefix: Vec<_> = parts.collect();
        Pattern(format!("{}{name}", prefix.join(".")))
    }

    /// A name with its scopes, as far as these are literals.
    fn shown(&self, name: &str) -> String {
        let known = match self.prefix.rfind("}.") {
            Some(end) => &self.prefix[end + 2..],
            None => &self.prefix,
        };
        format!("{known}{name}")
    }

    fn clash(&self, first: Holder) -> Clash {
        Clash {
            same_statement: first.statement == self.statement,
            first: first.place,
        }
    }

    /// The enclosing loop, if no scope in between has a name that may change.
    fn repeat(&self) -> Option<Repeat> {
        let mut scope = None;
        for frame in self.frames.iter().rev() {
            match *frame {
                Frame::Turn(turn) => return Some(Repeat { turn, scope }),
                Frame::Scope(None) => return None,
                Frame::Scope(text) => scope = text,
            }
        }
        None
    }
}
