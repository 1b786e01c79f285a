//! Edits of a locked flow, each with its verdict; and the lines of the file.

mod exchange;
mod files;
mod moves;

use proc_macro2::TokenStream;
use syn::visit::Visit;

use super::Package;
use crate::dataflow;

const LOCK: &str = r#"
# Comments do not count.
[other]
"elsewhere.input" = { kind = "source" }

[shop]
"audit" = { kind = "sink", operator = "output" }
"carts.output" = { kind = "sink", operator = "output", later = 5 }
"carts.stateful" = { kind = "stateful", operator = "stateful", state = "Cart", version = 1, fingerprint = "00000000000000ff" }
"eu.clicks.input" = { kind = "source", operator = "input", state = "u64", version = 1, fingerprint = "1234567890abcdef" }
"eu.clicks.output" = { kind = "sink", operator = "output" }
"fresh.dedupe.marked.stateful_map" = { kind = "stateful", operator = "stateful_map" }
"north.logs.input" = { kind = "source", operator = "input" }
"north.logs.output" = { kind = "sink", operator = "output" }
"old.collect" = { kind = "dropped", why = "counted \"twice\"" }
"orders.input" = { kind = "source", operator = "input" }
"totals.stateful_map" = { kind = "stateful", operator = "stateful_map" }
"#;

const FLOW: &str = r#"
    let orders = flow.input(orders);
    let by_item = orders.key_on(item);
    let totals = by_item.stateful_map(total);
    let fresh = dedupe(totals.clone(), 100);
    let carts = totals.stateful::<Cart>();
    flow.scope("eu", || {
        let clicks = flow.input(clicks);
        clicks.output(files);
    });
    for region in regions {
        flow.scope(region, || {
            let logs = flow.input(logs);
            logs.output(files);
        });
    }
    carts.output(files);
    fresh.output(files).named("audit");
"#;

/// The messages for a flow of the name `shop`, and its expansion.
fn expanded(lock: &str, body: &str) -> (Vec<String>, TokenStream) {
    expanded_of("", lock, body)
}

/// The same in a program of the package.
fn expanded_of(program: &str, lock: &str, body: &str) -> (Vec<String>, TokenStream) {
    let package = Package::new("/work".to_owned(), program.to_owned(), Some(lock));
    let tokens = format!("\"shop\", |flow| {{ {body} }}");
    let tokens = tokens.parse().expect("balanced tokens");
    let expansion = dataflow::expand(&tokens, Some(&package));
    let mut messages = Messages::default();
    messages.visit_expr(&syn::parse2(expansion.clone()).expect("an expression"));
    (messages.0, expansion)
}

#[derive(Default)]
struct Messages(Vec<String>);

impl<'ast> Visit<'ast> for Messages {
    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        let last = call.path.segments.last();
        if last.is_some_and(|part| part.ident == "compile_error") {
            let text: syn::LitStr = call.parse_body().expect("a message");
            self.0.push(text.value());
        }
    }
}

/// Replaces texts of the flow, and checks what is said.
#[track_caller]
fn edit(changes: &[(&str, &str)], expect: &[&str]) {
    let mut body = FLOW.to_owned();
    for (from, to) in changes {
        assert!(body.contains(from), "{from}");
        body = body.replace(from, to);
    }
    assert_eq!(expanded(LOCK, &body).0, expect, "{changes:?}");
}

/// What is said of one step that is gone.
fn gone(what: &str, new: &str, mend: &str, old: &str) -> String {
    let new = match new {
        "" => String::new(),
        new => format!(", and {new}"),
    };
    format!(
        "{what} of `dataflow.lock` has no step in this flow{new}\n\
         help: {mend}; if the saved state is no longer needed, add `flow.dropped(\"{old}\", \"why\")`"
    )
}

fn renamed(kind: &str, old: &str, new: &str) -> String {
    renamed_as(kind, old, new, old)
}

fn renamed_as(kind: &str, old: &str, new: &str, name: &str) -> String {
    gone(
        &format!("the {kind} `{old}`"),
        &format!("the step `{new}` is new"),
        &format!("if the step was renamed, give it its old name by `.named(\"{name}\")`"),
        old,
    )
}

