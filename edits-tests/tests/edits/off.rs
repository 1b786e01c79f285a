//! Steps that are off for now, and the question whether a program would resume.

use std::process::ExitCode;

use super::table::{Mend::*, shown};
use super::*;

/// A program with the step `sums`, without it, or with it off for now.
macro_rules! program {
    ($sums:tt $kept:tt $dropped:tt) => {
        |out: &TestingSink<String>, patch: &Patch| {
            Dataflow::build("f", |flow| {
                patch.say(flow);
                let keyed = flow.input(numbers()).named("in").map(|n| (n % 2, n));
                if $sums {
                    let sums = keyed.clone().stateful_map(|sum: &mut u64, n| {
                        *sum += n;
                        *sum
                    });
                    let sums = sums.named(&patch.name("sums"));
                    let lines = sums.map(|line| format!("{line:?}"));
                    lines.output(out.clone()).named("sums_out");
                }
                if $kept {
                    flow.kept("sums", "it is off today");
                }
                if $dropped {
                    flow.dropped("sums", "nobody reads it");
                }
                keyed
                    .filter(|_| false)
                    .output(TestingSink::new())
                    .named("out");
            })
        }
    };
}

const WITH: Program = program!(true false false);
const WITHOUT: Program = program!(false false false);
const OFF: Program = program!(false true false);

rows! {
    "Steps that are off or gone"
    "`flow.kept(name, why)` says that a step is off for now, and `flow.dropped(name, why)` that what it has saved is not \
     wanted any more. Nothing else removes state."

    off_by_a_condition "a step is left out by `if` or `#[cfg]`":
        row(WITH, WITHOUT)
            .refused(&["if it is off for now, say `flow.kept(\"sums\", \"why\")`"], &[Back, Kept, Dropped, Command])
            .by_compiler("what_is_removed_is_told");
    kept_and_left_out "a step is left out, and `flow.kept` names it":
        row(WITH, OFF).asks("what comes meanwhile is not in its state", &[]);
    kept_and_there "`flow.kept` names a step that is there":
        row(WITH, program!(true true false));
    dropped_and_left_out "a step is removed, and `flow.dropped` names it":
        row(WITH, program!(false false true)).asks("its state is removed", &[]);
    on_again "a step that was off is there again":
        shown("goes on", "", a_step_that_is_off_keeps_its_state);
    tried "any edit, before it runs":
        shown("`recovery try DIR` says the verdict, runs nothing and writes nothing", "",
            whether_a_program_would_resume_is_told_without_running_it);
}

fn a_step_that_is_off_keeps_its_state() {
    let store = new_store();
    let first = run(WITH, &store).unwrap();
    assert_eq!(run(OFF, &store), Ok(vec![]));
    assert_eq!(run(OFF, &store), Ok(vec![]));
    // The numbers of the second half were read while it was off: the sums are still there.
    let more: Program = |out, _| {
        Dataflow::build("f", |flow| {
            flow.dropped("in", "it has ended");
            let keyed = flow
                .input(TestingSource::new([0_u64]))
                .named("more")
                .map(|n| (n, n));
            let sums = keyed.stateful_map(|sum: &mut u64, _| *sum);
            let lines = sums.named("sums").map(|line| format!("{line:?}"));
            lines.output(out.clone()).named("sums_out");
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
