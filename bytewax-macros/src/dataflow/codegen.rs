//! Prints a flow.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::{ExprClosure, parse_quote};

use super::parse::Described;
use crate::body::delivery::Delivery;

/// The builder call for a flow with named steps, after checks of its parameters.
pub(super) fn dataflow(described: &Described, parameters: &TokenStream) -> TokenStream {
    let Described { name, closure, .. } = described;
    let closure = match described.delivery {
        Some(delivery) => declaring(closure, &described.flow, delivery),
        None => closure.to_token_stream(),
    };
    let call = quote!(::bytewax::Dataflow::build(#name, #closure));
    match parameters.is_empty() {
        true => call,
        false => quote!({ #parameters #call }),
    }
}

/// The closure, which first declares the delivery of the flow.
fn declaring(closure: &ExprClosure, flow: &Ident, delivery: Delivery) -> TokenStream {
    let (body, variant) = (&closure.body, delivery.variant());
    let mut closure = closure.clone();
    closure.body = parse_quote!({
        #flow.delivery(::bytewax::delivery::Delivery::#variant);
        #body
    });
    closure.to_token_stream()
}
