//! `#[source]` on `impl` blocks: of a source, and of its partitions.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{ItemImpl, Path, Type};

use super::{Given, Options, allowed, beside, fallible, forward};
use crate::errors::Errors;
use crate::hooks::{self, Found, Hook, Own, takes};
use crate::signature::{argument, is_called};

const BUILD: Hook = Hook {
    name: "build",
    form: "fn build(&self, step: &StepId, worker: WorkerIndex, workers: usize) -> Part",
    fits: |it| takes(it, Own::Shared, 3) && Given::of(&it.output).ty.is_some(),
};

/// The hooks of a connector with partitions, and of one with a part on every worker.
pub(super) const OPENERS: [Hook; 3] = [
    Hook {
        name: "partitions",
        form: "fn partitions(&self) -> Vec<String>",
        fits: |it| {
            let is_list = |ty| is_called(ty, "Vec");
            takes(it, Own::Shared, 0) && Given::of(&it.output).ty.is_some_and(is_list)
        },
    },
    Hook {
        name: "open",
        form: "fn open(&self, partition: &str, resume: Option<Position>) -> Partition",
        fits: |it| {
            let resumes = || is_called(hooks::inputs(it)[1], "Option");
            takes(it, Own::Shared, 2) && resumes() && Given::of(&it.output).ty.is_some()
        },
    },
    BUILD,
];

const PARTITION: [Hook; 6] = [
    Hook {
        name: "next_batch",
        form: "fn next_batch(&mut self) -> Poll<Item>",
        fits: |it| {
            let is_poll = |ty| is_called(ty, "Poll");
            takes(it, Own::Exclusive, 0) && Given::of(&it.output).ty.is_some_and(is_poll)
        },
    },
    Hook {
        name: "snapshot",
        form: "fn snapshot(&self) -> Position",
        fits: |it| takes(it, Own::Shared, 0) && Given::of(&it.output).ty.is_some(),
    },
    Hook {
        name: "next_awake",
        form: "fn next_awake(&self) -> Option<DateTime<Utc>>",
        fits: |it| {
            let is_option = |ty| is_called(ty, "Option");
            takes(it, Own::Shared, 0) && Given::of(&it.output).ty.is_some_and(is_option)
        },
    },
    Hook {
        name: "lag",
        form: "fn lag(&self) -> Option<Lag>",
        fits: |it| {
            let is_option = |ty| is_called(ty, "Option");
            takes(it, Own::Shared, 0) && Given::of(&it.output).ty.is_some_and(is_option)
        },
    },
    END_EPOCH,
    COMPLETED,
];

/// The hook for a partition of a source or a sink when an epoch ends.
pub(super) const END_EPOCH: Hook = Hook {
    name: "end_epoch",
    form: "fn end_epoch(&mut self, epoch: Epoch) -> Result<(), E>",
    fits: |it| takes(it, Own::Exclusive, 1) && Given::of(&it.output).ty.is_none(),
};

/// The hook for a complete epoch.
pub(super) const COMPLETED: Hook = Hook {
    name: "completed",
    form: "fn completed(&mut self, epoch: Epoch) -> Result<(), E>",
    fits: |it| takes(it, Own::Exclusive, 1) && Given::of(&it.output).ty.is_none(),
};

