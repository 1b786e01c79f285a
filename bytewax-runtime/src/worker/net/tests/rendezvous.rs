//! Processes that start processes. Each child runs one of these tests by name.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use super::super::rendezvous::Program;
use super::super::{Child, SpawnOutcome, StopReason, child, connect};
use super::util::{LONG, identity};

const MODULE: &str = "worker::net::tests::rendezvous";
/// Makes a run of this program a parent.
const PARENT: &str = "BYTEWAX_TEST_PARENT";
const UP: &str = "<the child is up>";

/// This program, to run one of the tests below.
fn program(test: &str, grace: Duration) -> Program {
    let program = std::env::current_exe().expect("a test program");
    let name = format!("{MODULE}::{test}");
    let args = ["test", "--exact", &name, "--nocapture", "--quiet"]
        .map(OsString::from)
        .into();
    Program {
        program,
        args,
        grace,
        stop_timeout: Duration::ZERO,
    }
}

fn outcome(test: &str, grace: Duration, stopping: &dyn Fn() -> Option<StopReason>) -> SpawnOutcome {
    program(test, grace)
        .run(2, stopping)
        .unwrap_or_else(|error| panic!("{error}"))
}

/// This process as a child, if it is one.
fn in_child() -> Option<Child> {
    child().map(|child| child.unwrap_or_else(|error| panic!("{error}")))
}

fn wait_for_the_end() -> ! {
    loop {
        thread::park();
    }
}

#[test]
fn child_that_finishes() {
    if let Some(Child {
        peers,
        listener,
        link,
    }) = in_child()
    {
        link.watch(|_| {}, || {}).expect("a thread");
        let identity = identity(2);
        let connected = connect(
            &peers,
            Some(listener),
            (&identity, None),
            (LONG, LONG),
            &|| false,
        );
        let connected = connected.unwrap_or_else(|error| panic!("{error}"));
        assert!(connected.control.bye(LONG));
    }
}

#[test]
fn children_meet_and_finish() {
    assert_eq!(
        outcome("child_that_finishes", LONG, &|| None),
        SpawnOutcome::Finished
    );
}

#[test]
fn child_of_which_one_fails() {
    if let Some(Child { peers, link, .. }) = in_child() {
        if peers.index == 1 {
            std::process::exit(7);
        }
        link.watch(|_| {}, || {}).expect("a thread");
        wait_for_the_end();
    }
}

#[test]
fn the_first_failure_is_named_and_the_rest_is_ended() {
    let expected = SpawnOutcome::Failed {
        text: String::from("process 1 of 2 ended with exit status 7"),
        report: None,
        code: 7,
    };
    let grace = Duration::from_millis(100);
    assert_eq!(
        outcome("child_of_which_one_fails", grace, &|| None),
        expected
    );
}

#[test]
fn child_of_which_one_reports() {
    let Some(child) = in_child() else {
        return;
    };
    if child.peers.index == 0 {
        child.listener.accept().expect("the other connects");
        std::process::exit(1);
    }
    let mut reporter = child
        .link
        .reporter()
        .unwrap_or_else(|error| panic!("{error}"));
    assert!(reporter.report("it has\ntwo lines", false));
    // It ends after the other one, which nobody can connect to then.
    while TcpStream::connect(&child.peers.addresses[0]).is_ok() {}
    std::process::exit(3);
}

#[test]
fn a_report_goes_before_the_order_of_the_ends() {
    let expected = SpawnOutcome::Failed {
        text: String::from("process 1 of 2 ended with exit status 3"),
        report: Some(String::from("it has\ntwo lines")),
        code: 3,
    };
    assert_eq!(
        outcome("child_of_which_one_reports", LONG, &|| None),
        expected
    );
}

#[test]
fn child_of_which_one_loses_the_other() {
    let Some(child) = in_child() else {
        return;
    };
    if child.peers.index == 1 {
        // It hangs, until the parent ends it.
        wait_for_the_end();
    }
    let reporter = child.link.reporter();
    let mut reporter = reporter.unwrap_or_else(|error| panic!("{error}"));
    assert!(reporter.report("process 1 has been silent for 60 s", true));
    std::process::exit(1);
}

#[test]
fn who_has_lost_a_process_tells_it_if_nobody_knows_more() {
    let expected = SpawnOutcome::Failed {
        text: String::from("process 0 of 2 ended with exit status 1"),
        report: Some(String::from("process 1 has been silent for 60 s")),
        code: 1,
    };
    let grace = Duration::from_millis(100);
    let outcome = outcome("child_of_which_one_loses_the_other", grace, &|| None);
    assert_eq!(outcome, expected);
}

#[test]
fn child_of_which_one_fails_and_the_other_loses_it() {
    let Some(child) = in_child() else {
        return;
    };
    let reporter = child.link.reporter();
    let mut reporter = reporter.unwrap_or_else(|error| panic!("{error}"));
    if child.peers.index == 0 {
        assert!(reporter.report("process 1 is gone", true));
        // From here on the other one knows that this was said.
        drop(child.listener);
        wait_for_the_end();
    }
    while TcpStream::connect(&child.peers.addresses[0]).is_ok() {}
    assert!(reporter.report("the cause", false));
    std::process::exit(3);
}

