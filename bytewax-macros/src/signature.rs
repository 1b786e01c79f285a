//! Reads a function's signature, as far as its text shows it.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote};
use syn::{GenericArgument, GenericParam, Generics, Pat, PathArguments, ReturnType, Type};

/// The first type argument of a type with the name `name` and any path.
pub(crate) fn argument<'ty>(ty: &'ty Type, name: &str) -> Option<&'ty Type> {
    arguments(ty, name)?.first().copied()
}

/// The type arguments of a type with the name `name` and any path.
pub(crate) fn arguments<'ty>(ty: &'ty Type, name: &str) -> Option<Vec<&'ty Type>> {
    let Type::Path(path) = ty else {
        return None;
    };
    let last = path.path.segments.last()?;
    if last.ident != name {
        return None;
    }
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return Some(Vec::new());
    };
    let types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    Some(types.collect())
}

/// Whether a type has the name `name` and any path.
pub(crate) fn is_called(ty: &Type, name: &str) -> bool {
    arguments(ty, name).is_some()
}

/// The return type; `None` for `()`.
pub(crate) fn returned(output: &ReturnType) -> Option<&Type> {
    match output {
        ReturnType::Default => None,
        ReturnType::Type(_, ty) => match &**ty {
            Type::Tuple(tuple) if tuple.elems.is_empty() => None,
            ty => Some(ty),
        },
    }
}

/// The name of a parameter; a pattern gets one.
pub(crate) fn argument_name(index: usize, pattern: &Pat) -> Ident {
    match pattern {
        Pat::Ident(name) if name.subpat.is_none() => name.ident.clone(),
        Pat::Paren(inner) => argument_name(index, &inner.pat),
        Pat::Type(typed) => argument_name(index, &typed.pat),
        _ => format_ident!("argument_{}", index + 1),
    }
}

/// The arguments with which a function passes on its own parameters: `::<T, N>`. The compiler infers
/// lifetimes.
pub(crate) fn turbofish(generics: &Generics) -> Option<TokenStream> {
    let names = generics
        .params
        .iter()
        .filter_map(|parameter| match parameter {
            GenericParam::Type(it) => Some(&it.ident),
            GenericParam::Const(it) => Some(&it.ident),
            GenericParam::Lifetime(_) => None,
        });
    let names: Vec<_> = names.collect();
    (!names.is_empty()).then(|| quote!(::<#(#names),*>))
}

/// Whether a name occurs anywhere in these tokens.
pub(crate) fn mentions(tokens: impl ToTokens, name: &Ident) -> bool {
    fn search(tokens: TokenStream, name: &Ident) -> bool {
        tokens.into_iter().any(|token| match token {
            TokenTree::Ident(ident) => ident == *name,
            TokenTree::Group(group) => search(group.stream(), name),
            _ => false,
        })
    }
    search(tokens.into_token_stream(), name)
}
