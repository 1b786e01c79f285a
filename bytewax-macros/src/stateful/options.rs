//! The arguments of `#[stateful(..)]`.

use proc_macro2::TokenStream;
use syn::parse::ParseStream;
use syn::punctuated::Punctuated;
use syn::{Ident, LitInt, Path, Token, Type, parenthesized};

use crate::errors::Errors;
use crate::options;

/// The highest version that fits its saved form.
const LAST: u32 = u16::MAX as u32;

/// A version and its place in the source.
#[derive(Clone)]
pub(super) struct Version {
    pub(super) number: u32,
    pub(super) literal: LitInt,
}

/// The options, as far as they are readable.
#[derive(Clone, Default)]
pub(super) struct Options {
    pub(super) version: Option<Version>,
    pub(super) from: Option<(Ident, Type)>,
    pub(super) reads: Option<(Ident, Vec<Version>)>,
    krate: Option<Path>,
    of_types: Option<Ident>,
}

impl Options {
    /// Reads the options; reports invalid ones.
    pub(super) fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut options = Self::default();
        let expected = ["version", "from", "reads"];
        options::read(tokens, &expected, errors, |name, input, errors| {
            options.take(name, input, errors)
        });
        options
    }

    /// Whether it states the version.
    pub(super) fn has_version(&self) -> bool {
        self.version.is_some()
    }

    /// The version of the type.
    pub(super) fn own_version(&self) -> u32 {
        self.version.as_ref().map_or(1, |version| version.number)
    }

    /// The oldest version that the type reads without another type.
    pub(super) fn lowest_version(&self) -> u32 {
        let reads = self.reads.iter().flat_map(|(_, versions)| versions);
        reads
            .map(|version| version.number)
            .fold(self.own_version(), u32::min)
    }

    /// Whether it reads any other version.
    pub(super) fn reads_older(&self) -> bool {
        self.from.is_some() || self.lowest_version() < self.own_version()
    }

    /// The first option that concerns a type.
    pub(super) fn of_types(&self) -> Option<&Ident> {
        self.of_types.as_ref()
    }

    /// The crate in the expansion.
    pub(super) fn krate(&self) -> Path {
        self.krate.clone().unwrap_or_else(options::default_crate)
    }

    /// The options of a type that reads only its own version.
    pub(super) fn without_history(&self) -> Self {
        Self {
            version: None,
            from: None,
            reads: None,
            krate: self.krate.clone(),
            of_types: None,
        }
    }

    fn take(
        &mut self,
        name: &Ident,
        input: ParseStream<'_>,
        errors: &mut Errors,
    ) -> syn::Result<bool> {
        match name.to_string().as_str() {
            "version" => {
                input.parse::<Token![=]>()?;
                self.version = version(input.parse()?, errors);
            }
            "from" => {
                let inside;
                parenthesized!(inside in input);
                self.from = Some((name.clone(), inside.parse()?));
                if !inside.is_empty() {
                    let more: TokenStream = inside.parse()?;
                    errors.fault(
                        more,
                        "`from(..)` takes one type",
                        "name only the previous version, whose type names older ones",
                    );
                }
            }
            "reads" => {
                let inside;
                parenthesized!(inside in input);
                let literals = Punctuated::<LitInt, Token![,]>::parse_terminated(&inside)?;
                let versions = literals.into_iter().filter_map(|it| version(it, errors));
                self.reads = Some((name.clone(), versions.collect()));
            }
            "crate" => self.krate = Some(options::path(input)?),
            _ => return Ok(false),
        }
        if name != "crate" {
            self.of_types.get_or_insert_with(|| name.clone());
        }
        Ok(true)
    }
}

/// The version for a number, if valid.
fn version(literal: LitInt, errors: &mut Errors) -> Option<Version> {
    match literal.base10_parse() {
        Ok(0) => errors.fault(
            &literal,
            "there is no version 0",
            "versions start at 1, which is the default",
        ),
        Ok(number) if number <= LAST => return Some(Version { number, literal }),
        _ => errors.note(
            &literal,
            format!("versions are whole numbers from 1 to {LAST}"),
        ),
    }
    None
}
