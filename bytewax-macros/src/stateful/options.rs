//! What is written in the parentheses of `#[stateful(..)]`.

use proc_macro2::TokenStream;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Ident, LitInt, LitStr, Path, Token, Type, parenthesized};

use crate::errors::Errors;

/// The highest version that fits where it is saved.
const LAST: u32 = u16::MAX as u32;

/// A version, and where it was written.
#[derive(Clone)]
pub(super) struct Version {
    pub(super) number: u32,
    pub(super) literal: LitInt,
}

/// The options, as far as they could be read.
#[derive(Clone, Default)]
pub(super) struct Options {
    pub(super) version: Option<Version>,
    pub(super) from: Option<(Ident, Type)>,
    pub(super) reads: Option<(Ident, Vec<Version>)>,
    krate: Option<Path>,
}

impl Options {
    /// Reads what can be read; what cannot is reported.
    pub(super) fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut options = Self::default();
        let parse = |input: ParseStream<'_>| options.read(input, errors);
        if let Err(error) = parse.parse2(tokens) {
            errors.push(error);
        }
        options
    }

    /// The version of the type.
    pub(super) fn own_version(&self) -> u32 {
        self.version.as_ref().map_or(1, |version| version.number)
    }

    /// The oldest version that the type reads without another's help.
    pub(super) fn lowest_version(&self) -> u32 {
        let reads = self.reads.iter().flat_map(|(_, versions)| versions);
        reads
            .map(|version| version.number)
            .fold(self.own_version(), u32::min)
    }

    /// The crate that the expansion names.
    pub(super) fn krate(&self) -> Path {
        self.krate
            .clone()
            .unwrap_or_else(|| syn::parse_quote!(::bytewax))
    }

    /// The options of a type that reads its own version only.
    pub(super) fn without_history(&self) -> Self {
        Self {
            version: None,
            from: None,
            reads: None,
            krate: self.krate.clone(),
        }
    }

    fn read(&mut self, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<()> {
        while !input.is_empty() {
            let name = Ident::parse_any(input)?;
            if self.has(&name) {
                errors.note(&name, format!("`{name}` is set twice"));
            }
            match name.to_string().as_str() {
                "version" => {
                    input.parse::<Token![=]>()?;
                    self.version = version(input.parse()?, errors);
                }
                "from" => {
                    let inside;
                    parenthesized!(inside in input);
                    self.from = Some((name, inside.parse()?));
                    if !inside.is_empty() {
                        let more: TokenStream = inside.parse()?;
                        errors.fault(
                            more,
                            "`from(..)` takes one type",
                            "the type that leads to this one leads on to older ones by itself",
                        );
                    }
                }
                "reads" => {
                    let inside;
                    parenthesized!(inside in input);
                    let literals = Punctuated::<LitInt, Token![,]>::parse_terminated(&inside)?;
                    let versions = literals.into_iter().filter_map(|it| version(it, errors));
                    self.reads = Some((name, versions.collect()));
                }
                "crate" => {
                    input.parse::<Token![=]>()?;
                    self.krate = Some(input.parse::<LitStr>()?.parse()?);
                }
                _ => {
                    let text = "expected `version`, `from` or `reads`";
                    errors.note(&name, format!("unknown option `{name}`; {text}"));
                    skip(input)?;
                }
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(())
    }

    fn has(&self, name: &Ident) -> bool {
        match name.to_string().as_str() {
            "version" => self.version.is_some(),
            "from" => self.from.is_some(),
            "reads" => self.reads.is_some(),
            "crate" => self.krate.is_some(),
            _ => false,
        }
    }
}

/// The version that a number stands for, if any.
fn version(literal: LitInt, errors: &mut Errors) -> Option<Version> {
    match literal.base10_parse() {
        Ok(0) => errors.fault(
            &literal,
            "there is no version 0",
            "versions start at 1, which `#[stateful]` alone stands for",
        ),
        Ok(number) if number <= LAST => return Some(Version { number, literal }),
        _ => errors.note(
            &literal,
            format!("versions are whole numbers from 1 to {LAST}"),
        ),
    }
    None
}

/// Skips to the next comma.
fn skip(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<proc_macro2::TokenTree>()?;
    }
    Ok(())
}
