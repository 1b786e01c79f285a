//! Describing flows, and what is wrong with descriptions.

use std::panic::catch_unwind;

use bytewax_runtime::RunErrorKind;
use bytewax_runtime::prelude::*;
use bytewax_runtime::testing::{TestingSink, TestingSource, run_items, run_main};

use crate::rows::rows;
use crate::shared::failure;

fn numbers(flow: &Flow) -> Stream<i32> {
    flow.input(TestingSource::new([1, 2, 3])).named("in")
}

/// What is wrong with a flow: each fault and its help.
fn defects(body: impl FnOnce(&Flow)) -> Vec<(String, String)> {
    defects_of(&Dataflow::build("f", body))
}

fn defects_of(flow: &Dataflow) -> Vec<(String, String)> {
    let defects = flow.check().unwrap_err();
    defects
        .defects()
        .iter()
        .map(|defect| (defect.fault.clone(), defect.help.clone()))
        .collect()
}

fn texts(defects: &[(&str, &str)]) -> Vec<(String, String)> {
    defects
        .iter()
        .map(|(fault, help)| ((*fault).to_owned(), (*help).to_owned()))
        .collect()
}

fn ids(flow: &Dataflow) -> Vec<String> {
    flow.step_ids().iter().map(ToString::to_string).collect()
}

const NO_INPUT: (&str, &str) = (
    "this dataflow has no input; it needs at least one input",
    "begin a stream with `flow.input(source)`",
);
const NO_OUTPUT: (&str, &str) = (
    "this dataflow has no output, so it would do nothing; it needs at least one output",
    "end a stream with `.output(sink)`",
);
const SAME_ID: &str = "saved state is found by this name; give each step its own, with \
                       `.named(\"..\")` or in a `flow.scope(name, ..)` of its own";

fn bad_name(fault: &str, mended: &str) -> (String, String) {
    let help = format!("use letters, digits, `_` and `-`, with `.` between parts: `{mended}`");
    (fault.to_owned(), help)
}

/// A custom operator.
fn tens(stream: Stream<i32>) -> Stream<i32> {
    stream
        .map(|n| n + 1)
        .named("first")
        .map(|n| n * 10)
        .named("second")
}

rows! {
    a11_a_flow_needs_an_input: defects(|flow| { flow.merge(Vec::<Stream<i32>>::new()).raises(); }) => texts(&[NO_INPUT]);
    a12_a_flow_needs_an_output: defects(|flow| drop(numbers(flow))) => texts(&[NO_OUTPUT]);
    a20_a_custom_operator_may_return_its_stream: run_items([1, 2, 3], |s| s) => [1, 2, 3];
    a01_a_flow_name_has_no_period: defects_of(&Dataflow::build("a.b", |flow| { numbers(flow).raises(); })) => texts(&[(
        "`a.b` is not a name for a dataflow",
        "use letters, digits, `_` and `-`: `a_b`",
    )]);
    a01_a_flow_name_is_not_empty: defects_of(&Dataflow::build("", |flow| { numbers(flow).raises(); })) => texts(&[(
        "`` is not a name for a dataflow",
        "use letters, digits, `_` and `-`: `name`",
    )]);
    a21_a_scope_name_is_checked: defects(|flow| { flow.scope("eu/west..1", || numbers(flow).raises()); }) => [bad_name("`eu/west..1` is not a name for a scope", "eu_west.1")];
    a02_a_step_name_may_have_parts: run_items([1], |s| s.map(|n| n).named("1.5")) => [1];
}

#[test]
fn a04_two_steps_cannot_have_one_id() {
    let flow = Dataflow::build("f", |flow| {
        numbers(flow)
            .map(|n| n)
            .named("x")
            .filter(|_| true)
            .named("x")
            .raises();
    });
    let steps = flow.steps();
    let (first, then) = (steps[1].location, steps[2].location);
    let fault = format!("two steps have the id `f.x`: first at {first}, then at {then}");
    assert_eq!(defects_of(&flow), [(fault, SAME_ID.to_owned())]);
}

