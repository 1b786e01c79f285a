//! The limits of a port while a cluster starts: the size of the first message, the time for it, and the number of
//! connections. `docs/guide/src/security.md` states them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::super::accept::{MAX_PENDING, PATIENCE};
use super::super::hello::{Hello, MAX_SEALED, PROLOGUE, Unreadable, take_sealed_hello};
use super::util::{LONG, processes, succeed};

fn connect(address: &str) -> TcpStream {
    let socket = TcpStream::connect(address).expect("it listens");
    socket.set_read_timeout(Some(LONG)).expect("open");
    socket
}

/// Waits for the end of a connection without an answer.
fn ends(mut socket: TcpStream) {
    let mut answer = Vec::new();
    // It may be reset, because not all was read.
    let _ = socket.read_to_end(&mut answer);
    assert_eq!(answer, b"");
}

#[test]
fn a_first_message_has_a_time_a_size_and_a_number() {
    let mut all = processes(2);
    let second = all.pop().expect("two");
    let address = second.peers.addresses[0].clone();
    let first = all.pop().expect("two").spawn();

    // Its length is announced, and is too long.
    let mut long = connect(&address);
    long.write_all(b"BYTEWAX\n\0\x04\0\x01\0\x01")
        .expect("open");
    ends(long);

    // It does not come in time.
    let since = Instant::now();
    let mut slow = connect(&address);
    slow.write_all(b"BYTE").expect("open");
    ends(slow);
    let took = since.elapsed();
    assert!(
        took >= PATIENCE && took < PATIENCE + Duration::from_secs(20),
        "{took:?}"
    );

    // The oldest connection is closed for one too many, before its time is over.
    let since = Instant::now();
    let oldest = connect(&address);
    let mut others = Vec::new();
    for _ in 0..MAX_PENDING {
        others.push(connect(&address));
    }
    ends(oldest);
    assert!(since.elapsed() < PATIENCE, "its time was over");
    drop(others);
    succeed(vec![second.connect(), first.join().expect("no panic")]);
}

#[test]
fn a_first_message_with_a_secret_is_short() {
    let message = |length: usize| {
        let length_bytes = u16::try_from(length).expect("it fits").to_be_bytes();
        [&PROLOGUE[..], &length_bytes, &vec![7; length]].concat()
    };
    let longest = message(MAX_SEALED);
    assert_eq!(take_sealed_hello(&longest), Ok(Some(&[7; MAX_SEALED][..])));
    let longer = message(MAX_SEALED + 1);
    assert_eq!(take_sealed_hello(&longer), Err(Unreadable::Stranger));
    assert!(matches!(Hello::decode(&longer), Err(Unreadable::Stranger)));
}
