//! `dataflow!`: names the steps of a flow, and checks the visible part of the graph.
//!
//! Phases: [`parse`] reads the header, [`walk`] names the steps in the user's tree, [`check`] reports faults,
//! and [`codegen`] or, on errors, [`fallback`] prints.

mod check;
mod codegen;
mod fallback;
mod parse;

#[cfg(test)]
mod tests;

use proc_macro2::TokenStream;
use quote::quote;

use crate::body::delivery::questions;
use crate::body::{walk, windows};
use crate::errors::Errors;
use crate::lock;
use parse::Parsed;

/// If set to the name of a flow, makes the compiler print the expansion of the flow.
const DEBUG_VARIABLE: &str = "BYTEWAX_MACROS_DEBUG";

/// Expands one `dataflow!`, of a package that may have a lock file.
pub(crate) fn expand(input: &TokenStream, package: Option<&lock::Package>) -> TokenStream {
    let mut errors = Errors::new();
    let mut described = match parse::described(input) {
        Parsed::Flow(described) => described,
        Parsed::BrokenBody(plain) => return fallback::builder(&plain),
        Parsed::BrokenHeader(error) => return fallback::alone(&error),
    };
    let locks_keys = package.is_some_and(|package| package.locks_keys(&described.name));
    let delivery = described.delivery;
    let model = walk::closure(
        &described.flow,
        &mut described.closure,
        locks_keys,
        delivery,
    );
    check::all(&model, &described, &mut errors);
    let parameters = windows::in_expr(&described.closure.body, &quote!(::bytewax), &mut errors);
    if let Some(package) = package {
        lock::all(package, &described.name, &model, &mut errors);
    }
    match errors.finish() {
        Ok(()) => {
            if let Some(package) = package.filter(|_| locks_keys) {
                lock::fill_keys(
                    package,
                    &described.name,
                    &model,
                    &mut described.closure.body,
                );
            }
            let questions = delivery.map(|delivery| questions(delivery, &model));
            let mut expanded = codegen::dataflow(&described, &quote!(#questions #parameters));
            if let Some(package) = package {
                expanded = lock::beside(package, &described.name, &model, &expanded);
            }
            print_if_asked(&described.name.value(), &expanded);
            expanded
        }
        // The compiler would report these again, in other words.
        Err(error) if !model.leaves.is_empty() => fallback::alone(&error),
        Err(error) => fallback::with_builder(&described.plain, &error),
    }
}

fn print_if_asked(name: &str, expanded: &TokenStream) {
    if std::env::var(DEBUG_VARIABLE).is_ok_and(|asked| asked == name) {
        eprintln!("{expanded}");
    }
}
