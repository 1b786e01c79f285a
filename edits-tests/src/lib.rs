//! What `dataflow!` says of the text of a flow: the macro itself as a library, which tests can ask.
//!
//! The programs of the tests are described by the plain builder, so that they compile whatever they do. Each has its text too, and
//! that is what is judged here.

#[allow(dead_code, reason = "what only the macro crate calls")]
#[path = "../../bytewax-macros/src/body/mod.rs"]
mod body;
#[allow(dead_code, reason = "what only the macro crate calls")]
#[path = "../../bytewax-macros/src/dataflow/mod.rs"]
mod dataflow;
#[allow(dead_code, reason = "what only the macro crate calls")]
#[path = "../../bytewax-macros/src/errors.rs"]
mod errors;
#[allow(dead_code, unused_imports, reason = "what only the macro crate calls")]
#[path = "../../bytewax-macros/src/lock/mod.rs"]
mod lock;
#[allow(dead_code, reason = "what only the macro crate calls")]
#[path = "../../bytewax-macros/src/registry.rs"]
mod registry;

mod text;

use proc_macro2::TokenStream;
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Expr, ExprCall, ExprLit, ExprStruct, Lit, Token};

use lock::Package;

/// What is said of a flow.
#[derive(Debug, Default)]
pub struct Judged {
    /// What is refused.
    pub errors: Vec<String>,
    /// What the compiler is to find out about types and constants, each with what is said if it does not hold.
    pub checks: Vec<String>,
    /// The names of steps that save, each with a hash of its arguments.
    pub arguments: Vec<(String, u32)>,
}

/// Judges a flow of a program that has this lock file. The text is that of the closure in `dataflow!`.
///
/// # Panics
///
/// If the text is none of a flow.
#[must_use]
pub fn judge(name: &str, closure: &str, lock: Option<&str>) -> Judged {
    let closure = text::as_written(closure);
    let package = Package::new("/work".to_owned(), String::new(), lock);
    let input: TokenStream = quote::quote!(#name, #closure);
    let expanded = dataflow::expand(&input, Some(&package));
    let mut judged = Judged::default();
    judged.visit_expr(&syn::parse2(expanded).expect("it expands to an expression"));
    judged
}

impl<'ast> Visit<'ast> for Judged {
    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        let parsed = call.parse_body_with(Punctuated::<Expr, Token![,]>::parse_terminated);
        let texts = parsed.iter().flatten().filter_map(text_of);
        let last = call.path.segments.last();
        match last.map(|part| part.ident.to_string()).as_deref() {
            Some("compile_error") => self.errors.extend(texts),
            Some("assert") => self.checks.extend(texts),
            _ => {}
        }
    }

    fn visit_expr_call(&mut self, call: &'ast ExprCall) {
        if let Expr::Path(function) = &*call.func
            && let Some(last) = function.path.segments.last()
            && last.ident == "keys_are"
        {
            self.checks.extend(call.args.last().and_then(text_of));
        }
        visit::visit_expr_call(self, call);
    }

    /// `Origin { arguments: &[("name", 7u32)] }`
    fn visit_expr_struct(&mut self, made: &'ast ExprStruct) {
        for field in &made.fields {
            if let syn::Member::Named(name) = &field.member
                && name == "arguments"
                && let Expr::Reference(list) = &field.expr
                && let Expr::Array(list) = &*list.expr
            {
                self.arguments.extend(list.elems.iter().filter_map(pair));
            }
        }
        visit::visit_expr_struct(self, made);
    }
}

fn pair(expr: &Expr) -> Option<(String, u32)> {
    let Expr::Tuple(pair) = expr else { return None };
    let Expr::Lit(ExprLit {
        lit: Lit::Int(hash),
        ..
    }) = pair.elems.last()?
    else {
        return None;
    };
    Some((text_of(pair.elems.first()?)?, hash.base10_parse().ok()?))
}

fn text_of(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => Some(text.value()),
        _ => None,
    }
}
