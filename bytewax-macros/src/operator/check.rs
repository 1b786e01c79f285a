//! The possible faults of an operator.

use syn::{FnArg, Signature};

use super::Options;
use super::model::{self, Model};
use crate::body;
use crate::body::names;
use crate::errors::Errors;
use crate::signature::returned;

/// Reports faults of the signature; returns whether there are any.
pub(super) fn signature(signature: &Signature, model: &Model, errors: &mut Errors) -> bool {
    let name = &signature.ident;
    let mut is_faulty = model.has_borrowed_stream;
    if let Some(receiver) = signature.receiver() {
        is_faulty = true;
        errors.fault(
            receiver.self_token,
            "an operator has no `self`",
            "take what the steps need as parameters, and the stream by value: `up: Stream<T>`",
        );
    }
    if let Some(word) = &signature.asyncness {
        is_faulty = true;
        errors.fault(
            word,
            "an operator cannot be `async`",
            "remove `async`; for asynchronous work per item, use `.map_async(..)`",
        );
    }
    if model.flow.is_none() && !is_faulty {
        is_faulty = true;
        errors.fault(
            name,
            format_args!(
                "an operator takes a `Stream`, a `KeyedStream` or `flow: &Flow`, and `{name}` takes \
                 none"
            ),
            format_args!("to change single items, use a plain function and `.map({name})`"),
        );
    }
    let text = syn::ext::IdentExt::unraw(name).to_string();
    if !names::is_step_name(&text) {
        is_faulty = true;
        errors.fault(
            name,
            format_args!("`{text}` is not a scope name, which an operator gives to its steps"),
            format_args!(
                "use letters, digits and `_`: `{}`",
                names::nearest_step_name(&text)
            ),
        );
    }
    is_faulty
}

/// Reports a method form for a function that cannot have one.
pub(super) fn method(signature: &Signature, options: &Options, errors: &mut Errors) {
    let name = &signature.ident;
    if let Some(method) = &options.method
        && !first_is_stream(signature)
    {
        errors.fault(
            method,
            format_args!("`{name}` does not begin with a stream, so it has no method form"),
            "make the stream the first parameter, or remove `method`",
        );
    }
}

/// Reports faults of the body.
pub(super) fn body(signature: &Signature, body: &body::model::Model, errors: &mut Errors) {
    let has_lost_streams = body::check::all(body, errors);
    if !has_lost_streams
        && !body.has_output
        && !body.has_escapes
        && returned(&signature.output).is_none()
    {
        errors.fault(
            &signature.ident,
            "this operator returns no stream and has no output, so it would do nothing",
            "return a stream, or end one with `.output(sink)`",
        );
    }
}

fn first_is_stream(signature: &Signature) -> bool {
    match signature.inputs.first() {
        Some(FnArg::Typed(input)) => model::is_stream(&input.ty),
        _ => false,
    }
}
