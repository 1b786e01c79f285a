//! `#[derive(Key)]`: a hash that is equal on every platform and in every release.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote};
use syn::visit::{self, Visit};
use syn::{Data, DataEnum, DeriveInput, Field, Fields, Generics, Member, Type, Variant};

mod shape;
#[cfg(test)]
mod tests;

/// Expands one `#[derive(Key)]`.
pub(crate) fn expand(input: TokenStream) -> TokenStream {
    match syn::parse2(input).and_then(|input| implementation(&input)) {
        Ok(implementation) => implementation,
        Err(error) => error.into_compile_error(),
    }
}

fn implementation(input: &DeriveInput) -> syn::Result<TokenStream> {
    let (body, fields): (_, Vec<_>) = match &input.data {
        Data::Struct(data) => (of_struct(&data.fields), data.fields.iter().collect()),
        Data::Enum(data) => {
            let fields = data.variants.iter().flat_map(|variant| &variant.fields);
            (of_enum(data), fields.collect())
        }
        Data::Union(data) => {
            return Err(syn::Error::new_spanned(
                data.union_token,
                "a union cannot be used as a key\n\
                 help: which of its fields is in use is unknown; use an enum",
            ));
        }
    };
    let name = &input.ident;
    let generics = bounded(&input.generics, &fields);
    let (parameters, arguments, conditions) = generics.split_for_impl();
    let shape = shape::of(input);
    Ok(quote! {
        #[automatically_derived]
        impl #parameters ::bytewax::Key for #name #arguments #conditions {
            const SHAPE: ::bytewax::__private::KeyShape = #shape;

            fn stable_hash(&self) -> u64 {
                #body
            }
        }
    })
}

/// The hash of the fields, in order.
fn of_struct(fields: &Fields) -> TokenStream {
    let start = quote!(::bytewax::__private::FieldsHash::new());
    let values = fields.members().map(|member| quote!(&self.#member));
    hash(&start, fields, values)
}

/// The hash of the variant's name and its fields; the order of variants does not matter.
fn of_enum(data: &DataEnum) -> TokenStream {
    if data.variants.is_empty() {
        return quote!(match *self {});
    }
    let arms = data.variants.iter().map(arm);
    quote! {
        match self {
            #(#arms)*
        }
    }
}

fn arm(variant: &Variant) -> TokenStream {
    let name = &variant.ident;
    let text = syn::ext::IdentExt::unraw(name).to_string();
    let start = quote!(::bytewax::__private::FieldsHash::variant(#text));
    let locals: Vec<_> = (0..variant.fields.len()).map(local).collect();
    let members: Vec<Member> = variant.fields.members().collect();
    let pattern = match &variant.fields {
        Fields::Named(_) => quote!({ #(#members: #locals),* }),
        Fields::Unnamed(_) => quote!((#(#locals),*)),
        Fields::Unit => TokenStream::new(),
    };
    let values = locals.iter().map(|local| quote!(#local));
    let body = hash(&start, &variant.fields, values);
    quote!(Self::#name #pattern => { #body })
}

fn local(number: usize) -> Ident {
    format_ident!("__bw_{number}", span = Span::mixed_site())
}

/// Adds each field to a hash. The type is explicit and is named as in the shape, so that the compiler reports a field
/// that is no key once, and points at it.
fn hash(
    start: &TokenStream,
    fields: &Fields,
    values: impl Iterator<Item = TokenStream>,
) -> TokenStream {
    if fields.is_empty() {
        return quote!(#start.finish());
    }
    let hash = Ident::new("__bw_hash", Span::mixed_site());
    let adds = fields.iter().zip(values).map(|(field, value)| {
        let ty = &field.ty;
        quote!(#hash.add_hash(<#ty as ::bytewax::Key>::stable_hash(#value));)
    });
    quote! {
        let mut #hash = #start;
        #(#adds)*
        #hash.finish()
    }
}

/// The generics, with a `Key` bound for each field whose type depends on a parameter.
fn bounded(generics: &Generics, fields: &[&Field]) -> Generics {
    let mut bounded = generics.clone();
    for field in fields {
        let mut mentions = Mentions {
            generics,
            found: false,
        };
        mentions.visit_type(&field.ty);
        if mentions.found {
            let ty: &Type = &field.ty;
            let bound = syn::parse_quote!(#ty: ::bytewax::Key);
            bounded.make_where_clause().predicates.push(bound);
        }
    }
    bounded
}

/// Searches for a parameter of the item in a type.
struct Mentions<'a> {
    generics: &'a Generics,
    found: bool,
}

impl<'ast> Visit<'ast> for Mentions<'_> {
    fn visit_path(&mut self, path: &'ast syn::Path) {
        if let Some(first) = path.segments.first() {
            let types = self
                .generics
                .type_params()
                .map(|parameter| &parameter.ident);
            let consts = self
                .generics
                .const_params()
                .map(|parameter| &parameter.ident);
            self.found |= types.chain(consts).any(|ident| *ident == first.ident);
        }
        visit::visit_path(self, path);
    }
}
