//! The method form of an operator: a trait that streams have, `stream.dedupe(100)`.
//!
//! Only the parameters in the type of the stream are parameters of the trait, and all bounds are on the
//! method, so that the compiler reports which one is not met.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::{Attribute, FnArg, GenericParam, Generics, ItemFn, PatType, Type, WherePredicate};

use crate::signature::{argument_name, mentions, turbofish};

/// The trait `name` and its implementation, for a function whose first parameter is a stream.
pub(super) fn form(function: &ItemFn, name: &Ident) -> TokenStream {
    let ItemFn {
        attrs, vis, sig, ..
    } = function;
    let mut inputs = sig.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(input) => Some(input),
        FnArg::Receiver(_) => None,
    });
    let Some(stream) = inputs.next().map(|input| &*input.ty) else {
        return TokenStream::new();
    };
    let (names, arguments): (Vec<_>, Vec<_>) = inputs.enumerate().map(argument).unzip();
    let (of_stream, mut of_method) = split(&sig.generics, stream);
    let moved = of_stream.params.iter().filter_map(bounds);
    let written = sig.generics.where_clause.iter().flat_map(|c| &c.predicates);
    let predicates: Vec<WherePredicate> = moved.chain(written.cloned()).collect();
    if !predicates.is_empty() {
        let clause = of_method.make_where_clause();
        clause.predicates.extend(predicates);
    }
    let bare = without_bounds(&of_stream);
    let (parameters, stream_arguments, _) = bare.split_for_impl();
    let (method_parameters, _, conditions) = of_method.split_for_impl();
    let (ident, types) = (&sig.ident, turbofish(&sig.generics));
    let output = &sig.output;
    let title = format!("Gives streams the method form of [`{ident}`].");
    let docs = of_trait_method(attrs);
    let conditional: Vec<_> = attrs
        .iter()
        .filter(|it| it.path().is_ident("cfg"))
        .collect();
    let head = quote! {
        fn #ident #method_parameters (self, #(#arguments),*) #output #conditions
    };
    quote! {
        #(#conditional)*
        #[doc = #title]
        #vis trait #name #parameters: ::core::marker::Sized {
            #(#docs)*
            #head;
        }

        #(#conditional)*
        impl #parameters #name #stream_arguments for #stream {
            #head {
                #ident #types (self, #(#names),*)
            }
        }
    }
}

/// The name and the declaration of a parameter; a pattern gets a name.
fn argument((index, input): (usize, &PatType)) -> (Ident, TokenStream) {
    let name = argument_name(index, &input.pat);
    let ty = &input.ty;
    (name.clone(), quote!(#name: #ty))
}

/// The parameters that the stream's type mentions, and the others.
fn split(generics: &Generics, stream: &Type) -> (Generics, Generics) {
    let mut of_stream = Generics::default();
    let mut of_method = Generics::default();
    for parameter in &generics.params {
        let is_mentioned = match parameter {
            GenericParam::Type(it) => mentions(stream, &it.ident),
            GenericParam::Const(it) => mentions(stream, &it.ident),
            GenericParam::Lifetime(it) => mentions(stream, &it.lifetime.ident),
        };
        let target = match is_mentioned {
            true => &mut of_stream,
            false => &mut of_method,
        };
        target.params.push(parameter.clone());
    }
    (of_stream, of_method)
}

/// The bounds of a parameter, in the form of a `where` clause.
fn bounds(parameter: &GenericParam) -> Option<WherePredicate> {
    match parameter {
        GenericParam::Type(it) if !it.bounds.is_empty() => {
            let (name, bounds) = (&it.ident, &it.bounds);
            Some(syn::parse_quote!(#name: #bounds))
        }
        GenericParam::Lifetime(it) if !it.bounds.is_empty() => {
            let (name, bounds) = (&it.lifetime, &it.bounds);
            Some(syn::parse_quote!(#name: #bounds))
        }
        _ => None,
    }
}

fn without_bounds(generics: &Generics) -> Generics {
    let mut bare = generics.clone();
    for parameter in &mut bare.params {
        match parameter {
            GenericParam::Type(it) => {
                it.bounds.clear();
                it.colon_token = None;
            }
            GenericParam::Lifetime(it) => {
                it.bounds.clear();
                it.colon_token = None;
            }
            GenericParam::Const(_) => {}
        }
    }
    bare
}

/// The attributes of the function that also apply to its method.
fn of_trait_method(attributes: &[Attribute]) -> Vec<TokenStream> {
    let words = ["doc", "must_use", "deprecated", "allow", "expect"];
    attributes
        .iter()
        .filter(|attribute| words.iter().any(|word| attribute.path().is_ident(word)))
        .map(ToTokens::to_token_stream)
        .collect()
}
