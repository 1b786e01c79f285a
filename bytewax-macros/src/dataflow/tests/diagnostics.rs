//! Which errors a body gets, word for word.

use super::{expand, expand_body, messages};

#[track_caller]
fn check(body: &str, expect: &[&str]) {
    assert_eq!(messages(expand_body(body)), expect, "{body}");
}

#[track_caller]
fn check_header(arguments: &str, expect: &[&str]) {
    let expansion = expand(arguments);
    assert!(!expansion.to_string().contains("Dataflow"), "{expansion}");
    assert_eq!(messages(expansion), expect, "{arguments}");
}

/// Checks the errors of a body that has the streams `a` and `b`, which are read afterwards.
#[track_caller]
pub(super) fn check_in_flow(body: &str, expect: &[&str]) {
    let body = format!(
        "let a = flow.input(one); let b = flow.input(two); {body} \
         a.output(three).named(\"three\"); b.output(four).named(\"four\");"
    );
    check(&body, expect);
}

#[test]
fn stream_never_read() {
    check_in_flow(
        "let short = a.clone().filter(f);",
        &["the stream `short` is never read\n\
           help: send it to an operator or a sink, or name it `_short` to drop it on purpose"],
    );
    check_in_flow("let _short = a.clone().filter(f);", &[]);
    check_in_flow(
        "let short = a.clone().filter(f); println!(\"{}\", short);",
        &[],
    );
    check_in_flow(
        "let short = a.clone().filter(f); println!(\"{short:?}\");",
        &[],
    );
    check_in_flow("let short = a.clone().filter(f); let list = [short];", &[]);
    check_in_flow("let short = a.clone().filter(f); let s = S { short };", &[]);
    check_in_flow("let short = a.clone().filter(f); list.push(short);", &[]);
    check_in_flow("let seen = a.clone().inspect(f);", &[]);
    check_in_flow("let x = a.custom();", &[]);
    check(
        "let a = flow.input(s); let a = flow.input(t).named(\"t\"); a.output(u);",
        &["the stream `a` is never read\n\
           help: send it to an operator or a sink, or name it `_a` to drop it on purpose"],
    );
}

#[test]
fn errors_never_read() {
    check_in_flow(
        "let parsed = a.clone().try_map(f); parsed.oks.output(s);",
        &["the errors of `parsed` are never read\n\
           help: handle them: `parsed.errs.fail()`, `parsed.errs.skip_counted()`, or send \
           them to a sink with `parsed.errs.output(sink)`"],
    );
    let inline = "the errors of this `try_flat_map` are never read\n\
                  help: bind the result with `let x = ..`, and handle them: `x.errs.fail()`, \
                  `x.errs.skip_counted()`, or `x.errs.output(sink)`";
    check_in_flow(
        "a.clone().try_flat_map(f).named(\"x\").oks.output(s);",
        &[inline],
    );
    check_in_flow(
        "let TryOut { oks, .. } = a.clone().try_flat_map(f); oks.output(s);",
        &[inline],
    );
    check_in_flow(
        "let TryOut { oks, errs: _ } = a.clone().try_flat_map(f); oks.output(s);",
        &[inline],
    );
    check_in_flow(
        "let TryOut { oks, errs: bad } = a.clone().split_result(); oks.output(s);",
        &["the errors in `bad` are never read\n\
           help: handle them: `bad.fail()`, `bad.skip_counted()`, or send them to a sink with \
           `bad.output(sink)`"],
    );
    check_in_flow(
        "let x = a.clone().try_map(f);",
        &["the stream `x` is never read\n\
         help: send it to an operator or a sink, or name it `_x` to drop it on purpose"],
    );
    check_in_flow(
        "let x = a.clone().try_map(f); x.errs.fail(); x.oks.output(s);",
        &[],
    );
    check_in_flow(
        "let x = a.clone().try_map(f); let x = handle(x); x.output(s);",
        &[],
    );
    check_in_flow(
        "let TryOut { oks, errs } = a.clone().try_map(f); errs.fail(); oks.output(s);",
        &[],
    );
    check_in_flow("a.clone().try_map(f).errs.fail();", &[]);
    check_in_flow(
        "let x = a.clone().try_map(f); publish!(x.oks, x.errs);",
        &[],
    );
}

#[test]
fn no_output() {
    let message = "this dataflow has no output, so it would do nothing\n\
                   help: end a stream with `.output(sink)`";
    check("", &[message]);
    check("let _up = flow.input(source).map(f);", &[message]);
    check("flow.input(source).map(f).inspect_debug();", &[]);
    check("helper(flow);", &[]);
    check("let a = flow.input(source); publish!(a);", &[]);
    check("let a = flow.input(source); a.publish();", &[]);
    check(
        "let a = flow.input(source); for sink in sinks { send(a.clone(), sink); }",
        &[],
    );
}

