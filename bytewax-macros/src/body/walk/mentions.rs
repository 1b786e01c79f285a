//! Code that is not walked: every name in it counts as read.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Expr, ExprClosure, LitStr, Macro, Token};

use super::Walk;
use crate::body::env::{Value, joined};

/// Macros without a value.
const DIVERGING: &[&str] = &["panic", "todo", "unimplemented", "unreachable"];

/// Macros that only display values.
const SHOWING: &[&str] = &[
    "assert",
    "assert_eq",
    "assert_ne",
    "dbg",
    "eprint",
    "eprintln",
    "format",
    "print",
    "println",
    "write",
    "writeln",
];

impl Walk {
    /// Counts every name in a closure as read, and returns whether any is a stream or the flow. Like
    /// [`Walk::mention`], but the compiler need not print the closure.
    pub(super) fn mention_closure(&mut self, closure: &ExprClosure) -> bool {
        let mut mentions = Mentions {
            walk: self,
            is_followed: false,
        };
        mentions.visit_expr_closure(closure);
        mentions.is_followed
    }

    /// Counts every name in these tokens as read, and returns whether any is a stream or the flow.
    pub(super) fn mention(&mut self, tokens: TokenStream) -> bool {
        let mut is_followed = false;
        for token in tokens {
            match token {
                TokenTree::Ident(name) => is_followed |= self.env.mention(&name),
                TokenTree::Group(group) => is_followed |= self.mention(group.stream()),
                TokenTree::Literal(literal) => {
                    is_followed |= self.mention_captures(&literal.to_string());
                }
                TokenTree::Punct(_) => {}
            }
        }
        self.model.has_escapes |= is_followed;
        is_followed
    }

    /// Like [`Walk::mention`], for the captures of a format string.
    fn mention_captures(&mut self, literal: &str) -> bool {
        let mut is_followed = false;
        if !literal.contains('{') {
            return false;
        }
        for name in self.env.followed() {
            if literal.contains(&format!("{{{name}")) {
                is_followed |= self.env.mention(&name);
            }
        }
        is_followed
    }

    /// Walks the elements of `vec![a, b]`; other macros are not walked.
    pub(super) fn macro_call(&mut self, call: &mut Macro) -> Value {
        if call.path.is_ident("vec") {
            let elements = Punctuated::<Expr, Token![,]>::parse_terminated;
            if let Ok(mut elements) = elements.parse2(call.tokens.clone()) {
                let (mut has_streams, mut trails) = (false, Vec::new());
                for element in &mut elements {
                    let value = self.expr(element);
                    has_streams |= value.has_streams();
                    trails = joined(trails, value.trails());
                }
                call.tokens = elements.into_token_stream();
                return if has_streams {
                    Value::Container(trails)
                } else {
                    Value::Other
                };
            }
        }
        let is_diverging = DIVERGING.iter().any(|name| call.path.is_ident(name));
        if !self.mention(call.tokens.clone()) || is_diverging {
            return Value::Other;
        }
        if !SHOWING.iter().any(|name| call.path.is_ident(name)) {
            self.build_unseen("");
        }
        Value::likely_stream()
    }
}

/// Passes the names of a closure to the walk.
struct Mentions<'walk> {
    walk: &'walk mut Walk,
    is_followed: bool,
}

impl Mentions<'_> {
    fn note(&mut self, is_followed: bool) {
        self.is_followed |= is_followed;
        self.walk.model.has_escapes |= is_followed;
    }
}

impl<'ast> Visit<'ast> for Mentions<'_> {
    fn visit_ident(&mut self, name: &'ast Ident) {
        let is_followed = self.walk.env.mention(name);
        self.note(is_followed);
    }

    fn visit_lit_str(&mut self, literal: &'ast LitStr) {
        let is_followed = self.walk.mention_captures(&literal.token().to_string());
        self.note(is_followed);
        visit::visit_lit_str(self, literal);
    }

    fn visit_token_stream(&mut self, tokens: &'ast TokenStream) {
        let is_followed = self.walk.mention(tokens.clone());
        self.note(is_followed);
    }
}
