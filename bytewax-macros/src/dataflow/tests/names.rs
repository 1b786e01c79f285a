//! Which id each step of a body gets.

use super::names_of;

/// Checks the ids of a body that has the streams `a` and `b`.
#[track_caller]
fn check(body: &str, expect: &[&str]) {
    let found = names_of(&format!(
        "let a = flow.input(one); let b = flow.input(two); {body}"
    ));
    assert_eq!(found[..2], ["a.input", "b.input"]);
    assert_eq!(found[2..], *expect, "{body}");
}

#[test]
fn a_let_names_its_steps() {
    check("let x = a.map(f).filter(g);", &["x.map", "x.filter"]);
    check("let x: Stream<u8> = a.map(f);", &["x.map"]);
    check("let mut x = a.map(f);", &["x.map"]);
    check("let r#type = a.map(f);", &["type.map"]);
    check("let _x = a.map(f);", &["_x.map"]);
    check("let x; x = a.map(f); x.output(s);", &["x.map", "x.output"]);
}

#[test]
fn a_statement_without_let_is_named_after_its_start() {
    check("a.map(f).output(s);", &["a.map", "a.output"]);
    check("a.clone().output(s);", &["a.output"]);
    check("flow.input(src).output(s);", &["input", "output"]);
    check("let _ = a.map(f);", &["a.map"]);
    check("let (x, y) = (a.map(f), b.map(g));", &["a.map", "b.map"]);
    check("flow.merge(vec![a, b]).output(s);", &["merge", "output"]);
    check("(a).output(s)", &["a.output"]);
}

#[test]
fn every_step_of_a_statement_shares_its_name() {
    check(
        "let x = a.join(b.map_value(f)).map_value(g);",
        &["x.map_value", "x.join", "x.map_value_2"],
    );
    check(
        "a.join(b.map_value(f)).output(s);",
        &["a.map_value", "a.join", "a.output"],
    );
    check(
        "let x = flow.merge(vec![a.map(f), b.filter(g)]);",
        &["x.map", "x.filter", "x.merge"],
    );
}

#[test]
fn a_stream_whose_items_are_shown_is_named_like_any_other() {
    check("let x = a.map(f).shown();", &["x.map"]);
    check(
        "let x = a.map(f).shown().filter(g);",
        &["x.map", "x.filter"],
    );
    check("let x = a.map(f).shown().named(\"y\");", &["y"]);
    check("let x = a.map(f).named(\"y\").shown();", &["y"]);
    check("a.shown().output(s);", &["a.output"]);
}

#[test]
fn a_join_of_a_tuple_is_a_step() {
    check("let x = (a, b.map(f)).join();", &["x.map", "x.join"]);
    check(
        "let x = (a, b, a.clone()).join_final(i).map(f);",
        &["x.join_final", "x.map"],
    );
    check(
        "(a, b).join_with(i).output(s);",
        &["a.join_with", "a.output"],
    );
    check("let all = (a, b); let x = all.join();", &["x.join"]);
    check("let x = (a, b).join().named(\"y\");", &["y"]);
    check("let x = names.join(\", \");", &[]);
}

#[test]
fn outputs_of_one_step_are_named_by_field() {
    check(
        "let x = a.try_map(f); x.oks.output(s); x.errs.map(g).output(t); ",
        &["x.try_map", "x.oks.output", "x.errs.map", "x.errs.output"],
    );
    check(
        "let x = a.try_map(f); x.errs.fail();",
        &["x.try_map", "x.errs.fail"],
    );
    check("let x = a.branch(f).trues.map(g);", &["x.branch", "x.map"]);
    check(
        "let BranchOut { trues, falses } = a.branch(f); trues.output(s); falses.output(t);",
        &["a.branch", "trues.output", "falses.output"],
    );
}

#[test]
fn stateless_steps_are_numbered() {
    check(
        "let x = a.map(f).map(g).map(h);",
        &["x.map", "x.map_2", "x.map_3"],
    );
    check("let x = a.map(f); let x = x.map(g);", &["x.map", "x.map_2"]);
    check("a.inspect(f).inspect(g);", &["a.inspect", "a.inspect_2"]);
}