#[test]
fn two_steps_one_name() {
    check_in_flow(
        "let x = flow.input(s).named(\"inp\"); let y = flow.input(t).named(\"inp\"); x.join(y).output(u);",
        &[
            "two steps are named `inp`\n\
             help: saved state is found by this name; give each step its own",
            "`inp` is first used here",
        ],
    );
    check_in_flow(
        "a.clone().output(s); a.clone().output(t);",
        &[
            "two steps are named `a.output`\n\
             help: saved state is found by this name; give each step its own",
            "`a.output` is first used here",
        ],
    );
    check_in_flow(
        "flow.scope(\"eu\", || a.clone().output(s)); flow.scope(\"eu\", || a.clone().output(t));",
        &[
            "two steps are named `eu.a.output`\n\
             help: saved state is found by this name; give each step its own",
            "`eu.a.output` is first used here",
        ],
    );
    check_in_flow(
        "flow.scope(\"eu\", || a.clone().output(s)); flow.scope(\"us\", || a.clone().output(t));",
        &[],
    );
    check_in_flow(
        "if test { a.clone().output(s); } else { a.clone().output(t); }",
        &[],
    );
}

#[test]
fn a_second_stateful_step() {
    check_in_flow(
        "let total = a.clone().stateful_map(f).stateful_map(g); total.output(s);",
        &[
            "a second `stateful_map` in `total` has no stable name of its own\n\
           help: end it with `.named(\"..\")`, or give it its own `let`",
        ],
    );
    check_in_flow(
        "a.clone().stateful_map(f).stateful_map(g).output(s);",
        &[
            "a second `stateful_map` in this statement has no stable name of its own\n\
           help: end it with `.named(\"..\")`, or give it its own `let`",
        ],
    );
    check_in_flow(
        "let x = flow.merge(vec![flow.input(s), flow.input(t)]); x.output(u);",
        &["a second `input` in `x` has no stable name of its own\n\
           help: end it with `.named(\"..\")`, or give it its own `let`"],
    );
    check_in_flow(
        "let x = dedupe(dedupe(a.clone(), 1).map(f), 2); x.output(u);",
        &["a second `dedupe` in `x` has no stable name of its own\n\
           help: give it its own `let`"],
    );
    check_in_flow(
        "let total = a.clone().stateful_map(f).stateful_map(g).named(\"second\"); total.output(s);",
        &[],
    );
}

#[test]
fn step_in_a_loop() {
    check_in_flow(
        "for topic in topics { let orders = flow.input(topic); orders.output(sink()); }",
        &[
            "every iteration of this loop would build a step named `orders.input`\n\
             help: wrap the body in `flow.scope(topic, || { .. })` with a different name in each iteration",
            "the loop starts here",
        ],
    );
    check_in_flow(
        "while more() { a.clone().output(s); }",
        &[
            "every iteration of this loop would build a step named `a.output`\n\
             help: wrap the body in `flow.scope(name, || { .. })` with a different name in each iteration",
            "the loop starts here",
        ],
    );
    check_in_flow(
        "let all: Vec<_> = topics.iter().map(|t| flow.input(t)).collect(); flow.merge(all).output(s);",
        &[
            "every call of this closure would build a step named `all.input`\n\
             help: wrap the body in `flow.scope(name, || { .. })` with a different name in each call",
            "the closure starts here",
        ],
    );
    check_in_flow(
        "for t in topics { flow.scope(t, || flow.input(t).output(s)); }",
        &[],
    );
    check_in_flow(
        "for t in topics { flow.input(t).named(t).output(s).named(&out); }",
        &[],
    );
    check_in_flow("let x = on.then(|| a.clone().map(f));", &[]);
    check_in_flow("for t in topics { println!(\"{t}\"); }", &[]);
}

#[test]
fn a_constant_scope_in_a_loop() {
    check_in_flow(
        "for t in topics { flow.scope(\"orders\", || { let x = flow.input(t); x.output(s); }); }",
        &[
            "this scope has the same name in every iteration of the loop\n\
           help: use a different name in each iteration, such as `&t`",
        ],
    );
    check_in_flow(
        "for t in topics { flow.scope(\"orders\", || flow.scope(t, || flow.input(t).output(s))); }",
        &[],
    );
}

