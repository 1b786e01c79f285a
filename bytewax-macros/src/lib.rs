//! The macros of the crate `bytewax`. Use them through it.

mod dataflow;
mod errors;
mod key;
mod registry;

use proc_macro::TokenStream;

/// Describes a dataflow and names its steps after the variables they are bound to.
#[proc_macro]
pub fn dataflow(input: TokenStream) -> TokenStream {
    dataflow::expand(input.into()).into()
}

/// Makes a struct or an enum usable as a key.
#[proc_macro_derive(Key)]
pub fn derive_key(input: TokenStream) -> TokenStream {
    key::expand(input.into()).into()
}
