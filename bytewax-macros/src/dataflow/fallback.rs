//! What the macro gives when something is wrong.

use proc_macro2::TokenStream;
use quote::quote;

/// The flow by the builder, from exactly the tokens that were written.
///
/// The compiler still checks types, and an editor still sees code in which it can complete names.
/// For a body that is not Rust this is all: the compiler says what is wrong with it, and a message
/// of ours would be a second one for the same mistake.
pub(super) fn builder(input: &TokenStream) -> TokenStream {
    quote!(::bytewax::Dataflow::build(#input))
}

/// The errors, and the flow by the builder.
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

/// The errors alone, where the compiler could only repeat them.
pub(super) fn alone(error: &syn::Error) -> TokenStream {
    let error = error.to_compile_error();
    quote!({ #error })
}
