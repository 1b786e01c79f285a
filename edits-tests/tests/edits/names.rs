//! Edits of the names and places of steps.

use bytewax::operators::JoinInsert;

use super::table::{Mend::*, shown};
use super::*;

fn add(sum: &mut u64, n: u64) -> u64 {
    *sum += n;
    *sum
}

/// A program that adds up numbers by parity: the code between its source and the end.
macro_rules! program {
    (|$flow:ident, $keyed:ident, $out:ident, $patch:ident| $body:block) => {
        |$out: &TestingSink<String>, $patch: &Patch| {
            flow!("f", |$flow| {
                $patch.say($flow);
                let $keyed = $flow
                    .input(numbers())
                    .named(&$patch.name("in"))
                    .map(|n| (n % 2, n));
                $body
            })
        }
    };
}

/// One step of this name.
macro_rules! sums {
    ($name:literal) => {
        program!(|flow, keyed, out, patch| {
            let sums = keyed.stateful_map(add).named(&patch.name($name));
            sums.map(line).output(out.clone()).named(&patch.name("out"));
        })
    };
}

/// Several steps that do the same, each with its sink.
macro_rules! several {
    ($($name:literal),*) => {
        program!(|flow, keyed, out, patch| {
            $(
                let sums = keyed.clone().stateful_map(add).named(&patch.name($name));
                sums.map(line).output(out.clone()).named(&patch.name(concat!($name, "_out")));
            )*
            drop(keyed);
        })
    };
}

/// The step in a scope.
macro_rules! scoped {
    ($scope:literal, $name:literal) => {
        program!(|flow, keyed, out, patch| {
            let sums = flow.scope($scope, || keyed.stateful_map(add).named(&patch.name($name)));
            sums.map(line).output(out.clone()).named(&patch.name("out"));
        })
    };
}

macro_rules! two_sources {
    (|$even:ident, $odd:ident, $out:ident, $patch:ident| $body:block) => {
        |$out: &TestingSink<String>, $patch: &Patch| {
            flow!("f", |flow| {
                $patch.say(flow);
                let $even = flow.input(numbers()).named("even").map(|n| (0_u8, 2 * n));
                let $odd = flow
                    .input(numbers())
                    .named("odd")
                    .map(|n| (0_u8, 2 * n + 1));
                $body
            })
        }
    };
}

/// Two steps, each with the name and the input that is added up.
macro_rules! crossing {
    (|$even:ident, $odd:ident| $($name:literal $input:ident),+) => {
        two_sources!(|$even, $odd, out, patch| {
            $(
                let sums = $input.clone().stateful_map(add).named(&patch.name($name));
                let lines = sums.map(|(_, sum)| format!("{}: {sum}", stringify!($input)));
                lines.output(out.clone()).named(concat!(stringify!($input), "_out"));
            )+
            drop(($even, $odd));
        })
    };
}

/// Two steps with closures.
macro_rules! closures {
    ($($name:literal $add:ident),+) => {
        program!(|flow, keyed, out, patch| {
            $(
                let sums = keyed.clone().stateful_map($add).named(&patch.name($name));
                sums.map(line).output(out.clone()).named(&patch.name(concat!($name, "_out")));
            )+
            drop(keyed);
        })
    };
}

fn sum(sum: &mut u64, n: u64) -> u64 {
    add(sum, n)
}

fn least(least: &mut u64, n: u64) -> u64 {
    *least = n.min(*least);
    *least
}

/// A join of which one input comes before the other.
macro_rules! joined {
    (|$even:ident, $odd:ident| $one:ident, $two:ident) => {
        two_sources!(|$even, $odd, out, patch| {
            let joined = $one
                .join_running($two, JoinInsert::Last)
                .named(&patch.name("join"));
            let lines = joined.map(line);
            let lines = lines.filter(|_| false);
            lines.output(out.clone()).named("out");
        })
    };
}