fn removed(kind: &str, old: &str) -> String {
    gone(
        &format!("the {kind} `{old}`"),
        "",
        &format!("bring the step back; if it is off for now, add `flow.kept(\"{old}\", \"why\")`"),
        old,
    )
}

#[test]
fn what_changes_no_id_that_saves_is_fine() {
    // 1 to 14.
    edit(&[], &[]);
    edit(
        &[(
            "orders.key_on(item)",
            "orders.map(f).filter(g).key_on(item)",
        )],
        &[],
    );
    edit(&[("orders.key_on(item)", "orders.key_on(other)")], &[]);
    edit(
        &[
            ("let by_item = orders.key_on", "let keyed = orders.key_on"),
            ("by_item.", "keyed."),
        ],
        &[],
    );
    edit(
        &[(
            "stateful_map(total)",
            "stateful_map(|sum: &mut Sum, n| sum.add(n))",
        )],
        &[],
    );
    edit(
        &[(
            "flow.input(orders)",
            "flow.input(Kafka::new(brokers, orders))",
        )],
        &[],
    );
    edit(
        &[(
            "carts.output(files);",
            "carts.clone().collect(9, t).output(files).named(\"x\"); carts.output(files);",
        )],
        &[],
    );
    edit(
        &[
            ("carts.output(files);", ""),
            ("fresh.output", "carts.output(files); fresh.output"),
        ],
        &[],
    );
    edit(
        &[
            ("let totals = by_item", "let sums = by_item"),
            ("totals.", "sums."),
            ("(total);", "(total).named(\"totals.stateful_map\");"),
        ],
        &[],
    );
    edit(
        &[
            ("region in regions", "place in places"),
            ("scope(region", "scope(place"),
        ],
        &[],
    );
    edit(
        &[("dedupe(totals.clone(), 100)", "dedupe(totals.clone(), 200)")],
        &[],
    );
    edit(
        &[(
            "dedupe(totals.clone(), 100)",
            "ops::dedupe_all(totals.clone())",
        )],
        &[],
    );
    edit(
        &[(
            "fresh.output(files).named(\"audit\");",
            "fresh.output(files).named(&audit);",
        )],
        &[],
    );
    edit(
        &[(
            "flow.input(orders)",
            "if test { flow.input(few) } else { flow.input(orders) }",
        )],
        &[],
    );
}

#[test]
fn what_is_renamed_is_told_with_its_old_name() {
    // 15 to 20.
    edit(
        &[
            ("let totals = by_item", "let sums = by_item"),
            ("totals.", "sums."),
        ],
        &[&renamed(
            "stateful step",
            "totals.stateful_map",
            "sums.stateful_map",
        )],
    );
    edit(
        &[("let orders =", "let all ="), ("orders.key", "all.key")],
        &[&renamed("source", "orders.input", "all.input")],
    );
    edit(
        &[("named(\"audit\")", "named(\"checks\")")],
        &[&renamed("sink", "audit", "checks")],
    );
    edit(
        &[
            ("carts = totals", "baskets = totals"),
            ("carts.output", "baskets.output"),
        ],
        &[
            &renamed("sink", "carts.output", "baskets.output"),
            &renamed("stateful step", "carts.stateful", "baskets.stateful"),
        ],
    );
    edit(
        &[
            ("let clicks =", "let views ="),
            ("clicks.output", "views.output"),
        ],
        &[
            &renamed_as(
                "source",
                "eu.clicks.input",
                "eu.views.input",
                "clicks.input",
            ),
            &renamed_as(
                "sink",
                "eu.clicks.output",
                "eu.views.output",
                "clicks.output",
            ),
        ],
    );
    edit(
        &[
            ("let fresh = dedupe", "let kept = dedupe"),
            ("fresh.output", "kept.output"),
        ],
        &[&gone(
            "the stateful step `fresh.dedupe.marked.stateful_map`",
            "the call in `kept` is new",
            "if it is built there now, add `flow.moved(\"fresh\", \"kept\")`; if it is off for now, add \
             `flow.kept(\"fresh.dedupe.marked.stateful_map\", \"why\")`",
            "fresh.dedupe.marked.stateful_map",
        )],
    );
}

