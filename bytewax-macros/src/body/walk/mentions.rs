//! Code that is not entered: whatever it mentions counts as read.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{Expr, Macro, Token};

use super::Walk;
use crate::body::env::{Value, joined};

/// Macros that never give a value.
const DIVERGING: &[&str] = &["panic", "todo", "unimplemented", "unreachable"];

/// Macros that only show values.
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
    /// Counts every name in these tokens as read, and tells whether any is a stream or the flow.
    pub(super) fn mention(&mut self, tokens: TokenStream) -> bool {
        let mut is_followed = false;
        for token in tokens {
            match token {
                TokenTree::Ident(name) => is_followed |= self.env.read(&name).is_followed(),
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

    /// As [`Walk::mention`], for the captures of a format string.
    fn mention_captures(&mut self, literal: &str) -> bool {
        let mut is_followed = false;
        for name in self.env.followed() {
            if literal.contains(&format!("{{{name}")) {
                is_followed |= self.env.read(&name).is_followed();
            }
        }
        is_followed
    }

    /// Walks the elements of `vec![a, b]`; other macros are not entered.
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
