//! `#[source]` on a function: a source of one partition.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::{ItemFn, Type};

use super::parameters::{Parameters, check_form, hidden, inner};
use super::{Given, Options, beside};
use crate::errors::Errors;
use crate::signature::argument;

/// Expands one `#[source]` on a function.
pub(super) fn expand(options: &Options, mut function: ItemFn, mut errors: Errors) -> TokenStream {
    let instead = "for an `async` stream, use `AsyncBatches`";
    check_form(&function, "source", instead, &mut errors);
    let parameters = Parameters::take(&mut function, false, &mut errors);
    let given = Given::of(&function.sig.output);
    let item = given.ty.and_then(|ty| argument(ty, "Poll"));
    if item.is_none() {
        let place = match given.ty {
            Some(_) => function.sig.output.to_token_stream(),
            None => function.sig.ident.to_token_stream(),
        };
        errors.fault(
            place,
            "a source returns `Poll<T>` or `Result<Poll<T>, E>`",
            "`Poll::item(..)`, `Poll::batch(..)`, `Poll::idle(..)` and `Poll::end()` create one",
        );
    }
    let is_right = errors.is_empty();
    let item = item.or(given.ty).map(Type::to_token_stream);
    let item = item.unwrap_or_else(|| quote!(()));
    beside(
        &print(options, &function, &parameters, given, &item, is_right),
        errors,
    )
}

/// The function that returns the source. With faults, it does not call the user's.
fn print(
    options: &Options,
    function: &ItemFn,
    parameters: &Parameters,
    given: Given<'_>,
    item: &TokenStream,
    is_right: bool,
) -> TokenStream {
    let ItemFn {
        attrs, vis, sig, ..
    } = function;
    let krate = &options.krate;
    let ident = &sig.ident;
    let name = parameters.partition_name(krate, &ident.unraw().to_string());
    // Without a position it cannot resume.
    let promise = options.marker(match parameters.position {
        Some(_) => "Replayable",
        None => "NotReplayable",
    });
    let settings = parameters.outer();
    let others = parameters.other_settings(krate);
    let position = match &parameters.position {
        Some(ty) => ty.to_token_stream(),
        None => quote!(()),
    };
    let (next, local) = (hidden("position"), hidden("local"));
    let locals = parameters.local_type();
    let inside = inner(function);
    let (make, poll) = match is_right {
        true => {
            let call = given.wrap(&parameters.call(sig, &next, &local));
            (parameters.make_locals(), call)
        }
        false => {
            let never = quote!(::core::unimplemented!());
            (quote!(|| #never), never)
        }
    };
    let (generics, _, conditions) = sig.generics.split_for_impl();
    let unused = (!is_right).then(|| quote!(#[allow(unused)]));
    quote! {
        #unused
        #(#attrs)*
        #vis fn #ident #generics (
            #(#settings),*
        ) -> impl #krate::source::FixedPartitionedSource<#promise, Item = #item, Position = #position>
            + ::core::clone::Clone
        #conditions
        {
            #inside
            #krate::__private::source_fn::<#promise, #item, #position, #locals, _, _>(
                #name,
                #others,
                #make,
                move |#next, #local| #poll,
            )
        }
    }
}
