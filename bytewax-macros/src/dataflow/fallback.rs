//! The output of the macro when there are faults.

use proc_macro2::TokenStream;
use quote::quote;

/// Passes exactly the written tokens to the builder.
///
/// The compiler still checks types, and an editor can still complete names. For a body that is not valid
/// Rust, this is the whole output: the compiler reports the mistake, and a message of ours would be a second
/// one for it.
pub(super) fn builder(input: &TokenStream) -> TokenStream {
    quote!(::bytewax::Dataflow::build(#input))
}

/// The errors, and the flow through the builder.
pub(super) fn with_builder(input: &TokenStream, error: &syn::Error) -> TokenStream {
    let error = error.to_compile_error();
    let builder = builder(input);
    quote! {
        {
            #error
            #builder
        }
    }
}

/// Only the errors, if the compiler would repeat them.
pub(super) fn alone(error: &syn::Error) -> TokenStream {
    let error = error.to_compile_error();
    quote!({ #error })
}
