//! The methods that an attribute on an `impl` recognises, and checks of their signatures.

use std::collections::HashMap;

use proc_macro2::Ident;
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::{
    Attribute, FnArg, ImplItem, ImplItemFn, ItemImpl, Receiver, ReceiverKind, Signature, Type,
};

use crate::errors::Errors;

/// A recognised method.
pub(crate) struct Hook {
    pub(crate) name: &'static str,
    /// Its signature in the source.
    pub(crate) form: &'static str,
    pub(crate) fits: fn(&Signature) -> bool,
}

/// A method that was found.
#[derive(Clone, Copy)]
pub(crate) struct Found<'ast> {
    pub(crate) method: &'ast ImplItemFn,
    /// Whether its signature is valid.
    pub(crate) fits: bool,
}

impl<'ast> Found<'ast> {
    /// The name by which it is called.
    pub(crate) fn name(&self) -> &'ast Ident {
        &self.method.sig.ident
    }

    /// The types of its parameters, except `self`.
    pub(crate) fn inputs(&self) -> Vec<&'ast Type> {
        inputs(&self.method.sig)
    }

    /// Its `#[cfg(..)]` attributes.
    pub(crate) fn conditions(&self) -> impl Iterator<Item = &'ast Attribute> {
        let attributes = self.method.attrs.iter();
        attributes.filter(|attribute| attribute.path().is_ident("cfg"))
    }
}

/// The found methods, by the names of their hooks.
#[derive(Default)]
pub(crate) struct Hooks<'ast>(HashMap<&'static str, Found<'ast>>);

impl<'ast> Hooks<'ast> {
    pub(crate) fn get(&self, name: &str) -> Option<Found<'ast>> {
        self.0.get(name).copied()
    }
}

/// Finds the hooks in a block, and reports other methods and wrong signatures. A method with a misspelt name
/// counts as the intended hook.
pub(crate) fn find<'ast>(
    item: &'ast ItemImpl,
    attribute: &str,
    hooks: &[Hook],
    errors: &mut Errors,
) -> Hooks<'ast> {
    let mut found = Hooks::default();
    let mut slips = Vec::new();
    let other = format!("move it to an `impl` block without `#[{attribute}]`");
    for part in &item.items {
        let ImplItem::Fn(method) = part else {
            errors.fault(part, "only hooks are allowed here", &other);
            continue;
        };
        let name = method.sig.ident.unraw().to_string();
        match hooks.iter().find(|hook| hook.name == name) {
            Some(hook) => found.add(hook, method, errors),
            None => slips.push((method, name)),
        }
    }
    for (method, name) in slips {
        let meant = hooks
            .iter()
            .filter(|hook| found.get(hook.name).is_none())
            .map(|hook| (distance(hook.name, &name), hook))
            .min_by_key(|(distance, _)| *distance)
            .filter(|(distance, _)| *distance <= 2);
        let place = &method.sig.ident;
        let other = format!("move other methods to an `impl` block without `#[{attribute}]`");
        match meant {
            Some((_, hook)) => {
                let hook_name = hook.name;
                errors.fault(
                    place,
                    format_args!("`{name}` is not a hook; did you mean `{hook_name}`?"),
                    other,
                );
                found.add(hook, method, errors);
            }
            None => errors.fault(place, format_args!("`{name}` is not a hook"), other),
        }
    }
    found
}

impl<'ast> Hooks<'ast> {
    fn add(&mut self, hook: &Hook, method: &'ast ImplItemFn, errors: &mut Errors) {
        let signature = &method.sig;
        let is_plain = signature.asyncness.is_none() && signature.generics.params.is_empty();
        let fits = is_plain && (hook.fits)(signature);
        if !fits {
            let (name, form) = (hook.name, hook.form);
            let place = quote!(#signature);
            errors.note(place, format_args!("`{name}` must be `{form}`"));
        }
        self.0.entry(hook.name).or_insert(Found { method, fits });
    }
}

/// The kinds of `self` parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Own {
    /// `&self`.
    Shared,
    /// `&mut self`.
    Exclusive,
}

/// Whether a method has this kind of `self`, and this number of parameters.
pub(crate) fn takes(signature: &Signature, own: Own, count: usize) -> bool {
    let taken = match signature.receiver() {
        Some(Receiver {
            kind: ReceiverKind::Reference(_, _, mutability),
            ..
        }) => match mutability {
            // A hook that changes nothing may take `&self`.
            None => true,
            Some(_) => own == Own::Exclusive,
        },
        _ => false,
    };
    taken && inputs(signature).len() == count
}

/// The types of the parameters of a method, except `self`.
pub(crate) fn inputs(signature: &Signature) -> Vec<&Type> {
    let typed = signature.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(input) => Some(&*input.ty),
        FnArg::Receiver(_) => None,
    });
    typed.collect()
}

/// Refuses a block that implements a trait.
pub(crate) fn without_trait(item: &ItemImpl, attribute: &str, errors: &mut Errors) -> bool {
    let Some((path, _)) = &item.trait_ else {
        return true;
    };
    errors.fault(
        path.to_token_stream(),
        format_args!("`#[{attribute}]` goes on an `impl` without a trait"),
        "it generates the implementation of the trait; remove it, or the trait",
    );
    false
}

/// The edit distance of two names, with swaps.
fn distance(one: &str, other: &str) -> usize {
    let one: Vec<char> = one.chars().collect();
    let other: Vec<char> = other.chars().collect();
    let mut rows = vec![(0..=other.len()).collect::<Vec<_>>()];
    for (i, a) in one.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in other.iter().enumerate() {
            let mut least = (rows[i][j] + usize::from(a != b))
                .min(rows[i][j + 1] + 1)
                .min(row[j] + 1);
            if i > 0 && j > 0 && *a == other[j - 1] && one[i - 1] == *b {
                least = least.min(rows[i - 1][j - 1] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[one.len()][other.len()]
}

#[cfg(test)]
mod tests {
    use super::distance;

    #[test]
    fn counts_slips() {
        assert_eq!(distance("on_item", "on_item"), 0);
        assert_eq!(distance("on_item", "on_itm"), 1);
        assert_eq!(distance("on_item", "on_itme"), 1);
        assert_eq!(distance("on_item", "onitem"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert!(distance("on_item", "total") > 2);
    }
}
