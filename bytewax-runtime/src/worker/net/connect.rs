//! Connects the processes of a cluster.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use super::accept::Acceptor;
use super::cipher::ClusterKey;
use super::control::Control;
use super::data::DataStream;
use super::dial::{Dial, Dialed};
use super::error::{Missing, NetError};
use super::hello::{Hello, Role};
use super::identity::Identity;
use super::message::Message;
use super::peers::Peers;
use super::text::reason;
use super::timing::Timing;
use super::wire::Wire;

/// How often the start-up checks for news.
const POLL: Duration = Duration::from_millis(10);
/// Room for the longest message and some short ones before it.
const PEEK: usize = 256 << 10;

/// The connections of a process to all others.
pub(crate) struct Connections {
    /// For timely, by process; `None` for this process.
    pub(crate) data: Vec<Option<DataStream>>,
    /// For everything else.
    pub(crate) control: Control,
}

/// Both connections to a process.
pub(super) struct Pair {
    /// Carries timely's messages.
    pub(super) data: Wire,
    /// Carries everything else.
    pub(super) control: Wire,
}

/// The identity of this process for the others.
#[derive(Debug, Clone)]
pub(super) struct Local {
    /// The index of this process and the addresses of all.
    pub(super) peers: Peers,
    /// The settings that all must agree on.
    pub(super) identity: Identity,
    /// A random number for each start.
    pub(super) instance: u64,
    /// The key of the cluster; without one, connections are neither authenticated nor encrypted.
    pub(super) key: Option<ClusterKey>,
}

impl Local {
    /// The hello to process `to`.
    pub(super) fn hello(&self, role: Role, to: usize) -> Hello {
        Hello {
            role,
            from: self.peers.index,
            to,
            instance: self.instance,
            identity: self.identity.clone(),
        }
    }
}

/// Connects this process with all others of the cluster.
///
/// Listens on its own address, or on `listener`, for processes with a larger index, and connects to those
/// with a smaller one. Gives up after `limit`, or when `stopping` returns true. A process that is silent for
/// `silence` later is lost.
pub(crate) fn connect(
    peers: &Peers,
    listener: Option<TcpListener>,
    (identity, key): (&Identity, Option<&ClusterKey>),
    (limit, silence): (Duration, Duration),
    stopping: &dyn Fn() -> bool,
) -> Result<Connections, NetError> {
    let timing = Timing::new(silence, limit);
    connect_with(peers, listener, (identity, key), limit, stopping, timing)
}

/// [`connect`] with other time limits.
pub(super) fn connect_with(
    peers: &Peers,
    listener: Option<TcpListener>,
    (identity, key): (&Identity, Option<&ClusterKey>),
    limit: Duration,
    stopping: &dyn Fn() -> bool,
    timing: Timing,
) -> Result<Connections, NetError> {
    peers.check()?;
    let listener = match listener {
        Some(listener) => listener,
        None => peers.listen()?,
    };
    let local = Local {
        peers: peers.clone(),
        identity: identity.clone(),
        instance: RandomState::new().build_hasher().finish(),
        key: key.cloned(),
    };
    let mut startup = Startup::new(local, listener)?;
    match startup.run(limit, stopping) {
        Ok(()) => startup.finish(timing),
        Err(error) => {
            startup.give_up(&error);
            Err(error)
        }
    }
}

/// The connections so far.
struct Startup {
    local: Local,
    acceptor: Acceptor,
    /// By process; `None` for this one.
    pairs: Vec<Option<Pair>>,
    /// The connection attempts to processes with a smaller index.
    dials: Vec<Dial>,
    news: (Sender<Dialed>, Receiver<Dialed>),
    /// A buffer for peeked bytes.
    peeked: Vec<u8>,
}

