//! `#[sink]` on a function: a sink with one instance on every worker.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{FnArg, ItemFn, Type};

use super::parameters::{Parameter, Parameters, check_form, hidden, inner};
use super::{Given, Options, beside};
use crate::errors::Errors;
use crate::signature::argument;

/// Expands one `#[sink]` on a function.
pub(super) fn expand(options: &Options, mut function: ItemFn, mut errors: Errors) -> TokenStream {
    let instead = "remove `async`; for asynchronous work per item, use `.map_async(..)` before the \
                   sink";
    check_form(&function, "sink", instead, &mut errors);
    let parameters = Parameters::take(&mut function, true, &mut errors);
    let first = match function.sig.inputs.first() {
        Some(FnArg::Typed(first)) => Some(&*first.ty),
        _ => None,
    };
    let first = first.filter(|_| matches!(parameters.all.first(), Some(Parameter::Items(_))));
    let item = first.and_then(|ty| argument(ty, "Vec"));
    if item.is_none() {
        let place = match first {
            Some(ty) => ty.to_token_stream(),
            None => function.sig.ident.to_token_stream(),
        };
        errors.fault(
            place,
            "a sink takes the items first",
            "make the first parameter one such as `items: Vec<String>`",
        );
    }
    if let Some(promise) = options.promise.as_ref().filter(|it| *it == "transactional") {
        errors.fault(
            promise,
            "a sink that is a function is not transactional: it neither saves a position nor commits",
            "implement `TransactionalSink`, or put `#[sink(transactional)]` on `impl` blocks with `snapshot`",
        );
    }
    let given = Given::of(&function.sig.output);
    if given.ty.is_some() {
        errors.fault(
            &function.sig.output,
            "a sink returns nothing or `Result<(), E>`",
            "an error stops the run",
        );
    }
    let is_right = errors.is_empty();
    let item = item.or(first).map(Type::to_token_stream);
    let item = item.unwrap_or_else(|| quote!(()));
    beside(
        &print(options, &function, &parameters, given, &item, is_right),
        errors,
    )
}

/// The function that returns the sink. With faults, it does not call the user's.
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
    let promise = options.marker("Append");
    let settings = parameters.outer();
    let local = hidden("local");
    let locals = parameters.local_type();
    let inside = inner(function);
    let (items, make, write) = match (is_right, parameters.all.first()) {
        (true, Some(Parameter::Items(items))) => {
            let call = given.wrap(&parameters.call(sig, &local, &local));
            let items = items.to_token_stream();
            (items, parameters.make_locals(), call)
        }
        _ => {
            let never = quote!(::core::unimplemented!());
            (quote!(_), quote!(|| #never), never)
        }
    };
    let (generics, _, conditions) = sig.generics.split_for_impl();
    let unused = (!is_right).then(|| quote!(#[allow(unused)]));
    quote! {
        #unused
        #(#attrs)*
        #vis fn #ident #generics (
            #(#settings),*
        ) -> impl #krate::sink::DynamicSink<#item, #promise> + ::core::clone::Clone #conditions {
            #inside
            #krate::__private::sink_fn::<#promise, #item, #locals, _, _>(
                #make,
                move |#items, #local| #write,
            )
        }
    }
}
