//! Edits of the operator of a step.

use super::table::Mend::*;
use super::*;

/// A program with one step by parity, between its name and its lines.
macro_rules! step {
    ($name:literal, |$keyed:ident| $step:expr) => {
        step!(numbers_to_the_end, $name, |$keyed| $step)
    };
    ($source:ident, $name:literal, |$keyed:ident| $step:expr) => {
        |out: &TestingSink<String>, patch: &Patch| {
            flow!("f", |flow| {
                patch.say(flow);
                let $keyed = flow.input($source(patch)).named("in").map(|n| (n % 2, n));
                let lines = $step
                    .named(&patch.name($name))
                    .map(|line| format!("{line:?}"));
                lines.output(out.clone()).named("out");
            })
        }
    };
}

fn add(sum: &mut u64, n: u64) -> u64 {
    *sum += n;
    *sum
}

macro_rules! final_step {
    (|$keyed:ident| $step:expr) => {
        step!(numbers_cut_off, "x", |$keyed| $step)
    };
}

const OPERATOR: &str = "the operator of the step `f.x`";

rows! {
    "Operators"
    "The greatest number is not the least, although both have the same type. The store therefore records the \
     operator of a step, and suggests a rename only between steps whose state has the same meaning."

    max_to_min "`max_final` to `min_final`":
        row(final_step!(|keyed| keyed.max_final(|n| *n)), final_step!(|keyed| keyed.min_final(|n| *n)))
            .refused(&[OPERATOR, "is `min_final`, but its state was saved with `max_final`"], &[Back, Anew])
            .by_compiler("the operator of `x` was `");
    max_to_count "`max_final` to `count_final`":
        row(final_step!(|keyed| keyed.max_final(|n| *n)), final_step!(|keyed| keyed.count_final()))
            .refused(&[OPERATOR, "`count_final`", "`max_final`"], &[Back, Anew])
            .by_compiler("the operator of `x` was `");
    max_to_sum "`max_final` to `reduce_final`":
        row(
            final_step!(|keyed| keyed.max_final(|n| *n)),
            final_step!(|keyed| keyed.reduce_final(|a, b| a + b)),
        )
        .refused(&[OPERATOR, "`reduce_final`", "`max_final`"], &[Back, Anew])
        .by_compiler("the operator of `x` was `");
    max_to_min_renamed "`max_final` to `min_final`, under another name":
        row(
            step!(numbers_cut_off, "max", |keyed| keyed.max_final(|n| *n)),
            step!(numbers_cut_off, "min", |keyed| keyed.min_final(|n| *n)),
        )
        .refused(&["`f.max` has no step in this program"], &[Back, Kept, Dropped, Command])
        .by_compiler("the stateful step `max` of `dataflow.lock` has no step in this flow");
    max_to_map "`max_final` to `stateful_map`":
        row(final_step!(|keyed| keyed.max_final(|n| *n)), final_step!(|keyed| keyed.stateful_map(add)))
            .refused(&[OPERATOR, "`stateful_map`", "`max_final`"], &[Back, Anew])
            .by_compiler("the operator of `x` was `");
    map_to_scan "`stateful_map` to `scan`, with the same state":
        row(step!("x", |keyed| keyed.stateful_map(add)), step!("x", |keyed| keyed.scan(|| 0, add)));
    scan_to_map "`scan` to `stateful_map`, with the same state":
        row(step!("x", |keyed| keyed.scan(|| 0, add)), step!("x", |keyed| keyed.stateful_map(add)));
    lag_to_lead "`lag` to `lead`":
        row(step!("x", |keyed| keyed.lag(1)), step!("x", |keyed| keyed.lead(1)))
            .refused(&[OPERATOR, "is `lead`", "`lag`"], &[Back, Anew])
            .by_compiler("the operator of `x` was `");
    a_stateless_step "a stateful step to a `map`":
        row(
            step!("x", |keyed| keyed.stateful_map(add)),
            step!("x", |keyed| keyed.map(|(key, n)| (key, n))),
        )
        .refused(&["the step `f.x`", "saves nothing"], &[Back, Anew])
        .by_compiler("the step `x` was a stateful step in `dataflow.lock`");
    map_by_another_closure "the closure of a `stateful_map` changes":
        row(
            step!("x", |keyed| keyed.stateful_map(add)),
            step!("x", |keyed| keyed.stateful_map(|sum: &mut u64, n| {
                *sum = (*sum).max(n);
                *sum
            })),
        )
        .asks(
            "only you know what a closure means by its state; if that changes, start empty under another name",
            &["(0, 6)", "(0, 6)", "(0, 6)", "(1, 9)", "(1, 9)", "(1, 9)"],
        );
}
