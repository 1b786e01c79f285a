//! Code that is being typed: the user's tokens come back unchanged, as a call that the compiler and the
//! editor understand, so that names can be completed in it.

use super::expand;
use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// What is between the parentheses of `Dataflow::build(..)` in an expansion, if it is there.
fn built(tokens: TokenStream) -> Option<String> {
    let mut before = String::new();
    for token in tokens {
        if let TokenTree::Group(group) = &token {
            if before == "build" && group.delimiter() == Delimiter::Parenthesis {
                return Some(group.stream().to_string());
            }
            if let Some(found) = built(group.stream()) {
                return Some(found);
            }
        }
        before = token.to_string();
    }
    None
}

/// Checks that the tokens come back, and whether a message of ours comes with them.
#[track_caller]
fn check(body: &str, has_message: bool) {
    let arguments = format!("\"f\", |flow| {{ let lines = flow.input(src); {body} }}");
    let written: TokenStream = arguments.parse().expect("balanced tokens");
    let expansion = expand(&arguments);
    assert_eq!(
        built(expansion.clone()),
        Some(written.to_string()),
        "{body}"
    );
    let text = expansion.to_string();
    assert_eq!(text.contains("compile_error"), has_message, "{text}");
}

#[test]
fn keeps_tokens_that_do_not_parse() {
    for body in [
        // A method that is half typed.
        "lines.",
        "lines.map(f).",
        "lines.fla lines.output(s);",
        "lines.map(|x| x.).output(s);",
        "lines.key_on(|x| { x. }).output(s);",
        "let x = lines.join(other.map_v).; x.output(s);",
        "lines.stateful_map(|n: &mut u64, x| { *n += x. ; *n }).output(s);",
        "lines.map(|x| Item { name: x., count: 1 }).output(s);",
        "flow.scope(name, || { lines. });",
        "for x in list { flow.scope(x, || lines.map(|y| y.)); }",
        "lines.stateful::<>.output(s);",
        "lines.filter_map(|x| match x { Some(y) => y., None => None }).output(s);",
        // A semicolon, an operand or a name that is missing.
        "let x = ; lines.output(s);",
        "let x = lines.map(f) lines.output(s);",
        "let = lines.map(f); lines.output(s);",
        "let x: = lines; x.output(s);",
        "let x = lines.key_on(|x| { x. }) lines.output(s);",
        "let x = if test { lines } else ; x.output(s);",
        "lines.filter(|x| x.len() > ).output(s);",
        "lines.map(f, , g).output(s);",
        // A closure that has no end yet.
        "lines.map(|x).output(s);",
        "lines.map(|).output(s);",
        "lines.map(|x: ).output(s);",
    ] {
        check(body, false);
    }
}

#[test]
fn keeps_tokens_of_a_faulty_flow() {
    check("lines.map(f);", true);
    check("lines.fla; let x = lines.map(g);", true);
    check("let x = lines.map(g).; ", false);
    check("let parsed = lines.try_map(f); parsed.oks.output(s);", true);
    check("for s in sinks { lines.clone().output(s); }", true);
    check("lines.clone().output(s); lines.output(s);", true);
    check("lines.output(s).named(\"a b\");", true);
}

/// Parentheses that are open have been closed somewhere by the editor before the macro sees them. What
/// happens to be a whole flow then is named; all that was written is still there, in order.
#[test]
fn keeps_what_is_left_of_open_parentheses() {
    for body in [
        "let x = lines.join(other.map_v(); x.output(s);)",
        "let x = lines.join(other.map_v()); x.output(s);",
        "lines.map(|x| { x.len(); lines.output(s); })",
        "lines.output(StdOutSink::new())",
        "let x = lines.map(f(g(h; x.output(s);)));",
        "flow.scope(\"a\", || { lines.output(s); })",
    ] {
        let arguments = format!("\"f\", |flow| {{ let lines = flow.input(src); {body} }}");
        let written = flat(arguments.parse().expect("balanced tokens"));
        let expansion = flat(expand(&arguments));
        let mut rest = expansion.iter();
        for token in &written {
            assert!(rest.any(|other| other == token), "{token} of {body}");
        }
    }
}

/// The tokens without their groups, but for the delimiters.
fn flat(tokens: TokenStream) -> Vec<String> {
    let mut all = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                all.push(format!("{:?}", group.delimiter()));
                all.extend(flat(group.stream()));
            }
            other => all.push(other.to_string()),
        }
    }
    all
}
