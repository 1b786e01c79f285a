//! Processes that come late, or not at all.

use std::net::TcpListener;

use cli_tests::{END, PATIENCE, PortTaken, Programs, listen, run, signal, with_ports};

use super::{member, numbers};

#[test]
fn a_peer_that_never_connects_is_named() {
    // Nobody listens for the peer, but while the test does, nobody else gets the port.
    let (_held, absent) = listen();
    with_ports(1, |own| {
        let mut programs = Programs::new();
        programs.start(member(numbers("--connect-timeout 1"), 0, &[own[0], absent]));
        let text = format!(
            "error: process 1 at `{absent}` did not come up within 1 s: it has not connected to \
             this process; start it, or raise the limit with `--connect-timeout`\n"
        );
        programs.ended(0, PATIENCE)?.code(1).says(&text);
        Ok(())
    });
}

#[test]
fn a_peer_that_never_answers_is_named() {
    let (_held, silent) = listen();
    with_ports(1, |own| {
        let mut programs = Programs::new();
        programs.start(member(numbers("--connect-timeout 1"), 1, &[silent, own[0]]));
        let text = format!(
            "error: process 0 at `{silent}` did not come up within 1 s: it has not answered yet; \
             start it, or raise the limit with `--connect-timeout`\n"
        );
        programs.ended(0, PATIENCE)?.code(1).says(&text);
        Ok(())
    });
}

#[test]
fn a_port_that_is_taken_is_told_with_the_reason_of_the_system() {
    let (_taken, own) = listen();
    let (_held, other) = listen();
    for (process, addresses) in [[own, other], [other, own]].iter().enumerate() {
        let ended = run(member(numbers(""), process, addresses)).code(1);
        ended.says(&format!(
            "error: process {process} cannot listen on its address `{own}`: address already in \
             use; end what uses the port, or give the process another address of this machine\n"
        ));
    }
}

#[test]
fn a_process_waits_for_one_that_connects_to_it_late() {
    with_ports(2, |addresses| {
        let mut programs = Programs::new();
        programs.start(member(numbers("--limit 20"), 0, addresses));
        // It listens by now, and takes this for a stranger.
        programs.connects(0, addresses[0])?;
        programs.start(member(numbers("--limit 20"), 1, addresses));
        all_arrive(&mut programs)
    });
}

#[test]
fn a_process_tries_again_until_the_other_one_listens() {
    with_ports(1, |own| {
        let (listener, late): (TcpListener, _) = listen();
        let addresses = [late, own[0]];
        let mut programs = Programs::new();
        programs.start(member(numbers("--limit 20"), 1, &addresses));
        programs.connected(&listener)?;
        drop(listener);
        programs.start(member(numbers("--limit 20"), 0, &addresses));
        all_arrive(&mut programs)
    });
}

/// Checks that two processes have printed all of their 20 numbers between them.
#[track_caller]
fn all_arrive(programs: &mut Programs) -> Result<(), PortTaken> {
    let mut found = Vec::new();
    for ended in programs.all_ended(PATIENCE)? {
        found.extend(ended.code(0).says("").out);
    }
    let mut places: Vec<_> = found
        .iter()
        .filter_map(|line| line.split_once(" on "))
        .collect();
    places.sort_unstable();
    places.dedup_by_key(|(place, _)| *place);
    assert_eq!((found.len(), places.len()), (2 + 40, 40));
    Ok(())
}

/// Told so early, some of the children may still connect to each other.
#[test]
fn a_signal_at_the_start_ends_the_children_too() {
    for _ in 0..5 {
        let mut programs = Programs::new();
        programs.start(numbers("-p 3"));
        let is = |line: &str| line.starts_with("process ");
        programs
            .line(0, "its first worker", is)
            .expect("the system chooses the ports");
        signal("-INT", programs.id(0));
        let ended = programs
            .ended(0, END)
            .expect("the system chooses the ports");
        ended.code(130).says("error: stopped by SIGINT (Ctrl-C)\n");
    }
}
