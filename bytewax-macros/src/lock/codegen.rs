//! The additions to the expansion of a locked flow.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, GenericArgument, LitStr, PathArguments, Type};

use super::file::{File, Locked, Package};
use crate::body::codegen;
use crate::body::model::{Model, Step};
use crate::body::windows::Stated;
use crate::registry::Kind;

/// The builder call with the known facts about the flow, after type checks. The lock file is part of the
/// program: a change of the file recompiles the program, which reports missing entries when it runs.
pub(crate) fn beside(
    package: &Package,
    flow: &LitStr,
    model: &Model,
    call: &TokenStream,
) -> TokenStream {
    let Package { dir, program, file } = package;
    let was = match package.was(&flow.value()) {
        Some(program) => quote!(::core::option::Option::Some(#program)),
        None => quote!(::core::option::Option::None),
    };
    let lock = match file {
        Some(File { path, .. }) => {
            quote!(::core::option::Option::Some(::core::include_str!(#path)))
        }
        None => quote!(::core::option::Option::None),
    };
    let saving = model.steps.iter().filter(|step| {
        let saves = |kind: Kind| !kind.is_numbered();
        step.kind.is_some_and(saves)
    });
    let arguments = saving.map(|step| {
        let (name, hash) = (&step.full.0, step.arguments);
        quote!((#name, #hash))
    });
    let call = quote!(#call.with_origin(::bytewax::__private::Origin {
        package: #dir,
        program: #program,
        was: #was,
        lock: #lock,
        arguments: &[#(#arguments),*],
    }));
    let locked = package.flow(&flow.value()).unwrap_or_default();
    let entry = |step: &Step| locked.iter().find(|entry| entry.name == step.saved.0);
    let both = model
        .steps
        .iter()
        .filter_map(|step| Some((step, entry(step)?)));
    let checks = both.flat_map(|(step, entry)| {
        let of_type = step.state.as_ref().zip(entry.state.as_ref());
        let of_type = of_type.map(|(ty, locked)| check(step, ty, locked));
        let of_facts = step.stated.iter().filter_map(|stated| {
            let locked = entry.facts.get(stated.fact)?;
            Some(check_fact(step, stated, locked, &model.flow))
        });
        of_type.into_iter().chain(of_facts).collect::<Vec<_>>()
    });
    let checks: Vec<_> = checks.collect();
    match checks.is_empty() {
        true => call,
        false => quote!({
            #(#checks)*
            #call
        }),
    }
}

/// Makes the compiler compare the keys of each locked step with the file. It knows their types when it builds
/// the program, although they are rarely explicit.
pub(crate) fn fill_keys(package: &Package, flow: &LitStr, model: &Model, body: &mut Expr) {
    let locked = package.flow(&flow.value()).unwrap_or_default();
    codegen::fill_keys(body, |number| {
        let step = model.steps.get(number)?;
        let entry = locked.iter().find(|entry| entry.name == step.saved.0)?;
        let keys = entry.keys()?;
        let (name, handle) = (&step.saved.0, &model.flow);
        let message = format!(
            "the type of the keys of `{name}` is saved as `{keys}` in `dataflow.lock`, but differs here\n\
             help: write it as it was, or give the step another name with `.named(\"..\")` and add \
             `{handle}.dropped(\"{name}\", \"why\")`: it then starts empty, and its saved state is deleted"
        );
        let span = step.callee.span().resolved_at(Span::mixed_site());
        Some(Expr::Verbatim(quote_spanned!(span=> const {
            ::bytewax::__private::keys_are(#keys, #message)
        })))
    });
}

/// Checks that the type of a step's state reads the saved state of the type in the file.
fn check(step: &Step, ty: &Type, locked: &Locked) -> TokenStream {
    let Locked {
        name,
        version,
        fingerprint,
    } = locked;
    let message = format!(
        "the state of `{}` is `{name}` version {version} in `dataflow.lock`, which this type cannot \
         read\nhelp: if its fields or those of an inner type have changed, give it the next version with \
         `#[stateful(version = {}, from(Old{name}))]`, and keep the old one as `Old{name}`, with its old inner \
         types, which need no version",
        step.saved.0,
        version + 1,
    );
    let span = ty.span().resolved_at(Span::mixed_site());
    let schema = quote_spanned!(span=> <#ty as ::bytewax::state::State>::SCHEMA);
    let newer = format!(
        "the state of `{}` is `{name}` version {version} in `dataflow.lock`, which is newer than this type\nhelp: \
         use the version of the program that has that type, or the lock file of this one",
        step.saved.0,
    );
    let check = quote_spanned!(span=> {
        ::core::assert!(#schema.version >= #version, #newer);
        ::core::assert!(#schema.reads(#version, #fingerprint), #message)
    });
    match may_be_parameter(ty) {
        // An item cannot use the parameters of the enclosing function.
        true => quote!(const #check;),
        false => quote!(const _: () = #check;),
    }
}

/// Checks that the fact in an argument about a step's state agrees with the file.
fn check_fact(step: &Step, stated: &Stated, locked: &str, flow: &str) -> TokenStream {
    let Stated { fact, is, place } = stated;
    let name = &step.saved.0;
    let message = format!(
        "the {fact} of `{name}` is `{locked}` in `dataflow.lock`, but differs here\n\
         help: write it as it was, or give the step another name with `.named(\"..\")` and add \
         `{flow}.dropped(\"{name}\", \"why\")`: it then starts empty, and its saved state is deleted"
    );
    let span = place.span().resolved_at(Span::mixed_site());
    quote_spanned!(span=> const _: () = ::core::assert!(#is(#locked), #message);)
}

/// Whether a type may depend on a type parameter: by convention, these are short and upper case.
fn may_be_parameter(ty: &Type) -> bool {
    let Type::Path(path) = ty else {
        return true;
    };
    path.path.segments.iter().any(|part| {
        let name = part.ident.to_string();
        let is_short = name.chars().all(|c| c.is_uppercase() || c.is_numeric());
        let has_parameters = match &part.arguments {
            PathArguments::AngleBracketed(list) => {
                list.args.iter().any(|argument| match argument {
                    GenericArgument::Type(ty) => may_be_parameter(ty),
                    _ => true,
                })
            }
            PathArguments::None => false,
            PathArguments::Parenthesized(_) => true,
        };
        is_short || name == "Self" || has_parameters
    })
}
