//! The saved form of a key by serde's derives, for the compiler.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;
use syn::punctuated::Punctuated;
use syn::{Attribute, Data, DeriveInput, Expr, ExprLit, Field, Fields, Ident, Lit, Meta, Token};

/// The shape of a key; unknown if a serde attribute changes it.
pub(super) fn of(input: &DeriveInput) -> TokenStream {
    let shape = match serde_says(
        &input.attrs,
        &["bound", "crate", "deny_unknown_fields", "rename"],
    ) {
        Some(_) => {
            match &input.data {
                Data::Struct(data) => of_struct(&data.fields),
                Data::Enum(data) => {
                    let variants = data.variants.iter().map(|variant| {
                        let name = name_of(&variant.ident, &variant.attrs)?;
                        let content = content(&variant.fields)?;
                        Some(quote!((#name, #content)))
                    });
                    let variants = variants.collect::<Option<Vec<_>>>();
                    variants.map(|variants| quote!(::bytewax::__private::KeyShape::variants(&[#(#variants),*])))
                }
                Data::Union(_) => None,
            }
        }
        None => None,
    };
    shape.unwrap_or_else(|| quote!(::bytewax::__private::KeyShape::UNKNOWN))
}

/// A newtype is saved as its content.
fn of_struct(fields: &Fields) -> Option<TokenStream> {
    match fields {
        Fields::Unnamed(list) if list.unnamed.len() == 1 => shape_of(list.unnamed.first()?),
        fields => content(fields),
    }
}

fn content(fields: &Fields) -> Option<TokenStream> {
    let shapes = fields.iter().map(shape_of);
    let shapes = shapes.collect::<Option<Vec<_>>>()?;
    let shape = quote!(::bytewax::__private::KeyShape);
    if !matches!(fields, Fields::Named(_)) {
        return Some(quote!(#shape::tuple(&[#(#shapes),*])));
    }
    let names = fields
        .iter()
        .map(|field| name_of(field.ident.as_ref()?, &field.attrs));
    let names = names.collect::<Option<Vec<_>>>()?;
    Some(quote!(#shape::fields(&[#((#names, #shapes)),*])))
}

fn shape_of(field: &Field) -> Option<TokenStream> {
    serde_says(&field.attrs, &["bound", "default", "rename"])?;
    let ty = &field.ty;
    Some(quote!(<#ty as ::bytewax::Key>::SHAPE))
}

/// The saved name, without the characters of the notation of shapes.
fn name_of(ident: &Ident, attributes: &[Attribute]) -> Option<String> {
    let metas = serde_says(attributes, &["bound", "default", "rename"])?;
    let renamed = metas
        .into_iter()
        .find(|meta| meta.path().is_ident("rename"));
    let name = match renamed {
        None => ident.unraw().to_string(),
        Some(Meta::NameValue(pair)) => match pair.value {
            Expr::Lit(ExprLit {
                lit: Lit::Str(text),
                ..
            }) => text.value(),
            _ => return None,
        },
        Some(_) => return None,
    };
    let mark = |c: char| c.is_whitespace() || c.is_control() || "<>|(){},:=".contains(c);
    Some(name.replace(mark, "_"))
}

/// The serde attributes; `None` if there are others than these.
fn serde_says(attributes: &[Attribute], known: &[&str]) -> Option<Vec<Meta>> {
    let ours = attributes.iter().filter(|it| it.path().is_ident("serde"));
    let mut all = Vec::new();
    for attribute in ours {
        let list = Punctuated::<Meta, Token![,]>::parse_terminated;
        all.extend(attribute.parse_args_with(list).ok()?);
    }
    let is_known = |meta: &Meta| known.iter().any(|word| meta.path().is_ident(word));
    all.iter().all(is_known).then_some(all)
}
