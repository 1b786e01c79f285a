//! Connects to a process with a smaller index.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::cipher::{ClusterKey, Handshake, LONGEST};
use super::connect::{Local, Pair};
use super::error::NetError;
use super::hello::{
    CONFIRM, Hello, PROLOGUE, PROTOCOL, REFUSED, Role, Unreadable, Verdict, sealed_hello,
    take_sealed,
};
use super::sync::lock;
use super::text::reason;
use super::wire::Wire;

/// The pause after the first failure. It doubles up to the longest pause.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// How long one attempt to reach an address may take.
const ATTEMPT: Duration = Duration::from_secs(5);
/// How long the other process may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// The result of the attempts to connect to a process.
pub(super) enum Dialed {
    /// They succeeded.
    Connected(usize, Box<Pair>),
    /// Further attempts are useless.
    Refused(NetError),
}

/// The attempts to connect to a process, in their own thread that returns this value.
pub(super) struct Dial {
    why: Arc<Mutex<String>>,
    cancelled: Arc<AtomicBool>,
}

impl Dial {
    /// Starts connecting to `process`.
    pub(super) fn start(
        local: &Local,
        process: usize,
        news: Sender<Dialed>,
    ) -> Result<Self, NetError> {
        let why = Arc::new(Mutex::new(String::from("it has not answered yet")));
        let cancelled = Arc::new(AtomicBool::new(false));
        let dial = Self {
            why: Arc::clone(&why),
            cancelled: Arc::clone(&cancelled),
        };
        let attempts = Attempts {
            local: local.clone(),
            process,
            why,
            cancelled,
        };
        // The thread may hang in the system for some seconds. Nobody waits for it.
        thread::Builder::new()
            .name(format!("bytewax:connect-{process}"))
            .spawn(move || {
                if let Some(end) = attempts.run() {
                    // Nobody receives after the start-up was abandoned.
                    let _ = news.send(end);
                }
            })
            .map_err(|error| NetError::Setup {
                what: format!("the thread that connects to process {process}"),
                why: reason(&error),
            })?;
        Ok(dial)
    }

    /// Why no connection exists yet.
    pub(super) fn why(&self) -> String {
        lock(&self.why).clone()
    }
}

impl Drop for Dial {
    fn drop(&mut self) {
        self.cancelled.store(true, Ordering::SeqCst);
    }
}

/// Why an attempt failed.
enum Failure {
    /// The next one may succeed.
    Retry(String),
    /// None will.
    Refused(NetError),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Retry(match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => String::from("no answer"),
            _ => reason(&error),
        })
    }
}

struct Attempts {
    local: Local,
    process: usize,
    why: Arc<Mutex<String>>,
    cancelled: Arc<AtomicBool>,
}

impl Attempts {
    fn run(&self) -> Option<Dialed> {
        let mut pause = FIRST_PAUSE;
        while !self.cancelled.load(Ordering::SeqCst) {
            match self.attempt() {
                Ok(pair) => return Some(Dialed::Connected(self.process, Box::new(pair))),
                Err(Failure::Refused(error)) => return Some(Dialed::Refused(error)),
                Err(Failure::Retry(why)) => *lock(&self.why) = why,
            }
            thread::sleep(pause);
            pause = (2 * pause).min(LONGEST_PAUSE);
        }
        None
    }

    fn attempt(&self) -> Result<Pair, Failure> {
        let data = self.open(Role::Data)?;
        let control = self.open(Role::Control)?;
        // The start-up polls it.
        control.socket.set_nonblocking(true)?;
        Ok(Pair { data, control })
    }

    fn open(&self, role: Role) -> Result<Wire, Failure> {
        let mut socket = reach(&self.local.peers.addresses[self.process])?;
        socket.set_nodelay(true)?;
        socket.set_write_timeout(Some(ANSWER))?;
        if let Some(key) = &self.local.key {
            return self.open_sealed(role, socket, key);
        }
        socket.write_all(&self.local.hello(role, self.process).encode())?;
        self.read_answer(&mut socket)?;
        if self.cancelled.load(Ordering::SeqCst) {
            return Err(Failure::Retry(String::from("given up")));
        }
        socket.write_all(&[CONFIRM])?;
        Ok(Wire::plain(socket))
    }

    /// The same with the key of the cluster. Until the answer is opened, the other end may be anybody, so nothing
    /// that it sends ends the attempts.
    fn open_sealed(
        &self,
        role: Role,
        mut socket: TcpStream,
        key: &ClusterKey,
    ) -> Result<Wire, Failure> {
        let stranger = || {
            let why = "another program answers, or a process with another cluster secret";
            Failure::Retry(String::from(why))
        };
        let mut handshake = Handshake::initiator(key, PROLOGUE).ok_or_else(stranger)?;
        let hello = self.local.hello(role, self.process).encode();
        let message = handshake.write(&hello).ok_or_else(stranger)?;
        socket.write_all(&sealed_hello(&message))?;
        let answer = read_sealed(&mut socket)?;
        let answer = handshake.read(&answer).ok_or_else(stranger)?;
        let cipher = handshake.finish().ok_or_else(stranger)?;
        let mut wire = Wire::new(socket, Some(cipher));
        let verdict = self.judge(&answer);
        let word = if verdict.is_ok() { CONFIRM } else { REFUSED };
        if self.cancelled.load(Ordering::SeqCst) {
            return Err(Failure::Retry(String::from("given up")));
        }
        // The other process learns from a refusal that this one is there.
        let Wire { socket, sealer, .. } = &mut wire;
        sealer.write_all(&*socket, &[word])?;
        verdict.map(|()| wire)
    }

