//! The macros of the crate `bytewax`. Use them through it: what they expand to names its items.

mod body;
mod connector;
mod dataflow;
mod errors;
mod hooks;
mod item;
mod key;
mod lock;
mod operator;
mod options;
mod registry;
mod signature;
mod stateful;

use proc_macro::TokenStream;

/// Describes a dataflow; documented where the crate `bytewax` shows it.
#[proc_macro]
pub fn dataflow(input: TokenStream) -> TokenStream {
    dataflow::expand(&input.into(), lock::of_package().as_ref()).into()
}

/// Makes a function an operator; documented where the crate `bytewax` shows it.
#[proc_macro_attribute]
pub fn operator(options: TokenStream, item: TokenStream) -> TokenStream {
    operator::expand(options.into(), &item.into()).into()
}

/// Makes a type usable as a key; documented where the crate `bytewax` shows it.
#[proc_macro_derive(Key)]
pub fn derive_key(input: TokenStream) -> TokenStream {
    key::expand(input.into()).into()
}

/// Makes a type state that can be saved; documented where the crate `bytewax` shows it.
#[proc_macro_attribute]
pub fn stateful(options: TokenStream, item: TokenStream) -> TokenStream {
    stateful::expand(options.into(), &item.into()).into()
}

/// Makes a source of a function or of `impl` blocks; documented where the crate `bytewax` shows it.
#[proc_macro_attribute]
pub fn source(options: TokenStream, item: TokenStream) -> TokenStream {
    connector::source(options.into(), &item.into()).into()
}

/// Makes a sink of a function or of `impl` blocks; documented where the crate `bytewax` shows it.
#[proc_macro_attribute]
pub fn sink(options: TokenStream, item: TokenStream) -> TokenStream {
    connector::sink(options.into(), &item.into()).into()
}
