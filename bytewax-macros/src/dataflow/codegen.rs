//! How a flow is printed.

use proc_macro2::TokenStream;
use quote::quote;

use super::parse::Described;

/// The builder call for a flow whose steps have been named.
pub(super) fn dataflow(described: &Described) -> TokenStream {
    let Described { name, closure, .. } = described;
    quote!(::bytewax::Dataflow::build(#name, #closure))
}