#[test]
fn a04_a_scope_opened_twice_is_told() {
    let flow = Dataflow::build("f", |flow| {
        for _ in 0..2 {
            flow.scope("eu", || {
                flow.input(TestingSource::new([1])).named("in").raises()
            });
        }
    });
    let place = flow.steps()[0].location;
    let fault =
        format!("two steps have the id `f.eu.in`: both at {place} (was one scope opened twice?)");
    assert_eq!(defects_of(&flow), [(fault, SAME_ID.to_owned())]);
}

#[test]
fn a05_names_may_repeat_in_different_scopes() {
    let out = TestingSink::new();
    let flow = Dataflow::build("f", |flow| {
        let stream = numbers(flow);
        let stream = flow.scope("same", || tens(stream));
        let stream = flow.scope("other", || tens(stream));
        stream.output(out.clone()).named("out");
    });
    assert_eq!(
        ids(&flow),
        [
            "f.in",
            "f.same.first",
            "f.same.second",
            "f.other.first",
            "f.other.second",
            "f.out"
        ],
    );
    run_main(flow).unwrap();
    assert_eq!(out.take(), [210, 310, 410]);
}

#[test]
fn a09_streams_of_two_flows_do_not_meet() {
    let refused = catch_unwind(|| {
        Dataflow::build("a", |a| {
            let mine = numbers(a);
            Dataflow::build("b", |b| {
                mine.merge(numbers(b)).raises();
            });
        });
    });
    let text = refused.unwrap_err();
    let text = text.downcast_ref::<&str>().copied();
    assert_eq!(
        text,
        Some("streams of two dataflows cannot meet in one step")
    );
}

#[test]
fn a10_a_merge_of_no_streams_is_an_empty_stream() {
    let out = TestingSink::new();
    let flow = Dataflow::build("f", |flow| {
        let nothing = flow.merge(Vec::<Stream<i32>>::new());
        numbers(flow)
            .merge(nothing)
            .output(out.clone())
            .named("out");
    });
    for workers in 1..=2 {
        assert_eq!(failure(flow.clone(), workers), "it did not fail");
        assert_eq!(out.take(), [1, 2, 3]);
    }
}

#[test]
fn a11_a12_an_empty_flow_is_refused_with_everything_that_is_wrong() {
    let flow = Dataflow::build("f", |_| {});
    assert_eq!(defects_of(&flow), texts(&[NO_INPUT, NO_OUTPUT]));
    let error = run_main(flow).unwrap_err();
    assert_eq!(error.kind(), RunErrorKind::Flow);
    assert_eq!(
        error.report(),
        "dataflow `f` cannot be run\n  \
         this dataflow has no input; it needs at least one input\n    \
         help: begin a stream with `flow.input(source)`\n  \
         this dataflow has no output, so it would do nothing; it needs at least one output\n    \
         help: end a stream with `.output(sink)`",
    );
}

#[test]
fn a13_observers_are_outputs() {
    let observe: [fn(Stream<i32>); 5] = [
        |s| drop(s.inspect(|_| ())),
        |s| drop(s.inspect_debug()),
        |s| drop(s.inspect_debug_with(|_, _| ())),
        |s| drop(s.filter(|n| *n > 3).raises()),
        |s| drop(s.try_map(|n| Ok::<_, &str>(*n)).errs.fail()),
    ];
    for observe in observe {
        let flow = Dataflow::build("f", |flow| observe(numbers(flow)));
        assert_eq!(failure(flow, 2), "it did not fail");
    }
}

#[test]
fn a18_operators_chain() {
    assert_eq!(
        run_items([0, 1, 2], |s| s.map(|n| n + 1).filter(|n| *n > 0)),
        [1, 2, 3]
    );
}

#[test]
fn a19_every_reader_of_a_stream_gets_every_item() {
    let outs = [TestingSink::new(), TestingSink::new(), TestingSink::new()];
    let flow = Dataflow::build("f", |flow| {
        let numbers = numbers(flow);
        numbers.clone().output(outs[0].clone()).named("first");
        numbers
            .clone()
            .redistribute()
            .output(outs[1].clone())
            .named("second");
        numbers.output(outs[2].clone()).named("third");
    });
    for workers in 1..=2 {
        assert_eq!(failure(flow.clone(), workers), "it did not fail");
        for out in &outs {
            assert_eq!(out.sorted(), [1, 2, 3]);
            out.take();
        }
    }
}

