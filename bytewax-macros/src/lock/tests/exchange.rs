//! Steps that exchange their names: what is offered works when it is written as it is offered.

use super::expanded;

const FLOW: &str = "let x = flow.input(y); let a = x.clone().stateful_map(add); let b = x.stateful_map(multiply); \
                    a.output(one); b.output(two);";

/// The file of the flow, with the hashes of its arguments.
fn lock() -> String {
    let (_, expansion) = expanded("[shop]\n", FLOW);
    let text = expansion.to_string().replace(' ', "");
    let hash = |name: &str| -> u32 {
        let (_, rest) = text.split_once(&format!("(\"{name}\",")).expect(name);
        let (hash, _) = rest.split_once("u32").expect("a number");
        hash.parse().expect("a number")
    };
    let line = |name: &str| {
        let (kind, operator) = match name.split_once('.').expect("a name").1 {
            "input" => ("source", "input"),
            "output" => ("sink", "output"),
            _ => ("stateful", "stateful_map"),
        };
        let hash = hash(name);
        format!(
            "\"{name}\" = {{ kind = \"{kind}\", operator = \"{operator}\", arguments = \"{hash:08x}\" }}\n"
        )
    };
    let names = [
        "a.output",
        "a.stateful_map",
        "b.output",
        "b.stateful_map",
        "x.input",
    ];
    format!("version = 2\n[shop]\n{}", names.map(line).concat())
}

/// The two ways to read an exchange, each with its lines.
fn ways(message: &str) -> [String; 2] {
    let (_, help) = message.split_once("help: if ").expect("a mend");
    let ways: Vec<String> = help
        .split("; if ")
        .map(|way| {
            let lines = way
                .split('`')
                .skip(1)
                .step_by(2)
                .filter(|it| it.starts_with("flow."));
            lines.map(|line| format!("{line}; ")).collect()
        })
        .collect();
    ways.try_into().expect("two ways")
}

#[test]
fn a_circle_is_refused_and_both_ways_to_read_it_work() {
    let lock = lock();
    assert_eq!(expanded(&lock, FLOW).0, [""; 0]);
    let exchanged = FLOW
        .replace("add", "?")
        .replace("multiply", "add")
        .replace('?', "multiply");
    let (messages, _) = expanded(&lock, &exchanged);
    assert_eq!(
        messages,
        [
            "steps of `dataflow.lock` have swapped their names or their arguments: `b.stateful_map` has the \
             arguments \
          that `a.stateful_map` had, and `a.stateful_map` has the arguments that `b.stateful_map` had\n\
          help: if only their names have changed, add `flow.moved(\"a.stateful_map\", \"b.stateful_map\")` and \
          `flow.moved(\"b.stateful_map\", \"a.stateful_map\")`; if each must continue with the state of its name, \
          add `flow.moved(\"b.stateful_map\", \"b.stateful_map\")` and `flow.moved(\"a.stateful_map\", \
          \"a.stateful_map\")` until `dataflow.lock` is updated"
        ]
    );
    for way in ways(&messages[0]) {
        assert_eq!(
            expanded(&lock, &format!("{way}{exchanged}")).0,
            [""; 0],
            "{way}"
        );
    }
}

#[test]
fn a_chain_is_refused() {
    let lock = lock();
    let chain = FLOW.replace("let b", "let c").replace("let a", "let b");
    let chain = chain.replace(
        "a.output(one); b.output(two);",
        "b.output(one).named(\"a.output\"); c.output(two).named(\"b.output\");",
    );
    let (messages, _) = expanded(&lock, &chain);
    assert_eq!(messages.len(), 1, "{messages:?}");
    let [back, confirm] = ways(&messages[0]);
    assert_eq!(
        back,
        "flow.moved(\"a.stateful_map\", \"b.stateful_map\"); flow.moved(\"b.stateful_map\", \"c.stateful_map\"); "
    );
    assert_eq!(expanded(&lock, &format!("{back}{chain}")).0, [""; 0]);
    // Then `a` is gone, and `c` is new.
    let (messages, _) = expanded(&lock, &format!("{confirm}{chain}"));
    assert!(
        messages[0].contains("the step `c.stateful_map` is new"),
        "{messages:?}"
    );
    // With a step that is new in front.
    let longer = format!("{chain} let a = x.stateful_map(count); a.inspect(f);");
    let (messages, _) = expanded(&lock, &longer);
    let [back, _] = ways(&messages[0]);
    assert!(
        back.ends_with("flow.moved(\"c.stateful_map\", \"a.stateful_map\"); "),
        "{back}"
    );
    assert_eq!(expanded(&lock, &format!("{back}{longer}")).0, [""; 0]);
}

#[test]
fn anything_less_is_not_judged_here() {
    let lock = lock();
    for (from, to) in [
        ("add", "multiply"),
        ("(add)", "(add2)"),
        ("multiply", "add"),
    ] {
        assert_eq!(
            expanded(&lock, &FLOW.replace(from, to)).0,
            [""; 0],
            "{from} {to}"
        );
    }
}

/// A step that was renamed is known again by its arguments.
#[test]
fn a_rename_is_told_by_the_arguments() {
    let lock = lock();
    let renamed = FLOW.replace("let a", "let d").replace("let b", "let c");
    let renamed = renamed.replace(
        "a.output(one); b.output(two);",
        "d.output(one).named(\"a.output\"); c.output(two).named(\"b.output\");",
    );
    let (messages, _) = expanded(&lock, &renamed);
    assert_eq!(messages.len(), 2);
    for (message, (old, new)) in messages.iter().zip([("a", "d"), ("b", "c")]) {
        let start = format!(
            "the stateful step `{old}.stateful_map` of `dataflow.lock` has no step in this flow, and the step `{new}.stateful_map` is new"
        );
        assert!(message.starts_with(&start), "{message}");
    }
}