/// The methods that call the hooks.
pub(super) fn of_epochs(krate: &Path, found: &hooks::Hooks<'_>) -> TokenStream {
    let head = quote!(&mut self, epoch: #krate::Epoch);
    let done = fallible(krate, &quote!(()));
    let methods = [END_EPOCH, COMPLETED].map(|hook| {
        let epoch = quote!(epoch);
        forward(found.get(hook.name), hook.name, &head, &epoch, &done, true)
    });
    quote!(#(#methods)*)
}

/// How the partitions of a connector are created.
pub(super) enum Opener<'ast> {
    Partitioned {
        partitions: Found<'ast>,
        open: Found<'ast>,
        /// The type of a partition and of its position.
        partition: &'ast Type,
        position: &'ast Type,
    },
    Dynamic {
        build: Found<'ast>,
        part: &'ast Type,
    },
}

impl<'ast> Opener<'ast> {
    /// Determines the kind; reports missing hooks.
    pub(super) fn of(
        found: &hooks::Hooks<'ast>,
        block: &'ast ItemImpl,
        what: &str,
        errors: &mut Errors,
    ) -> Option<Self> {
        let [partitions, open, build] = OPENERS.map(|hook| found.get(hook.name));
        let missing = match (partitions, open, build) {
            (Some(_), None, None) => &OPENERS[1],
            (None, Some(_), None) => &OPENERS[0],
            (None, None, None) => {
                if errors.is_empty() {
                    errors.fault(
                        block.impl_token,
                        format_args!("how this {what} is opened is not said"),
                        format_args!(
                            "write `{}` and `{}`; or, for one part on every worker, `{}`",
                            OPENERS[0].form, OPENERS[1].form, BUILD.form
                        ),
                    );
                }
                return None;
            }
            (None, None, Some(build)) => {
                let part = Given::of(&build.method.sig.output).ty?;
                return Some(Self::Dynamic { build, part });
            }
            (Some(partitions), Some(open), None) => {
                let resume = *open.inputs().get(1)?;
                return Some(Self::Partitioned {
                    partitions,
                    open,
                    partition: Given::of(&open.method.sig.output).ty?,
                    position: argument(resume, "Option")?,
                });
            }
            (.., Some(build)) => {
                errors.fault(
                    build.name(),
                    format_args!(
                        "this {what} has partitions, or one part on every worker, not both"
                    ),
                    "keep `partitions` and `open`, or `build`",
                );
                return None;
            }
        };
        if errors.is_empty() {
            errors.fault(
                block.impl_token,
                format_args!("`{}` is missing", missing.name),
                format_args!("write `{}`", missing.form),
            );
        }
        None
    }

    /// The items of a source, from the type of its partitions, which is at fault if they are missing.
    fn item(&self, krate: &Path) -> TokenStream {
        match self {
            Self::Partitioned { partition, .. } => {
                quote_spanned!(partition.span()=>
                    <#partition as #krate::source::StatefulSourcePartition>::Item)
            }
            Self::Dynamic { part, .. } => {
                quote_spanned!(part.span()=>
                    <#part as #krate::source::StatelessSourcePartition>::Item)
            }
        }
    }

    /// The methods that list and open partitions, or build a part.
    pub(super) fn methods(&self, krate: &Path) -> TokenStream {
        match self {
            Self::Partitioned {
                partitions, open, ..
            } => {
                let list = fallible(krate, &quote!(::std::vec::Vec<::std::string::String>));
                let head = quote!(&self);
                let list = forward(
                    Some(*partitions),
                    "partitions",
                    &head,
                    &quote!(),
                    &list,
                    true,
                );
                let output = fallible(krate, &quote!(Self::Partition));
                let head = quote!(
                    &self,
                    partition: &str,
                    resume: ::core::option::Option<Self::Position>
                );
                let arguments = quote!(partition, resume);
                let open = forward(Some(*open), "open", &head, &arguments, &output, true);
                quote!(#list #open)
            }
            Self::Dynamic { build, .. } => {
                let output = fallible(krate, &quote!(Self::Partition));
                let head = quote!(
                    &self,
                    step: &#krate::StepId,
                    worker: #krate::WorkerIndex,
                    workers: usize
                );
                let arguments = quote!(step, worker, workers);
                forward(Some(*build), "build", &head, &arguments, &output, true).unwrap_or_default()
            }
        }
    }
}

/// Expands one `#[source]` on an `impl`.
pub(super) fn source(options: &Options, block: &ItemImpl, mut errors: Errors) -> TokenStream {
    if !hooks::without_trait(block, "source", &mut errors) {
        return beside(&block.to_token_stream(), errors);
    }
    let found = hooks::find(block, "source", &OPENERS, &mut errors);
    let opener = Opener::of(&found, block, "source", &mut errors);
    let implementation = opener.map(|opener| {
        let krate = &options.krate;
        let methods = opener.methods(krate);
        let (parameters, _, conditions) = block.generics.split_for_impl();
        let ty = &block.self_ty;
        let item = opener.item(krate);
        let promise = options.marker("Replayable");
        match opener {
            Opener::Partitioned {
                partition,
                position,
                ..
            } => quote! {
                #[automatically_derived]
                impl #parameters #krate::source::FixedPartitionedSource<#promise> for #ty #conditions {
                    type Item = #item;
                    type Position = #position;
                    type Partition = #partition;

                    #methods
                }
            },
            Opener::Dynamic { part, .. } => quote! {
                #[automatically_derived]
                impl #parameters #krate::source::DynamicSource for #ty #conditions {
                    type Item = #item;
                    type Partition = #part;

                    #methods
                }
            },
        }
    });
    let block = allowed(block);
    beside(&quote!(#block #implementation), errors)
}

/// Expands one `#[source(partition)]` on an `impl`.
pub(super) fn partition(options: &Options, block: &ItemImpl, mut errors: Errors) -> TokenStream {
    if !hooks::without_trait(block, "source(partition)", &mut errors) {
        return beside(&block.to_token_stream(), errors);
    }
    let found = hooks::find(block, "source(partition)", &PARTITION, &mut errors);
    let next_batch = found.get("next_batch");
    if next_batch.is_none() && errors.is_empty() {
        errors.fault(
            block.impl_token,
            "`next_batch` is missing",
            format_args!("write `{}`", PARTITION[0].form),
        );
    }
    let polled = next_batch.and_then(|it| Given::of(&it.method.sig.output).ty);
    let item = polled.and_then(|ty| argument(ty, "Poll"));
    // Without one, the fault was reported, and an implementation prevents a second report.
    let item = item.map_or_else(|| quote!(()), Type::to_token_stream);
    let implementation = part_of_source(options, block, &found, &item);
    let block = allowed(block);
    beside(&quote!(#block #implementation), errors)
}

fn part_of_source(
    options: &Options,
    block: &ItemImpl,
    found: &hooks::Hooks<'_>,
    item: &TokenStream,
) -> TokenStream {
    let krate = &options.krate;
    let (parameters, _, conditions) = block.generics.split_for_impl();
    let ty = &block.self_ty;
    let none = quote!();
    let output = fallible(krate, &quote!(#krate::source::Poll<Self::Item>));
    let head = quote!(&mut self);
    let next_batch = found.get("next_batch");
    let next_batch = forward(next_batch, "next_batch", &head, &none, &output, true);
    let next_batch = next_batch.unwrap_or_else(|| {
        quote!(fn next_batch(&mut self) -> #output {
            ::core::unimplemented!()
        })
    });
    let time = quote! {
        ::core::option::Option<#krate::__private::chrono::DateTime<#krate::__private::chrono::Utc>>
    };
    let shared = quote!(&self);
    let awake = found.get("next_awake");
    let next_awake = forward(awake, "next_awake", &shared, &none, &time, false);
    let lag = quote!(::core::option::Option<#krate::source::Lag>);
    let lag = forward(found.get("lag"), "lag", &shared, &none, &lag, false);
    let snapshot = found.get("snapshot");
    let position = snapshot.and_then(|it| Given::of(&it.method.sig.output).ty);
    let (name, position) = match position {
        Some(position) => {
            let output = quote!(Self::Position);
            let method = forward(snapshot, "snapshot", &shared, &none, &output, false);
            let name = quote!(StatefulSourcePartition);
            (name, quote!(type Position = #position; #method))
        }
        None => (quote!(StatelessSourcePartition), none),
    };
    let of_epochs = of_epochs(krate, found);
    quote! {
        #[automatically_derived]
        impl #parameters #krate::source::#name for #ty #conditions {
            type Item = #item;
            #position
            #next_batch
            #next_awake
            #lag
            #of_epochs
        }
    }
}