#[test]
fn a21_step_names_are_letters_digits_and_a_few_signs() {
    for name in ["a", "A-1", "x_y", "3", "a.b"] {
        let flow = Dataflow::build("f", |flow| {
            numbers(flow).map(|n| n).named(name).raises();
        });
        assert!(flow.check().is_ok(), "{name}");
    }
    for (name, mended) in [
        ("", "name"),
        ("a b", "a_b"),
        ("é", "_"),
        (".a", "a"),
        ("a/b.", "a_b"),
    ] {
        let flow = Dataflow::build("f", |flow| {
            numbers(flow).map(|n| n).named(name).raises();
        });
        let place = flow.steps()[1].location;
        let fault = format!("`{name}` at {place} is not a step name");
        assert_eq!(defects_of(&flow), [bad_name(&fault, mended)], "{name}");
    }
}

#[test]
fn sources_sinks_and_stateful_steps_need_names() {
    let flow = Dataflow::build("f", |flow| {
        let letters = flow.input(TestingSource::new(['a']));
        letters
            .key_on(|c| *c)
            .count_final()
            .output(TestingSink::new());
    });
    let steps = flow.steps();
    let expected = [
        (0, "source", "input"),
        (2, "stateful", "count_final"),
        (3, "sink", "output"),
    ]
    .map(|(index, kind, operator)| {
        let place = steps[index].location;
        let fault = format!("the {kind} `{operator}` at {place} has no name");
        let help = format!(
            "saved state is found by this name: end the step with `.named(\"{operator}\")`, \
                 or write the flow with `dataflow!`, where `let` names the steps"
        );
        (fault, help)
    });
    assert_eq!(defects_of(&flow), expected);
}

#[test]
fn errors_that_nobody_reads_are_a_defect() {
    let flow = Dataflow::build("f", |flow| {
        let parsed = numbers(flow).try_map(|n| u8::try_from(*n)).named("parsed");
        parsed.oks.output(TestingSink::new()).named("out");
    });
    let place = flow.steps()[1].location;
    let fault = format!("the `errs` of step `f.parsed` at {place} are never read");
    let help = "handle them: `.errs.fail()`, `.errs.skip_counted()`, or send them to a \
                sink with `.errs.output(sink)`";
    assert_eq!(defects_of(&flow), [(fault, help.to_owned())]);
}

#[test]
fn defects_are_told_together() {
    let flow = Dataflow::build("my flow", |flow| {
        flow.scope("a scope", || {
            drop(numbers(flow).try_map(|n| u8::try_from(*n)).named("x y"));
        });
    });
    let steps = flow.steps();
    let place = steps[1].location;
    assert_eq!(
        run_main(flow).unwrap_err().to_string(),
        format!(
            "dataflow `my flow` cannot be run\n  \
             `my flow` is not a name for a dataflow\n    \
             help: use letters, digits, `_` and `-`: `my_flow`\n  \
             `a scope` is not a name for a scope\n    \
             help: use letters, digits, `_` and `-`, with `.` between parts: `a_scope`\n  \
             this dataflow has no output, so it would do nothing; it needs at least one output\n    \
             help: end a stream with `.output(sink)`\n  \
             `x y` at {place} is not a step name\n    \
             help: use letters, digits, `_` and `-`, with `.` between parts: `x_y`\n  \
             the `errs` of step `my flow.a scope.x y` at {place} are never read\n    \
             help: handle them: `.errs.fail()`, `.errs.skip_counted()`, or send them to a \
             sink with `.errs.output(sink)`"
        ),
    );
}

#[test]
fn a_stream_may_not_leave_the_description() {
    let refused = catch_unwind(|| {
        let mut kept = None;
        Dataflow::build("f", |flow| kept = Some(numbers(flow)));
        kept.map(Stream::raises)
    });
    let text = refused.unwrap_err();
    let text = text.downcast_ref::<String>().map(String::as_str);
    assert_eq!(
        text,
        Some(
            "a step was added to the dataflow `f` after its description had ended; streams may \
             not leave the closure given to `Dataflow::build`"
        ),
    );
}
