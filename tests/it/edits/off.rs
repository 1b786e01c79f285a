//! Steps that are off for now, and the question whether a program would resume.

use std::process::ExitCode;

use super::*;

/// A program with the step `sums`, without it, or with it off for now.
macro_rules! program {
    ($sums:tt $kept:tt) => {
        |out: &TestingSink<String>| {
            Dataflow::build("f", |flow| {
                let keyed = flow.input(numbers()).named("in").map(|n| (n % 2, n));
                if $sums {
                    let sums = keyed.clone().stateful_map(|sum: &mut u64, n| {
                        *sum += n;
                        *sum
                    });
                    let lines = sums.named("sums").map(|line| format!("{line:?}"));
                    lines.output(out.clone()).named("sums_out");
                }
                if $kept {
                    flow.kept("sums", "it is off today");
                }
                keyed
                    .filter(|_| false)
                    .output(TestingSink::new())
                    .named("out");
            })
        }
    };
}

const WITH: Program = program!(true false);
const WITHOUT: Program = program!(false false);
const OFF: Program = program!(false true);

#[test]
fn a_step_that_is_off_keeps_its_state() {
    let store = new_store();
    let first = run(WITH, &store).unwrap();
    let text = run(WITHOUT, &store).unwrap_err();
    assert!(
        text.contains("if it is off for now, say `flow.kept(\"sums\", \"why\")`"),
        "{text}"
    );
    assert_eq!(run(OFF, &store), Ok(vec![]));
    assert_eq!(run(OFF, &store), Ok(vec![]));
    // The numbers of the second half were read while it was off: the sums are still there.
    let more = |out: &TestingSink<String>| {
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

#[test]
fn whether_a_program_would_resume_is_told_without_running_it() {
    let store = new_store();
    let dir = store.path().to_str().unwrap().to_owned();
    let tried = |program: Program| {
        let out = TestingSink::new();
        let code = bytewax::run_from(program(&out), ["recovery", "try", &dir]);
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
