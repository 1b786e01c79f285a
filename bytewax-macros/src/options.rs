//! The arguments of an attribute: `name`, `name = value` or `name(..)`, separated by commas.

use proc_macro2::{TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Ident, LitStr, Path, Token};

use crate::errors::Errors;

/// Reads options. `take` receives the name of each, reads its value, and returns whether an option of that
/// name exists.
pub(crate) fn read(
    tokens: TokenStream,
    expected: &[&str],
    errors: &mut Errors,
    mut take: impl FnMut(&Ident, ParseStream<'_>, &mut Errors) -> syn::Result<bool>,
) {
    let mut seen: Vec<Ident> = Vec::new();
    let parse = |input: ParseStream<'_>| {
        while !input.is_empty() {
            let name = Ident::parse_any(input)?;
            if seen.contains(&name) {
                errors.note(&name, format!("`{name}` is set twice"));
            }
            if !take(&name, input, errors)? {
                errors.note(&name, unknown(&name, expected));
                while !input.is_empty() && !input.peek(Token![,]) {
                    input.parse::<TokenTree>()?;
                }
            }
            seen.push(name);
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(())
    };
    if let Err(error) = parse.parse2(tokens) {
        errors.push(error);
    }
}

/// Reads `= "path"`, the value of the option `crate`.
pub(crate) fn path(input: ParseStream<'_>) -> syn::Result<Path> {
    input.parse::<Token![=]>()?;
    input.parse::<LitStr>()?.parse()
}

/// The default crate of expansions.
pub(crate) fn default_crate() -> Path {
    syn::parse_quote!(::bytewax)
}

fn unknown(name: &Ident, expected: &[&str]) -> String {
    format!("unknown option `{name}`; expected {}", any_of(expected))
}

/// Formats words as "`a`, `b` or `c`".
pub(crate) fn any_of(words: &[&str]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}
