//! Responses of the server.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, WWW_AUTHENTICATE,
};
use hyper::{HeaderMap, Response, StatusCode};

use crate::execution::token::Token;

pub(super) type Answer = Response<Full<Bytes>>;

pub(super) const PLAIN: &str = "text/plain; charset=utf-8";

pub(super) fn answer(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Answer {
    let answer = Response::new(Full::new(body.into()));
    let answer = with(answer, CONTENT_TYPE, kind);
    let mut answer = with(answer, CACHE_CONTROL, "no-store");
    *answer.status_mut() = status;
    answer
}

/// The same response with a header.
pub(super) fn with(mut answer: Answer, name: HeaderName, value: &'static str) -> Answer {
    let headers = answer.headers_mut();
    headers.insert(name, HeaderValue::from_static(value));
    answer
}

/// Refuses a method.
pub(super) fn wrong_method(allowed: &'static str) -> Answer {
    let text = format!("use {}\n", allowed.split(',').next().unwrap_or(allowed));
    with(
        answer(StatusCode::METHOD_NOT_ALLOWED, PLAIN, text),
        ALLOW,
        allowed,
    )
}

/// Asks for a token.
pub(super) fn unauthorized(text: &'static str) -> Answer {
    with(
        answer(StatusCode::UNAUTHORIZED, PLAIN, text),
        WWW_AUTHENTICATE,
        "Bearer",
    )
}

/// Whether a request has one of these tokens.
pub(super) fn has_token<'a>(
    headers: &HeaderMap,
    tokens: impl IntoIterator<Item = &'a Token>,
) -> bool {
    let given = headers
        .get(hyper::header::AUTHORIZATION)
        .map(HeaderValue::as_bytes);
    let given = given.and_then(|given| given.strip_prefix(b"Bearer "));
    given.is_some_and(|given| tokens.into_iter().any(|token| token.is(given)))
}
