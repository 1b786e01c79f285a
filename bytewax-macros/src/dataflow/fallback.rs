//! What the macro gives when something is wrong.

use proc_macro2::TokenStream;
use quote::quote;

/// The errors, and the same flow by the builder, from exactly the tokens that were written.
///
/// The compiler still checks types, and an editor still sees code in which it can complete names.
pub(super) fn with_builder(input: &TokenStream, error: &syn::Error) -> TokenStream {
    let error = error.to_compile_error();
    quote! {
        {
            #error
            ::bytewax::Dataflow::build(#input)
        }
    }
}

/// The errors alone, for a header from which no call could be made.
pub(super) fn alone(error: &syn::Error) -> TokenStream {
    let error = error.to_compile_error();
    quote!({ #error })
}
