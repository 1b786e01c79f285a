//! Processes that find each other or do not.

use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::super::hello::{Hello, Role};
use super::super::message::Message;
use super::super::{NetError, Peers, connect};
use super::util::{LONG, address, cluster, identity, listener, processes, refusal, shake, succeed};

#[test]
fn three_processes_connect() {
    let connected = cluster(3);
    for (index, connections) in connected.iter().enumerate() {
        let there: Vec<bool> = connections.data.iter().map(Option::is_some).collect();
        let expected: Vec<bool> = (0..3).map(|process| process != index).collect();
        assert_eq!(there, expected);
    }
}

#[test]
fn one_process_needs_nobody() {
    let connected = cluster(1);
    assert_eq!(connected[0].data.len(), 1);
    assert!(connected[0].control.bye(LONG));
}

#[test]
fn the_order_of_starts_does_not_matter() {
    let mut all = processes(2);
    let second = all.pop().expect("two").spawn();
    let first = all.pop().expect("two").spawn();
    succeed(vec![
        first.join().expect("no panic"),
        second.join().expect("no panic"),
    ]);
}

#[test]
fn a_process_that_nobody_starts_is_named() {
    let mut last = processes(3).pop().expect("three");
    // Nobody listens on these.
    last.peers.addresses[0] = String::from("127.0.0.1:1");
    last.peers.addresses[1] = String::from("127.0.0.1:2");
    last.limit = Duration::from_secs(1);
    assert_eq!(
        refusal(last.connect()),
        "processes 0 at `127.0.0.1:1` (connection refused) and 1 at `127.0.0.1:2` (connection refused) did not come up within 1 s; start them, or raise the limit with `--connect-timeout`"
    );
}

#[test]
fn a_process_that_does_not_connect_is_named() {
    let mut all = processes(2);
    let last = all.pop().expect("two");
    let mut first = all.pop().expect("two");
    first.limit = Duration::from_millis(100);
    assert_eq!(
        refusal(first.connect()),
        format!(
            "process 1 at `{}` did not come up within 100 ms: it has not connected to this process; start it, or raise the limit with `--connect-timeout`",
            last.peers.addresses[1]
        )
    );
}

#[test]
fn the_start_can_be_stopped() {
    let process = processes(2).pop().expect("two");
    let asked = AtomicBool::new(false);
    let stopping = || asked.swap(true, Ordering::SeqCst);
    let result = connect(
        &process.peers,
        Some(process.listener),
        (&process.identity, None),
        (LONG, LONG),
        &stopping,
    );
    assert!(matches!(result.err(), Some(NetError::Stopped)));
}

#[test]
fn who_gives_up_tells_the_connected() {
    let first = processes(3).remove(0);
    let address = first.peers.addresses[0].clone();
    let connected = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&connected);
    let thread = thread::spawn(move || {
        // A start-up takes what has come between two questions.
        let rounds = Cell::new(0);
        let stopping = || {
            rounds.set(rounds.get() + i32::from(asked.load(Ordering::SeqCst)));
            rounds.get() > 1
        };
        connect(
            &first.peers,
            Some(first.listener),
            (&first.identity, None),
            (LONG, LONG),
            &stopping,
        )
    });
    let hello = |role| Hello {
        role,
        from: 1,
        to: 0,
        instance: 5,
        identity: identity(3),
    };
    let data = shake(&address, &hello(Role::Data));
    let mut control = shake(&address, &hello(Role::Control));
    connected.store(true, Ordering::SeqCst);
    let mut bytes = Vec::new();
    control.read_to_end(&mut bytes).expect("open");
    let text = String::from("stopped while the processes of the cluster were connecting");
    let expected = Message::Failed {
        process: 0,
        place: None,
        text: text.clone(),
    };
    assert_eq!(Message::decode(&bytes), Ok(Some((expected, bytes.len()))));
    assert_eq!(refusal(thread.join().expect("no panic")), text);
    drop(data);
}

#[test]
fn an_address_in_use_is_named() {
    let holder = listener();
    let address = address(&holder);
    let peers = Peers {
        index: 0,
        addresses: vec![address.clone()],
    };
    assert_eq!(
        refusal(connect(
            &peers,
            None,
            (&identity(1), None),
            (LONG, LONG),
            &|| false
        )),
        format!(
            "process 0 cannot listen on its address `{address}`: address already in use; end what uses the port, or give the process another address of this machine"
        )
    );
}

