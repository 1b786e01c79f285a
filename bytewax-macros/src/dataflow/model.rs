//! What the walk over a body finds out; the checks read nothing else.

use proc_macro2::{Ident, TokenStream};
use syn::LitStr;

use super::env::Binding;

/// The graph of one flow, as far as its text shows it.
#[derive(Debug, Default)]
pub(super) struct Model {
    /// Every step whose name is known, in the order in which they are built.
    pub(super) steps: Vec<Step>,
    /// Every name bound in the body.
    pub(super) bindings: Vec<Binding>,
    /// Loops, and closures that may be called more than once.
    pub(super) turns: Vec<Turn>,
    /// Names of scopes that are text in the source.
    pub(super) scopes: Vec<LitStr>,
    /// Texts given to `.named(..)`.
    pub(super) texts: Vec<LitStr>,
    /// Operators whose result a statement drops.
    pub(super) dropped: Vec<Ident>,
    /// `?` and `.await` that would leave the body.
    pub(super) leaves: Vec<Leave>,
    /// Whether a sink or an observer was seen.
    pub(super) has_output: bool,
    /// Whether a stream went where the walk cannot follow it.
    pub(super) has_escapes: bool,
}

/// A step with a name that is fixed at compile time.
#[derive(Debug)]
pub(super) struct Step {
    /// Its name within the flow.
    pub(super) name: String,
    /// What it is called in the source: an operator or a function.
    pub(super) callee: Ident,
    /// The tokens that give the name: the callee, or the text in `.named(..)`.
    pub(super) place: TokenStream,
    /// The `let` that named it, if its name is automatic and has one.
    pub(super) label: Option<Ident>,
    /// Whether the user gave the name.
    pub(super) is_given: bool,
    /// Whether it is a call of the user's function rather than an operator.
    pub(super) is_call: bool,
    /// The earlier step of the same name.
    pub(super) clash: Option<Clash>,
    /// The loop in which it repeats.
    pub(super) repeat: Option<Repeat>,
}

/// An earlier step of the same name.
#[derive(Debug)]
pub(super) struct Clash {
    /// The tokens that gave the name first.
    pub(super) first: TokenStream,
    /// Whether both are in one statement.
    pub(super) same_statement: bool,
}

/// Why a step would be built more than once under one name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Repeat {
    /// Index of the loop in [`Model::turns`].
    pub(super) turn: usize,
    /// Index in [`Model::scopes`] of the scope in between, whose name never changes.
    pub(super) scope: Option<usize>,
}

/// A loop, or a closure that may be called more than once.
#[derive(Debug)]
pub(super) struct Turn {
    /// The keyword, or the closure's first bar.
    pub(super) place: TokenStream,
    /// What it is.
    pub(super) kind: TurnKind,
}

/// What kind of code runs more than once.
#[derive(Debug)]
pub(super) enum TurnKind {
    /// `for`, with its variable if it is a plain name, or `while` or `loop`.
    Loop(Option<Ident>),
    /// A closure that is not an operator's.
    Closure,
}

/// An expression that would leave the body.
#[derive(Debug)]
pub(super) struct Leave {
    /// The token to blame.
    pub(super) place: TokenStream,
    /// How it is written.
    pub(super) text: &'static str,
}
