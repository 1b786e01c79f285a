//! The collector of errors that every phase of a macro uses.

use std::fmt::Display;

use quote::ToTokens;

/// Collects every error of one macro call, so that one compile reports them all.
#[derive(Debug, Default)]
pub(crate) struct Errors {
    found: Option<syn::Error>,
}

impl Errors {
    /// An empty collector.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Reports a fault and its fix, at the tokens to blame.
    pub(crate) fn fault(&mut self, tokens: impl ToTokens, fault: impl Display, mend: impl Display) {
        self.note(tokens, format!("{fault}\nhelp: {mend}"));
    }

    /// Reports a one-line message: the second place of a fault with two places.
    pub(crate) fn note(&mut self, tokens: impl ToTokens, message: impl Display) {
        self.push(syn::Error::new_spanned(tokens, message));
    }

    /// Adds an error from elsewhere, such as the parser.
    pub(crate) fn push(&mut self, error: syn::Error) {
        match &mut self.found {
            Some(first) => first.combine(error),
            None => self.found = Some(error),
        }
    }

    /// Whether nothing was reported so far.
    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_none()
    }

    /// Returns all reports as one error.
    pub(crate) fn finish(self) -> syn::Result<()> {
        self.found.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::Errors;
    use proc_macro2::Span;
    use syn::Ident;

    #[test]
    fn reports_every_error_in_order() {
        let mut errors = Errors::new();
        let ident = Ident::new("a", Span::call_site());
        errors.fault(&ident, "one", "mend it");
        errors.note(&ident, "two");
        let error = errors.finish().expect_err("two errors were reported");
        let messages: Vec<_> = error.into_iter().map(|error| error.to_string()).collect();
        assert_eq!(messages, ["one\nhelp: mend it", "two"]);
    }

    #[test]
    fn is_fine_when_nothing_was_reported() {
        assert!(Errors::new().finish().is_ok());
    }
}
