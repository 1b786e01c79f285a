//! The header of `dataflow!`: a name and a closure.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::parse::{ParseStream, Parser};
use syn::{Expr, ExprClosure, LitStr, Pat, Token, Type};

use super::names;
use crate::errors::Errors;

const NAME_FAULT: &str = "expected the dataflow's name as a string literal";
const NAME_MEND: &str = "`dataflow!(\"my_flow\", |flow| { .. })`; the name is part of every step id, \
                         so it is fixed at compile time";
const BODY_FAULT: &str = "expected a closure that takes the flow: `|flow| { .. }`";

/// What was written between the parentheses.
#[derive(Debug)]
pub(super) enum Parsed {
    /// A name and a closure.
    Flow(Box<Described>),
    /// The header is fine, but the body is not Rust (yet).
    BrokenBody,
    /// Not a name and a closure.
    BrokenHeader,
}

/// A described flow.
#[derive(Debug)]
pub(super) struct Described {
    /// Its name.
    pub(super) name: LitStr,
    /// The name of the closure's parameter.
    pub(super) flow: Ident,
    /// The closure.
    pub(super) closure: ExprClosure,
}

/// Reads the header and the body; what is wrong with them goes to `errors`.
pub(super) fn described(input: TokenStream, errors: &mut Errors) -> Parsed {
    let (name, body) = match split.parse2(input.clone()) {
        Ok((Name::Literal(name), body)) => (Some(name), body),
        Ok((Name::Other(wrong), body)) => {
            errors.fault(wrong, NAME_FAULT, NAME_MEND);
            (None, body)
        }
        Err(error) => {
            errors.push(error);
            return Parsed::BrokenHeader;
        }
    };
    if body.is_empty() {
        if let Some(name) = name {
            errors.note(name, BODY_FAULT);
        }
        return Parsed::BrokenHeader;
    }
    match (name, read_body(body, errors)) {
        (Some(name), Body::Closure(flow, closure)) => {
            check_name(&name, errors);
            Parsed::Flow(Box::new(Described {
                name,
                flow,
                closure: *closure,
            }))
        }
        (Some(_), Body::Broken(error)) => {
            errors.push(error);
            Parsed::BrokenBody
        }
        _ => Parsed::BrokenHeader,
    }
}

/// The first argument.
enum Name {
    Literal(LitStr),
    /// Something else, by the tokens to blame for it.
    Other(TokenStream),
}

/// The first argument, and the tokens of the second.
fn split(input: ParseStream) -> syn::Result<(Name, TokenStream)> {
    if input.peek(LitStr) {
        let name = input.parse()?;
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
        return Ok((Name::Literal(name), input.parse()?));
    }
    let wrong = match input.parse::<Expr>() {
        Ok(Expr::Closure(closure)) => head_of(&closure),
        Ok(other) => other.into_token_stream(),
        Err(_) => {
            let rest = input.parse::<TokenStream>()?;
            return Ok((Name::Other(rest), TokenStream::new()));
        }
    };
    input.parse::<Option<Token![,]>>()?;
    Ok((Name::Other(wrong), input.parse()?))
}

/// The tokens of a closure from its first bar to its last, or what stands before these.
fn head_of(closure: &ExprClosure) -> TokenStream {
    let ExprClosure {
        asyncness,
        constness,
        inputs_begin,
        inputs,
        inputs_end,
        ..
    } = closure;
    match (asyncness, constness) {
        (None, None) => quote!(#inputs_begin #inputs #inputs_end),
        _ => quote!(#constness #asyncness),
    }
}

fn check_name(name: &LitStr, errors: &mut Errors) {
    let text = name.value();
    if !names::is_flow_name(&text) {
        errors.fault(
            name,
            format_args!("`{text}` is not a flow name"),
            format_args!(
                "use letters, digits, `_` and `-`: `{}`",
                names::nearest_flow_name(&text)
            ),
        );
    }
}

/// What the second argument is.
enum Body {
    Closure(Ident, Box<ExprClosure>),
    /// A closure by its first tokens, with the parser's opinion of the rest.
    Broken(syn::Error),
    /// Something else, already reported.
    Wrong,
}

fn read_body(tokens: TokenStream, errors: &mut Errors) -> Body {
    match body_and_rest.parse2(tokens.clone()) {
        Ok((Expr::Closure(closure), rest)) => {
            if !rest.is_empty() {
                errors.note(rest, "expected nothing after the closure");
                return Body::Wrong;
            }
            if let Some(flow) = parameter(&closure) {
                return Body::Closure(flow, Box::new(closure));
            }
            errors.note(head_of(&closure), BODY_FAULT);
            return Body::Wrong;
        }
        Ok(_) => {}
        Err(error) => {
            if closure_head.parse2(tokens.clone()).is_ok() {
                return Body::Broken(error);
            }
        }
    }
    errors.note(tokens, BODY_FAULT);
    Body::Wrong
}

fn body_and_rest(input: ParseStream) -> syn::Result<(Expr, TokenStream)> {
    let body = input.parse()?;
    input.parse::<Option<Token![,]>>()?;
    Ok((body, input.parse()?))
}

/// The name of the only parameter, if the closure has the plain form that is asked for.
fn parameter(closure: &ExprClosure) -> Option<Ident> {
    let is_plain = closure.asyncness.is_none()
        && closure.constness.is_none()
        && closure.lifetimes.is_none()
        && closure.inputs.len() == 1;
    closure
        .inputs
        .first()
        .filter(|_| is_plain)
        .and_then(plain_name)
}

/// Succeeds on tokens that begin as the closure that is asked for.
fn closure_head(input: ParseStream) -> syn::Result<()> {
    input.parse::<Option<Token![move]>>()?;
    input.parse::<Token![|]>()?;
    let pattern = Pat::parse_single(input)?;
    if plain_name(&pattern).is_none() {
        return Err(input.error(BODY_FAULT));
    }
    if input.parse::<Option<Token![:]>>()?.is_some() {
        input.parse::<Type>()?;
    }
    input.parse::<Token![|]>()?;
    input.parse::<TokenStream>()?;
    Ok(())
}

fn plain_name(pattern: &Pat) -> Option<Ident> {
    match pattern {
        Pat::Type(typed) => plain_name(&typed.pat),
        Pat::Ident(name)
            if name.by_ref.is_none() && name.mutability.is_none() && name.subpat.is_none() =>
        {
            Some(name.ident.clone())
        }
        _ => None,
    }
}
