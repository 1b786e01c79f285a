//! Accepts processes with a larger index.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::cipher::{Cipher, ClusterKey, Handshake};
use super::connect::{Local, Pair};
use super::dial::other_protocol;
use super::error::NetError;
use super::hello::{
    CONFIRM, Hello, MAX_SEALED, PROLOGUE, REFUSED, Role, Unreadable, Verdict, clip, sealed,
    take_sealed_hello,
};
use super::wire::{SHORTEST, Wire};

/// How long a connection may take for each step of the handshake.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// The most connections in the handshake. A new one replaces the oldest.
pub(super) const MAX_PENDING: usize = 256;
/// The most bytes that an honest process sends before it receives an answer.
const MAX_HELLO: usize = 128 << 10;

/// Accepts processes without blocking, so that strangers cannot delay the start-up.
pub(super) struct Acceptor {
    local: Local,
    listener: TcpListener,
    pending: Vec<Pending>,
    /// The connections so far, by process.
    halves: Vec<Half>,
}

/// The connections of a process, until both are complete.
#[derive(Default)]
struct Half {
    /// The process start that they belong to.
    instance: Option<u64>,
    /// Their remote address.
    from: String,
    data: Option<Wire>,
    control: Option<Wire>,
    /// A handle to the control connection, after both were handed over.
    joined: Option<TcpStream>,
}

/// A connection in the handshake.
struct Pending {
    socket: TcpStream,
    from: String,
    until: Instant,
    bytes: Vec<u8>,
    /// The hello, once it is answered.
    hello: Option<Hello>,
    /// The ciphers, once a sealed hello is answered.
    cipher: Option<Cipher>,
    /// Why the cluster cannot start with the sender of a sealed hello. That counts when the sender has shown that
    /// the hello is not an old one that somebody has recorded.
    misfit: Option<String>,
}

/// The result of a handshake step.
enum Step {
    Waiting,
    /// The connection is useless.
    Dropped,
    /// The connection is complete.
    Ready,
    /// The cluster cannot start.
    Refused(NetError),
}

impl Acceptor {
    /// Takes over the listener.
    pub(super) fn new(local: Local, listener: TcpListener) -> Result<Self, NetError> {
        listener
            .set_nonblocking(true)
            .map_err(|error| local.peers.cannot_listen(&error))?;
        let halves = local
            .peers
            .addresses
            .iter()
            .map(|_| Half::default())
            .collect();
        Ok(Self {
            local,
            listener,
            pending: Vec::new(),
            halves,
        })
    }

    /// Advances all handshakes as far as possible. Returns the processes that are complete.
    pub(super) fn poll(&mut self) -> Result<Vec<(usize, Pair)>, NetError> {
        self.accept();
        let mut ready = Vec::new();
        for mut pending in std::mem::take(&mut self.pending) {
            match self.step(&mut pending) {
                Step::Waiting => self.pending.push(pending),
                Step::Dropped => {}
                Step::Ready => ready.extend(self.take(pending)),
                Step::Refused(error) => return Err(error),
            }
        }
        Ok(ready)
    }

    /// Lets `process` connect again, unless its new start has begun to.
    pub(super) fn forget(&mut self, process: usize) {
        let half = &mut self.halves[process];
        if half.joined.is_some() {
            *half = Half::default();
        }
    }

    fn accept(&mut self) {
        // Errors other than "would block" concern one connection or are temporary.
        while let Ok((socket, from)) = self.listener.accept() {
            if socket.set_nonblocking(true).is_err() || socket.set_nodelay(true).is_err() {
                continue;
            }
            if self.pending.len() == MAX_PENDING {
                self.pending.remove(0);
            }
            self.pending.push(Pending {
                socket,
                from: from.to_string(),
                until: Instant::now() + PATIENCE,
                bytes: Vec::new(),
                hello: None,
                cipher: None,
                misfit: None,
            });
        }
    }

