//! The findings of the walk over a body, and the only input of the checks.

use proc_macro2::{Ident, TokenStream};
use syn::{LitStr, Type};

use super::env::{Binding, Trails};
use super::moves::Move;
use super::windows::Stated;
use crate::registry::Kind;

/// The graph of one flow, as far as its text shows it.
#[derive(Default)]
pub(crate) struct Model {
    /// The name of the flow in the body, for messages.
    pub(crate) flow: String,
    /// Every step with a known name, in the order of construction.
    pub(crate) steps: Vec<Step>,
    /// Every name bound in the body.
    pub(crate) bindings: Vec<Binding>,
    /// Loops, and closures that may be called more than once.
    pub(crate) turns: Vec<Turn>,
    /// Names of scopes that are literals.
    pub(crate) scopes: Vec<LitStr>,
    /// Literals given to `.named(..)`.
    pub(crate) texts: Vec<LitStr>,
    /// Operators whose result a statement drops.
    pub(crate) dropped: Vec<Ident>,
    /// Operators whose errors an expression drops.
    pub(crate) lost_errs: Vec<Ident>,
    /// `?` and `.await` that would leave the body.
    pub(crate) leaves: Vec<Leave>,
    /// Whether a sink or an observer was seen.
    pub(crate) has_output: bool,
    /// Whether the walk lost track of a stream.
    pub(crate) has_escapes: bool,
    /// Patterns of the names of steps that are built where the walk cannot see them.
    pub(crate) unseen: Vec<Pattern>,
    /// The arguments of `flow.dropped(..)`.
    pub(crate) drops: Vec<Drop>,
    /// The arguments of `flow.moved(..)`.
    pub(crate) moves: Vec<Move>,
    /// The number of sources with a known name.
    pub(crate) sources: usize,
    /// For each step that writes to the outside, the possible origins of its items.
    pub(crate) sinks: Vec<Trails>,
}

/// A name with its scopes; `*` stands for parts that are known only when the flow is built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern(pub(crate) String);

/// A step whose state is to be dropped.
pub(crate) struct Drop {
    /// The literal that names it.
    pub(crate) text: LitStr,
    /// Its name with scopes.
    pub(crate) name: Pattern,
}

/// A step with a name that is fixed at compile time.
pub(crate) struct Step {
    /// Its name within the flow, as far as it is a literal.
    pub(crate) name: String,
    /// Its name with all scopes.
    pub(crate) full: Pattern,
    /// The name under which it saves: the same, unless it was moved.
    pub(crate) saved: Pattern,
    /// The length of its scopes, with the final dot.
    pub(crate) scope_len: usize,
    /// Its operator; `None` for a call of a user's function.
    pub(crate) kind: Option<Kind>,
    /// The type in `stateful::<T>()`.
    pub(crate) state: Option<Type>,
    /// The facts about its state in its arguments.
    pub(crate) stated: Vec<Stated>,
    /// A hash of its arguments.
    pub(crate) arguments: u32,
    /// The name of the operator or function in the source.
    pub(crate) callee: Ident,
    /// The tokens that determine the name: the callee, or the literal in `.named(..)`.
    pub(crate) place: TokenStream,
    /// The `let` that named it, if its name is automatic and has one.
    pub(crate) label: Option<Ident>,
    /// Whether the user chose the name.
    pub(crate) is_given: bool,
    /// The earlier step of the same name.
    pub(crate) clash: Option<Clash>,
    /// The loop in which it repeats.
    pub(crate) repeat: Option<Repeat>,
}

/// An earlier step of the same name.
pub(crate) struct Clash {
    /// The tokens that determined the name first.
    pub(crate) first: TokenStream,
    /// Whether both are in one statement.
    pub(crate) same_statement: bool,
}

/// Why a step would be built several times under one name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Repeat {
    /// Index of the loop in [`Model::turns`].
    pub(crate) turn: usize,
    /// Index in [`Model::scopes`] of the enclosing scope, whose name never changes.
    pub(crate) scope: Option<usize>,
}

/// A loop, or a closure that may be called more than once.
pub(crate) struct Turn {
    /// The keyword, or the closure's first bar.
    pub(crate) place: TokenStream,
    /// Its kind.
    pub(crate) kind: TurnKind,
}

/// The kinds of code that run more than once.
pub(crate) enum TurnKind {
    /// `for`, with its variable if it is a plain name, or `while` or `loop`.
    Loop(Option<Ident>),
    /// A closure that is not an operator's.
    Closure,
}

/// An expression that would leave the body.
pub(crate) struct Leave {
    /// The token to report.
    pub(crate) place: TokenStream,
    /// Its form in the source.
    pub(crate) text: &'static str,
}

impl Pattern {
    /// Whether the whole name is a literal.
    pub(crate) fn is_certain(&self) -> bool {
        !self.0.contains('*')
    }

    /// Whether the pattern includes a name.
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
    /// Whether a saved name belongs to this step, or to a step in this call.
    pub(crate) fn has(&self, name: &str) -> bool {
        match (name.strip_prefix(&self.saved.0), self.kind) {
            (Some(rest), Some(_)) => rest.is_empty(),
            (Some(rest), None) => rest.starts_with('.'),
            (None, _) => false,
        }
    }

    /// The scopes of its own name.
    pub(crate) fn scope(&self) -> &str {
        &self.full.0[..self.scope_len]
    }

    /// Its name without the scopes.
    pub(crate) fn own(&self) -> &str {
        &self.full.0[self.scope_len..]
    }
}
