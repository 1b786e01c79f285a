//! Whole expansions, as a reader of `cargo expand` sees them.

use super::expand;

#[track_caller]
fn check(arguments: &str, expect: &str) {
    let expansion = expand(arguments);
    let file = syn::parse2(quote::quote!(fn flow() -> Dataflow { #expansion }));
    let printed = prettyplease::unparse(&file.expect("a function"));
    assert_eq!(printed.trim(), expect.trim(), "{printed}");
}

#[test]
fn wordcount() {
    check(
        r#"
        "wordcount",
        |flow| {
            let lines = flow.input(FileSource::new(path));
            let words = lines.flat_map(|line: String| words(&line));
            let counts = words.key_on(|word| word.clone()).count_final();
            counts.output(StdOutSink::debug());
        }
        "#,
        r#"
fn flow() -> Dataflow {
    ::bytewax::Dataflow::build(
        "wordcount",
        |flow| {
            let lines = flow.input(FileSource::new(path)).named("lines.input");
            let words = lines
                .flat_map(|line: String| words(&line))
                .named("words.flat_map");
            let counts = words
                .key_on(|word| word.clone())
                .named("counts.key_on")
                .count_final()
                .named("counts.count_final");
            counts.output(StdOutSink::debug()).named("counts.output");
        },
    )
}
"#,
    );
}

#[test]
fn orders() {
    check(
        r#"
        "orders",
        |flow: &Flow| {
            let raw = flow.input(source);
            let parsed = raw.try_map(parse);
            let fresh = dedupe(parsed.oks.key_on(|order: &Order| order.item.clone()), 100);
            let priced = price(fresh);
            priced.output(sink).named("audit");
            publish(parsed.errs.map(explain)).output(dead_letters);
        }
        "#,
        r#"
fn flow() -> Dataflow {
    ::bytewax::Dataflow::build(
        "orders",
        |flow: &Flow| {
            let raw = flow.input(source).named("raw.input");
            let parsed = raw.try_map(parse).named("parsed.try_map");
            let fresh = {
                let __bw_0 = parsed
                    .oks
                    .key_on(|order: &Order| order.item.clone())
                    .named("fresh.key_on");
                flow.scope("fresh", || dedupe(__bw_0, 100))
            };
            let priced = flow.scope("priced", || price(fresh));
            priced.output(sink).named("audit");
            {
                let __bw_0 = parsed.errs.map(explain).named("parsed.errs.map");
                flow.scope("parsed.errs", || publish(__bw_0))
            }
                .output(dead_letters)
                .named("parsed.errs.output");
        },
    )
}
"#,
    );
}

#[test]
fn a_move_closure_stays_one() {
    check(
        r#""f", move |flow| flow.input(source).output(sink)"#,
        r#"
fn flow() -> Dataflow {
    ::bytewax::Dataflow::build(
        "f",
        move |flow| flow.input(source).named("input").output(sink).named("output"),
    )
}
"#,
    );
}
