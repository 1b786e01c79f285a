//! Clusters with a secret.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use super::super::cipher::{ClusterKey, Handshake};
use super::super::hello::{Hello, PROLOGUE, Role, sealed_hello};
use super::util::{
    Heard, LONG, Process, connect_all, identity, listener, next, processes, refusal, succeed,
};

fn key(digits: &str) -> ClusterKey {
    digits.repeat(32).parse().expect("a key")
}

/// The processes of a cluster with a secret.
pub(super) fn sealed(count: usize) -> Vec<Process> {
    let mut all = processes(count);
    for process in &mut all {
        process.key = Some(key("5a"));
    }
    all
}

#[test]
fn processes_with_the_same_secret_connect_and_talk() {
    let connected = succeed(connect_all(sealed(3)));
    let heard: Vec<_> = connected.iter().map(Heard::start).collect();
    connected[0].control.credit(2, 4, 1, 100);
    assert_eq!(next(&heard[2]), "credit 4 1 100");
    // Much more than fits one record.
    let text = "many words ".repeat(100_000);
    connected[2].control.answer(0, 7, text.clone());
    assert_eq!(next(&heard[0]), format!("process 2 answers 7: {text}"));
    connected[1].control.failed(Some("f.step"), "boom");
    for index in [0, 2] {
        assert_eq!(next(&heard[index]), "process 1 failed in f.step: boom");
    }
}

#[test]
fn a_process_that_gives_up_says_why_to_those_that_are_connected() {
    let mut all = sealed(3);
    let last = all.pop().expect("three");
    let mut second = all.pop().expect("two");
    second.limit = Duration::from_secs(2);
    let threads = [all.pop().expect("one").spawn(), second.spawn()];
    let [first, second] = threads.map(|thread| refusal(thread.join().expect("no panic")));
    assert!(second.contains("process 2 at"), "{second}");
    assert!(
        first.contains("gave up the start-up of the cluster: process 2 at"),
        "{first}"
    );
    drop(last);
}

#[test]
fn processes_with_other_secrets_or_none_do_not_connect() {
    for other in [Some(key("5b")), None] {
        let mut all = sealed(2);
        all[0].limit = Duration::from_secs(1);
        all[1].limit = Duration::from_secs(1);
        all[1].key = other.clone();
        let texts: Vec<String> = connect_all(all).into_iter().map(refusal).collect();
        assert!(texts[0].contains("it has not connected"), "{texts:?}");
        assert!(texts[1].contains("before it answered"), "{texts:?}");
        // And the other way round.
        let mut all = sealed(2);
        all[0].limit = Duration::from_secs(1);
        all[1].limit = Duration::from_secs(1);
        all[0].key = other;
        let texts: Vec<String> = connect_all(all).into_iter().map(refusal).collect();
        assert!(texts[0].contains("it has not connected"), "{texts:?}");
        assert!(texts[1].contains("the same cluster secret?"), "{texts:?}");
    }
}

#[test]
fn other_programs_with_the_secret_are_named_by_both() {
    let mut all = sealed(2);
    all[1].identity.flow = String::from("other");
    let texts: Vec<String> = connect_all(all).into_iter().map(refusal).collect();
    for (text, (theirs, own)) in texts
        .iter()
        .zip([("other", "wordcount"), ("wordcount", "other")])
    {
        let wanted = format!("runs dataflow `{theirs}`, this process runs `{own}`");
        assert!(text.contains(&wanted), "{texts:?}");
    }
}

/// The sealed hello of a process of another program, as somebody recorded it.
fn recorded() -> Vec<u8> {
    let mut identity = identity(2);
    identity.flow = String::from("old");
    let hello = Hello {
        role: Role::Data,
        from: 1,
        to: 0,
        instance: 1,
        identity,
    };
    let mut handshake = Handshake::initiator(&key("5a"), PROLOGUE).expect("a key");
    let message = handshake.write(&hello.encode()).expect("it fits");
    sealed_hello(&message)
}

#[test]
fn ten_thousand_strangers_neither_stop_nor_join_a_cluster() {
    let mut all = sealed(2);
    let second = all.pop().expect("two");
    let address = second.peers.addresses[0].clone();
    let first = all.pop().expect("one").spawn();
    let recorded = recorded();
    let mut wrong = recorded.clone();
    *wrong.last_mut().expect("some") ^= 1;
    let plain = Hello {
        role: Role::Control,
        from: 1,
        to: 0,
        instance: 2,
        identity: identity(2),
    }
    .encode();
    let words: [&[u8]; 6] = [
        b"GET / HTTP/1.1\r\n\r\n",
        b"",
        PROLOGUE,
        &plain,
        &wrong,
        &recorded,
    ];
    for number in 0..10_000 {
        let mut stranger = TcpStream::connect(&address).expect("it listens");
        // It may be dropped before all is said.
        let _ = stranger.write_all(words[number % words.len()]);
        if number % 50 == 0 {
            // One that waits for an answer gets none, or one that it cannot open. The others before it are then
            // accepted too, so the queue of the system is never full.
            stranger.set_read_timeout(Some(LONG)).expect("a socket");
            let mut answer = Vec::new();
            let _ = stranger.shutdown(std::net::Shutdown::Write);
            let _ = stranger.read_to_end(&mut answer);
            assert!(!answer.starts_with(b"BYTEWAX"), "{answer:?}");
        }
    }
    let second = thread::spawn(move || second.connect());
    let connected = succeed(vec![
        first.join().expect("no panic"),
        second.join().expect("no panic"),
    ]);
    let heard: Vec<_> = connected.iter().map(Heard::start).collect();
    connected[0].control.epoch(7);
    assert_eq!(next(&heard[1]), "epoch 7");
}

#[test]
fn an_answer_without_the_secret_is_no_process_of_the_cluster() {
    let mut process = sealed(2).pop().expect("two");
    process.limit = Duration::from_secs(1);
    let false_one = listener();
    process.peers.addresses[0] = super::util::address(&false_one);
    let answering = thread::spawn(move || {
        let (mut socket, _) = false_one.accept().expect("a connection");
        let mut answer = vec![0, 48];
        answer.extend([7; 48]);
        socket.write_all(&answer).expect("open");
        socket
    });
    let text = refusal(process.connect());
    drop(answering.join());
    assert!(text.contains("did not come up within 1 s"), "{text}");
}
