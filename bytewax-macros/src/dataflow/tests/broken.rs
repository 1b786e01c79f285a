//! Code that is being typed: the user's tokens come back unchanged.

use super::expand;
use proc_macro2::TokenStream;

#[track_caller]
fn check(body: &str) {
    let arguments = format!("\"f\", |flow| {{ let lines = flow.input(src); {body} }}");
    let written: TokenStream = arguments.parse().expect("balanced tokens");
    let expansion = expand(&arguments).to_string();
    let call = format!(":: bytewax :: Dataflow :: build ({written})");
    assert!(expansion.contains(&call), "{expansion}");
    assert!(!expansion.contains("named"), "{expansion}");
}

#[test]
fn keeps_tokens_that_do_not_parse() {
    check("lines.");
    check("lines.fla lines.output(s);");
    check("lines.map(|x| x.).output(s);");
    check("let x = ; lines.output(s);");
    check("let x = lines.key_on(|x| { x. }) lines.output(s);");
}

#[test]
fn keeps_tokens_of_a_faulty_flow() {
    check("lines.map(f);");
    check("lines.fla; let x = lines.map(g);");
}
