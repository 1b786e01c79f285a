//! Reads the signature of an operator.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{FnArg, Signature, Type};

use crate::body::env::Value;
use crate::body::walk::simple_name;
use crate::errors::Errors;
use crate::signature::is_called;

/// The parameters that matter to the body.
#[derive(Default)]
pub(super) struct Model {
    /// The parameters with streams or the flow, and their values.
    pub(super) parameters: Vec<(Ident, Value)>,
    /// How the body gets the flow.
    pub(super) flow: Option<Handle>,
    /// Whether a stream is borrowed, which was reported.
    pub(super) has_borrowed_stream: bool,
}

/// How a body gets the flow.
pub(super) enum Handle {
    /// It is a parameter.
    Given(Ident),
    /// It comes from a stream, and is stored under the first name.
    Of { name: Ident, stream: Ident },
}

impl Model {
    /// Reads the parameters; reports invalid ones.
    pub(super) fn of(signature: &Signature, errors: &mut Errors) -> Self {
        let mut model = Self::default();
        let mut stream = None;
        for input in &signature.inputs {
            let FnArg::Typed(input) = input else {
                continue;
            };
            let name = simple_name(&input.pat).cloned();
            if is_flow(&input.ty) {
                if let Some(name) = name {
                    model.parameters.push((name.clone(), Value::Flow));
                    model.flow.get_or_insert(Handle::Given(name));
                }
            } else if is_stream(&input.ty) {
                if let Some(name) = name {
                    let value = Value::sure_stream();
                    model.parameters.push((name.clone(), value));
                    stream.get_or_insert(name);
                }
            } else if let Some(by_value) = borrowed_stream(&input.ty) {
                model.has_borrowed_stream = true;
                let name = name.map_or("up".to_owned(), |name| name.to_string());
                let by_value = spaced(by_value);
                errors.fault(
                    &input.ty,
                    format_args!("take the stream by value: `{name}: {by_value}`"),
                    format_args!("callers who need it afterwards pass `{name}.clone()`"),
                );
            } else if has_streams(input.ty.to_token_stream())
                && let Some(name) = name
            {
                model.parameters.push((name, Value::Container(Vec::new())));
            }
        }
        if model.flow.is_none()
            && let Some(stream) = stream
        {
            let span = stream.span().resolved_at(proc_macro2::Span::mixed_site());
            let name = Ident::new("__bw_flow", span);
            model.parameters.push((name.clone(), Value::Flow));
            model.flow = Some(Handle::Of { name, stream });
        }
        model
    }

    /// The name of the flow in the body.
    pub(super) fn flow_in_words(&self) -> String {
        match &self.flow {
            Some(Handle::Given(name)) => name.to_string(),
            Some(Handle::Of { stream, .. }) => format!("{stream}.flow()"),
            None => "flow".to_owned(),
        }
    }
}

/// Whether a type is a single stream.
pub(super) fn is_stream(ty: &Type) -> bool {
    is_called(ty, "Stream") || is_called(ty, "KeyedStream")
}

fn is_flow(ty: &Type) -> bool {
    match ty {
        Type::Reference(reference) => is_flow(&reference.elem),
        ty => is_called(ty, "Flow"),
    }
}

fn borrowed_stream(ty: &Type) -> Option<&Type> {
    match ty {
        Type::Reference(reference) if is_stream(&reference.elem) => Some(&reference.elem),
        _ => None,
    }
}

/// Whether a type contains streams: `Vec<Stream<T>>`.
fn has_streams(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(name) => name == "Stream" || name == "KeyedStream",
        TokenTree::Group(group) => has_streams(group.stream()),
        _ => false,
    })
}

/// A type in its usual notation.
fn spaced(ty: &Type) -> String {
    let text = ty.to_token_stream().to_string();
    text.replace(" <", "<")
        .replace("< ", "<")
        .replace(" >", ">")
        .replace(" ,", ",")
        .replace(" :: ", "::")
}
