//! Signals and aborts.

use cli_tests::{END, PATIENCE, PortTaken, Programs, is_running, run, signal, with_ports};

use super::{children, member, numbers, pair};

const SIGNALS: [(&str, i32, &str); 2] =
    [("-INT", 130, "SIGINT (Ctrl-C)"), ("-TERM", 143, "SIGTERM")];

#[test]
fn a_signal_to_the_parent_ends_it_and_its_children() {
    for (name, code, reason) in SIGNALS {
        let mut programs = Programs::new();
        let ids = children(&mut programs, "-p 2 -w 2", 4);
        signal(name, programs.id(0));
        let ended = programs
            .ended(0, END)
            .expect("the system chooses the ports");
        ended
            .code(code)
            .says(&format!("error: stopped by {reason}\n"));
        assert!(!ids.into_iter().any(is_running), "a child is left");
    }
}

/// A terminal sends Ctrl-C to all processes of the program.
#[test]
fn a_signal_to_the_parent_and_its_children_is_told_once() {
    for (name, code, reason) in SIGNALS {
        let mut programs = Programs::new();
        let mut ids = children(&mut programs, "-p 2", 2);
        programs.signal_all(0, name);
        let ended = programs
            .ended(0, END)
            .expect("the system chooses the ports");
        ended
            .code(code)
            .says(&format!("error: stopped by {reason}\n"));
        ids.push(programs.id(0));
        assert!(!ids.into_iter().any(is_running), "a process is left");
    }
}

#[test]
fn a_signal_to_one_of_two_processes_ends_both() {
    for (name, code, reason) in SIGNALS {
        for told in 0..2 {
            with_ports(2, |addresses| {
                let mut programs = Programs::new();
                pair(&mut programs, "", addresses)?;
                signal(name, programs.id(told));
                let mut ended = programs.all_ended(END)?;
                let text = format!("error: process {told} was stopped by {reason}\n");
                ended.remove(1 - told).code(code).says(&text);
                let text = format!("error: stopped by {reason}\n");
                ended.remove(0).code(code).says(&text);
                Ok(())
            });
        }
    }
}

#[test]
fn a_signal_to_both_processes_ends_both() {
    for (name, code, reason) in SIGNALS {
        with_ports(2, |addresses| {
            let mut programs = Programs::new();
            pair(&mut programs, "", addresses)?;
            signal(name, programs.id(0));
            programs.signal_all(1, name);
            for (process, ended) in programs.all_ended(END)?.into_iter().enumerate() {
                assert!(ended.err.starts_with("error: "), "{ended}");
                let ended = ended.says_once(&format!("stopped by {reason}\n"));
                // The second may have been stopped by the first already. After a run a signal does
                // what it does by default.
                if process == 0 || ended.signal != Some(code - 128) {
                    ended.code(code);
                }
            }
            Ok(())
        });
    }
}

#[test]
fn a_signal_while_a_peer_is_waited_for_ends_the_wait() {
    for (name, code, reason) in SIGNALS {
        with_ports(2, |addresses| {
            let mut programs = Programs::new();
            programs.start(member(numbers(""), 0, addresses));
            programs.connects(0, addresses[0])?;
            signal(name, programs.id(0));
            let ended = programs.ended(0, END)?;
            ended
                .code(code)
                .says(&format!("error: stopped by {reason}\n"));
            Ok(())
        });
    }
}

#[test]
fn an_abort_ends_all_without_an_error() {
    for args in ["-w 2", "-p 2", "-p 2 -w 2"] {
        for worker in 0..2 {
            let ended = run(numbers(&format!("--abort {worker}:20 {args}")));
            ended.code(0).says("");
        }
    }
    with_ports(2, |addresses| {
        let mut programs = Programs::new();
        for process in 0..2 {
            programs.start(member(numbers("--abort 1:20"), process, addresses));
        }
        for ended in programs.all_ended(PATIENCE)? {
            ended.code(0).says("");
        }
        Ok::<_, PortTaken>(())
    });
}