#[test]
fn a_wrong_header() {
    let name = "expected the dataflow's name as a string literal\n\
                help: `dataflow!(\"my_flow\", |flow| { .. })`; the name is part of every step id, \
                so it is fixed at compile time";
    let body = "expected a closure that takes the flow: `|flow| { .. }`";
    check_header("", &[name]);
    check_header("name, |flow| {}", &[name]);
    check_header("|flow| {}", &[name]);
    check_header("concat!(\"a\", \"b\"), |flow| { lines. }", &[name]);
    check_header("\"f\"", &[body]);
    check_header("\"f\",", &[body]);
    check_header("\"f\", { flow.input(s); }", &[body]);
    check_header("\"f\", |(a, b)| {}", &[body]);
    check_header("\"f\", |_| {}", &[body]);
    check_header("\"f\", || {}", &[body]);
    check_header("\"f\", |flow, other| {}", &[body]);
    check_header("\"f\", async |flow| {}", &[body]);
    check_header("name, || {}", &[name, body]);
    check_header(
        "\"f\", |flow| {}, more",
        &["expected nothing after the closure"],
    );
    check_header("\"f\" |flow| {}", &["expected `,`"]);
}

#[test]
fn a_bad_name() {
    check_in_flow(
        "a.clone().output(s).named(\"total orders\");",
        &["`total orders` is not a step name\n\
           help: use letters, digits, `_` and `-`, with `.` between parts: `total_orders`"],
    );
    check_in_flow(
        "let größe = a.clone().map(f).map(g); größe.output(s).named(\"x\");",
        &["`größe` is not a step name\n\
           help: use letters, digits, `_` and `-`, with `.` between parts: `gr__e`"],
    );
    check_in_flow(
        "flow.scope(\"e u\", || a.clone().output(s));",
        &["`e u` is not a scope name\n\
           help: use letters, digits, `_` and `-`, with `.` between parts: `e_u`"],
    );
    let expansion = expand("\"shop.orders\", |flow| { flow.input(s).output(t); }");
    assert_eq!(
        messages(expansion),
        ["`shop.orders` is not a flow name\n\
          help: use letters, digits, `_` and `-`: `shop_orders`"],
    );
}

#[test]
fn leaving_the_body() {
    check_in_flow(
        "flow.input(open()?).output(s);",
        &["`?` cannot leave the description of a dataflow\n\
           help: do fallible work before `dataflow!`, and move the result in"],
    );
    check_in_flow(
        "flow.input(open().await).output(s);",
        &["`.await` cannot leave the description of a dataflow\n\
           help: do fallible work before `dataflow!`, and move the result in"],
    );
    check_in_flow("a.clone().map(|x| Ok(x?)).output(s);", &[]);
    check_in_flow("let parse = |x| Ok(x?); let task = async { x.await };", &[]);
}

#[test]
fn a_dropped_result() {
    check_in_flow(
        "a.clone().map(f);",
        &["the result of this `map` is never read\n\
           help: continue the chain, bind it with `let`, or end it with `.output(sink)`"],
    );
    check_in_flow(
        "a.clone().map(f).named(\"x\");",
        &["the result of this `map` is never read\n\
           help: continue the chain, bind it with `let`, or end it with `.output(sink)`"],
    );
    check_in_flow("a.clone().map(f).inspect(g);", &[]);
    check_in_flow("let _ = a.clone().map(f);", &[]);
    check_in_flow("a.clone().custom();", &[]);
}

#[test]
fn every_independent_error_at_once() {
    check(
        "let lines = flow.input(s).named(\"in put\"); let short = lines.clone().filter(f); lines.map(g);",
        &[
            "`in put` is not a step name\n\
             help: use letters, digits, `_` and `-`, with `.` between parts: `in_put`",
            "the stream `short` is never read\n\
             help: send it to an operator or a sink, or name it `_short` to drop it on purpose",
            "the result of this `map` is never read\n\
             help: continue the chain, bind it with `let`, or end it with `.output(sink)`",
        ],
    );
}

#[test]
fn what_may_not_be_compiled_is_not_judged() {
    check_in_flow(
        "#[cfg(test)] let x = flow.input(s); #[cfg(not(test))] let x = flow.input(t); x.output(u);",
        &[],
    );
    check_in_flow(
        "#[cfg(test)] a.clone().output(s); #[cfg(not(test))] a.clone().output(t);",
        &[],
    );
}

#[test]
fn a_half_written_flow_has_one_error() {
    check(
        "let lines = flow.input(s);",
        &["the stream `lines` is never read\n\
           help: send it to an operator or a sink, or name it `_lines` to drop it on purpose"],
    );
}

#[test]
fn words_that_are_no_delivery() {
    let body = "|flow| { flow.input(s).output(t); }";
    check_header(
        &format!("\"f\", delivery = sometimes, {body}"),
        &["`sometimes` is no delivery; expected `exactly_once` or `at_least_once`"],
    );
    check_header(
        &format!("\"f\", deliver = exactly_once, {body}"),
        &["unknown option `deliver`; expected `delivery`"],
    );
    check_header(
        &format!("\"f\", delivery = exactly_once, delivery = at_least_once, {body}"),
        &["`delivery` is set twice"],
    );
}
