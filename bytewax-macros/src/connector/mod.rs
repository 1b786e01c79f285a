//! `#[source]` and `#[sink]`: connectors from a function, or from `impl` blocks.
//!
//! A function becomes one that returns the connector, with the user's function inside: [`source_fn`] and
//! [`sink_fn`], using [`parameters`]. A block stays unchanged, and the implementation of the trait is added:
//! [`source_impl`] and [`sink_impl`].

mod parameters;
mod sink_fn;
mod sink_impl;
mod source_fn;
mod source_impl;

#[cfg(test)]
mod tests;

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::{Item, Path, ReturnType, Type};

use crate::errors::Errors;
use crate::hooks::Found;
use crate::signature::{arguments, returned};
use crate::{item, options};

/// The arguments of the attribute.
struct Options {
    /// The word `partition`: the block implements the opened partition, not its connector.
    partition: Option<Ident>,
    /// The declaration of the connector, if any.
    promise: Option<Ident>,
    krate: Path,
}

/// Expands one `#[source]`.
pub(crate) fn source(options: TokenStream, tokens: &TokenStream) -> TokenStream {
    let mut errors = Errors::new();
    let options = Options::parse(options, &["not_replayable"], &mut errors);
    match syn::parse2(tokens.clone()) {
        Ok(Item::Fn(function)) => {
            options.refuse_partition(&mut errors);
            source_fn::expand(&options, function, errors)
        }
        Ok(Item::Impl(block)) if options.partition.is_some() => {
            source_impl::partition(&options, &block, errors)
        }
        Ok(Item::Impl(block)) => source_impl::source(&options, &block, errors),
        Ok(other) => beside(tokens, wrong_item(&other, "source")),
        // The compiler reports unreadable input.
        Err(_) => tokens.clone(),
    }
}

/// Expands one `#[sink]`.
pub(crate) fn sink(options: TokenStream, tokens: &TokenStream) -> TokenStream {
    let mut errors = Errors::new();
    let options = Options::parse(options, &["transactional", "idempotent"], &mut errors);
    match syn::parse2(tokens.clone()) {
        Ok(Item::Fn(function)) => {
            options.refuse_partition(&mut errors);
            sink_fn::expand(&options, function, errors)
        }
        Ok(Item::Impl(block)) if options.partition.is_some() => {
            sink_impl::partition(&options, &block, errors)
        }
        Ok(Item::Impl(block)) => sink_impl::sink(&options, &block, errors),
        Ok(other) => beside(tokens, wrong_item(&other, "sink")),
        Err(_) => tokens.clone(),
    }
}

impl Options {
    fn parse(tokens: TokenStream, promises: &[&str], errors: &mut Errors) -> Self {
        let mut options = Self {
            partition: None,
            promise: None,
            krate: options::default_crate(),
        };
        let expected = [&["partition"], promises].concat();
        options::read(tokens, &expected, errors, |name, input, errors| {
            if name == "partition" {
                options.partition = Some(name.clone());
            } else if name == "crate" {
                options.krate = options::path(input)?;
            } else if promises.iter().any(|promise| name == promise) {
                if let Some(first) = options.promise.replace(name.clone()) {
                    errors.note(name, format!("it is declared `{first}` already"));
                }
            } else {
                return Ok(false);
            }
            Ok(true)
        });
        if let (Some(_), Some(promise)) = (&options.partition, &options.promise) {
            errors.fault(
                promise,
                format_args!("what is opened for a partition does not declare `{promise}`"),
                "put it on the `impl` block that opens partitions",
            );
        }
        options
    }

    /// The marker of the declaration, or else this default.
    fn marker(&self, default: &str) -> TokenStream {
        let krate = &self.krate;
        let (name, span) = match self.promise.as_ref().map(|it| (it.to_string(), it.span())) {
            Some((promise, span)) if promise == "not_replayable" => ("NotReplayable", span),
            Some((promise, span)) if promise == "transactional" => ("Transactional", span),
            Some((_, span)) => ("Idempotent", span),
            None => (default, Span::mixed_site()),
        };
        let name = Ident::new(name, span);
        quote!(#krate::delivery::#name)
    }

    fn refuse_partition(&self, errors: &mut Errors) {
        if let Some(word) = &self.partition {
            errors.fault(
                word,
                "a function has no partitions",
                "put this on the `impl` block of the type that is opened for a partition",
            );
        }
    }
}

fn wrong_item(other: &Item, attribute: &str) -> Errors {
    let mut errors = Errors::new();
    errors.fault(
        item::keyword(other),
        format_args!("`#[{attribute}]` goes on a function or an `impl`"),
        "of a type, put it on the `impl` block with its methods",
    );
    errors
}

/// The tokens, and the reported faults.
fn beside(tokens: &TokenStream, errors: Errors) -> TokenStream {
    match errors.finish() {
        Ok(()) => tokens.clone(),
        Err(error) => {
            let error = error.to_compile_error();
            quote!(#tokens #error)
        }
    }
}

/// The return type of a function, perhaps inside a `Result`.
#[derive(Clone, Copy)]
struct Given<'ast> {
    /// The type; `None` for `()`.
    ty: Option<&'ast Type>,
    may_fail: bool,
}

impl<'ast> Given<'ast> {
    fn of(output: &'ast ReturnType) -> Self {
        let ty = returned(output);
        match ty.and_then(|ty| arguments(ty, "Result")) {
            Some(inside) => Self {
                ty: inside
                    .first()
                    .copied()
                    .filter(|ty| !matches!(ty, Type::Tuple(tuple) if tuple.elems.is_empty())),
                may_fail: true,
            },
            None => Self {
                ty,
                may_fail: false,
            },
        }
    }

    /// Wraps a call that returns it into a call that returns a `Result`.
    fn wrap(&self, call: &TokenStream) -> TokenStream {
        match self.may_fail {
            true => quote!(#call.map_err(::core::convert::Into::into)),
            false => quote!(::core::result::Result::Ok(#call)),
        }
    }
}

/// A trait method that calls the user's method; the fault of a method with a wrong signature was already
/// reported.
fn forward(
    found: Option<Found<'_>>,
    hook: &str,
    head: &TokenStream,
    arguments: &TokenStream,
    output: &TokenStream,
    is_wrapped: bool,
) -> Option<TokenStream> {
    let found = found?;
    let name = found.name();
    let hook = Ident::new(hook, name.span());
    let conditions = found.conditions();
    let call = quote!(Self::#name(self, #arguments));
    let body = match (found.fits, is_wrapped) {
        (false, _) => quote!(::core::unimplemented!()),
        (true, false) => call,
        (true, true) => Given::of(&found.method.sig.output).wrap(&call),
    };
    Some(quote! {
        #(#conditions)*
        fn #hook(#head) -> #output {
            #body
        }
    })
}

/// `Result<ty, StepError>`.
fn fallible(krate: &Path, ty: &TokenStream) -> TokenStream {
    quote!(::core::result::Result<#ty, #krate::StepError>)
}

/// The block as the user wrote it. The user does not choose the signatures of hooks.
fn allowed(block: &syn::ItemImpl) -> TokenStream {
    quote! {
        #[allow(clippy::needless_pass_by_value, clippy::unused_self, clippy::unnecessary_wraps)]
        #block
    }
}