impl Startup {
    fn new(local: Local, listener: TcpListener) -> Result<Self, NetError> {
        let acceptor = Acceptor::new(local.clone(), listener)?;
        let pairs = local.peers.addresses.iter().map(|_| None).collect();
        let news = channel();
        let dials = (0..local.peers.index)
            .map(|process| Dial::start(&local, process, news.0.clone()))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            local,
            acceptor,
            pairs,
            dials,
            news,
            peeked: vec![0; PEEK],
        })
    }

    fn run(&mut self, limit: Duration, stopping: &dyn Fn() -> bool) -> Result<(), NetError> {
        let start = Instant::now();
        loop {
            for (process, pair) in self.acceptor.poll()? {
                self.pairs[process] = Some(pair);
            }
            self.check_pairs()?;
            if self.missing().next().is_none() {
                return Ok(());
            }
            if stopping() {
                return Err(NetError::Stopped);
            }
            if start.elapsed() >= limit {
                let missing = self
                    .missing()
                    .map(|process| self.describe(process))
                    .collect();
                return Err(NetError::NotUp { missing, limit });
            }
            match self.news.1.recv_timeout(POLL) {
                Ok(Dialed::Connected(process, pair)) => self.pairs[process] = Some(*pair),
                Ok(Dialed::Refused(error)) => return Err(error),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
        }
    }

    fn missing(&self) -> impl Iterator<Item = usize> {
        let own = self.local.peers.index;
        (0..self.pairs.len())
            .filter(move |&process| process != own && self.pairs[process].is_none())
    }

    fn describe(&self, process: usize) -> Missing {
        let why = match self.dials.get(process) {
            Some(dial) => dial.why(),
            None => String::from("it has not connected to this process"),
        };
        Missing {
            process,
            address: self.local.peers.addresses[process].clone(),
            why,
        }
    }

    /// Checks for processes that have disconnected. They may return before the limit.
    fn check_pairs(&mut self) -> Result<(), NetError> {
        for process in 0..self.pairs.len() {
            let Some(pair) = &self.pairs[process] else {
                continue;
            };
            match look(&pair.control, &mut self.peeked) {
                Look::Fine => {}
                Look::GaveUp(text) => {
                    let who = self.local.peers.who(process);
                    return Err(NetError::PeerFailed(format!(
                        "{who} gave up the start-up of the cluster: {text}"
                    )));
                }
                Look::Gone => {
                    self.pairs[process] = None;
                    if process < self.local.peers.index {
                        self.dials[process] =
                            Dial::start(&self.local, process, self.news.0.clone())?;
                    } else {
                        self.acceptor.forget(process);
                    }
                }
            }
        }
        Ok(())
    }

    fn finish(self, timing: Timing) -> Result<Connections, NetError> {
        let setup = |error: std::io::Error| NetError::Setup {
            what: String::from("the connections of the cluster"),
            why: reason(&error),
        };
        let mut data = Vec::with_capacity(self.pairs.len());
        let mut controls = Vec::with_capacity(self.pairs.len());
        for (process, pair) in self.pairs.into_iter().enumerate() {
            let Some(Pair {
                data: socket,
                control,
            }) = pair
            else {
                data.push(None);
                continue;
            };
            let (socket, ways) = socket.split();
            for socket in [&socket, &control.socket] {
                socket.set_nonblocking(false).map_err(setup)?;
                socket.set_read_timeout(None).map_err(setup)?;
                socket.set_write_timeout(None).map_err(setup)?;
            }
            let (stream, link) = DataStream::new(socket, ways).map_err(setup)?;
            data.push(Some(stream));
            controls.push((process, control, link));
        }
        let Peers { index, addresses } = &self.local.peers;
        let control = Control::new(*index, addresses, controls, timing)?;
        Ok(Connections { data, control })
    }

    /// Sends the connected processes the reason why the cluster does not start.
    fn give_up(&mut self, error: &NetError) {
        let process = self.local.peers.index;
        let mut bytes = Vec::new();
        Message::Failed {
            process,
            place: None,
            text: error.to_string(),
        }
        .encode(&mut bytes);
        for pair in self.pairs.iter_mut().flatten() {
            let Wire { socket, sealer, .. } = &mut pair.control;
            // An unreachable process sees the end of the connection.
            let _ = sealer.write_all(socket, &bytes);
        }
    }
}

/// What a look at a connected process shows before the control connections start.
enum Look {
    Fine,
    Gone,
    GaveUp(String),
}

/// Peeks at the bytes that a process has sent. They stay for the reader of the control connection.
fn look(control: &Wire, bytes: &mut [u8]) -> Look {
    let plain = match peek(&control.socket, bytes) {
        None => return Look::Fine,
        Some(0) => return Look::Gone,
        Some(count) => control.opener.peek(&bytes[..count]),
    };
    let mut rest: &[u8] = &plain;
    while let Ok(Some((message, used))) = Message::decode(rest) {
        rest = &rest[used..];
        match message {
            Message::Failed { text, .. } => return Look::GaveUp(text),
            Message::Stop { .. } => return Look::GaveUp(String::from("it was stopped")),
            Message::Lost { process, why, .. } => {
                return Look::GaveUp(format!("process {process} {why}"));
            }
            Message::Credit { .. }
            | Message::Epoch(_)
            | Message::Ask { .. }
            | Message::Answer { .. }
            | Message::Step { .. }
            | Message::Stepped { .. }
            | Message::CleanStop { .. }
            | Message::Heartbeat
            | Message::Bye => {}
        }
    }
    Look::Fine
}

/// The number of available bytes, `None` at the end of the connection.
fn peek(control: &TcpStream, bytes: &mut [u8]) -> Option<usize> {
    match control.peek(bytes) {
        Ok(count) => Some(count),
        Err(error) => match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => None,
            _ => Some(0),
        },
    }
}
