//! Processes that are killed, and steps that fail.

use cli_tests::{END, Ended, Programs, is_running, run, signal, with_ports};

use super::{children, member, numbers, pair};

/// How long children may take to notice that their parent is gone, and to end.
const ORPHANS_END: std::time::Duration = std::time::Duration::from_secs(10);

#[test]
fn a_killed_process_ends_the_others_which_say_which_it_was() {
    for killed in 0..2 {
        with_ports(2, |addresses| {
            let mut programs = Programs::new();
            pair(&mut programs, "", addresses)?;
            signal("-KILL", programs.id(killed));
            let mut ended = programs.all_ended(END)?;
            let text = format!(
                "error: process {killed} at `{}` is gone: connection closed; if it failed, its own \
                 output says why\n",
                addresses[killed]
            );
            ended.remove(1 - killed).code(1).says(&text);
            assert_eq!(ended.remove(0).signal, Some(9));
            Ok(())
        });
    }
}

#[test]
fn a_killed_child_ends_the_run_and_the_parent_says_which_it_was() {
    for killed in 0..3 {
        let mut programs = Programs::new();
        let ids = children(&mut programs, "-p 3", 3);
        signal("-KILL", ids[killed]);
        let ended = programs
            .ended(0, END)
            .expect("the system chooses the ports");
        let text = format!("error: process {killed} of 3 ended with signal 9\n");
        ended.code(137).says(&text);
        assert!(!ids.into_iter().any(is_running), "a child is left");
    }
}

#[test]
fn children_do_not_outlive_a_killed_parent() {
    let mut programs = Programs::new();
    let ids = children(&mut programs, "-p 2 -w 2", 4);
    signal("-KILL", programs.id(0));
    // The end of its output is that of the children, who share it.
    let ended = programs
        .ended(0, ORPHANS_END)
        .expect("the system chooses the ports");
    assert_eq!(ended.signal, Some(9), "{ended}");
    let text = "the process that started this one is gone, so it ends too";
    assert!(ended.err.contains(text), "{ended}");
    assert!(!ids.into_iter().any(is_running), "a child is left");
}

/// An error of worker 2 in the second of two processes, and its text.
const ERROR: (&str, &str) = (
    "--fail 2:50 -w 2",
    "error: step `numbers.failed`, worker 2: step `numbers.check` failed for the item `Place { \
     worker: 2, number: 50 }`\n  caused by: this error was asked for\n",
);

/// A panic of worker 1 in the first of two processes, and the beginning of its text.
const PANIC: (&str, &str) = (
    "--panic 1:50 -w 2",
    "error: step `numbers.check`, worker 1, item ",
);

#[test]
fn an_error_in_a_child_is_told_once_with_its_step_and_the_parent_says_where() {
    let ended = run(numbers(&format!("{} -p 2", ERROR.0))).code(1);
    ended.says(&format!(
        "{}error: process 1 of 2 ended with exit status 1\n",
        ERROR.1
    ));
}

fn is_panic(ended: Ended) {
    let ended = ended
        .says_once(PANIC.1)
        .says_once("this panic was asked for");
    ended.says_once("numbers.rs:");
}

#[test]
fn a_panic_in_a_child_is_told_once_with_its_step_and_the_parent_says_where() {
    let ended = run(numbers(&format!("{} -p 2", PANIC.0))).code(1);
    let ended = ended.says_once("error: process 0 of 2 ended with exit status 1\n");
    assert_eq!(ended.err.matches("error: ").count(), 2, "{ended}");
    is_panic(ended);
}

#[test]
fn an_error_in_one_of_two_processes_is_told_by_both() {
    with_ports(2, |addresses| {
        let mut programs = Programs::new();
        for process in 0..2 {
            programs.start(member(numbers(ERROR.0), process, addresses));
        }
        let mut ended = programs.all_ended(cli_tests::PATIENCE)?;
        ended.remove(1).code(1).says(ERROR.1);
        let text = "error: process 1 failed at step `numbers.failed`, worker 2: step `numbers.check` failed \
                    for the item `Place { worker: 2, number: 50 }`: this error was asked for\n";
        ended.remove(0).code(1).says(text);
        Ok(())
    });
}

#[test]
fn a_panic_in_one_of_two_processes_is_told_by_both() {
    with_ports(2, |addresses| {
        let mut programs = Programs::new();
        for process in 0..2 {
            programs.start(member(numbers(PANIC.0), process, addresses));
        }
        let mut ended = programs.all_ended(cli_tests::PATIENCE)?;
        let other = ended.remove(1).code(1);
        other.says_once("error: process 0 failed at step `numbers.check`, worker ");
        is_panic(ended.remove(0).code(1));
        Ok(())
    });
}

#[test]
fn an_error_in_one_thread_ends_the_others() {
    let ended = run(numbers("-w 3 --fail 1:5")).code(1);
    let ended = ended.says_once("error: step `numbers.failed`, worker 1: ");
    ended.says_once("caused by: this error was asked for\n");
}
