//! Tests of `dataflow!` from tokens to tokens.

mod broken;
mod cost;
mod delivery;
mod diagnostics;
mod expansion;
mod names;
mod programs;
mod windows;

use super::parse;
use super::parse::Parsed;
use crate::body::walk;
use proc_macro2::TokenStream;
use syn::parse::Parser;
use syn::visit::{self, Visit};
use syn::{Expr, ExprMethodCall, Lit};

/// Expands `dataflow!("f", |flow| { body })`.
fn expand_body(body: &str) -> TokenStream {
    expand(&format!("\"f\", |flow| {{ {body} }}"))
}

/// Expands `dataflow!(arguments)`.
fn expand(arguments: &str) -> TokenStream {
    super::expand(&arguments.parse().expect("balanced tokens"), None)
}

/// The messages of the errors in an expansion, in order.
fn messages(expansion: TokenStream) -> Vec<String> {
    let mut messages = Messages::default();
    let block: Expr = syn::parse2(expansion).expect("an expression");
    messages.visit_expr(&block);
    messages.0
}

#[derive(Default)]
struct Messages(Vec<String>);

impl<'ast> Visit<'ast> for Messages {
    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        if call
            .path
            .segments
            .iter()
            .any(|part| part.ident == "compile_error")
        {
            let text: syn::LitStr = call.parse_body().expect("a message");
            self.0.push(text.value());
        }
    }
}

/// The ids of the steps of a flow, without the flow's name, in the order in which they are built.
///
/// A scope around a call is shown as `scope.*`, and a computed name by its tokens.
fn names_of(body: &str) -> Vec<String> {
    let tokens = format!("\"f\", |flow| {{ {body} }}");
    let parsed = parse::described(&tokens.parse().expect("balanced tokens"));
    let Parsed::Flow(mut described) = parsed else {
        panic!("{body}");
    };
    walk::closure(
        &described.flow,
        &mut described.closure,
        false,
        described.delivery,
    );
    let mut ids = Ids::default();
    ids.visit_expr_closure(&described.closure);
    ids.found
}

#[derive(Default)]
struct Ids {
    prefix: String,
    found: Vec<String>,
}

impl<'ast> Visit<'ast> for Ids {
    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        self.visit_expr(&call.receiver);
        let text = call.args.first().map(shown).unwrap_or_default();
        if call.method != "scope" {
            call.args
                .iter()
                .for_each(|argument| self.visit_expr(argument));
            if call.method == "named" {
                self.found.push(format!("{}{text}", self.prefix));
            }
            return;
        }
        let outer = self.prefix.clone();
        self.prefix.push_str(&format!("{text}."));
        if let Some(Expr::Closure(closure)) = call.args.last() {
            let is_call = match &*closure.body {
                Expr::Call(_) => true,
                Expr::MethodCall(call) => call.method != "named" && call.method != "scope",
                _ => false,
            };
            if is_call {
                self.found.push(format!("{}*", self.prefix));
            }
            self.visit_expr(&closure.body);
        }
        self.prefix = outer;
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        let elements = syn::punctuated::Punctuated::<Expr, syn::Token![,]>::parse_terminated;
        for element in elements.parse2(call.tokens.clone()).into_iter().flatten() {
            self.visit_expr(&element);
        }
        visit::visit_macro(self, call);
    }
}

fn shown(argument: &Expr) -> String {
    match argument {
        Expr::Lit(syn::ExprLit {
            lit: Lit::Str(text),
            ..
        }) => text.value(),
        other => format!("<{}>", quote::quote!(#other)),
    }
}