#[test]
fn an_unknown_host_is_named() {
    let peers = Peers {
        index: 0,
        addresses: vec![String::from("no such host:2101")],
    };
    let text = refusal(connect(
        &peers,
        None,
        (&identity(1), None),
        (LONG, LONG),
        &|| false,
    ));
    assert!(
        text.starts_with("process 0 cannot listen on its address `no such host:2101`: "),
        "{text}"
    );
}

#[test]
fn strangers_do_not_disturb_the_start() {
    let mut all = processes(2);
    let first = all[0].peers.addresses[0].clone();
    let second = all.pop().expect("two");
    let first_thread = all.pop().expect("two").spawn();
    let silent = TcpStream::connect(&first).expect("it listens");
    let mut loud = TcpStream::connect(&first).expect("it listens");
    loud.write_all(b"GET / HTTP/1.1\r\n\r\n")
        .expect("it listens");
    // It is dropped without an answer, and the start goes on.
    let mut answer = Vec::new();
    // The connection may end in a reset, since not all was read.
    let _ = loud.read_to_end(&mut answer);
    assert_eq!(answer, b"");
    let brief = TcpStream::connect(&first).expect("it listens");
    brief.shutdown(Shutdown::Both).expect("open");
    let second = second.connect();
    succeed(vec![first_thread.join().expect("no panic"), second]);
    drop(silent);
}

#[test]
fn a_connection_that_is_not_confirmed_does_not_count() {
    let mut all = processes(2);
    let second = all.pop().expect("two");
    let address = second.peers.addresses[0].clone();
    let first = all.pop().expect("two").spawn();
    let hello = Hello {
        role: Role::Data,
        from: 1,
        to: 0,
        instance: 5,
        identity: second.identity.clone(),
    };
    let mut other = TcpStream::connect(address).expect("it listens");
    other.write_all(&hello.encode()).expect("it listens");
    let mut answer = [0; 8];
    other.read_exact(&mut answer).expect("an answer");
    succeed(vec![second.connect(), first.join().expect("no panic")]);
}

#[test]
fn a_process_may_start_anew_while_others_are_awaited() {
    let mut all = processes(3);
    let third = all.pop().expect("three");
    let second = all.pop().expect("three");
    let address = second.peers.addresses[0].clone();
    let first = all.pop().expect("three").spawn();
    // The first start of the second process: it connects and dies.
    let half = |role| {
        let hello = Hello {
            role,
            from: 1,
            to: 0,
            instance: 5,
            identity: identity(3),
        };
        shake(&address, &hello)
    };
    let (data, control) = (half(Role::Data), half(Role::Control));
    drop((data, control));
    let second = second.spawn();
    let third = third.spawn();
    succeed(
        [first, second, third]
            .map(|t| t.join().expect("no panic"))
            .into(),
    );
}

#[test]
fn a_second_process_of_the_same_index_is_refused() {
    let mut all = processes(3);
    let third = all.pop().expect("three");
    let second = all.pop().expect("three");
    let address = second.peers.addresses[0].clone();
    let first = all.pop().expect("three").spawn();
    let hello = |role, instance| Hello {
        role,
        from: 1,
        to: 0,
        instance,
        identity: identity(3),
    };
    let control = shake(&address, &hello(Role::Control, 5));
    // It is complete once its data connection is confirmed, which the refusal may outrun. The
    // first of its connections is known before the second one is answered.
    let data = shake(&address, &hello(Role::Data, 5));
    let text = refusal(second.connect());
    let from = control.local_addr().expect("connected");
    assert_eq!(
        text,
        format!(
            "process 0 at `{address}` refused this process: another process with the id `1` is connected from `{from}`; give each process its own id"
        )
    );
    // The others still wait for the rest of the cluster.
    let mut bytes = Vec::new();
    Message::Failed {
        process: 1,
        place: None,
        text: String::from("enough"),
    }
    .encode(&mut bytes);
    (&control).write_all(&bytes).expect("connected");
    let expected = format!(
        "process 1 at `{}` gave up the start-up of the cluster: enough",
        third.peers.addresses[1]
    );
    assert_eq!(refusal(first.join().expect("no panic")), expected);
    drop(data);
}
