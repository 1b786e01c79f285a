//! `#[sink]` on `impl` blocks: of a sink, and of its partitions.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::{Generics, Ident, ItemImpl, Type};

use super::source_impl::{COMPLETED, END_EPOCH, OPENERS, Opener, of_epochs};
use super::{Given, Options, allowed, beside, fallible, forward};
use crate::errors::Errors;
use crate::hooks::{self, Hook, Own, takes};
use crate::signature::{argument, is_called};

const ASSIGN: Hook = Hook {
    name: "assign",
    form: "fn assign(&self, key: &Key, partitions: usize) -> usize",
    fits: |it| {
        let is_borrowed = || matches!(hooks::inputs(it)[0], Type::Reference(_));
        takes(it, Own::Shared, 2) && is_borrowed() && Given::of(&it.output).ty.is_some()
    },
};

const PARTITION: [Hook; 5] = [
    Hook {
        name: "write_batch",
        form: "fn write_batch(&mut self, items: Vec<Item>) -> Result<(), E>",
        fits: |it| {
            let is_list = || is_called(hooks::inputs(it)[0], "Vec");
            takes(it, Own::Exclusive, 1) && is_list() && Given::of(&it.output).ty.is_none()
        },
    },
    Hook {
        name: "snapshot",
        form: "fn snapshot(&mut self) -> Result<Position, E>",
        fits: |it| takes(it, Own::Exclusive, 0) && Given::of(&it.output).ty.is_some(),
    },
    Hook {
        name: "close",
        form: "fn close(&mut self) -> Result<(), E>",
        fits: |it| takes(it, Own::Exclusive, 0) && Given::of(&it.output).ty.is_none(),
    },
    END_EPOCH,
    COMPLETED,
];

