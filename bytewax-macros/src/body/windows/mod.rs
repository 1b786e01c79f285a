//! Clocks and windowers with literal parameters: the compiler asks the runtime to check them.
//!
//! This module judges nothing. It passes readable parameters to `const` functions of the runtime, which
//! contain the limits and the messages; all others are checked at run time.

mod made;
mod spans;
mod stated;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Block, Expr, ExprCall, ExprMethodCall};

use crate::errors::Errors;
use made::{Made, begin_of, windower};
use spans::{Read, read};
pub(crate) use stated::{Stated, stated};

/// The methods with a span, which the runtime checks under the same name; and whether they are those of
/// clocks.
const SPANS: [(&str, bool); 5] = [
    ("allow_late", false),
    ("fire_early", false),
    ("forget_after", true),
    ("idle_after", true),
    ("max_lead", true),
];

/// Checks of the parameters in a body, for the compiler. Reports invalid spans.
pub(crate) fn in_block(block: &Block, runtime: &TokenStream, errors: &mut Errors) -> TokenStream {
    let mut parameters = Parameters::new(runtime, errors);
    parameters.visit_block(block);
    parameters.checks
}

/// The same for an expression.
pub(crate) fn in_expr(expr: &Expr, runtime: &TokenStream, errors: &mut Errors) -> TokenStream {
    let mut parameters = Parameters::new(runtime, errors);
    parameters.visit_expr(expr);
    parameters.checks
}

struct Parameters<'a> {
    /// The path of the runtime.
    runtime: &'a TokenStream,
    errors: &'a mut Errors,
    checks: TokenStream,
}

impl<'a> Parameters<'a> {
    fn new(runtime: &'a TokenStream, errors: &'a mut Errors) -> Self {
        Self {
            runtime,
            errors,
            checks: TokenStream::new(),
        }
    }

    /// Makes the compiler report faults, at these tokens.
    fn check(&mut self, place: impl ToTokens, found: &TokenStream) {
        let span = place.to_token_stream().span();
        let span = span.resolved_at(Span::mixed_site());
        self.checks.extend(quote_spanned!(span=>
            const _: () = if let ::core::option::Option::Some(text) = #found {
                ::core::panic!("{}", text.as_str());
            };
        ));
    }

    /// Reports an invalid span.
    fn too_long(&mut self, expr: &Expr) {
        if let Some(Read::TooLong(text)) = read(expr) {
            self.errors.fault(
                expr,
                format_args!("`{text}` is longer than a `TimeDelta` can be"),
                "give a shorter time, or `TimeDelta::MAX` for one without end",
            );
        }
    }

    /// Adds a check of a readable span with the function of this name.
    fn check_span(&mut self, name: &str, expr: Option<&Expr>) {
        let Some(Read::Micros(micros)) = expr.and_then(read) else {
            return;
        };
        let name = proc_macro2::Ident::new(name, Span::mixed_site());
        let asked = self.runtime;
        let asked = quote!(#asked::windowing::compiled);
        self.check(expr, &quote!(#asked::#name(#asked::micros(#micros))));
    }
}

impl<'ast> Visit<'ast> for Parameters<'_> {
    fn visit_expr_call(&mut self, call: &'ast ExprCall) {
        visit::visit_expr_call(self, call);
        let Some(made) = Made::of(call) else { return };
        call.args
            .iter()
            .for_each(|argument| self.too_long(argument));
        if made.is_clock() {
            self.check_span("wait", call.args.get(1));
        } else if let Some(new) = windower(made, &call.args, None, self.runtime) {
            self.check(&call.args, &quote!(#new.fault_text()));
        }
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        visit::visit_expr_method_call(self, call);
        let Some((made, arguments)) = begin_of(&call.receiver) else {
            return;
        };
        let argument = call.args.first();
        if call.method == "every" && made == Made::Count {
            if let Some(new) = windower(made, arguments, argument, self.runtime) {
                self.check(argument, &quote!(#new.fault_text()));
            }
            return;
        }
        let of_made = |(name, of_clocks): &&(&str, bool)| {
            call.method == name && made.is_clock() == *of_clocks
        };
        if let Some((name, _)) = SPANS.iter().find(of_made) {
            argument
                .into_iter()
                .for_each(|argument| self.too_long(argument));
            self.check_span(name, argument);
        }
    }
}
