//! Steps that were moved: what is offered works when it is written as it is offered.

use super::{FLOW, LOCK, expanded};

/// The lines that messages offer as mends, of one that says "if .. moved, add".
fn offered(messages: &[String]) -> Vec<String> {
    let mut lines = Vec::new();
    for message in messages {
        let (_, mends) = message.split_once("help: ").expect("a mend");
        let (_, say) = mends.split_once("add `flow.moved").expect(message);
        let say = format!("flow.moved{say}");
        let say = say.split(';').next().unwrap_or_default();
        for line in say.split('`').filter(|it| it.starts_with("flow.moved")) {
            lines.push(format!("{line};"));
        }
    }
    lines.sort();
    lines.dedup();
    lines
}

/// Replaces texts of the flow, writes what is offered into it, and checks that it is fine then.
#[track_caller]
fn follow(changes: &[(&str, &str)], expect: &[&str]) {
    let mut body = FLOW.to_owned();
    for (from, to) in changes {
        assert!(body.contains(from), "{from}");
        body = body.replace(from, to);
    }
    let (messages, _) = expanded(LOCK, &body);
    let lines = offered(&messages);
    assert_eq!(lines, expect, "{messages:?}");
    let body = format!("{} {body}", lines.join(" "));
    assert_eq!(expanded(LOCK, &body).0, [""; 0], "{body}");
}

#[test]
fn what_is_offered_for_a_move_works() {
    follow(
        &[("scope(\"eu\"", "scope(\"europe\"")],
        &["flow.moved(\"eu\", \"europe\");"],
    );
    follow(
        &[
            ("flow.scope(\"eu\", || {", "{"),
            ("clicks.output(files);\n    });", "clicks.output(files); }"),
        ],
        &[
            "flow.moved(\"eu.clicks.input\", \"clicks.input\");",
            "flow.moved(\"eu.clicks.output\", \"clicks.output\");",
        ],
    );
    follow(
        &[(
            "let orders = flow.input(orders)",
            "let orders = flow.scope(\"us\", || flow.input(orders))",
        )],
        &["flow.moved(\"orders.input\", \"us.orders.input\");"],
    );
    // Into a scope, under another name.
    follow(
        &[(
            "let totals = by_item.stateful_map(total);",
            "let totals = flow.scope(\"all\", || { let sums = by_item.stateful_map(total); sums });",
        )],
        &["flow.moved(\"totals.stateful_map\", \"all.sums.stateful_map\");"],
    );
    // A call under another name.
    follow(
        &[
            ("let fresh = dedupe", "let kept = dedupe"),
            ("fresh.output", "kept.output"),
        ],
        &["flow.moved(\"fresh\", \"kept\");"],
    );
    // Into a call: which id it has there is reported when the program starts.
    follow(
        &[
            (
                "let totals = by_item.stateful_map(total);",
                "let sums = total(by_item);",
            ),
            ("totals.", "sums."),
        ],
        &["flow.moved(\"totals.stateful_map\", \"sums.totals.stateful_map\");"],
    );
    // Into a scope whose name is computed.
    let into_loop = [
        (
            "flow.scope(\"eu\", || {",
            "for area in areas { flow.scope(&area.world(), || { flow.scope(area, || {",
        ),
        (
            "clicks.output(files);\n    });",
            "clicks.output(files); }); }); }",
        ),
    ];
    follow(&into_loop, &["flow.moved(\"eu\", \"eu.eu\");"]);
}

#[test]
fn a_move_that_means_no_step_is_an_error() {
    let moved = |line: &str| expanded(LOCK, &format!("{line} {FLOW}")).0;
    // The names of scopes in a loop may be any.
    let line = "flow.moved(\"sums\", \"eu.totals.stateful_map\");";
    assert_eq!(moved(line), [""; 0]);
    let flow = FLOW
        .replace("for region in regions {", "{")
        .replace("scope(region", "scope(\"north\"");
    let moved = |line: &str| expanded(LOCK, &format!("{line} {flow}")).0;
    assert_eq!(
        moved("flow.moved(\"sums\", \"eu.totals.stateful_map\");"),
        [
            "`sums` was moved to `eu.totals.stateful_map`, and the flow has no such step\n\
          help: write the id as the step has it now, without the name of the flow, or remove this"
        ]
    );
    assert_eq!(
        moved("flow.moved(\"all.totals.stateful_map\", \"eu.totals.stateful_map\");"),
        [
            "`all.totals.stateful_map` was moved to `eu.totals.stateful_map`, and the flow has no such step\n\
          help: if it is another step, write `flow.moved(\"all.totals.stateful_map\", \"totals.stateful_map\")`; \
          otherwise remove this"
        ]
    );
    // In a call there may be any.
    for line in [
        "flow.moved(\"old\", \"fresh.any\");",
        "flow.moved(&old, new);",
        "flow.moved(\"audit\", \"audit\");",
    ] {
        assert_eq!(moved(line), [""; 0], "{line}");
    }
}

#[test]
fn two_that_are_gone_are_not_offered_the_same_step() {
    let lock = "[shop]\n\
        \"a.stateful_map\" = { kind = \"stateful\", operator = \"stateful_map\" }\n\
        \"b.stateful_map\" = { kind = \"stateful\", operator = \"stateful_map\" }\n\
        \"in\" = { kind = \"source\", operator = \"input\" }\n";
    let flow = |steps: &str| format!("let x = flow.input(y).named(\"in\"); {steps}");
    let has = |message: &str, words: &str| assert!(message.contains(words), "{message}");
    let (messages, _) = expanded(lock, &flow("let c = x.stateful_map(f); c.output(s);"));
    assert_eq!(messages.len(), 2);
    for message in &messages {
        assert!(message.contains("only you know"), "{message}");
    }
    let (messages, _) = expanded(
        lock,
        &flow(
            "let c = x.clone().stateful_map(f); let a2 = x.stateful_map(g).named(\"a.sums\"); a2.inspect(h); c.output(s);",
        ),
    );
    // The one has the same beginning.
    assert_eq!(messages.len(), 2);
    has(
        &messages[0],
        "`a.stateful_map` of `dataflow.lock` has no step in this flow, and the step `a.sums` is new",
    );
    has(
        &messages[1],
        "`b.stateful_map` of `dataflow.lock` has no step in this flow, and the step `c.stateful_map` is new",
    );
    let (messages, _) = expanded(
        lock,
        &flow(
            "let c = x.clone().stateful_map(f); let d = x.stateful_map(g); d.inspect(h); c.output(s);",
        ),
    );
    assert_eq!(messages.len(), 2);
    for (message, old) in messages.iter().zip(["a", "b"]) {
        has(message, "only you know which of them it was, if any: add");
        has(
            message,
            &format!("`flow.moved(\"{old}.stateful_map\", \"c.stateful_map\")` or"),
        );
    }
}