    fn step(&self, pending: &mut Pending) -> Step {
        let open = pending.read();
        if let (None, Some(key)) = (&pending.hello, &self.local.key) {
            return self.open(pending, key, open);
        }
        let Some(hello) = &pending.hello else {
            return match Hello::decode(&pending.bytes) {
                Ok(Some((hello, used))) if used == pending.bytes.len() => {
                    self.answer(pending, hello)
                }
                Ok(None) if open && Instant::now() < pending.until => Step::Waiting,
                Ok(_) | Err(Unreadable::Stranger) => Step::Dropped,
                Err(Unreadable::Protocol(other)) => {
                    let text = other_protocol(&format!("a process at `{}`", pending.from), other);
                    // The protocol of this process is enough for the peer to report the same.
                    let own = self.local.hello(Role::Data, 0);
                    pending.send(&own, &Verdict::Refused(text.clone()));
                    Step::Refused(NetError::Refused(text))
                }
            };
        };
        let word = Wire::open_first(pending.cipher.as_ref(), &pending.bytes);
        match (word.as_ref().map(Option::as_deref), &pending.misfit) {
            (Ok(Some([CONFIRM | REFUSED])), Some(text)) => {
                Step::Refused(NetError::Refused(text.clone()))
            }
            (Ok(Some([CONFIRM])), None) => match self.refusal(hello, &pending.from) {
                None => Step::Ready,
                Some(_) => Step::Dropped,
            },
            (Ok(None), _) if open && Instant::now() < pending.until => Step::Waiting,
            _ => Step::Dropped,
        }
    }

    /// Opens and answers a sealed hello. Whoever does not know the key of the cluster is dropped before anything
    /// that takes time.
    fn open(&self, pending: &mut Pending, key: &ClusterKey, open: bool) -> Step {
        let message = match take_sealed_hello(&pending.bytes) {
            Ok(Some(message)) => message,
            Ok(None) if open && Instant::now() < pending.until => return Step::Waiting,
            Ok(None) | Err(_) => return Step::Dropped,
        };
        let Some(mut handshake) = Handshake::responder(key, PROLOGUE) else {
            return Step::Dropped;
        };
        let hello = handshake.read(message);
        let Some(Ok(Some((hello, _)))) = hello.map(|hello| Hello::decode(&hello)) else {
            tracing::debug!(from = pending.from, "a stranger was refused");
            return Step::Dropped;
        };
        let who = self.local.peers.who(hello.from);
        let misfit = self.misfit(&hello, &who);
        let refusal = misfit
            .clone()
            .or_else(|| self.refusal(&hello, &pending.from));
        let verdict = match refusal {
            Some(text) => Verdict::Refused(clip(&text, MAX_SEALED).to_owned()),
            None => Verdict::Welcome,
        };
        let is_refused = verdict != Verdict::Welcome;
        let mut answer = self.local.hello(hello.role, hello.from).encode();
        verdict.encode(&mut answer);
        let Some(answer) = handshake.write(&answer) else {
            return Step::Dropped;
        };
        if pending.socket.write_all(&sealed(&answer)).is_err() || is_refused && misfit.is_none() {
            return Step::Dropped;
        }
        pending.cipher = handshake.finish();
        pending.misfit = misfit;
        pending.bytes.clear();
        pending.until = Instant::now() + PATIENCE;
        pending.hello = Some(hello);
        Step::Waiting
    }

    /// Answers a hello.
    fn answer(&self, pending: &mut Pending, hello: Hello) -> Step {
        let who = self.local.peers.who(hello.from);
        let own = self.local.hello(hello.role, hello.from);
        if let Some(text) = self.misfit(&hello, &who) {
            pending.send(&own, &Verdict::Refused(text.clone()));
            return Step::Refused(NetError::Refused(text));
        }
        if let Some(text) = self.refusal(&hello, &pending.from) {
            pending.send(&own, &Verdict::Refused(text));
            return Step::Dropped;
        }
        if !pending.send(&own, &Verdict::Welcome) {
            return Step::Dropped;
        }
        pending.bytes.clear();
        pending.until = Instant::now() + PATIENCE;
        pending.hello = Some(hello);
        Step::Waiting
    }

