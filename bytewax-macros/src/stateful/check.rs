//! The faults of a `#[stateful]` that the compiler would not report.

use quote::ToTokens;
use syn::Item;

use super::model::{Model, Refused};
use super::options::Options;
use crate::errors::Errors;
use crate::item;

/// The error for an item that is neither a struct nor an enum nor an `impl`.
pub(super) fn wrong_item(item: &Item) -> syn::Error {
    if let Item::Union(item) = item {
        return syn::Error::new_spanned(
            item.union_token,
            "a union cannot be saved\n\
             help: which of its fields is in use is unknown; use an enum",
        );
    }
    syn::Error::new_spanned(
        item::keyword(item),
        "`#[stateful]` goes on a struct, an enum or an `impl`",
    )
}

/// Reports every fault.
pub(super) fn all(options: &Options, model: &Model, errors: &mut Errors) {
    for Refused { word, why, mend } in &model.refused {
        let text = word.to_token_stream();
        errors.fault(
            word,
            format!("`{text}` cannot be used in saved state, {why}"),
            mend,
        );
    }
    for lifetime in model.generics.lifetimes() {
        errors.fault(
            lifetime,
            "saved state cannot borrow",
            "own the data: `String` in place of `&str`, `Vec<T>` in place of `&[T]`",
        );
    }
    versions(options, model, errors);
    by_hand(options, model, errors);
}

/// Data that functions of the program read and write has a version number, which people change.
fn by_hand(options: &Options, model: &Model, errors: &mut Errors) {
    let Some(word) = model.by_hand.first() else {
        return;
    };
    if options.has_version() {
        return;
    }
    let text = word.to_token_stream();
    errors.fault(
        word,
        format!(
            "`{text}` names custom serialization code, and no check can detect a change of its format"
        ),
        "declare the version of the type with `#[stateful(version = 1)]`; if the format of that code changes, \
         raise the version, and keep the old type in `from(..)`",
    );
}

fn versions(options: &Options, model: &Model, errors: &mut Errors) {
    let own = options.own_version();
    if let Some((word, _)) = &options.from
        && own == 1
    {
        errors.fault(
            word,
            "version 1 has no previous version",
            "set the version: `version = 2`, with the type of version 1 in `from(..)`",
        );
    }
    let Some((word, versions)) = &options.reads else {
        return;
    };
    if own == 1 {
        errors.fault(
            word,
            "version 1 has no previous version",
            "set the version: `version = 2, reads(1)`",
        );
        return;
    }
    if versions.is_empty() {
        errors.note(word, "`reads(..)` names older versions, such as `reads(1)`");
    }
    // From the own version downwards, without a gap.
    let mut sorted: Vec<_> = versions.iter().collect();
    sorted.sort_by_key(|version| std::cmp::Reverse(version.number));
    for (version, expected) in sorted.iter().zip((1..own).rev()) {
        if version.number != expected {
            errors.fault(
                &version.literal,
                format!("`reads(..)` must name the versions just before {own}, without a gap"),
                format!("the next one is {expected}; use `from(..)` for older ones"),
            );
            break;
        }
    }
    if model.prefixes.len() < 2 && !versions.is_empty() {
        errors.fault(
            word,
            "no field at the end has `#[serde(default)]`, so an older version cannot lack a field",
            "put `#[serde(default)]` on the fields that were added, after all others, or keep the \
             old type and use `from(..)`",
        );
    }
}
