//! How a flow is printed.

use proc_macro2::TokenStream;
use quote::quote;

use super::parse::Described;

/// The builder call for a flow whose steps have been named, with checks of its parameters in front.
pub(super) fn dataflow(described: &Described, parameters: &TokenStream) -> TokenStream {
    let Described { name, closure, .. } = described;
    let call = quote!(::bytewax::Dataflow::build(#name, #closure));
    match parameters.is_empty() {
        true => call,
        false => quote!({ #parameters #call }),
    }
}
