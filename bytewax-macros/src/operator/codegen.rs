//! Prints the function.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::{FnArg, ItemFn};

use super::model::Handle;
use super::{Options, method};

/// The function, in a scope of its name, after checks of its parameters; and its method form, if requested.
pub(super) fn operator(
    mut function: ItemFn,
    flow: &Handle,
    options: &Options,
    parameters: &TokenStream,
) -> TokenStream {
    let method = options
        .method
        .as_ref()
        .map(|name| method::form(&function, name));
    let krate = &options.krate;
    let scope = function.sig.ident.unraw().to_string();
    let (ask, flow) = match flow {
        Handle::Given(flow) => (None, flow),
        Handle::Of { name, stream } => (Some(quote!(let #name = #stream.flow();)), name),
    };
    let guard = syn::Ident::new("__bw_scope", Span::mixed_site());
    let enter = syn::parse_quote!({
        #parameters
        #ask
        let #guard = #krate::__private::Scope::enter(&#flow, #scope);
    });
    let enter: syn::Block = enter;
    function.block.stmts.splice(0..0, enter.stmts);
    quote!(#function #method)
}

/// The function without its invalid parts and without a body: its callers are still checked.
pub(super) fn stub(mut function: ItemFn) -> TokenStream {
    let signature = &mut function.sig;
    signature.asyncness = None;
    let inputs = std::mem::take(&mut signature.inputs);
    let typed = |input: &FnArg| matches!(input, FnArg::Typed(_));
    signature.inputs = inputs.into_iter().filter(typed).collect();
    *function.block = syn::parse_quote!({ ::core::unimplemented!() });
    function.into_token_stream()
}
