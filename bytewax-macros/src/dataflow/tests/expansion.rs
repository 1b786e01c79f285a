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
fn a_flow_that_declares_its_delivery() {
    check(
        r#"
        "copy",
        delivery = exactly_once,
        |flow| {
            let lines = flow.input(source);
            lines.output(sink);
        }
        "#,
        r#"
fn flow() -> Dataflow {
    {
        #[diagnostic::on_unimplemented(
            message = "the flow declares delivery exactly once, and the path `lines.input` -> `lines.output` cannot promise it: the source `lines.input` is not replayable",
            label = "it cannot emit an item again, so items are lost when a run is killed",
            note = "read from a source that resumes at a saved position, such as `KafkaSource` or `FileSource`: a `FixedPartitionedSource`, or a `#[source]` with a position; or declare the delivery that the path promises"
        )]
        #[allow(dead_code)]
        trait ExactlyOnceSource0 {}
        impl ExactlyOnceSource0 for ::bytewax::delivery::Replayable {}
        #[allow(dead_code)]
        fn source_0_promises<P: ExactlyOnceSource0>(_: ::core::marker::PhantomData<P>) {}
        #[diagnostic::on_unimplemented(
            message = "the flow declares delivery exactly once, and the path `lines.input` -> `lines.output` cannot promise it: the sink `lines.output` is append",
            label = "it may have items twice after a crash",
            note = "write to a transactional sink, such as `KafkaSink` or `FileSink`, or to an idempotent one: a `TransactionalSink`, or a `#[sink(idempotent)]`; or declare the delivery that the path promises"
        )]
        #[allow(dead_code)]
        trait ExactlyOnceSink0 {}
        impl ExactlyOnceSink0 for ::bytewax::delivery::Transactional {}
        impl ExactlyOnceSink0 for ::bytewax::delivery::Idempotent {}
        #[allow(dead_code)]
        fn sink_0_promises<P: ExactlyOnceSink0>(_: ::core::marker::PhantomData<P>) {}
        ::bytewax::Dataflow::build(
            "copy",
            |flow| {
                flow.delivery(::bytewax::delivery::Delivery::ExactlyOnce);
                {
                    let lines = flow
                        .input_that(source, source_0_promises)
                        .named("lines.input");
                    lines.output_that(sink, sink_0_promises).named("lines.output");
                }
            },
        )
    }
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
