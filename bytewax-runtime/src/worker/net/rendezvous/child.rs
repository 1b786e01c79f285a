//! The child's side.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::super::error::NetError;
use super::super::message::StopReason;
use super::super::peers::Peers;
use super::super::text::reason;
use super::variable::{Meant, NAME, Variable};

/// How long a child without a parent may take to end.
const GRACE: Duration = Duration::from_secs(5);

/// The report of a child to its parent.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Report {
    /// The secret of the parent.
    pub(super) token: String,
    /// Index of the child.
    pub(super) index: usize,
    /// Where it listens.
    pub(super) address: String,
}

/// One of several processes that were started together on this machine.
#[derive(Debug)]
pub(crate) struct Child {
    /// All of these processes.
    pub(crate) peers: Peers,
    /// The listener on this process's address.
    pub(crate) listener: TcpListener,
    /// The link to the parent.
    pub(crate) link: Link,
}

/// A child's report of its end.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Cause {
    pub(super) text: String,
    /// Whether it follows from the end of another process, whose report may be more precise.
    pub(super) follows: bool,
}

/// The link from a child to its parent.
#[derive(Debug)]
pub(crate) struct Link(BufReader<TcpStream>);

/// Reports to the parent how a child failed.
#[derive(Debug)]
pub(crate) struct Reporter(TcpStream);

impl Reporter {
    /// Sends the text of an error to the parent. The parent prints the first one that it receives; one that
    /// follows from the end of another process only if it receives no other. Returns false if the parent is
    /// unreachable.
    pub(crate) fn report(&mut self, text: &str, follows: bool) -> bool {
        let cause = Cause {
            text: text.to_owned(),
            follows,
        };
        // Plain fields always have a JSON form, which fits one line.
        let mut line = serde_json::to_vec(&cause).unwrap_or_default();
        line.push(b'\n');
        self.0.write_all(&line).is_ok()
    }
}

/// If [`spawn_processes`](super::spawn_processes) started this process, connects to the others. Waits until
/// all have got this far.
pub(crate) fn child() -> Option<Result<Child, NetError>> {
    let value = std::env::var(NAME).ok()?;
    let Some(variable) = Variable::parse(&value) else {
        return Some(Err(NetError::Variable { value }));
    };
    match variable.meant() {
        Meant::Me => Some(meet(&variable)),
        Meant::Orphan => Some(Err(parent_gone(&variable, "it has ended"))),
        Meant::Ancestor => None,
    }
}

fn meet(variable: &Variable) -> Result<Child, NetError> {
    let gone = |error: std::io::Error| parent_gone(variable, &reason(&error));
    let setup = |error: std::io::Error| NetError::Setup {
        what: format!("the listener of process {}", variable.index),
        why: reason(&error),
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(setup)?;
    let address = listener.local_addr().map_err(setup)?.to_string();
    let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, variable.port)).map_err(gone)?;
    socket.set_nodelay(true).map_err(gone)?;
    let report = Report {
        token: variable.token.clone(),
        index: variable.index,
        address,
    };
    // Plain fields always have a JSON form.
    let mut line = serde_json::to_string(&report).unwrap_or_default();
    line.push('\n');
    socket.write_all(line.as_bytes()).map_err(gone)?;
    let mut link = BufReader::new(socket);
    let mut answer = String::new();
    link.read_line(&mut answer).map_err(gone)?;
    match serde_json::from_str::<Vec<String>>(&answer) {
        Ok(addresses) if addresses.len() == variable.count => Ok(Child {
            peers: Peers {
                index: variable.index,
                addresses,
            },
            listener,
            link: Link(link),
        }),
        _ => Err(parent_gone(
            variable,
            "it ended before all processes had started",
        )),
    }
}

fn parent_gone(variable: &Variable, why: &str) -> NetError {
    NetError::ParentGone {
        parent: variable.parent,
        why: why.to_owned(),
    }
}

impl Link {
    /// The sending half, because [`Self::watch`] consumes this one.
    pub(crate) fn reporter(&self) -> Result<Reporter, NetError> {
        let socket = self.0.get_ref();
        let writer = socket
            .set_write_timeout(Some(GRACE))
            .and_then(|()| socket.try_clone());
        writer.map(Reporter).map_err(|error| NetError::Setup {
            what: String::from("the link to the parent process"),
            why: reason(&error),
        })
    }

    /// Watches the parent in its own thread: calls `on_stop` when the parent requests a stop, and
    /// `on_parent_lost` when it is gone. Kills the process if it still runs 5 s later, so that none runs on
    /// unseen.
    pub(crate) fn watch(
        self,
        on_stop: impl Fn(StopReason) + Send + 'static,
        on_parent_lost: impl FnOnce() + Send + 'static,
    ) -> Result<(), NetError> {
        self.watch_within(GRACE, on_stop, on_parent_lost)
    }

    /// [`Link::watch`] with another time limit.
    pub(in super::super) fn watch_within(
        self,
        grace: Duration,
        on_stop: impl Fn(StopReason) + Send + 'static,
        on_parent_lost: impl FnOnce() + Send + 'static,
    ) -> Result<(), NetError> {
        let mut link = self.0;
        thread::Builder::new()
            .name(String::from("bytewax:parent"))
            .spawn(move || {
                let mut byte = [0];
                while link.read_exact(&mut byte).is_ok() {
                    if let Some(reason) = StopReason::from_code(byte[0]) {
                        on_stop(reason);
                    }
                }
                on_parent_lost();
                thread::sleep(grace);
                std::process::exit(1);
            })
            .map(drop)
            .map_err(|error| NetError::Setup {
                what: String::from("the thread that watches the parent process"),
                why: reason(&error),
            })
    }
}
