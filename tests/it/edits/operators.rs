//! Edits of the operator of a step.

use super::*;

/// A program with one step by parity, between its name and its lines.
macro_rules! step {
    ($name:literal, |$keyed:ident| $step:expr) => {
        step!(numbers, $name, |$keyed| $step)
    };
    ($source:ident, $name:literal, |$keyed:ident| $step:expr) => {
        |out: &TestingSink<String>| {
            Dataflow::build("f", |flow| {
                let $keyed = flow.input($source()).named("in").map(|n| (n % 2, n));
                let lines = $step.named($name).map(|line| format!("{line:?}"));
                lines.output(out.clone()).named("out");
            })
        }
    };
}

fn add(sum: &mut u64, n: u64) -> u64 {
    *sum += n;
    *sum
}

/// What was the greatest is not the least, though both are numbers.
#[test]
fn state_of_another_operator_is_refused_under_its_name_too() {
    let max = step!(numbers_cut_off, "x", |keyed| keyed.max_final(|n| *n));
    let words: &[&str] = &[
        "the operator of the step `f.x`",
        "is `min_final`, but its state was saved with `max_final`",
        "write it as it was, or give the step another name",
    ];
    edit(
        "max to min",
        max,
        step!(numbers_cut_off, "x", |keyed| keyed.min_final(|n| *n)),
        Refused(words),
    );
    let words: &[&str] = &["`count_final`", "`max_final`"];
    edit(
        "max to count",
        max,
        step!(numbers_cut_off, "x", |keyed| keyed.count_final()),
        Refused(words),
    );
    let words: &[&str] = &["`reduce_final`", "`max_final`"];
    edit(
        "max to a sum",
        max,
        step!(numbers_cut_off, "x", |keyed| keyed
            .reduce_final(|a, b| a + b)),
        Refused(words),
    );
    let words: &[&str] = &["`stateful_map`", "`max_final`"];
    edit(
        "max to a step of its own",
        max,
        step!(numbers_cut_off, "x", |keyed| keyed.stateful_map(add)),
        Refused(words),
    );
}

#[test]
fn a_rename_is_not_offered_between_operators_of_different_meaning() {
    let before = step!(numbers_cut_off, "max", |keyed| keyed.max_final(|n| *n));
    let after = step!(numbers_cut_off, "min", |keyed| keyed.min_final(|n| *n));
    let store = new_store();
    run(before, &store).unwrap();
    let text = run(after, &store).unwrap_err();
    assert!(!text.contains(".named("), "{text}");
    for word in [
        "`f.max` has no step",
        "bring the step back",
        "flow.dropped(\"max\", \"why\")",
    ] {
        assert!(text.contains(word), "{text}");
    }
    let dir = store.path().display();
    let command = format!("`recovery drop-step {dir} --step f.max`");
    assert!(text.contains(&command), "{text}");
}

/// State of the program's own type means the same to all operators that keep it as it is.
#[test]
fn state_of_the_program_goes_on_with_another_operator() {
    let map = step!("x", |keyed| keyed.stateful_map(add));
    edit(
        "to a scan",
        map,
        step!("x", |keyed| keyed.scan(|| 0, add)),
        Kept,
    );
}

/// Two steps that are gone are not said to be the same new one. Where nothing tells which is which, that is said.
#[test]
fn two_steps_that_are_gone_have_two_heirs() {
    let two = |names: [&'static str; 2]| {
        move |out: &TestingSink<String>| {
            Dataflow::build("f", |flow| {
                let keyed = flow.input(numbers()).named("in").map(|n| (n % 2, n));
                for name in names {
                    let sums = keyed.clone().stateful_map(add).named(name);
                    let lines = sums.map(|line| format!("{line:?}"));
                    lines.output(out.clone()).named(&format!("{name}_out"));
                }
            })
        }
    };
    let store = new_store();
    let config = || RunConfig::new().recovery(RecoveryConfig::new(store.path()));
    let out = TestingSink::new();
    cluster_main(two(["a", "b"])(&out), config()).unwrap();
    let refused = |names| {
        let error = cluster_main(two(names)(&out), config()).unwrap_err();
        error.report()
    };
    let text = refused(["b.sums", "a.sums"]);
    for (old, new) in [("a", "a.sums"), ("b", "b.sums")] {
        let words = format!("`f.{old}` has no step in this program, and the step `f.{new}`");
        assert!(text.contains(&words), "{text}");
    }
    let text = refused(["c", "d"]);
    for old in ["a", "b"] {
        let words = format!(
            "only you know which of them it was, if any: say `flow.moved(\"{old}\", \"c\")` or \
             `flow.moved(\"{old}\", \"d\")`"
        );
        assert!(text.contains(&words), "{text}");
    }
}
