//! Steps that are off for now, and the question whether a program would resume.

use std::process::ExitCode;

use super::table::{Mend::*, shown};
use super::*;

/// A program with the step `sums`, without it, or with it off for now.
macro_rules! program {
    ([$($sums:ident)?] [$($kept:ident)?] [$($dropped:ident)?]) => {
        |out: &TestingSink<String>, patch: &Patch| {
            flow!("f", |flow| {
                patch.say(flow);
                let keyed = flow.input(numbers()).named("in").map(|n| (n % 2, n));
                let lines = keyed.clone().filter(|_| false).map(line);
                $(
                    let $sums = keyed.stateful_map(add).named(&patch.name("sums"));
                    let lines = lines.merge($sums.map(line));
                )?
                $(
                    let $kept = "it is off today";
                    flow.kept("sums", $kept);
                )?
                $(
                    let $dropped = "nobody reads it";
                    flow.dropped("sums", $dropped);
                )?
                lines.output(out.clone()).named("out");
            })
        }
    };
}

fn add(sum: &mut u64, n: u64) -> u64 {
    *sum += n;
    *sum
}

const WITH: Program = program!([sums] [] []);
const WITHOUT: Program = program!([] [] []);
const OFF: Program = program!([] [kept] []);

/// The step is in the text, and is not built.
const NOT_TAKEN: Program = |out: &TestingSink<String>, patch: &Patch| {
    let is_on = cfg!(any());
    flow!("f", |flow| {
        patch.say(flow);
        let keyed = flow.input(numbers()).named("in").map(|n| (n % 2, n));
        let mut lines = keyed.clone().filter(|_| false).map(line);
        if is_on {
            let sums = keyed.stateful_map(add).named(&patch.name("sums"));
            lines = lines.merge(sums.map(line));
        }
        lines.output(out.clone()).named("out");
    })
};

rows! {
    "Steps that are off or gone"
    "`flow.kept(name, why)` declares that a step is off for now, and `flow.dropped(name, why)` that its state is no \
     longer needed. Nothing else removes state."

    off_by_a_condition "a step is left out by `if` or `#[cfg]`":
        row(WITH, NOT_TAKEN)
            .refused(&["if it is off for now, add `flow.kept(\"sums\", \"why\")`"], &[Back, Kept, Dropped, Command]);
    kept_and_left_out "a step is left out, and `flow.kept` names it":
        row(WITH, OFF).asks("its state lacks the items in between", &[]);
    kept_and_there "`flow.kept` names a step that exists":
        row(WITH, program!([sums] [kept] []));
    dropped_and_left_out "a step is removed, and `flow.dropped` names it":
        row(WITH, program!([] [] [dropped])).asks("its state is removed", &[]);
    on_again "a step that was off is enabled again":
        shown("continues", "", a_step_that_is_off_keeps_its_state).compiled(OFF, WITH);
    tried "any edit, before it runs":
        shown("`recovery try DIR` reports the result, runs nothing and writes nothing", "",
            whether_a_program_would_resume_is_told_without_running_it)
            .uncompiled("it does not run the program");
}

fn a_step_that_is_off_keeps_its_state() {
    let store = new_store();
    let first = run(WITH, &store).unwrap();
    assert_eq!(run(OFF, &store), Ok(vec![]));
    assert_eq!(run(OFF, &store), Ok(vec![]));
    // The numbers of the second half were read while it was off: the sums are still there.
    let more: Program = |out, _| {
        flow!("f", |flow| {
            flow.dropped("in", "it has ended");
            let keyed = flow
                .input(TestingSource::new([0_u64]))
                .named("more")
                .map(|n| (n, n));
            let sums = keyed.stateful_map(|sum: &mut u64, _| *sum);
            let lines = sums.named("sums").map(|line| format!("{line:?}"));
            lines.output(out.clone()).named("out");
        })
    };
    let last = first.iter().filter(|line| line.starts_with("(0,")).max();
    assert_eq!(last.cloned(), run(more, &store).unwrap().pop());
}

fn whether_a_program_would_resume_is_told_without_running_it() {
    let store = new_store();
    let dir = store.path().to_str().unwrap().to_owned();
    let tried = |program: Program| {
        let out = TestingSink::new();
        let flow = program(&out, &Patch::default());
        let code = bytewax::run_from(flow, ["recovery", "try", &dir]);
        assert!(out.take().is_empty());
        code
    };
    let bytes = || std::fs::read(store.path().join("part-0.sqlite3")).unwrap();
    // No run has used it.
    assert_eq!(tried(WITH), ExitCode::FAILURE);
    run(WITH, &store).unwrap();
    let before = bytes();
    assert_eq!(tried(WITH), ExitCode::SUCCESS);
    assert_eq!(tried(OFF), ExitCode::SUCCESS);
    assert_eq!(tried(WITHOUT), ExitCode::FAILURE);
    assert!(bytes() == before, "the store has changed");
}
