//! Processes that do not fit together.

use std::io::{Read, Write};
use std::thread;

use super::super::Identity;
use super::super::hello::PROTOCOL;
use super::util::{connect_all, processes, refusal};

/// The refusals of process 0 and of process 1, which differs by `change`.
fn refusals(change: impl FnOnce(&mut Identity)) -> [String; 2] {
    let mut all = processes(2);
    change(&mut all[1].identity);
    let addresses = all[0].peers.addresses.clone();
    let mut results = connect_all(all).into_iter().map(refusal);
    // Ports are of no interest.
    std::array::from_fn(|_| {
        let text = results.next().expect("two results");
        text.replace(&addresses[0], "a:0")
            .replace(&addresses[1], "b:1")
    })
}

#[test]
fn another_release() {
    let [first, second] = refusals(|identity| identity.release = String::from("0.2.0"));
    assert_eq!(
        first,
        "process 1 at `b:1` runs release `0.2.0` of bytewax, this process runs `0.1.0`; build all processes of a cluster from the same release"
    );
    assert_eq!(
        second,
        "process 0 at `a:0` runs release `0.1.0` of bytewax, this process runs `0.2.0`; build all processes of a cluster from the same release"
    );
}

#[test]
fn another_dataflow() {
    let [first, second] = refusals(|identity| identity.flow = String::from("orders"));
    assert_eq!(
        first,
        "process 1 at `b:1` runs dataflow `orders`, this process runs `wordcount`; start all processes of a cluster from the same program"
    );
    assert_eq!(
        second,
        "process 0 at `a:0` runs dataflow `wordcount`, this process runs `orders`; start all processes of a cluster from the same program"
    );
}

#[test]
fn another_version_of_the_program() {
    let [first, second] = refusals(|identity| identity.fingerprint += 1);
    assert_eq!(
        first,
        "process 1 at `b:1` runs another version of the program: the steps of its dataflow `wordcount` differ; start all processes of a cluster from the same build"
    );
    assert_eq!(
        second,
        first.replace("process 1 at `b:1`", "process 0 at `a:0`")
    );
}

#[test]
fn another_number_of_processes() {
    let [first, second] = refusals(|identity| identity.processes = 3);
    assert_eq!(
        first,
        "process 1 at `b:1` has a list of `3` addresses, this process has one of `2`; give all processes the same list of addresses"
    );
    assert_eq!(
        second,
        "process 0 at `a:0` has a list of `2` addresses, this process has one of `3`; give all processes the same list of addresses"
    );
}

#[test]
fn another_number_of_workers() {
    let [first, second] = refusals(|identity| identity.workers_per_process = 4);
    assert_eq!(
        first,
        "process 1 at `b:1` runs `4` workers, this process runs `1`; give all processes the same `--workers-per-process`"
    );
    assert_eq!(
        second,
        "process 0 at `a:0` runs `1` workers, this process runs `4`; give all processes the same `--workers-per-process`"
    );
}

#[test]
fn another_epoch_interval() {
    let [first, second] = refusals(|identity| identity.epoch_interval_ms = 500);
    assert_eq!(
        first,
        "process 1 at `b:1` starts an epoch every `500` ms, this process every `10000` ms; give all processes the same `--snapshot-interval`"
    );
    assert_eq!(
        second,
        "process 0 at `a:0` starts an epoch every `10000` ms, this process every `500` ms; give all processes the same `--snapshot-interval`"
    );
}

#[test]
fn another_order_of_addresses() {
    let mut all = processes(3);
    drop(all.pop());
    let [a, b] = [0, 1].map(|process| all[0].peers.addresses[process].clone());
    // Process 2 takes the address of process 0 for that of process 1. Nobody listens on port 1.
    all[1].peers.index = 2;
    all[1].peers.addresses = vec![String::from("127.0.0.1:1"), a.clone(), b];
    let texts: Vec<String> = connect_all(all).into_iter().map(refusal).collect();
    assert_eq!(
        texts[1],
        format!(
            "the address `{a}` of process 1 is answered by process 0; give all processes the same list of addresses in the same order"
        )
    );
    assert!(
        texts[0].contains(
            "expects process 1 at the address of process 0; give all processes the same list"
        ),
        "{}",
        texts[0]
    );
}

#[test]
fn another_protocol() {
    let mut all = processes(2);
    let address = all[0].peers.addresses[0].clone();
    let first = all.remove(0).spawn();
    let mut other = std::net::TcpStream::connect(address).expect("it listens");
    other.write_all(b"BYTEWAX\n\0\x07").expect("it listens");
    let text = refusal(first.join().expect("no panic"));
    let from = other.local_addr().expect("connected");
    assert_eq!(
        text,
        format!(
            "a process at `{from}` speaks protocol `7` of the cluster, this process speaks `{PROTOCOL}`; build all processes of a cluster from the same release"
        )
    );
    let mut answer = Vec::new();
    other.read_to_end(&mut answer).expect("an answer");
    assert!(answer.starts_with(&[&b"BYTEWAX\n"[..], &PROTOCOL.to_be_bytes()].concat()));
}

#[test]
fn another_service_on_the_address() {
    let mut all = processes(2);
    let service = all.remove(0).listener;
    let second = all.remove(0);
    let address = second.peers.addresses[0].clone();
    let thread = thread::spawn(move || {
        let (mut socket, _) = service.accept().expect("a connection");
        socket.write_all(b"220 mail ready\r\n").expect("open");
        socket
    });
    assert_eq!(
        refusal(second.connect()),
        format!(
            "another program answers at the address `{address}` of process 0; correct the address, or free the port for the process"
        )
    );
    drop(thread.join());
}
