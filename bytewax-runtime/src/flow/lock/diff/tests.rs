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
            "new: the source `in`, which starts empty",
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
             if it was renamed, add `flow.moved(\"carts\", \"baskets\")`",
        ),
        (
            "arguments = \"c0\"",
            "arguments = \"c9\"",
            "judge: the arguments of `carts` have changed: only you can judge whether the saved state still has \
             the same meaning for them",
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
          the names have changed, add `flow.moved(\"first\", \"second\")` and `flow.moved(\"second\", \
          \"first\")`; if each must continue with the state of its name, add `flow.moved(\"second\", \"second\")` \
          and \
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
fn scopes_with_numbers_are_refused_until_all_is_said_of_them() {
    let added = |rest: &str| {
        let new = format!(
            "\"2.sums\" = {{ kind = \"stateful\", operator = \"max_final\"{rest} }}\n\"out\" = "
        );
        told(&[("\"out\" = ", &new)])
    };
    let told_of = added("");
    assert!(
        told_of[0].starts_with("new: the stateful step `2.sums`"),
        "{told_of:#?}"
    );
    assert_eq!(
        told_of[1],
        "refused: the flow has 3 scopes `0` to `2`, and its state was saved with 2 scopes; the numbers do not \
         show which of them are new: if the new ones are the last, add `flow.moved(\"2\", \"2\")`; if they are \
         the first, add `flow.moved(\"0\", \"1\")` and `flow.moved(\"1\", \"2\")` and `flow.moved(\"2\", \"0\")`, \
         and likewise for others"
    );
    for said in [", confirmed = true", ", moved = \"0.sums\""] {
        let told_of = added(said);
        assert!(
            !told_of.iter().any(|line| line.starts_with("refused: ")),
            "{told_of:#?}"
        );
    }
    let gone = "\"1.sums\" = { kind = \"stateful\", operator = \"max_final\", state = \"u64\", version = 1, \
                fingerprint = \"02\", inputs = \"a, b\" }\n";
    let told_of = told(&[(gone, "")]);
    assert!(
        told_of[1].contains("if they were the first, add `flow.moved(\"1\", \"0\")`, and drop"),
        "{told_of:#?}"
    );
    let dropped = "\"1.sums\" = { kind = \"dropped\", why = \"x\" }\n";
    assert_eq!(
        told(&[(gone, dropped)]),
        ["dropped: the stateful step `1.sums`: x"]
    );
}

/// Types within a state have lines of their own, so it is known which of them has changed.
#[test]
fn types_within_a_state_are_judged_by_themselves() {
    let line = |types: &str, fingerprint: u8| {
        format!(
            "\"all\" = {{ kind = \"stateful\", operator = \"stateful_map\", state = \"Vec\", version = 1, fingerprint = \
             \"{fingerprint:02}\", types = \"{types}\", saved = \"list(u64)\" }}"
        )
    };
    let told = |new: &str| {
        let section = |text: &str| {
            let file = LockFile::read(&format!("version = 2\n[f]\n{text}")).unwrap();
            file.section("f", "").unwrap()
        };
        let old = line("Vec 1 aa, My Amount 2 bb, Cart 1 cc", 1);
        difference(&section(&old), &section(new)).to_string()
    };
    for (types, expect) in [
        (
            "Vec 1 aa, My Amount 3 dd, Cart 1 cc",
            "  migrated: the stateful step `all`: `My Amount` from version 2 to 3\n",
        ),
        (
            "Vec 1 aa, My Amount 2 dd, Cart 1 cc",
            "  refused: the stateful step `all`: its `My Amount` has another shape in the same version 2\n",
        ),
        (
            "Vec 1 aa, My Amount 1 dd, Cart 1 cc",
            "  refused: the stateful step `all`: its `My Amount` had version 2, which is newer than 1\n",
        ),
        (
            "Vec 1 ee, My Amount 2 bb, Cart 1 cc",
            "  refused: the stateful step `all`: its `Vec` has another shape in the same version 1\n",
        ),
    ] {
        assert_eq!(told(&line(types, 9)), expect);
    }
    assert_eq!(
        told(&line("Vec 1 aa, My Amount 2 bb, Cart 1 cc", 1)),
        "  kept: 1 step\n"
    );
    // Without a type of the program in it, nothing migrates by itself.
    let alone = line("", 9).replace(", types = \"\"", "");
    assert_eq!(
        told(&alone),
        "  refused: the stateful step `all`: its `Vec` has another shape in the same version 1\n"
    );
}