#[test]
fn what_is_another_operator_now_is_told() {
    // 21 to 24.
    // Under its old name it would take the sums for its own.
    edit(
        &[("stateful_map(total)", "max_final(total)")],
        &[&removed("stateful step", "totals.stateful_map")],
    );
    edit(
        &[(
            "stateful_map(total)",
            "max_final(total).named(\"totals.stateful_map\")",
        )],
        &[
            "the operator of `totals.stateful_map` was `stateful_map` in `dataflow.lock`, and is \
             `max_final` now, which interprets the saved state differently\n\
             help: write it as it was, or give the step another name with `.named(\"..\")` and add \
             `flow.dropped(\"totals.stateful_map\", \"why\")`: it then starts empty, and its saved state is deleted",
        ],
    );
    edit(
        &[(
            "stateful_map(total)",
            "scan(zero, total).named(\"totals.stateful_map\")",
        )],
        &[],
    );
    edit(
        &[(
            "totals.stateful::<Cart>()",
            "totals.stateful_with(Cart::of)",
        )],
        &[&renamed(
            "stateful step",
            "carts.stateful",
            "carts.stateful_with",
        )],
    );
    let kind = |name: &str, was: &str, is: &str| {
        format!(
            "the step `{name}` was {was} in `dataflow.lock`, and is {is} now\n\
             help: it cannot use the state saved under this name; give the step another name with \
             `.named(\"..\")`"
        )
    };
    edit(
        &[(
            "stateful_map(total)",
            "map(total).named(\"totals.stateful_map\")",
        )],
        &[&kind(
            "totals.stateful_map",
            "a stateful step",
            "a step that saves nothing",
        )],
    );
    edit(
        &[(
            "fresh.output(files).named(\"audit\")",
            "fresh.join(x).named(\"audit\").inspect(f)",
        )],
        &[&kind("audit", "a sink", "a stateful step")],
    );
}

#[test]
fn what_is_removed_is_told() {
    // 25 to 28.
    edit(
        &[("carts.output(files);", "carts.inspect(f);")],
        &[&removed("sink", "carts.output")],
    );
    edit(
        &[(
            "let totals = by_item.stateful_map(total);",
            "let totals = by_item;",
        )],
        &[&removed("stateful step", "totals.stateful_map")],
    );
    edit(
        &[(
            "carts.output(files);",
            "flow.dropped(\"carts.output\", \"nobody read it\"); carts.inspect(f);",
        )],
        &[],
    );
    edit(
        &[(
            "let fresh = dedupe(totals.clone(), 100);",
            "let fresh = totals.clone().map(f);",
        )],
        &[&removed(
            "stateful step",
            "fresh.dedupe.marked.stateful_map",
        )],
    );
}

/// A step that is off for now, or that another branch has.
#[test]
fn what_is_kept_may_be_there_or_not() {
    let totals = "let totals = by_item.stateful_map(total);";
    edit(
        &[(
            totals,
            "let totals = by_item; flow.kept(\"totals.stateful_map\", \"why\");",
        )],
        &[],
    );
    edit(
        &[(
            totals,
            "let totals = if cfg!(feature = \"totals\") { by_item.stateful_map(total) } else { \
             flow.kept(\"totals.stateful_map\", \"why\"); by_item };",
        )],
        &[],
    );
}

#[test]
fn what_is_moved_between_scopes_is_told_once() {
    // 29 to 32.
    edit(
        &[("scope(\"eu\"", "scope(\"europe\"")],
        &[
            "the source `eu.clicks.input` and 1 more of `dataflow.lock` have no step in this flow, and \
           the step `europe.clicks.input` is new, in the scope `europe`\n\
           help: if the steps were moved, add `flow.moved(\"eu\", \"europe\")`; if the saved state is no longer \
           needed, add `flow.dropped(\"eu.clicks.input\", \"why\")`",
        ],
    );
    edit(
        &[
            ("flow.scope(\"eu\", || {", "{"),
            ("clicks.output(files);\n    });", "clicks.output(files); }"),
        ],
        &[
            "the source `eu.clicks.input` and 1 more of `dataflow.lock` have no step in this flow, and \
           the step `clicks.input` is new, outside of all scopes\n\
           help: if the steps were moved, add `flow.moved(\"eu.clicks.input\", \"clicks.input\")` and \
           `flow.moved(\"eu.clicks.output\", \"clicks.output\")`; if the saved state is no longer needed, add \
           `flow.dropped(\"eu.clicks.input\", \"why\")`",
        ],
    );
    edit(
        &[(
            "let orders = flow.input(orders)",
            "let orders = flow.scope(\"us\", || flow.input(orders))",
        )],
        &[
            "the source `orders.input` of `dataflow.lock` has no step in this flow, and the step \
           `us.orders.input` is new, in the scope `us`\n\
           help: if the step was moved, add `flow.moved(\"orders.input\", \"us.orders.input\")`; if the saved \
           state is no longer needed, add `flow.dropped(\"orders.input\", \"why\")`",
        ],
    );
    edit(
        &[
            ("for region in regions {", "{"),
            ("scope(region", "scope(\"north\""),
        ],
        &[],
    );
}