#[test]
fn the_users_name_replaces_ours() {
    check("let x = a.map(f).named(\"y\").map(g);", &["y", "x.map"]);
    check("a.output(s).named(\"out\");", &["out"]);
    check("a.output(s).named(&name);", &["<& name>"]);
    check(
        "let x = a.branch(f).named(\"y\").trues.map(g);",
        &["y", "x.map"],
    );
}

#[test]
fn a_call_opens_a_scope() {
    check("let x = dedupe(a, 100);", &["x.*"]);
    check(
        "let x = ops::dedupe::<u8>(a.clone(), 100).map(f);",
        &["x.*", "x.map"],
    );
    check("let x = dedupe(a.map(f), 100);", &["x.map", "x.*"]);
    check("publish(a);", &["a.*"]);
    check(
        "publish(a.map(f)).output(s);",
        &["a.map", "a.*", "a.output"],
    );
    check("let x = open(flow); x.output(s);", &["x.*", "x.output"]);
    check("publish(flow, a);", &["a.*"]);
    check("let x = merge_all(vec![a, b]);", &["x.*"]);
}

#[test]
fn a_method_of_the_users_opens_a_scope() {
    check("let x = a.map(f).custom(1);", &["x.map", "x.*"]);
    check("a.custom(1).map(f);", &["a.*", "a.map"]);
    check("let x = flow.custom();", &["x.*"]);
    check("let x = dedupe(a); x.custom();", &["x.*", "x.*"]);
    check("a.to_string(); list_of(a).iter();", &["a.*"]);
}

#[test]
fn other_calls_are_left_alone() {
    check("helper(flow);", &[]);
    check("let n = count(&settings);", &[]);
    check("drop(a); let x = Box::new(b);", &[]);
    check(
        "let x = Some(a.map(f)).unwrap().filter(g);",
        &["x.map", "x.filter"],
    );
    check(
        "let x = a.custom(|item| item.map(f)).map(g);",
        &["x.*", "x.map"],
    );
    check("let x = items.iter().map(f).filter(g).collect();", &[]);
    check(
        "let x = a.map(|item| item.parts.iter().map(f).collect());",
        &["x.map"],
    );
}

#[test]
fn scopes_are_part_of_the_flow() {
    check("let x = flow.scope(\"eu\", || a.map(f));", &["eu.x.map"]);
    check(
        "flow.scope(\"eu\", || { let x = a.map(f); x.output(s); b.output(t); });",
        &["eu.x.map", "eu.x.output", "eu.b.output"],
    );
    check("flow.scope(\"eu\", || a.output(s));", &["eu.a.output"]);
    check(
        "let x = regions.iter().map(|r| flow.scope(&r.name, || flow.input(r.source()))).collect(); \
         let all = flow.merge(x);",
        &["<& r . name>.x.input", "all.merge"],
    );
}

#[test]
fn branches_and_blocks_are_entered() {
    check(
        "let x = if test { flow.input(p) } else { flow.input(q) };",
        &["x.input", "x.input"],
    );
    check(
        "let x = match n { 0 => a.map(f), _ if big(n) => { let y = a.filter(g); y.map(f) } };",
        &["x.map", "y.filter", "x.map"],
    );
    check(
        "if test { a.output(s); } else { a.output(t); }",
        &["a.output", "a.output"],
    );
    check(
        "let x = { a.map(f) }; x.filter(g).output(s);",
        &["x.map", "x.filter", "x.output"],
    );
    check("if let Some(s) = sink { a.output(s); }", &["a.output"]);
}

#[test]
fn shadowed_names_are_followed() {
    check("let a = a.map(f); let a = 3; let x = a.map(g);", &["a.map"]);
    check("let g = flow; let x = g.input(src);", &["x.input"]);
    check("for a in items { a.map(f); }", &[]);
    check("let f = |a: u8| a.map(g);", &[]);
}