rows! {
    "Names and places"
    "The store finds the state of a step by its id: the names of its scopes, then its own name. Stateless steps and \
     the order of steps in the text do not matter."

    step_renamed "a step is renamed":
        row(sums!("sums"), program!(|flow, keyed, out, patch| {
            let sums = keyed.stateful_map(add).named(&patch.name("totals"));
            sums.map(line).output(out.clone()).named(&patch.name("out"));
        }))
        .refused(
            &["`f.sums` has no step in this program, and the step `f.totals`"],
            &[OldName, Dropped, Command],
        )
        .by_compiler("has no step in this flow, and the step `");
    steps_renamed "two steps with the same input are renamed":
        shown(
            "refused",
            "`flow.moved(..)` for each; only you know which is which",
            two_steps_that_are_gone_have_two_heirs,
        )
        .compiled(several!("a", "b"), several!("c", "d"))
        .by_compiler("only you know which of them it was, if any: add `flow.moved(\"a\", \"c\")`");
    source_renamed "a source is renamed":
        row(
            sums!("sums"),
            |out, patch| flow!("f", |flow| {
                patch.say(flow);
                let keyed = flow.input(numbers()).named(&patch.name("numbers")).map(|n| (n % 2, n));
                let sums = keyed.stateful_map(add).named("sums");
                sums.map(line).output(out.clone()).named(&patch.name("out"));
            }),
        )
        .refused(&["the source `f.in` has no step"], &[OldName, Dropped, Command])
        .leaving(&["(0, 12)", "(0, 6)", "(0, 8)", "(1, 10)", "(1, 13)", "(1, 18)"])
            .by_compiler("has no step in this flow, and the step `");
    sink_renamed "a sink that saves no position is renamed":
        row(
            sums!("sums"),
            program!(|flow, keyed, out, patch| {
                let sums = keyed.stateful_map(add).named("sums");
                sums.map(line).output(out.clone()).named(&patch.name("lines"));
            }),
        )
        .by_compiler("the sink `out` of `dataflow.lock` has no step in this flow");
    step_removed "a step is removed":
        row(sums!("sums"), program!(|flow, keyed, out, patch| {
            keyed.filter(|_| false).map(line).output(out.clone()).named(&patch.name("out"));
        }))
        .refused(&["`f.sums` has no step in this program"], &[Back, Kept, Dropped, Command])
        .by_compiler("has no step in this flow");
    one_of_two_removed "one of two steps that do the same is removed":
        row(several!("a", "b"), several!("a"))
            .refused(&["`f.b` has no step in this program"], &[Back, Kept, Dropped, Command])
            .leaving(&["(0, 12)", "(0, 6)", "(0, 8)", "(1, 10)", "(1, 13)", "(1, 18)"])
            .by_compiler("has no step in this flow");
    step_added "a stateful step is added":
        row(several!("a"), several!("a", "b")).asks(
            "the new step starts empty",
            &[
                "(0, 0)", "(0, 12)", "(0, 2)", "(0, 6)", "(0, 6)", "(0, 8)", "(1, 1)", "(1, 10)", "(1, 13)",
                "(1, 18)", "(1, 4)", "(1, 9)",
            ],
        );
    map_added "a `map` or `filter` is added":
        row(sums!("sums"), program!(|flow, keyed, out, patch| {
            let keyed = keyed.filter(|_| true).map(|pair| pair);
            keyed.stateful_map(add).named("sums").map(line).output(out.clone()).named(&patch.name("out"));
        }));
    text_reordered "steps are reordered in the text":
        row(crossing!(|even, odd| "a" even, "b" odd), crossing!(|even, odd| "b" odd, "a" even));
    into_scope "a step is moved into a scope":
        row(sums!("sums"), scoped!("flat", "sums"))
            .refused(
                &["`f.sums` has no step in this program, and the step `f.flat.sums`"],
                &[Moved, Dropped, Command],
            )
            .by_compiler("has no step in this flow, and the step `");
    out_of_scope "a step is moved out of a scope":
        row(scoped!("flat", "sums"), program!(|flow, keyed, out, patch| {
            let sums = keyed.stateful_map(add).named(&patch.name("sums"));
            sums.map(line).output(out.clone()).named(&patch.name("out"));
        }))
        .refused(&["`f.flat.sums` has no step in this program"], &[OldName, Dropped, Command])
        .by_compiler("has no step in this flow, and the step `");
    scope_renamed "a scope is renamed":
        row(scoped!("flat", "sums"), scoped!("level", "sums"))
            .refused(
                &["`f.flat.sums` has no step in this program, and the step `f.level.sums`"],
                &[Moved, Dropped, Command],
            )
            .by_compiler("has no step in this flow, and the step `");
    name_within_scope "a step in a scope is renamed":
        row(scoped!("flat", "sums"), program!(|flow, keyed, out, patch| {
            let sums = flow.scope("flat", || {
                keyed.stateful_map(add).named(&patch.name("totals"))
            });
            sums.map(line).output(out.clone()).named(&patch.name("out"));
        }))
        .refused(&["`f.flat.sums` has no step in this program"], &[OldName, Dropped, Command])
        .by_compiler("has no step in this flow, and the step `");
    moves "a step is moved between functions, scopes and `#[operator]`s, or one of those is renamed":
        shown(
            "refused",
            "`.named(\"old\")` or `flow.moved(..)`, as the message suggests",
            super::moves::what_is_printed_works_for_every_move,
        )
        .uncompiled("depends on the move; see the tests of the macro");
    names_exchanged "two steps swap their names":
        row(crossing!(|even, odd| "a" even, "b" odd), crossing!(|even, odd| "a" odd, "b" even)).refused(
            &[
                "steps have swapped their names or their arguments: `f.b` (",
                "reads `even`, as `f.a` did when state was saved; `f.a` (",
            ],
            &[Moved, Confirmed, Anew],
        );
    closures_exchanged "steps swap their closures, or are renamed in a chain":
        shown(
            "refused",
            "`flow.moved(..)` for each possible meaning",
            super::moves::steps_that_exchange_their_closures_are_refused,
        )
        .compiled(closures!("a" sum, "b" least), closures!("b" sum, "a" least))
        .by_compiler("steps of `dataflow.lock` have swapped their names or their arguments");
    inputs_exchanged "the inputs of a join are swapped":
        row(joined!(|even, odd| even, odd), joined!(|even, odd| odd, even)).refused(
            &["the step `f.join`", "reads `odd, even`", "in another order, `even, odd`"],
            &[Back, Anew],
        );
}

/// Two steps that are gone are not said to be the same new one. Where nothing tells which is which, that is said.
fn two_steps_that_are_gone_have_two_heirs() {
    let before: Program = several!("a", "b");
    let store = new_store();
    run(before, &store).unwrap();
    let text = run(several!("b.sums", "a.sums"), &store).unwrap_err();
    for (old, new) in [("a", "a.sums"), ("b", "b.sums")] {
        let words = format!("`f.{old}` has no step in this program, and the step `f.{new}`");
        assert!(text.contains(&words), "{text}");
    }
    let text = run(several!("c", "d"), &store).unwrap_err();
    for old in ["a", "b"] {
        let words = format!(
            "only you know which of them it was, if any: add `flow.moved(\"{old}\", \"c\")` or \
             `flow.moved(\"{old}\", \"d\")`"
        );
        assert!(text.contains(&words), "{text}");
    }
    // It is followed for each.
    let kept = run(before, &copy(store.path())).unwrap();
    let patch = table::moved_patch([("a", "d"), ("b", "c")]);
    assert_eq!(run_patched(several!("c", "d"), &patch, &store), Ok(kept));
}
