//! Prints the item with serde's derives, and the implementation of `State`.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::visit_mut::VisitMut;
use syn::{Attribute, Generics, Item, Path, Type};

use super::model::{Entry, Model, derives, serde_words};
use super::options::Options;

/// The item and its implementation.
///
/// All names are whole paths: a name that was imported could be one that a field's type has.
pub(super) fn implementation(options: &Options, mut model: Model) -> TokenStream {
    let krate = options.krate();
    add_serde(&mut model.item, &krate, options.reads_older());
    let name = model.ident.unraw().to_string();
    let version = options.own_version();
    let fields = model.entries.iter().map(|entry| field(entry, &krate));
    let gap = gap(options, &name, &krate);
    // A type with parameters is checked at its uses.
    let (gap_inside, gap_beside) = match is_generic(&model.generics) {
        true => (gap.map(|gap| quote!(const { #gap };)), None),
        false => (None, gap.map(|gap| quote!(const _: () = #gap;))),
    };
    let history = history(options, &krate);
    let unnumbered = (!options.has_version()).then(|| quote!(.without_number()));
    let load = load(options, &model.prefixes, &krate, gap_inside.as_ref());
    let within = options
        .reads_older()
        .then(|| within(options, &model, &krate));
    let generics = bounded(&model.generics, &krate);
    let (parameters, arguments, conditions) = generics.split_for_impl();
    let Model { item, ident, .. } = &model;
    quote! {
        #item

        const _: () = {
            #[allow(unused_imports)]
            use #krate::__private::ByName as _;

            #[automatically_derived]
            impl #parameters #krate::state::State for #ident #arguments #conditions {
                const SCHEMA: #krate::state::Schema =
                    #krate::state::Schema::new(#name, #version, &[#(#fields),*])#unnumbered #history;

                #load
            }

            #within

            #gap_beside
        };
    }
}

/// The item without serde's derives and so without its attributes.
pub(super) fn alone(mut model: Model) -> TokenStream {
    struct WithoutSerde;
    impl VisitMut for WithoutSerde {
        fn visit_attributes_mut(&mut self, attributes: &mut Vec<Attribute>) {
            attributes.retain(|attribute| !attribute.path().is_ident("serde"));
        }
    }
    WithoutSerde.visit_item_mut(&mut model.item);
    model.item.into_token_stream()
}

/// Derives the serde traits that the item does not derive itself. With `as_functions` they become functions
/// of the type, and [`within`] implements the traits.
fn add_serde(item: &mut Item, krate: &Path, as_functions: bool) {
    let attributes = match item {
        Item::Struct(item) => &mut item.attrs,
        Item::Enum(item) => &mut item.attrs,
        _ => return,
    };
    if as_functions {
        attributes.push(syn::parse_quote!(#[serde(remote = "Self")]));
    }
    let missing: Vec<_> = ["Serialize", "Deserialize"]
        .into_iter()
        .filter(|name| !derives(attributes, name))
        .map(|name| syn::Ident::new(name, Span::call_site()))
        .collect();
    if missing.is_empty() {
        return;
    }
    let serde = quote!(#krate::__private::serde);
    let mut added: Vec<Attribute> = vec![syn::parse_quote!(#[derive(#(#serde::#missing),*)])];
    if !serde_words(attributes)
        .iter()
        .any(|word| word.is_ident("crate"))
    {
        let path = serde.to_string().replace(' ', "");
        added.push(syn::parse_quote!(#[serde(crate = #path)]));
    }
    // First, because serde's attributes must follow it.
    attributes.splice(0..0, added);
}

/// A field or variant in the schema.
fn field(entry: &Entry, krate: &Path) -> TokenStream {
    match entry {
        Entry::Variant(name) => quote!(#krate::state::Field::variant(#name)),
        Entry::Field {
            name,
            text,
            known: None,
        } => {
            quote!(#krate::state::Field::opaque(#name, #text))
        }
        Entry::Field {
            name,
            text,
            known: Some(ty),
        } => {
            let known = quote!(#krate::__private::OfState::<#ty>::SCHEMA);
            quote!(#krate::state::Field::known_or_opaque(#name, #known, #text))
        }
    }
}

/// The method `load`, unless the trait's default is enough.
fn load(
    options: &Options,
    prefixes: &[usize],
    krate: &Path,
    gap: Option<&TokenStream>,
) -> Option<TokenStream> {
    let own = options.own_version();
    let lowest = options.lowest_version();
    let from = options.from.as_ref().map(|(_, old)| {
        let convert = convert(old, krate);
        quote! {
            if saved.version() < #lowest {
                #convert
            }
        }
    });
    let older = (lowest < own).then(|| {
        quote! {
            if (#lowest..#own).contains(&saved.version()) {
                return saved.decode_older(&[#(#prefixes),*]);
            }
        }
    });
    if from.is_none() && older.is_none() {
        return None;
    }
    Some(quote! {
        fn load(
            saved: #krate::state::Saved<'_>,
        ) -> ::core::result::Result<Self, #krate::state::StateError> {
            #gap
            #from
            #older
            saved.decode()
        }
    })
}

/// Serde's traits for a type with older versions: a nested value of an older version is readable, whatever
/// type contains it.
fn within(options: &Options, model: &Model, krate: &Path) -> TokenStream {
    let Model {
        ident, prefixes, ..
    } = model;
    let serde = quote!(#krate::__private::serde);
    let lowest = options.lowest_version();
    let from = options.from.as_ref().map(|(_, old)| {
        let span = old.span().resolved_at(Span::mixed_site());
        let read = quote_spanned!(span=> <#old as #krate::state::State>::read_older::<__D>);
        let from = quote_spanned!(span=> <Self as ::core::convert::From<#old>>::from);
        quote! {
            ::core::option::Option::Some(older) if older.version() < #lowest => {
                #read(deserializer).map(#from)
            }
        }
    });
    let generics = bounded(&model.generics, krate);
    let (parameters, arguments, conditions) = generics.split_for_impl();
    let mut of_input = generics.clone();
    of_input.params.insert(0, syn::parse_quote!('de));
    let (input_parameters, ..) = of_input.split_for_impl();
    quote! {
        #[automatically_derived]
        impl #parameters #serde::Serialize for #ident #arguments #conditions {
            fn serialize<__S: #serde::Serializer>(
                &self,
                serializer: __S,
            ) -> ::core::result::Result<__S::Ok, __S::Error> {
                Self::serialize(self, serializer)
            }
        }

        #[automatically_derived]
        impl #input_parameters #serde::Deserialize<'de> for #ident #arguments #conditions {
            fn deserialize<__D: #serde::Deserializer<'de>>(
                deserializer: __D,
            ) -> ::core::result::Result<Self, __D::Error> {
                match #krate::__private::Older::of::<Self>() {
                    ::core::option::Option::None => Self::deserialize(deserializer),
                    #from
                    ::core::option::Option::Some(older) => {
                        Self::deserialize(older.first(&[#(#prefixes),*], deserializer)?)
                    }
                }
            }
        }
    }
}

/// The part of the schema about older versions.
fn history(options: &Options, krate: &Path) -> Option<TokenStream> {
    let oldest = options.lowest_version();
    let within = options.reads_older().then(|| quote!(.read_within()));
    (options.own_version() > 1).then(|| match &options.from {
        Some((_, old)) => {
            let span = old.span().resolved_at(Span::mixed_site());
            let before = quote_spanned!(span=> &<#old as #krate::state::State>::SCHEMA);
            quote!(.with_history(#oldest, ::core::option::Option::Some(#before))#within)
        }
        None => quote!(.with_history(#oldest, ::core::option::Option::None)#within),
    })
}

/// Loads the old type and converts it; its faults are reported at the type in `from(..)`.
fn convert(old: &Type, krate: &Path) -> TokenStream {
    let span = old.span().resolved_at(Span::mixed_site());
    let load = quote_spanned!(span=> <#old as #krate::state::State>::load);
    let from = quote_spanned!(span=> <Self as ::core::convert::From<#old>>::from);
    quote!(return #load(saved).map(#from);)
}

/// The check that the chain of versions has no gap.
fn gap(options: &Options, name: &str, krate: &Path) -> Option<TokenStream> {
    let (_, old) = options.from.as_ref()?;
    let own = options.own_version();
    let lowest = options.lowest_version();
    let before = lowest - 1;
    let reads = match lowest < own {
        true => format!(" and reads {lowest} by itself"),
        false => String::new(),
    };
    let message = format!(
        "`{name}` is version {own}{reads}, so the type in `from(..)` must be version {before}"
    );
    let span = old.span().resolved_at(Span::mixed_site());
    let version = quote!(<#old as #krate::state::State>::SCHEMA.version);
    Some(quote_spanned!(span=> ::core::assert!(#version == #before, #message)))
}

fn is_generic(generics: &Generics) -> bool {
    generics.type_params().next().is_some() || generics.const_params().next().is_some()
}

/// The generics, with a state bound for every type.
fn bounded(generics: &Generics, krate: &Path) -> Generics {
    let mut bounded = generics.clone();
    for parameter in bounded.type_params_mut() {
        parameter
            .bounds
            .push(syn::parse_quote!(#krate::state::State));
    }
    bounded
}
