//! Each verdict, in words.

use super::*;
use crate::flow::LockFile;

const OLD: &str = r#"
"carts" = { kind = "stateful", operator = "stateful", state = "Cart", version = 1, fingerprint = "01", key = "u64", inputs = "orders", arguments = "c0" }
"first" = { kind = "stateful", operator = "stateful_map", state = "u64", version = 1, fingerprint = "02", key = "u64", inputs = "orders", arguments = "c1" }
"orders" = { kind = "source", operator = "input", state = "u64", version = 1, fingerprint = "02" }
"out" = { kind = "sink", operator = "output" }
"second" = { kind = "stateful", operator = "stateful_map", state = "u64", version = 1, fingerprint = "02", key = "u64", inputs = "orders", arguments = "c2" }
"0.sums" = { kind = "stateful", operator = "max_final", state = "u64", version = 1, fingerprint = "02", inputs = "a, b" }
"1.sums" = { kind = "stateful", operator = "max_final", state = "u64", version = 1, fingerprint = "02", inputs = "a, b" }
"#;

/// What is said when texts of the lines are replaced.
fn told(changes: &[(&str, &str)]) -> Vec<String> {
    let mut new = OLD.to_owned();
    for (from, to) in changes {
        assert!(new.contains(from), "{from}");
        new = new.replace(from, to);
    }
    let section = |text: &str| {
        let file = LockFile::read(&format!("[f]\n{text}")).unwrap();
        file.section("f", "").unwrap()
    };
    let text = difference(&section(OLD), &section(&new)).to_string();
    let lines = text.lines().map(|line| line.trim().to_owned());
    lines.filter(|line| !line.starts_with("kept: ")).collect()
}

#[test]
fn each_verdict_is_in_words() {
    assert_eq!(told(&[]), [""; 0]);
    for (from, to, expect) in [
        (
            "\"out\" = {",
            "\"out\" = { moved = \"eu.out\",",
            "moved: the sink `out` is `eu.out` in the program",
        ),
        (
            "\"Cart\", version = 1, fingerprint = \"01\"",
            "\"Cart\", version = 2, fingerprint = \"09\"",
            "migrated: the stateful step `carts`: `Cart` from version 1 to 2",
        ),
        (
            "\"out\" = ",
            "\"in\" = { kind = \"source\" }\n\"out\" = ",
            "new: the source `in`, which begins with nothing",
        ),
        (
            "{ kind = \"sink\", operator = \"output\" }",
            "{ kind = \"dropped\", why = \"nobody \\\"read\\\" it\" }",
            "dropped: the sink `out`: nobody \"read\" it",
        ),
        (
            "\"01\", key = \"u64\"",
            "\"01\", key = \"i64\"",
            "refused: the type of the keys of `carts` was `u64`, and is `i64`",
        ),
        (
            "\"Cart\", version = 1, fingerprint = \"01\"",
            "\"Cart\", version = 1, fingerprint = \"09\"",
            "judge: the stateful step `carts`: its `Cart` has another shape in the same version 1, which is refused unless \
             a type in it has a new version",
        ),
        (
            "\"sink\", operator = \"output\"",
            "\"source\", operator = \"input\"",
            "refused: `out` was a sink, and is a source",
        ),
        (
            "operator = \"stateful\"",
            "operator = \"max_final\"",
            "refused: the operator of `carts` was `stateful`, and is `max_final`",
        ),
        (
            "\"out\" = { kind = \"sink\", operator = \"output\" }\n",
            "",
            "refused: the sink `out` is gone, and is neither dropped nor kept",
        ),
        (
            "\"carts\" = ",
            "\"baskets\" = ",
            "refused: the stateful step `carts` is gone, and is neither dropped nor kept; `baskets` has its arguments: \
             if it was renamed, say `flow.moved(\"carts\", \"baskets\")`",
        ),
        (
            "arguments = \"c0\"",
            "arguments = \"c9\"",
            "judge: the arguments of `carts` have changed: whether what is saved still means the same to them, only \
             people can know",
        ),
        (
            "\"orders\", arguments = \"c0\"",
            "\"clicks\", arguments = \"c0\"",
            "judge: the input of `carts` was `orders`, and is `clicks`",
        ),
    ] {
        let told = told(&[(from, to)]);
        assert!(told.iter().any(|line| line == expect), "{told:#?}");
    }
}

#[test]
fn an_exchange_is_refused_with_both_ways_to_read_it() {
    let exchanged = [("c1", "cx"), ("c2", "c1"), ("cx", "c2")];
    let told_of = told(&exchanged);
    assert_eq!(
        told_of,
        [
            "refused: steps were exchanged: `second` looks as `first` did, and `first` looks as `second` did; if only \
          the names have changed, say `flow.moved(\"first\", \"second\")` and `flow.moved(\"second\", \"first\")`; if \
          each is to go on with what was saved under its name, say `flow.moved(\"second\", \"second\")` and \
          `flow.moved(\"first\", \"first\")`"
        ]
    );
    let confirmed = [
        ("\"c1\" }", "\"cx\", confirmed = true }"),
        ("\"c2\" }", "\"c1\", confirmed = true }"),
        ("cx", "c2"),
    ];
    let told_of = told(&confirmed);
    assert!(
        told_of.iter().all(|line| line.starts_with("judge: ")),
        "{told_of:#?}"
    );
    // The inputs of a join that are exchanged.
    let told_of = told(&[(
        "\"0.sums\" = { kind = \"stateful\", operator = \"max_final\", state = \"u64\", version = 1, \
        fingerprint = \"02\", inputs = \"a, b\"",
        "\"0.sums\" = { kind = \"stateful\", operator = \"max_final\", state = \
        \"u64\", version = 1, fingerprint = \"02\", inputs = \"b, a\"",
    )]);
    assert_eq!(
        told_of,
        ["refused: the input of `0.sums` was `a, b`, and is `b, a`"]
    );
}

#[test]
fn scopes_that_are_numbered_are_for_people() {
    let told = told(&[(
        "\"out\" = ",
        "\"2.sums\" = { kind = \"stateful\", operator = \"max_final\" }\n\"out\" = ",
    )]);
    assert!(
        told[0].starts_with("new: the stateful step `2.sums`"),
        "{told:#?}"
    );
    assert!(
        told[1].starts_with("judge: the scopes of `2.sums` are numbered, and 2 is new"),
        "{told:#?}"
    );
}