#[test]
fn what_is_dropped_was_there_and_is_gone() {
    let orders = "let orders = flow.input(orders);";
    edit(
        &[(
            orders,
            &format!("{orders} flow.dropped(\"orders.input\", \"why\");"),
        )],
        &[
            "`orders.input` is dropped here, but the flow still has it\n\
           help: remove the step, or give it another name by `.named(\"..\")`",
        ],
    );
    edit(
        &[(
            orders,
            &format!("{orders} flow.dropped(\"order.input\", \"why\");"),
        )],
        &[
            "`order.input` is not in `dataflow.lock`, so there is nothing to drop\n\
           help: write the name as it is there, or remove this",
        ],
    );
    // It stays in the file, so that the flow may go on saying so.
    edit(
        &[(
            orders,
            &format!("{orders} flow.dropped(\"old.collect\", \"why\");"),
        )],
        &[],
    );
    edit(
        &[(
            "clicks.output(files);",
            "clicks.inspect(f); flow.dropped(\"clicks.output\", \"why\");",
        )],
        &[],
    );
}

#[test]
fn what_cannot_be_seen_is_not_judged() {
    let nothing = |body: &str| assert_eq!(expanded(LOCK, body).0, [""; 0], "{body}");
    nothing("helper(flow);");
    nothing("let app = App { flow }; app.build(); flow.input(x).output(y);");
    nothing("let app = App::new(flow); app.build(); flow.input(x).output(y);");
    nothing("publish!(flow);");
    nothing("(table.build)(flow);");
    nothing("let a = flow.input(x); registry.add(a);");
    // But of what is only kept, all is seen.
    let body =
        "let a = flow.input(x); list.push(a); for a in list { a.fail(); } println!(\"{flow:?}\");";
    assert_ne!(expanded(LOCK, body).0, [""; 0]);
}

#[test]
fn a_flow_that_is_not_locked_may_be_anything() {
    let lock = LOCK.replace("[shop]", "[shops]");
    let (messages, expansion) = expanded(&lock, "flow.input(x).output(y);");
    assert_eq!(messages, [""; 0]);
    // It is compiled again all the same, when it is locked.
    assert!(
        expansion
            .to_string()
            .contains("include_str ! (\"/work/dataflow.lock\")")
    );
}

#[test]
fn the_types_of_state_are_checked_by_the_compiler() {
    let (_, expansion) = expanded(LOCK, FLOW);
    let text = expansion.to_string();
    let check = ":: core :: assert ! (< Cart as :: bytewax :: state :: State > :: \
                 SCHEMA . reads (1u32 , 255u64) , \"the state of `carts.stateful` is `Cart` version 1";
    assert!(text.contains(check), "{text}");
    let newer = "const _ : () = { :: core :: assert ! (< Cart as :: bytewax :: state :: State > :: \
                 SCHEMA . version >= 1u32 , \"the state of `carts.stateful` is `Cart` version 1 in \
                 `dataflow.lock`, which is newer";
    assert!(text.contains(newer), "{text}");
    // Only of these operators it is the type that is saved.
    let join = FLOW.replace(
        "totals.stateful::<Cart>()",
        "totals.join::<Cart>(x).named(\"carts.stateful\")",
    );
    let (_, expansion) = expanded(LOCK, &join);
    assert!(!expansion.to_string().contains("assert"), "{expansion}");
    let (_, expansion) = expanded(LOCK, &FLOW.replace("<Cart>", "<Cart<T>>"));
    let text = expansion.to_string();
    assert!(
        text.contains("const { :: core :: assert ! (< Cart < T >"),
        "{text}"
    );
}

