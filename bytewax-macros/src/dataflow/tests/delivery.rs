//! Which sources and sinks are asked for what they promise, and for which paths.

use super::expand;

/// The expansion of a flow that declares a delivery, without spaces.
fn text(delivery: &str, body: &str) -> String {
    let expansion = expand(&format!(
        "\"f\", delivery = {delivery}, |flow| {{ {body} }}"
    ));
    expansion.to_string()
}

/// The paths that the messages of the expansion name, in order.
#[track_caller]
fn check(body: &str, expect: &[&str]) {
    let text = text("exactly_once", body);
    let paths = text.split("and the path ").skip(1);
    let path = |rest: &str| {
        let (path, rest) = rest
            .split_once(" cannot promise it: the ")
            .expect("a fault");
        let what = rest.split_whitespace().next().unwrap_or_default();
        format!("{what}: {}", path.replace('`', ""))
    };
    assert_eq!(paths.map(path).collect::<Vec<_>>(), expect, "{body}");
}

#[test]
fn one_path_asks_its_source_and_its_sink() {
    check(
        "let a = flow.input(s); let b = a.map(f); b.output(t);",
        &[
            "source: a.input -> b.map -> b.output",
            "sink: a.input -> b.map -> b.output",
        ],
    );
    check(
        "flow.input(s).named(\"in\").inspect(f).output(t);",
        &[
            "source: in -> inspect -> output",
            "sink: in -> inspect -> output",
        ],
    );
}

#[test]
fn paths_go_through_fields_copies_lists_and_joins() {
    let both = |middle: &str| {
        [
            format!("source: a.input -> {middle}"),
            format!("source: b.input -> {middle}"),
            format!("sink: a.input -> {middle}"),
        ]
    };
    for (body, middle) in [
        ("flow.merge(vec![a, b]).output(t);", "merge -> output"),
        ("flow.merge([a, b]).output(t);", "merge -> output"),
        ("a.merge(b).output(t);", "a.merge -> a.output"),
        ("let c = (a, b).join(); c.output(t);", "c.join -> c.output"),
        ("let c = if x { a } else { b }; c.output(t);", "c.output"),
    ] {
        let body = format!("let a = flow.input(s); let b = flow.input(s); {body}");
        let expect = both(middle);
        check(&body, &expect.each_ref().map(String::as_str));
    }
    check(
        "let a = flow.input(s); let c = a.clone().branch(f); c.trues.output(t); a.inspect(g);",
        &[
            "source: a.input -> c.branch -> c.trues.output",
            "sink: a.input -> c.branch -> c.trues.output",
        ],
    );
    check(
        "let a = flow.input(s); let b = a.try_output(t); b.errs.fail();",
        &[
            "source: a.input -> b.try_output",
            "sink: a.input -> b.try_output",
        ],
    );
}

#[test]
fn what_cannot_be_followed_is_left_to_the_check_of_the_flow() {
    for body in [
        "let a = flow.input(s); a.inspect(f); let b = g(flow); b.output(t);",
        "let a = flow.input(s); let b = g(a); b.output(t);",
        "let (a, b) = (flow.input(s), flow.input(s)); a.output(t); b.output(t).named(\"t\");",
        "flow.input(s).named(n).output(t);",
    ] {
        check(body, &[]);
    }
}

#[test]
fn a_weaker_delivery_asks_no_sinks() {
    let text = text("at_least_once", "let a = flow.input(s); a.output(t);");
    assert!(text.contains("input_that"), "{text}");
    assert!(!text.contains("output_that"), "{text}");
    assert!(
        text.contains(
            "the flow declares delivery at least once, and the path `a.input` -> `a.output` cannot"
        ),
        "{text}"
    );
    let plain = expand("\"f\", |flow| { let a = flow.input(s); a.output(t); }").to_string();
    assert!(!plain.contains("_that"), "{plain}");
}
