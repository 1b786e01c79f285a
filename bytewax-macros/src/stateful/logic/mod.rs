//! `#[stateful]` on an `impl`: the reactions of the state to values and times.
//!
//! The block stays unchanged; the implementation of the trait is added and calls it.

#[cfg(test)]
mod tests;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{ItemImpl, Path, ReturnType, Signature, Type};

use super::options::Options;
use crate::errors::Errors;
use crate::hooks::{self, Found, Hook, Hooks, Own, takes};
use crate::signature::{argument, is_called, returned};

const HOOKS: [Hook; 5] = [
    Hook {
        name: "on_item",
        form: "fn on_item(&mut self, item: In, out: &mut Emit<Out>) -> Keep",
        fits: |it| takes(it, Own::Exclusive, 2) && emits(it) && keeps(it),
    },
    Hook {
        name: "on_batch",
        form: "fn on_batch(&mut self, items: Vec<In>, out: &mut Emit<Out>) -> Keep",
        fits: |it| {
            let is_list = || is_called(hooks::inputs(it)[0], "Vec");
            takes(it, Own::Exclusive, 2) && is_list() && emits(it) && keeps(it)
        },
    },
    Hook {
        name: "on_notify",
        form: "fn on_notify(&mut self, out: &mut Emit<Out>) -> Keep",
        fits: |it| takes(it, Own::Exclusive, 1) && emits(it) && keeps(it),
    },
    Hook {
        name: "on_eof",
        form: "fn on_eof(&mut self, out: &mut Emit<Out>) -> Keep",
        fits: |it| takes(it, Own::Exclusive, 1) && emits(it) && keeps(it),
    },
    Hook {
        name: "notify_at",
        form: "fn notify_at(&self) -> Option<DateTime<Utc>>",
        fits: |it| takes(it, Own::Shared, 0) && returns(it, "Option"),
    },
];

/// Expands one `#[stateful]` on an `impl`.
pub(super) fn expand(options: &Options, item: &ItemImpl, mut errors: Errors) -> TokenStream {
    if !hooks::without_trait(item, "stateful", &mut errors) {
        return beside(item.to_token_stream(), errors);
    }
    if let Some(word) = options.of_types() {
        errors.fault(
            word,
            format_args!("`{word}` is an option of the type"),
            "put it on the `struct` or `enum`",
        );
    }
    let found = hooks::find(item, "stateful", &HOOKS, &mut errors);
    let (item_hook, batch_hook) = (found.get("on_item"), found.get("on_batch"));
    match (item_hook, batch_hook) {
        // For a misnamed method, this was already reported in other words.
        (None, None) if errors.is_empty() => errors.fault(
            item.impl_token,
            "the logic has neither `on_item` nor `on_batch`",
            format_args!("write `{}`", HOOKS[0].form),
        ),
        (Some(_), Some(batch)) => errors.fault(
            batch.name(),
            "values come one by one or in batches, not both",
            "keep `on_item` for `stateful`, or `on_batch` for `stateful_batch`",
        ),
        _ => {}
    }
    let implementation = match (item_hook, batch_hook) {
        (Some(hook), _) => implementation(&options.krate(), item, &found, hook, false),
        (None, Some(hook)) => implementation(&options.krate(), item, &found, hook, true),
        (None, None) => None,
    };
    // The user does not choose the signatures of hooks.
    let allow = quote!(#[allow(clippy::needless_pass_by_value, clippy::unused_self)]);
    beside(quote!(#allow #item #implementation), errors)
}

/// The tokens, and the reported faults.
fn beside(tokens: TokenStream, errors: Errors) -> TokenStream {
    match errors.finish() {
        Ok(()) => tokens,
        Err(error) => super::beside(&tokens, &error),
    }
}

/// The implementation of the trait, as far as the types of its values are readable.
fn implementation(
    krate: &Path,
    item: &ItemImpl,
    found: &Hooks<'_>,
    on_value: Found<'_>,
    is_batch: bool,
) -> Option<TokenStream> {
    let inputs = on_value.inputs();
    let value = *inputs.first()?;
    let value = if is_batch {
        argument(value, "Vec")?
    } else {
        value
    };
    let out = emitted(inputs.get(1)?)?;
    let (parameters, _, conditions) = item.generics.split_for_impl();
    let ty = &item.self_ty;
    let emit = quote!(out: &mut #krate::operators::Emit<Self::Out>);
    let keep = quote!(#krate::operators::Keep);
    let (name, taken, given) = match is_batch {
        true => (
            "StatefulBatchLogic",
            quote!(::std::vec::Vec<Self::In>),
            quote!(items),
        ),
        false => ("StatefulLogic", quote!(Self::In), quote!(item)),
    };
    let name = syn::Ident::new(name, proc_macro2::Span::call_site());
    let hook = if is_batch { "on_batch" } else { "on_item" };
    let values = forward(
        found.get(hook),
        hook,
        &quote!(&mut self, #given: #taken, #emit),
        &quote!(#given, out),
        &keep,
    );
    let on_notify = ["on_notify", "on_eof"].map(|hook| {
        let head = quote!(&mut self, #emit);
        forward(found.get(hook), hook, &head, &quote!(out), &keep)
    });
    let time = quote! {
        ::core::option::Option<#krate::__private::chrono::DateTime<#krate::__private::chrono::Utc>>
    };
    let notify_at = found.get("notify_at");
    let notify_at = forward(notify_at, "notify_at", &quote!(&self), &quote!(), &time);
    Some(quote! {
        #[automatically_derived]
        impl #parameters #krate::operators::#name for #ty #conditions {
            type In = #value;
            type Out = #out;

            #values
            #(#on_notify)*
            #notify_at
        }
    })
}

/// A method of the trait that calls the user's method.
fn forward(
    found: Option<Found<'_>>,
    hook: &str,
    head: &TokenStream,
    arguments: &TokenStream,
    output: &TokenStream,
) -> Option<TokenStream> {
    let found = found?;
    let hook = syn::Ident::new(hook, found.name().span());
    let name = found.name();
    let conditions = found.conditions();
    let body = match found.fits {
        true => quote!(Self::#name(self, #arguments)),
        // Its faults were already reported.
        false => quote!(::core::unimplemented!()),
    };
    Some(quote! {
        #(#conditions)*
        #[inline]
        fn #hook(#head) -> #output {
            #body
        }
    })
}

/// The output type of the last parameter, `&mut Emit<Out>`.
fn emitted(ty: &Type) -> Option<&Type> {
    match ty {
        Type::Reference(reference) if reference.mutability.is_some() => {
            argument(&reference.elem, "Emit")
        }
        _ => None,
    }
}

fn emits(signature: &Signature) -> bool {
    hooks::inputs(signature)
        .last()
        .is_some_and(|ty| emitted(ty).is_some())
}

fn keeps(signature: &Signature) -> bool {
    returns(signature, "Keep")
}

fn returns(signature: &Signature, name: &str) -> bool {
    let output: &ReturnType = &signature.output;
    returned(output).is_some_and(|ty| is_called(ty, name))
}
