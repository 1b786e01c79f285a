//! `#[stateful]`: makes a type saveable as the state of a key; on an `impl`, defines its behaviour, in
//! [`logic`].
//!
//! Phases: [`options`] reads the arguments, [`model`] the item, [`check`] reports faults of both, and
//! [`codegen`] prints. The item gets an implementation despite faults, so that the user sees the mistake and
//! not its consequences.

mod check;
mod codegen;
mod logic;
mod model;
mod options;
mod text;

#[cfg(test)]
mod tests;

use proc_macro2::TokenStream;
use quote::quote;
use syn::Item;

use crate::errors::Errors;
use model::Model;
use options::Options;

/// Expands one `#[stateful]`.
pub(crate) fn expand(options: TokenStream, item: &TokenStream) -> TokenStream {
    let mut errors = Errors::new();
    let options = Options::parse(options, &mut errors);
    let model = match syn::parse2(item.clone()) {
        Ok(Item::Struct(item)) => Model::of_struct(item),
        Ok(Item::Enum(item)) => Model::of_enum(item),
        Ok(Item::Impl(item)) => return logic::expand(&options, &item, errors),
        Ok(other) => return beside(item, &check::wrong_item(&other)),
        // The compiler reports unreadable input.
        Err(_) => return item.clone(),
    };
    check::all(&options, &model, &mut errors);
    match errors.finish() {
        Ok(()) => codegen::implementation(&options, model),
        // No implementation for a borrowing item can be free of its own errors.
        Err(error) if model.generics.lifetimes().next().is_some() => {
            beside(&codegen::alone(model), &error)
        }
        Err(error) => {
            let implementation = codegen::implementation(&options.without_history(), model);
            beside(&implementation, &error)
        }
    }
}

/// An error, and the tokens that remain usable.
fn beside(tokens: &TokenStream, error: &syn::Error) -> TokenStream {
    let error = error.to_compile_error();
    quote!(#tokens #error)
}