/// Expands one `#[sink]` on an `impl`.
pub(super) fn sink(options: &Options, block: &ItemImpl, mut errors: Errors) -> TokenStream {
    if !hooks::without_trait(block, "sink", &mut errors) {
        return beside(&block.to_token_stream(), errors);
    }
    let [partitions, open, build] = OPENERS;
    let all = [partitions, open, build, ASSIGN];
    let found = hooks::find(block, "sink", &all, &mut errors);
    let opener = Opener::of(&found, block, "sink", &mut errors);
    let implementation = opener.map(|opener| implementation(options, block, &found, &opener));
    let block = allowed(block);
    beside(&quote!(#block #implementation), errors)
}

/// The implementation for all values that a partition accepts, and for all keys unless `assign` restricts
/// them.
fn implementation(
    options: &Options,
    block: &ItemImpl,
    found: &hooks::Hooks<'_>,
    opener: &Opener<'_>,
) -> TokenStream {
    let krate = &options.krate;
    let ty = &block.self_ty;
    let methods = opener.methods(krate);
    let promise = options.marker("Append");
    let value = Ident::new("__BwValue", Span::mixed_site());
    let mut generics = block.generics.clone();
    generics.params.push(syn::parse_quote!(#value));
    match opener {
        Opener::Partitioned {
            partition,
            position,
            ..
        } => {
            let assign = found.get("assign");
            let key = match assign.and_then(|assign| borrowed(assign.inputs().first()?)) {
                Some(key) => key.to_token_stream(),
                None => {
                    let key = Ident::new("__BwKey", Span::mixed_site());
                    generics
                        .params
                        .push(syn::parse_quote!(#key: #krate::key::Key));
                    key.to_token_stream()
                }
            };
            let head = quote!(&self, key: &#key, partitions: usize);
            let arguments = quote!(key, partitions);
            let output = quote!(usize);
            let assign = forward(assign, "assign", &head, &arguments, &output, false);
            let bound = quote! {
                #partition: #krate::sink::StatefulSinkPartition<#value, Position = #position>
            };
            add_condition(&mut generics, &bound);
            let (parameters, _, conditions) = generics.split_for_impl();
            quote! {
                #[automatically_derived]
                impl #parameters #krate::sink::FixedPartitionedSink<#key, #value, #promise> for #ty
                #conditions
                {
                    type Position = #position;
                    type Partition = #partition;

                    #methods
                    #assign
                }
            }
        }
        Opener::Dynamic { part, .. } => {
            let bound = quote!(#part: #krate::sink::StatelessSinkPartition<#value>);
            add_condition(&mut generics, &bound);
            let (parameters, _, conditions) = generics.split_for_impl();
            quote! {
                #[automatically_derived]
                impl #parameters #krate::sink::DynamicSink<#value, #promise> for #ty #conditions {
                    type Partition = #part;

                    #methods
                }
            }
        }
    }
}

fn add_condition(generics: &mut Generics, bound: &TokenStream) {
    let clause = generics.make_where_clause();
    clause.predicates.push(syn::parse_quote!(#bound));
}

fn borrowed(ty: &Type) -> Option<&Type> {
    match ty {
        Type::Reference(reference) => Some(&reference.elem),
        _ => None,
    }
}

/// Expands one `#[sink(partition)]` on an `impl`.
pub(super) fn partition(options: &Options, block: &ItemImpl, mut errors: Errors) -> TokenStream {
    if !hooks::without_trait(block, "sink(partition)", &mut errors) {
        return beside(&block.to_token_stream(), errors);
    }
    let found = hooks::find(block, "sink(partition)", &PARTITION, &mut errors);
    let write_batch = found.get("write_batch");
    if write_batch.is_none() && errors.is_empty() {
        errors.fault(
            block.impl_token,
            "`write_batch` is missing",
            format_args!("write `{}`", PARTITION[0].form),
        );
    }
    let taken = write_batch.and_then(|it| it.inputs().first().copied());
    let value = taken.and_then(|ty| argument(ty, "Vec"));
    let implementation = part_of_sink(options, block, &found, value);
    let block = allowed(block);
    beside(&quote!(#block #implementation), errors)
}

fn part_of_sink(
    options: &Options,
    block: &ItemImpl,
    found: &hooks::Hooks<'_>,
    value: Option<&Type>,
) -> TokenStream {
    let krate = &options.krate;
    let mut generics = block.generics.clone();
    let value = value.map(Type::to_token_stream).unwrap_or_else(|| {
        // The fault was reported, and an implementation prevents a second report.
        let value = Ident::new("__BwValue", Span::mixed_site());
        generics.params.push(syn::parse_quote!(#value));
        value.to_token_stream()
    });
    let (parameters, _, conditions) = generics.split_for_impl();
    let ty = &block.self_ty;
    let none = quote!();
    let done = fallible(krate, &quote!(()));
    let own = quote!(&mut self);
    let head = quote!(&mut self, items: ::std::vec::Vec<#value>);
    let items = quote!(items);
    let write = found.get("write_batch");
    let write_batch = forward(write, "write_batch", &head, &items, &done, true);
    let write_batch = write_batch.unwrap_or_else(|| {
        quote!(fn write_batch(#head) -> #done {
            ::core::unimplemented!()
        })
    });
    let close = forward(found.get("close"), "close", &own, &none, &done, true);
    let snapshot = found.get("snapshot");
    let position = snapshot.and_then(|it| Given::of(&it.method.sig.output).ty);
    let (name, position) = match position {
        Some(position) => {
            let output = fallible(krate, &quote!(Self::Position));
            let method = forward(snapshot, "snapshot", &own, &none, &output, true);
            let name = quote!(StatefulSinkPartition);
            (name, quote!(type Position = #position; #method))
        }
        None => (quote!(StatelessSinkPartition), none),
    };
    let of_epochs = of_epochs(krate, found);
    quote! {
        #[automatically_derived]
        impl #parameters #krate::sink::#name<#value> for #ty #conditions {
            #position
            #write_batch
            #close
            #of_epochs
        }
    }
}
