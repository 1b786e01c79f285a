//! The header of `dataflow!`: a name, options and a closure.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::parse::discouraged::Speculative;
use syn::parse::{ParseStream, Parser};
use syn::{Expr, ExprClosure, LitStr, Pat, Token, Type};

use crate::body::delivery::Delivery;
use crate::errors::Errors;

const NAME_FAULT: &str = "expected the dataflow's name as a string literal";
const NAME_MEND: &str = "`dataflow!(\"my_flow\", |flow| { .. })`; the name is part of every step id, \
                         so it is fixed at compile time";
const BODY_FAULT: &str = "expected a closure that takes the flow: `|flow| { .. }`";

/// The arguments of the macro.
pub(super) enum Parsed {
    /// A name and a closure.
    Flow(Box<Described>),
    /// The header is valid, but the body is not valid Rust (yet): the arguments of the builder.
    BrokenBody(TokenStream),
    /// Not a name and a closure.
    BrokenHeader(syn::Error),
}

/// A described flow.
pub(super) struct Described {
    /// Its name.
    pub(super) name: LitStr,
    /// The required delivery of its paths.
    pub(super) delivery: Option<Delivery>,
    /// The arguments without options, for the builder.
    pub(super) plain: TokenStream,
    /// The name of the closure's parameter.
    pub(super) flow: Ident,
    /// The closure.
    pub(super) closure: ExprClosure,
}

/// Reads the header and the body.
pub(super) fn described(input: &TokenStream) -> Parsed {
    let mut errors = Errors::new();
    let split = |input: ParseStream<'_>| split(input, &mut errors);
    let Split {
        name,
        delivery,
        plain_body,
        body,
    } = match split.parse2(input.clone()) {
        Ok(split) => split,
        Err(error) => return Parsed::BrokenHeader(error),
    };
    let plain = match (&name, plain_body) {
        (Name::Literal(name), Some(body)) => quote!(#name, #body),
        _ => input.clone(),
    };
    let name = match name {
        Name::Literal(name) => Some(name),
        Name::Other(wrong) => {
            errors.fault(wrong, NAME_FAULT, NAME_MEND);
            None
        }
    };
    let body = match (&name, body) {
        (Some(name), None) => Body::Wrong(name.to_token_stream(), BODY_FAULT),
        (None, None) => Body::Broken,
        (_, Some(body)) => body,
    };
    if let Body::Wrong(place, fault) = &body {
        errors.note(place, fault);
    }
    match (errors.finish(), name, body) {
        (Ok(()), Some(name), Body::Closure(flow, closure)) => Parsed::Flow(Box::new(Described {
            name,
            delivery,
            plain,
            flow,
            closure: *closure,
        })),
        (Err(error), ..) => Parsed::BrokenHeader(error),
        (Ok(()), ..) => Parsed::BrokenBody(plain),
    }
}

/// The first argument.
enum Name {
    Literal(LitStr),
    /// Something else, with the tokens to report.
    Other(TokenStream),
}

/// The arguments.
struct Split {
    name: Name,
    delivery: Option<Delivery>,
    /// The tokens of the body, if options precede it.
    plain_body: Option<TokenStream>,
    /// `None` if nothing is written.
    body: Option<Body>,
}

impl Split {
    fn new(name: Name, body: Option<Body>) -> Self {
        Self {
            name,
            delivery: None,
            plain_body: None,
            body,
        }
    }
}

fn split(input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Split> {
    if input.peek(LitStr) {
        let name = input.parse()?;
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
        let delivery = options(input, errors)?;
        let plain_body = delivery.map(|_| input.fork().parse()).transpose()?;
        return Ok(Split {
            name: Name::Literal(name),
            delivery,
            plain_body,
            body: read_body(input)?,
        });
    }
    let wrong = match input.parse::<Expr>() {
        Ok(Expr::Closure(closure)) => head_of(&closure),
        Ok(other) => other.into_token_stream(),
        Err(_) => {
            let rest = input.parse::<TokenStream>()?;
            return Ok(Split::new(Name::Other(rest), None));
        }
    };
    input.parse::<Option<Token![,]>>()?;
    Ok(Split::new(Name::Other(wrong), read_body(input)?))
}

/// Reads any number of `name = value,`: the required delivery of the flow's paths.
fn options(input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Option<Delivery>> {
    let mut delivery = None;
    while input.peek(Ident::peek_any) && input.peek2(Token![=]) {
        let option = Ident::parse_any(input)?;
        input.parse::<Token![=]>()?;
        let mut value = TokenStream::new();
        while !input.is_empty() && !input.peek(Token![,]) {
            value.extend([input.parse::<TokenTree>()?]);
        }
        input.parse::<Option<Token![,]>>()?;
        let expected = Delivery::WORDS;
        match (option == "delivery", Delivery::of(&value.to_string())) {
            (true, Some(_)) if delivery.is_some() => {
                errors.note(&option, format!("`{option}` is set twice"));
            }
            (true, Some(found)) => delivery = Some(found),
            (true, None) => errors.note(
                quote!(#option = #value),
                format!("`{value}` is no delivery; expected {expected}"),
            ),
            (false, _) => errors.note(
                &option,
                format!("unknown option `{option}`; expected `delivery`"),
            ),
        }
    }
    Ok(delivery)
}

/// The tokens of a closure from its first bar to its last, or the tokens before these.
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

/// The second argument.
enum Body {
    /// A closure of the required form, and the name of its parameter.
    Closure(Ident, Box<ExprClosure>),
    /// A closure by its first tokens; the rest is not Rust.
    Broken,
    /// Something else: the tokens to report, and the message.
    Wrong(TokenStream, &'static str),
}

/// Reads the rest. A whole closure is read in place, because passing its tokens out and back costs the
/// compiler as much.
fn read_body(input: ParseStream<'_>) -> syn::Result<Option<Body>> {
    if input.is_empty() {
        return Ok(None);
    }
    let ahead = input.fork();
    let body = match body(&ahead) {
        Ok(Expr::Closure(closure)) => match parameter(&closure) {
            Some(flow) if ahead.is_empty() => {
                input.advance_to(&ahead);
                return Ok(Some(Body::Closure(flow, Box::new(closure))));
            }
            Some(_) => Body::Wrong(ahead.parse()?, "expected nothing after the closure"),
            None => Body::Wrong(head_of(&closure), BODY_FAULT),
        },
        Err(_) if closure_head(&input.fork()).is_ok() => Body::Broken,
        Ok(_) | Err(_) => Body::Wrong(input.fork().parse()?, BODY_FAULT),
    };
    input.parse::<TokenStream>()?;
    Ok(Some(body))
}

fn body(input: ParseStream<'_>) -> syn::Result<Expr> {
    let body = input.parse()?;
    input.parse::<Option<Token![,]>>()?;
    Ok(body)
}

/// The name of the only parameter, if the closure has the required plain form.
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

/// Succeeds on tokens that begin like the required closure.
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