#[test]
fn an_error_of_a_process_goes_before_what_follows_from_it() {
    let expected = SpawnOutcome::Failed {
        text: String::from("process 1 of 2 ended with exit status 3"),
        report: Some(String::from("the cause")),
        code: 3,
    };
    let test = "child_of_which_one_fails_and_the_other_loses_it";
    let outcome = outcome(test, Duration::from_millis(100), &|| None);
    assert_eq!(outcome, expected);
}

#[cfg(unix)]
#[test]
fn child_of_which_one_is_killed() {
    if let Some(Child { peers, .. }) = in_child() {
        if peers.index == 0 {
            std::process::abort();
        }
        wait_for_the_end();
    }
}

#[cfg(unix)]
#[test]
fn a_signal_is_named() {
    let expected = SpawnOutcome::Failed {
        text: String::from("process 0 of 2 ended with signal 6"),
        report: None,
        code: 134,
    };
    assert_eq!(
        outcome("child_of_which_one_is_killed", Duration::ZERO, &|| None),
        expected
    );
}

#[test]
fn child_of_which_one_does_not_start() {
    // The last one comes to an end without a look at the others.
    let first = std::env::var("BYTEWAX_SPAWNED").is_ok_and(|value| value.starts_with("0/"));
    if first && in_child().is_some() {
        wait_for_the_end();
    }
}

#[test]
fn an_end_before_the_start_is_a_failure() {
    let expected = SpawnOutcome::Failed {
        text: String::from(
            "process 1 of 2 ended with exit status 0 before all processes had started",
        ),
        report: None,
        code: 1,
    };
    assert_eq!(
        outcome("child_of_which_one_does_not_start", LONG, &|| None),
        expected
    );
}

/// A file with which a child tells the test something.
fn sign(parent: u32, what: &str, index: usize) -> PathBuf {
    std::env::temp_dir().join(format!("bytewax-{parent}-{what}-{index}"))
}

fn give(what: &str, index: usize) {
    let value = std::env::var("BYTEWAX_SPAWNED").expect("a child");
    let parent = value
        .split('#')
        .nth(1)
        .and_then(|parent| parent.parse().ok());
    std::fs::write(sign(parent.expect("a parent"), what, index), "").expect("a file");
}

#[test]
fn child_that_stops_when_told() {
    if let Some(Child { peers, link, .. }) = in_child() {
        let index = peers.index;
        let on_stop = move |reason| {
            assert_eq!(reason, StopReason::Terminated);
            give("told", index);
            std::process::exit(1);
        };
        link.watch(on_stop, || {}).expect("a thread");
        give("up", index);
        wait_for_the_end();
    }
}

#[test]
fn children_are_told_to_stop() {
    let all = |what| {
        (0..2)
            .map(move |index| sign(std::process::id(), what, index))
            .collect::<Vec<_>>()
    };
    let stopping = || {
        let up = all("up").iter().all(|sign| sign.exists());
        up.then_some(StopReason::Terminated)
    };
    let outcome = outcome("child_that_stops_when_told", LONG, &stopping);
    assert_eq!(outcome, SpawnOutcome::Stopped(StopReason::Terminated));
    for sign in all("up").into_iter().chain(all("told")) {
        std::fs::remove_file(&sign).unwrap_or_else(|error| panic!("{}: {error}", sign.display()));
    }
}

#[test]
fn children_that_do_not_listen_are_killed() {
    let outcome = outcome("child_that_stays", Duration::ZERO, &|| {
        Some(StopReason::Interrupted)
    });
    assert_eq!(outcome, SpawnOutcome::Stopped(StopReason::Interrupted));
}

#[test]
fn child_that_stays() {
    if let Some(Child { link, .. }) = in_child() {
        link.watch_within(Duration::from_millis(50), |_| {}, || {})
            .expect("a thread");
        let mut out = std::io::stdout();
        out.write_all(UP.as_bytes())
            .and_then(|()| out.flush())
            .expect("a reader");
        wait_for_the_end();
    }
}

#[test]
fn parent_of_children_that_stay() {
    if std::env::var_os(PARENT).is_some() {
        let outcome = outcome("child_that_stays", LONG, &|| None);
        panic!("{outcome:?}");
    }
}

#[test]
fn no_child_outlives_a_killed_parent() {
    let program = program("parent_of_children_that_stay", LONG);
    let mut parent = Command::new(&program.program)
        .args(&program.args[1..])
        .env(PARENT, "yes")
        .stdout(Stdio::piped())
        .spawn()
        .expect("a test program");
    let mut out = parent.stdout.take().expect("a pipe");
    let mut text = String::new();
    let mut chunk = [0; 1024];
    while text.matches(UP).count() < 2 {
        let read = out.read(&mut chunk).expect("open");
        assert_ne!(read, 0, "the parent ended: {text}");
        text.push_str(&String::from_utf8_lossy(&chunk[..read]));
    }
    parent.kill().expect("it runs");
    parent.wait().expect("it was killed");
    // The children have the other end of the pipe. It closes with the last of them.
    let mut rest = Vec::new();
    out.read_to_end(&mut rest).expect("open");
}