/// What a window step says of its state is compared by the compiler, as far as it is text.
#[test]
fn facts_of_windows() {
    const LOCK: &str = r#"
[shop]
"counts.count_window" = { kind = "stateful", operator = "count_window", windower = "tumbling 10s", align_to = "1970-01-01T00:00:00Z", clock = "event time by key" }
"counts.down.output" = { kind = "sink", operator = "output" }
"orders.input" = { kind = "source", operator = "input" }
"#;
    let compared = |arguments: &str| {
        let body = format!(
            "let orders = flow.input(orders); let counts = orders.count_window({arguments}); \
             counts.down.output(files);"
        );
        let (messages, expansion) = expanded(LOCK, &body);
        assert_eq!(messages, [""; 0], "{arguments}");
        let text = expansion.to_string().replace(' ', "");
        let facts = ["_clock_is", ".windower_is", ".align_to_is"];
        facts.map(|fact| text.matches(fact).count())
    };
    let tens = "TumblingWindower::new(TimeDelta::seconds(10), DateTime::UNIX_EPOCH)";
    assert_eq!(
        compared(&format!("EventClock::new(at, wait), {tens}")),
        [1, 1, 1]
    );
    let options = format!("SystemClock::new().forget_after(hour), {tens}.allow_late(late)");
    assert_eq!(compared(&options), [1, 1, 1]);
    // What is known only when the flow is built is compared when it resumes.
    assert_eq!(compared("clock, windower"), [0, 0, 0]);
    assert_eq!(
        compared("clock, TumblingWindower::new(length, DateTime::UNIX_EPOCH)"),
        [0, 0, 0]
    );
    assert_eq!(
        compared("clock, TumblingWindower::new(TimeDelta::seconds(10), midnight)"),
        [0, 1, 0]
    );
    for windower in [
        "SlidingWindower::new(TimeDelta::seconds(10), TimeDelta::seconds(5), midnight)",
        "SessionWindower::new(TimeDelta::seconds(10)).fire_early(every)",
        "CumulateWindower::new(TimeDelta::seconds(5), TimeDelta::seconds(10), midnight)",
        "GlobalWindower::new().fire_every(3)",
        "CalendarWindower::weeks(\"Europe/Berlin\")",
        "CountWindower::new(3)",
        "CountWindower::new(3).every(2).in_arrival_order()",
    ] {
        assert_eq!(
            compared(&format!("clock, {windower}")),
            [0, 1, 0],
            "{windower}"
        );
    }
    assert_eq!(compared("clock, CountWindower::new(3).every(n)"), [0, 0, 0]);
}

/// The type of a key is known to the compiler when it builds the program, so a constant asks for it there.
#[test]
fn keys_are_checked_where_they_are_locked() {
    let lock = |rest: &str| {
        format!(
            "version = 2\n[shop]\n\"sums\" = {{ kind = \"stateful\", operator = \"stateful_map\"{rest} }}\n"
        )
    };
    let flow = "let n = flow.input(x).named(\"in\"); n.map(f).stateful_map(g).named(\"sums\").output(y).named(\"out\");";
    let expansion = |rest: &str, flow: &str| {
        let (messages, expansion) = expanded(&lock(rest), flow);
        assert_eq!(messages, [""; 0]);
        expansion.to_string().replace(' ', "")
    };
    let text = expansion(", key = \"(u64, str)\"", flow);
    let check = "n.map(f).named(\"n.map\").with_keys(const{::bytewax::__private::keys_are(\"(u64,str)\",\"thetypeofthekeysof`sums`";
    assert!(text.contains(check), "{text}");
    assert!(
        text.contains(")}).stateful_map(g).named(\"sums\")"),
        "{text}"
    );
    // Where nothing is locked, or code of the program saves the keys, nothing is left of it.
    for rest in ["", ", key = \"u64\", keys_by_hand = true"] {
        let text = expansion(rest, flow);
        assert!(
            !text.contains("with_keys") && !text.contains("__bw_keys"),
            "{text}"
        );
    }
    let other =
        format!("{flow} n.map(h).stateful_map(g).named(\"more\").output(y).named(\"more_out\");");
    let text = expansion(", key = \"u64\"", &other);
    assert_eq!(text.matches("with_keys").count(), 1, "{text}");
    assert!(!text.contains("__bw_keys"), "{text}");
}
