//! Patterns: the names they bind, and their values.

use proc_macro2::Ident;
use syn::ext::IdentExt;
use syn::visit::Visit;
use syn::{Expr, Pat};

use super::Walk;
use crate::body::env::{Value, is_errs};

impl Walk {
    /// Binds the names in a destructuring pattern.
    pub(super) fn bind_parts(&mut self, pattern: &Pat, value: &Value) {
        let mut names = PatternNames::default();
        names.visit_pat(pattern);
        let errs = match value.errs_of() {
            Some(operator) => self.errs_in(pattern, operator),
            None => None,
        };
        for name in names.0 {
            if errs.as_ref() == Some(&name) {
                self.env.bind_errs(name);
                continue;
            }
            self.env.bind(name, value.element(), false);
        }
    }

    /// The name that a pattern gives to the field `errs`; without one, the errors are lost.
    pub(super) fn errs_in(&mut self, pattern: &Pat, operator: &Ident) -> Option<Ident> {
        let Pat::Struct(pattern) = pattern else {
            return None;
        };
        let errs = pattern.fields.iter().find(|field| is_errs(&field.member));
        if errs.is_none_or(|errs| matches!(*errs.pat, Pat::Wild(_))) {
            self.model.lost_errs.push(operator.clone());
        }
        errs.and_then(|errs| simple_name(&errs.pat)).cloned()
    }

    /// Binds a pattern to each element of a value.
    pub(super) fn bind_element(&mut self, pattern: &Pat, value: &Value) {
        match simple_name(pattern) {
            Some(name) => self.env.bind(name.clone(), value.element(), false),
            None => self.bind_parts(pattern, &Value::Other),
        }
    }
}

/// Collects the names that a pattern binds.
#[derive(Default)]
struct PatternNames(Vec<Ident>);

impl<'ast> Visit<'ast> for PatternNames {
    fn visit_pat_ident(&mut self, pattern: &'ast syn::PatIdent) {
        self.0.push(pattern.ident.clone());
        syn::visit::visit_pat_ident(self, pattern);
    }

    fn visit_expr(&mut self, _: &'ast Expr) {}
}

/// Whether a name promises a use: it does not begin with an underscore.
pub(super) fn is_kept(name: &Ident) -> bool {
    !name.unraw().to_string().starts_with('_')
}

/// The variable, if the pattern is a single one.
pub(crate) fn simple_name(pattern: &Pat) -> Option<&Ident> {
    match pattern {
        Pat::Ident(name) if name.subpat.is_none() => Some(&name.ident),
        Pat::Type(typed) => simple_name(&typed.pat),
        Pat::Paren(inner) => simple_name(&inner.pat),
        _ => None,
    }
}