    /// Why the cluster cannot start with the sender of `hello`.
    fn misfit(&self, hello: &Hello, who: &str) -> Option<String> {
        let index = self.local.peers.index;
        if let Some(difference) = self.local.identity.difference(&hello.identity, who) {
            return Some(difference);
        }
        (hello.to != index).then(|| {
            format!(
                "{who} expects process {} at the address of process {index}; give all processes the same list of addresses in the same order",
                hello.to
            )
        })
    }

    /// Why the sender of `hello` cannot take part, though the cluster may start without it.
    fn refusal(&self, hello: &Hello, from: &str) -> Option<String> {
        let index = self.local.peers.index;
        if hello.from <= index || hello.from >= self.halves.len() {
            return Some(format!(
                "a process at `{from}` with the id `{}` connected to process {index}; give each process its own id",
                hello.from
            ));
        }
        let half = &self.halves[hello.from];
        let other = half
            .instance
            .is_some_and(|instance| instance != hello.instance);
        (other && half.is_alive()).then(|| {
            format!(
                "another process with the id `{}` is connected from `{}`; give each process its own id",
                hello.from, half.from
            )
        })
    }

    /// Stores a complete connection. Returns the process if it now has both.
    fn take(&mut self, pending: Pending) -> Option<(usize, Pair)> {
        let hello = pending.hello?;
        let half = &mut self.halves[hello.from];
        if half.instance != Some(hello.instance) {
            *half = Half {
                instance: Some(hello.instance),
                from: pending.from,
                ..Half::default()
            };
        }
        let wire = match pending.cipher {
            Some(cipher) => Wire::after_first(pending.socket, cipher),
            None => Wire::plain(pending.socket),
        };
        match hello.role {
            Role::Data => half.data = Some(wire),
            Role::Control => half.control = Some(wire),
        }
        if half.data.is_none() || half.control.is_none() {
            return None;
        }
        let (data, control) = (half.data.take()?, half.control.take()?);
        half.joined = control.socket.try_clone().ok();
        Some((hello.from, Pair { data, control }))
    }
}

impl Half {
    /// Whether the process at the other end still holds the connections.
    fn is_alive(&self) -> bool {
        let wires = [&self.data, &self.control].into_iter().flatten();
        let mut sockets = wires.map(|wire| &wire.socket).chain(&self.joined);
        !sockets.any(|socket| match socket.peek(&mut [0]) {
            Ok(count) => count == 0,
            Err(error) => !waits(&error),
        })
    }
}

impl Pending {
    /// Reads the available bytes. Returns false if no more can come.
    fn read(&mut self) -> bool {
        // After the hello, the handshake contains only the confirmation.
        let mut chunk = [0; 4096];
        let confirmation = if self.cipher.is_some() { SHORTEST } else { 1 };
        let room = if self.hello.is_some() {
            confirmation.saturating_sub(self.bytes.len())
        } else {
            chunk.len()
        };
        if room == 0 {
            return true;
        }
        loop {
            match self.socket.read(&mut chunk[..room]) {
                Ok(0) => return false,
                Ok(read) => self.bytes.extend_from_slice(&chunk[..read]),
                Err(error) => return waits(&error),
            }
            if self.hello.is_some() {
                return true;
            }
            if self.bytes.len() > MAX_HELLO {
                return false;
            }
        }
    }

    /// Sends the answer. It fits the system's buffer, unless the peer is not reading.
    fn send(&mut self, hello: &Hello, verdict: &Verdict) -> bool {
        let mut bytes = hello.encode();
        verdict.encode(&mut bytes);
        self.socket.write_all(&bytes).is_ok()
    }
}

fn waits(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}
