//! `#[operator]`: a function that builds steps, in a scope of its name.
//!
//! Phases: [`model`] reads the signature, [`walk`] names the steps in the body, [`check`] reports faults, and
//! [`codegen`] prints, with [`method`] for the form that is called on a stream. If the body has faults, the
//! function is printed unchanged.

mod check;
mod codegen;
mod method;
mod model;

#[cfg(test)]
mod tests;

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::{ItemFn, Path, Token};

use crate::body::{walk, windows};
use crate::errors::Errors;
use crate::item;
use crate::options;
use model::Model;

/// The arguments of the attribute.
struct Options {
    /// The trait of the method form.
    method: Option<Ident>,
    krate: Path,
}

/// Expands one `#[operator]`.
pub(crate) fn expand(options: TokenStream, item: &TokenStream) -> TokenStream {
    let mut function: ItemFn = match syn::parse2(item.clone()) {
        Ok(function) => function,
        Err(_) => return not_a_function(item),
    };
    let mut errors = Errors::new();
    let options = Options::parse(options, &mut errors);
    let model = Model::of(&function.sig, &mut errors);
    let is_faulty = check::signature(&function.sig, &model, &mut errors);
    if is_faulty {
        return match errors.finish() {
            Ok(()) => item.clone(),
            Err(error) => beside(&codegen::stub(function), &error),
        };
    }
    let body = walk::function(
        model.flow_in_words(),
        model.parameters.clone(),
        &mut function.block,
    );
    check::method(&function.sig, &options, &mut errors);
    check::body(&function.sig, &body, &mut errors);
    let krate = options.krate.to_token_stream();
    let parameters = windows::in_block(&function.block, &krate, &mut errors);
    match (errors.finish(), &model.flow) {
        (Ok(()), Some(flow)) => codegen::operator(function, flow, &options, &parameters),
        (Ok(()), None) => item.clone(),
        (Err(error), _) => beside(item, &error),
    }
}

impl Options {
    fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut options = Self {
            method: None,
            krate: options::default_crate(),
        };
        options::read(tokens, &["method"], errors, |name, input, _| {
            if name == "method" {
                input.parse::<Token![=]>()?;
                options.method = Some(input.parse()?);
            } else if name == "crate" {
                options.krate = options::path(input)?;
            } else {
                return Ok(false);
            }
            Ok(true)
        });
        options
    }
}

/// An error for an item of another kind; the compiler reports unreadable code itself.
fn not_a_function(tokens: &TokenStream) -> TokenStream {
    let Ok(item) = syn::parse2(tokens.clone()) else {
        return tokens.clone();
    };
    let text = "`#[operator]` goes on a function";
    beside(tokens, &syn::Error::new_spanned(item::keyword(&item), text))
}

/// An error and the item, so that the compiler still checks the item.
fn beside(item: &TokenStream, error: &syn::Error) -> TokenStream {
    let error = error.to_compile_error();
    quote!(#[allow(unused)] #item #error)
}
