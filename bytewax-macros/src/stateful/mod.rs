//! `#[stateful]`: what a type needs so that it can be kept for a key and saved; on an `impl`, what it
//! does, by [`logic`].
//!
//! Phases: [`options`] reads what is in the parentheses, [`model`] the item, [`check`] reports what
//! is wrong with the two, and [`codegen`] prints. What is wrong never keeps the item from having an
//! implementation, so that the user sees the one mistake and not what follows from it.

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
        // The compiler says what it cannot read.
        Err(_) => return item.clone(),
    };
    check::all(&options, &model, &mut errors);
    match errors.finish() {
        Ok(()) => codegen::implementation(&options, model),
        // No implementation for what borrows can be without errors of its own.
        Err(error) if model.generics.lifetimes().next().is_some() => {
            beside(&codegen::alone(model), &error)
        }
        Err(error) => {
            let implementation = codegen::implementation(&options.without_history(), model);
            beside(&implementation, &error)
        }
    }
}

/// An error, and the tokens that stay usable beside it.
fn beside(tokens: &TokenStream, error: &syn::Error) -> TokenStream {
    let error = error.to_compile_error();
    quote!(#tokens #error)
}
