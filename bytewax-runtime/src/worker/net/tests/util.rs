//! What the tests share.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::super::connect::Connections;
use super::super::connect::connect_with;
use super::super::hello::{CONFIRM, Hello, Verdict};
use super::super::sync::lock;
use super::super::timing::Timing;
use super::super::{ClusterKey, Handler, Identity, NetError, Peers, StopReason};

/// Longer than anything that succeeds may take.
pub(super) const LONG: Duration = Duration::from_secs(30);

pub(super) fn identity(processes: usize) -> Identity {
    Identity {
        processes,
        ..super::super::hello::tests::identity()
    }
}

/// Spans that are short where a test waits for them to pass.
pub(super) fn quick() -> Timing {
    Timing {
        tick: Duration::from_millis(10),
        data_grace: Duration::from_millis(200),
        ..Timing::default()
    }
}

/// A process of a test cluster before it connects.
pub(super) struct Process {
    pub(super) peers: Peers,
    pub(super) listener: TcpListener,
    pub(super) identity: Identity,
    pub(super) key: Option<ClusterKey>,
    pub(super) timing: Timing,
    pub(super) limit: Duration,
}

/// The processes of a cluster on free ports.
pub(super) fn processes(count: usize) -> Vec<Process> {
    let listeners: Vec<TcpListener> = (0..count).map(|_| listener()).collect();
    let addresses: Vec<String> = listeners.iter().map(address).collect();
    let process = |(index, listener)| Process {
        peers: Peers {
            index,
            addresses: addresses.clone(),
        },
        listener,
        identity: identity(count),
        key: None,
        timing: quick(),
        limit: LONG,
    };
    listeners.into_iter().enumerate().map(process).collect()
}

pub(super) fn listener() -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port")
}

pub(super) fn address(listener: &TcpListener) -> String {
    listener.local_addr().expect("bound").to_string()
}

impl Process {
    pub(super) fn connect(self) -> Result<Connections, NetError> {
        let Self {
            peers,
            listener,
            identity,
            key,
            timing,
            limit,
        } = self;
        let identity = (&identity, key.as_ref());
        connect_with(&peers, Some(listener), identity, limit, &|| false, timing)
    }

    pub(super) fn spawn(self) -> JoinHandle<Result<Connections, NetError>> {
        thread::spawn(move || self.connect())
    }
}

/// Connects all at once.
pub(super) fn connect_all(processes: Vec<Process>) -> Vec<Result<Connections, NetError>> {
    let threads: Vec<_> = processes.into_iter().map(Process::spawn).collect();
    threads
        .into_iter()
        .map(|thread| thread.join().expect("no panic"))
        .collect()
}

/// Connects all at once. None may fail.
pub(super) fn cluster(count: usize) -> Vec<Connections> {
    succeed(connect_all(processes(count)))
}

pub(super) fn succeed(results: Vec<Result<Connections, NetError>>) -> Vec<Connections> {
    results
        .into_iter()
        .map(|result| result.unwrap_or_else(|error| panic!("{error}")))
        .collect()
}

/// The message of a start-up that must fail.
pub(super) fn refusal(result: Result<Connections, NetError>) -> String {
    result.err().expect("it does not start").to_string()
}

/// What a handler was told, as text.
pub(super) struct Heard {
    sender: Mutex<Sender<String>>,
}

impl Heard {
    pub(super) fn start(connections: &Connections) -> Receiver<String> {
        let (sender, receiver) = channel();
        let heard = Arc::new(Self {
            sender: Mutex::new(sender),
        });
        connections.control.start(heard).expect("threads");
        receiver
    }

    fn tell(&self, text: String) {
        // A test may have heard enough.
        let _ = lock(&self.sender).send(text);
    }
}

impl Handler for Heard {
    fn failed(&self, process: usize, place: Option<&str>, text: &str) {
        self.tell(format!(
            "process {process} failed in {}: {text}",
            place.unwrap_or("no step")
        ));
    }

    fn stopped(&self, process: usize, reason: StopReason) {
        self.tell(format!("process {process} stopped: {reason:?}"));
    }

    fn credit(&self, edge: u32, worker: u32, load: u64) {
        self.tell(format!("credit {edge} {worker} {load}"));
    }

    fn stops_cleanly(&self, process: usize, reason: StopReason) {
        self.tell(format!("process {process} stops cleanly: {reason:?}"));
    }

    fn epoch(&self, epoch: u64) {
        self.tell(format!("epoch {epoch}"));
    }

    fn asked(&self, process: usize, number: u32, what: u8) {
        self.tell(format!("process {process} asks {number}: {what}"));
    }

    fn answered(&self, process: usize, number: u32, text: String) {
        self.tell(format!("process {process} answers {number}: {text}"));
    }

    fn steps(&self, process: usize, number: u32, text: String) {
        self.tell(format!("process {process} wants step {number}: {text}"));
    }

    fn stepped(&self, process: usize, number: u32, text: String) {
        self.tell(format!("process {process} took step {number}: {text}"));
    }

    fn lost(&self, process: usize, address: &str, why: &str) {
        self.tell(format!("process {process} at `{address}` {why}"));
    }
}

/// The next thing that was heard.
pub(super) fn next(heard: &Receiver<String>) -> String {
    heard.recv_timeout(LONG).expect("something is heard")
}

/// What else is heard until the handler is gone.
pub(super) fn rest(heard: &Receiver<String>) -> Vec<String> {
    heard.iter().collect()
}

/// The handshake of a process that connects.
pub(super) fn shake(address: &str, hello: &Hello) -> TcpStream {
    let mut socket = TcpStream::connect(address).expect("it listens");
    socket.write_all(&hello.encode()).expect("it listens");
    let mut bytes = Vec::new();
    let mut chunk = [0; 1024];
    loop {
        let read = socket.read(&mut chunk).expect("an answer");
        bytes.extend_from_slice(&chunk[..read]);
        if let Ok(Some((_, used))) = Hello::decode(&bytes)
            && let Ok(Some(verdict)) = Verdict::decode(&bytes[used..])
        {
            assert_eq!(verdict, Verdict::Welcome);
            break;
        }
    }
    socket.write_all(&[CONFIRM]).expect("open");
    socket
}
