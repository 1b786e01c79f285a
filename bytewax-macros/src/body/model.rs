//! What the walk over a body finds out; the checks read nothing else.

use proc_macro2::{Ident, TokenStream};
use syn::{LitStr, Type};

use super::env::{Binding, Trails};
use super::moves::Move;
use super::windows::Stated;
use crate::registry::Kind;

/// The graph of one flow, as far as its text shows it.
#[derive(Default)]
pub(crate) struct Model {
    /// How the flow is called in the body, for messages.
    pub(crate) flow: String,
    /// Every step whose name is known, in the order in which they are built.
    pub(crate) steps: Vec<Step>,
    /// Every name bound in the body.
    pub(crate) bindings: Vec<Binding>,
    /// Loops, and closures that may be called more than once.
    pub(crate) turns: Vec<Turn>,
    /// Names of scopes that are text in the source.
    pub(crate) scopes: Vec<LitStr>,
    /// Texts given to `.named(..)`.
    pub(crate) texts: Vec<LitStr>,
    /// Operators whose result a statement drops.
    pub(crate) dropped: Vec<Ident>,
    /// Operators whose errors an expression drops.
    pub(crate) lost_errs: Vec<Ident>,
    /// `?` and `.await` that would leave the body.
    pub(crate) leaves: Vec<Leave>,
    /// Whether a sink or an observer was seen.
    pub(crate) has_output: bool,
    /// Whether a stream went where the walk cannot follow it.
    pub(crate) has_escapes: bool,
    /// Patterns of the names of steps that are built where the walk cannot see them.
    pub(crate) unseen: Vec<Pattern>,
    /// What is said to be dropped by `flow.dropped(..)`.
    pub(crate) drops: Vec<Drop>,
    /// What is said to be moved by `flow.moved(..)`.
    pub(crate) moves: Vec<Move>,
    /// How many sources have a name that is known.
    pub(crate) sources: usize,
    /// For each step that writes to the outside, where its items can have come from.
    pub(crate) sinks: Vec<Trails>,
}

/// A name with scopes in front, in which `*` stands for what is known only when the flow is built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern(pub(crate) String);

/// A step that is not wanted any more.
pub(crate) struct Drop {
    /// The text that names it.
    pub(crate) text: LitStr,
    /// Its name, with scopes in front.
    pub(crate) name: Pattern,
}

/// A step with a name that is fixed at compile time.
pub(crate) struct Step {
    /// Its name within the flow, as far as it is text in the source.
    pub(crate) name: String,
    /// Its name with all scopes in front.
    pub(crate) full: Pattern,
    /// The name that it saves under: the same, unless it was moved.
    pub(crate) saved: Pattern,
    /// How much of that is scopes, with the dot behind them.
    pub(crate) scope_len: usize,
    /// What it does; none for a call of the user's function.
    pub(crate) kind: Option<Kind>,
    /// The type that was named in `stateful::<T>()`.
    pub(crate) state: Option<Type>,
    /// What its arguments say of its state.
    pub(crate) stated: Vec<Stated>,
    /// A hash of what it is given.
    pub(crate) arguments: u32,
    /// What it is called in the source: an operator or a function.
    pub(crate) callee: Ident,
    /// The tokens that give the name: the callee, or the text in `.named(..)`.
    pub(crate) place: TokenStream,
    /// The `let` that named it, if its name is automatic and has one.
    pub(crate) label: Option<Ident>,
    /// Whether the user gave the name.
    pub(crate) is_given: bool,
    /// The earlier step of the same name.
    pub(crate) clash: Option<Clash>,
    /// The loop in which it repeats.
    pub(crate) repeat: Option<Repeat>,
}

/// An earlier step of the same name.
pub(crate) struct Clash {
    /// The tokens that gave the name first.
    pub(crate) first: TokenStream,
    /// Whether both are in one statement.
    pub(crate) same_statement: bool,
}

/// Why a step would be built more than once under one name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Repeat {
    /// Index of the loop in [`Model::turns`].
    pub(crate) turn: usize,
    /// Index in [`Model::scopes`] of the scope in between, whose name never changes.
    pub(crate) scope: Option<usize>,
}

/// A loop, or a closure that may be called more than once.
pub(crate) struct Turn {
    /// The keyword, or the closure's first bar.
    pub(crate) place: TokenStream,
    /// What it is.
    pub(crate) kind: TurnKind,
}

/// What kind of code runs more than once.
pub(crate) enum TurnKind {
    /// `for`, with its variable if it is a plain name, or `while` or `loop`.
    Loop(Option<Ident>),
    /// A closure that is not an operator's.
    Closure,
}

/// An expression that would leave the body.
pub(crate) struct Leave {
    /// The token to blame.
    pub(crate) place: TokenStream,
    /// How it is written.
    pub(crate) text: &'static str,
}

impl Pattern {
    /// Whether the whole name is text in the source.
    pub(crate) fn is_certain(&self) -> bool {
        !self.0.contains('*')
    }

    /// Whether a name is one of those that the pattern stands for.
    pub(crate) fn matches(&self, name: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = name.strip_prefix(first) else {
            return false;
        };
        let mut parts: Vec<_> = parts.collect();
        let Some(last) = parts.pop() else {
            return rest.is_empty();
        };
        for part in parts {
            match rest.split_once(part) {
                Some((_, after)) => rest = after,
                None => return false,
            }
        }
        rest.ends_with(last)
    }
}

impl Step {
    /// Whether what is saved under this name is its own, or of this call.
    pub(crate) fn has(&self, name: &str) -> bool {
        match (name.strip_prefix(&self.saved.0), self.kind) {
            (Some(rest), Some(_)) => rest.is_empty(),
            (Some(rest), None) => rest.starts_with('.'),
            (None, _) => false,
        }
    }

    /// The scopes in front of its own name.
    pub(crate) fn scope(&self) -> &str {
        &self.full.0[..self.scope_len]
    }

    /// Its name without the scopes.
    pub(crate) fn own(&self) -> &str {
        &self.full.0[self.scope_len..]
    }
}
