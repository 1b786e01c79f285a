//! Accepting processes of a larger index.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::connect::{Local, Pair};
use super::dial::other_protocol;
use super::error::NetError;
use super::hello::{CONFIRM, Hello, Role, Unreadable, Verdict};

/// How long a connection may take for each step of the handshake.
const PATIENCE: Duration = Duration::from_secs(5);
/// Most connections in the handshake. The oldest gives way to a new one.
const MAX_PENDING: usize = 256;
/// The most that an honest process sends before it is answered.
const MAX_HELLO: usize = 128 << 10;

/// Accepts processes without waiting for any, so that strangers cannot hold up the start-up.
pub(super) struct Acceptor {
    local: Local,
    listener: TcpListener,
    pending: Vec<Pending>,
    /// By process: what has connected so far.
    halves: Vec<Half>,
}

/// The connections of a process, until both are there.
#[derive(Default)]
struct Half {
    /// Which start of the process they come from.
    instance: Option<u64>,
    /// Where they come from.
    from: String,
    data: Option<TcpStream>,
    control: Option<TcpStream>,
    /// A handle to the control connection, once both were handed over.
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
}

/// What became of a connection.
enum Step {
    Waiting,
    /// It is of no use.
    Dropped,
    /// It is complete.
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

    /// Moves all handshakes on as far as they go. Returns the processes that are complete.
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

    /// Makes room for `process` to connect again, unless its new start has begun to.
    pub(super) fn forget(&mut self, process: usize) {
        let half = &mut self.halves[process];
        if half.joined.is_some() {
            *half = Half::default();
        }
    }

    fn accept(&mut self) {
        // Other errors than that nobody waits concern one connection or pass by.
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
            });
        }
    }

    fn step(&self, pending: &mut Pending) -> Step {
        let open = pending.read();
        let Some(hello) = &pending.hello else {
            return match Hello::decode(&pending.bytes) {
                Ok(Some((hello, used))) if used == pending.bytes.len() => {
                    self.answer(pending, hello)
                }
                Ok(None) if open && Instant::now() < pending.until => Step::Waiting,
                Ok(_) | Err(Unreadable::Stranger) => Step::Dropped,
                Err(Unreadable::Protocol(other)) => {
                    let text = other_protocol(&format!("a process at `{}`", pending.from), other);
                    // It needs no more than the protocol of this process to say the same.
                    let own = self.local.hello(Role::Data, 0);
                    pending.send(&own, &Verdict::Refused(text.clone()));
                    Step::Refused(NetError::Refused(text))
                }
            };
        };
        match pending.bytes.as_slice() {
            [CONFIRM] => match self.refusal(hello, &pending.from) {
                None => Step::Ready,
                Some(_) => Step::Dropped,
            },
            [] if open && Instant::now() < pending.until => Step::Waiting,
            _ => Step::Dropped,
        }
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

    /// Why the cluster cannot start with the process that sent `hello`.
    fn misfit(&self, hello: &Hello, who: &str) -> Option<String> {
        let index = self.local.peers.index;
        if let Some(difference) = self.local.identity.difference(&hello.identity, who) {
            return Some(difference);
        }
        (hello.to != index).then(|| {
            format!(
                "{who} takes process {index} for process {}; give all processes the same list of addresses in the same order",
                hello.to
            )
        })
    }

    /// Why the process that sent `hello` cannot take part, though the cluster may start without it.
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

    /// Keeps a complete connection. Returns the process if it has both now.
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
        match hello.role {
            Role::Data => half.data = Some(pending.socket),
            Role::Control => half.control = Some(pending.socket),
        }
        if half.data.is_none() || half.control.is_none() {
            return None;
        }
        let (data, control) = (half.data.take()?, half.control.take()?);
        half.joined = control.try_clone().ok();
        Some((hello.from, Pair { data, control }))
    }
}

impl Half {
    /// Whether the process that the connections belong to still holds them.
    fn is_alive(&self) -> bool {
        let mut sockets = [&self.data, &self.control, &self.joined]
            .into_iter()
            .flatten();
        !sockets.any(|socket| match socket.peek(&mut [0]) {
            Ok(count) => count == 0,
            Err(error) => !waits(&error),
        })
    }
}

impl Pending {
    /// Reads what there is. False if no more can come.
    fn read(&mut self) -> bool {
        // After the hello, only the confirmation belongs to the handshake.
        let mut chunk = [0; 4096];
        let room = if self.hello.is_some() {
            1 - self.bytes.len().min(1)
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

    /// Sends the answer. It fits the system's buffer, else the peer is not reading.
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
