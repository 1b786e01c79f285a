//! The macros of the crate `bytewax`. Use them through that crate: their expansion refers to its items.

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

/// Describes a dataflow; see the documentation in the crate `bytewax`.
#[proc_macro]
pub fn dataflow(input: TokenStream) -> TokenStream {
    dataflow::expand(&input.into(), lock::of_package().as_ref()).into()
}

/// Turns a function into an operator; see the documentation in the crate `bytewax`.
#[proc_macro_attribute]
pub fn operator(options: TokenStream, item: TokenStream) -> TokenStream {
    operator::expand(options.into(), &item.into()).into()
}

/// Implements `Key` for a type; see the documentation in the crate `bytewax`.
#[proc_macro_derive(Key)]
pub fn derive_key(input: TokenStream) -> TokenStream {
    key::expand(input.into()).into()
}

/// Turns a type into saved state; see the documentation in the crate `bytewax`.
#[proc_macro_attribute]
pub fn stateful(options: TokenStream, item: TokenStream) -> TokenStream {
    stateful::expand(options.into(), &item.into()).into()
}

/// Turns a function or `impl` blocks into a source; see the documentation in the crate `bytewax`.
#[proc_macro_attribute]
pub fn source(options: TokenStream, item: TokenStream) -> TokenStream {
    connector::source(options.into(), &item.into()).into()
}

/// Turns a function or `impl` blocks into a sink; see the documentation in the crate `bytewax`.
#[proc_macro_attribute]
pub fn sink(options: TokenStream, item: TokenStream) -> TokenStream {
    connector::sink(options.into(), &item.into()).into()
}