    /// The answer of a process that knows the secret.
    fn judge(&self, answer: &[u8]) -> Result<(), Failure> {
        let wrong = || Failure::Retry(String::from("its answer is not complete"));
        let hello = Hello::decode(answer).map_err(|error| self.unreadable(&error))?;
        let (hello, used) = hello.ok_or_else(wrong)?;
        self.check(&hello)?;
        let verdict = Verdict::decode(&answer[used..]).map_err(|error| self.unreadable(&error))?;
        match verdict.ok_or_else(wrong)? {
            Verdict::Welcome => Ok(()),
            Verdict::Refused(text) => {
                let who = self.local.peers.who(self.process);
                Err(refused(format!("{who} refused this process: {text}")))
            }
        }
    }

    fn read_answer(&self, socket: &mut TcpStream) -> Result<(), Failure> {
        let until = Instant::now() + ANSWER;
        let mut bytes = Vec::new();
        let mut hello_ends = None;
        loop {
            if hello_ends.is_none()
                && let Some((hello, used)) =
                    Hello::decode(&bytes).map_err(|e| self.unreadable(&e))?
            {
                self.check(&hello)?;
                hello_ends = Some(used);
            }
            if let Some(used) = hello_ends {
                match Verdict::decode(&bytes[used..]).map_err(|e| self.unreadable(&e))? {
                    Some(Verdict::Welcome) => return Ok(()),
                    Some(Verdict::Refused(text)) => {
                        let who = self.local.peers.who(self.process);
                        return Err(refused(format!("{who} refused this process: {text}")));
                    }
                    None => {}
                }
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::Error::from(io::ErrorKind::TimedOut).into());
            }
            socket.set_read_timeout(Some(left))?;
            let mut chunk = [0; 1024];
            match socket.read(&mut chunk) {
                Ok(0) => {
                    let why = "it closed the connection before it answered";
                    return Err(Failure::Retry(String::from(why)));
                }
                Ok(read) => bytes.extend_from_slice(&chunk[..read]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn check(&self, hello: &Hello) -> Result<(), Failure> {
        let Local {
            peers, identity, ..
        } = &self.local;
        let who = peers.who(self.process);
        if let Some(difference) = identity.difference(&hello.identity, &who) {
            return Err(refused(difference));
        }
        if hello.from != self.process {
            return Err(refused(format!(
                "the address `{}` of process {} is answered by process {}; give all processes the same list of addresses in the same order",
                peers.addresses[self.process], self.process, hello.from
            )));
        }
        Ok(())
    }

    fn unreadable(&self, error: &Unreadable) -> Failure {
        let address = &self.local.peers.addresses[self.process];
        refused(match error {
            Unreadable::Stranger => format!(
                "another program answers at the address `{address}` of process {}; correct the address, or free the port for the process",
                self.process
            ),
            Unreadable::Protocol(other) => {
                other_protocol(&self.local.peers.who(self.process), *other)
            }
        })
    }
}

/// Reads the sealed answer to a hello.
fn read_sealed(socket: &mut TcpStream) -> Result<Vec<u8>, Failure> {
    let until = Instant::now() + ANSWER;
    let mut bytes = Vec::new();
    loop {
        if let Some(message) = take_sealed(&bytes) {
            return Ok(message.to_vec());
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || bytes.len() > 2 * LONGEST {
            return Err(io::Error::from(io::ErrorKind::TimedOut).into());
        }
        socket.set_read_timeout(Some(left))?;
        let mut chunk = [0; 4096];
        match socket.read(&mut chunk) {
            Ok(0) => {
                let why = "it closed the connection before it answered: does it have the same cluster secret?";
                return Err(Failure::Retry(String::from(why)));
            }
            Ok(read) => bytes.extend_from_slice(&chunk[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn refused(text: String) -> Failure {
    Failure::Refused(NetError::Refused(text))
}

/// The message for a process `who` with another protocol.
pub(super) fn other_protocol(who: &str, other: u16) -> String {
    format!(
        "{who} speaks protocol `{other}` of the cluster, this process speaks `{PROTOCOL}`; build all processes of a cluster from the same release"
    )
}

/// Connects to the first responding socket address of `address`.
fn reach(address: &str) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for place in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&place, ATTEMPT) {
            // Without a listener, a port of this machine can be connected to itself.
            Ok(socket) if socket.local_addr()? == socket.peer_addr()? => {
                last = io::Error::new(io::ErrorKind::ConnectionRefused, "connection refused");
            }
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}
