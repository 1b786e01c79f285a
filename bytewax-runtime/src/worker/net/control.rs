//! The control connections of a process.

use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::data::Link;
use super::error::NetError;
use super::message::{Message, StopReason};
use super::outbox::Outbox;
use super::sync::lock;
use super::text::reason;
use super::told::{News, Told};
use super::{reader, writer};

/// Takes what other processes say. Called from the threads that read; must not end the control.
pub(crate) trait Handler: Send + Sync {
    /// Process `process` has failed. Called once per process.
    fn failed(&self, process: usize, step: Option<&str>, text: &str);
    /// Process `process` was asked to stop, and with it the cluster. Called once.
    fn stopped(&self, process: usize, reason: StopReason);
    /// Worker `worker` may take `items` more items on edge `edge`.
    fn credit(&self, edge: u32, worker: u32, items: u64);
    /// A process was lost: "process {process} at `{address}` {why}". Called once, and not when the
    /// cluster is ending for another cause.
    fn lost(&self, process: usize, address: &str, why: &str);
}

/// The control connections to all other processes.
pub(crate) struct Control {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// The spans of time that the control connections know.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timing {
    /// From one sign of life to the next.
    pub(super) heartbeat: Duration,
    /// After how much silence a peer is lost.
    pub(super) silence: Duration,
    /// How often a reader looks up.
    pub(super) tick: Duration,
    /// How long a peer whose data connection is lost may take to say why.
    pub(super) data_grace: Duration,
    /// How long the last words may take to get into the network.
    pub(super) flush: Duration,
    /// How long the peers of a failed process may take to leave.
    pub(super) leave: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(5),
            silence: Duration::from_secs(60),
            tick: Duration::from_millis(250),
            data_grace: Duration::from_secs(1),
            flush: Duration::from_secs(1),
            leave: Duration::from_secs(1),
        }
    }
}

/// The control connection to one process.
pub(super) struct Peer {
    pub(super) process: usize,
    pub(super) socket: TcpStream,
    pub(super) outbox: Outbox,
    pub(super) link: Arc<Link>,
}

/// What the threads of the control connections share.
pub(super) struct Shared {
    pub(super) process: usize,
    addresses: Vec<String>,
    peers: Vec<Arc<Peer>>,
    pub(super) handler: OnceLock<Arc<dyn Handler>>,
    pub(super) timing: Timing,
    told: Mutex<Told>,
    closing: AtomicBool,
    done: Mutex<Done>,
    changed: Condvar,
}

/// How many threads have come to their end.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) readers: usize,
    pub(super) writers: usize,
}

impl Shared {
    /// Whether this process ends the connections itself.
    pub(super) fn closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }

    /// Counts the end of a thread.
    pub(super) fn done(&self, count: impl FnOnce(&mut Done)) {
        count(&mut lock(&self.done));
        self.changed.notify_all();
    }

    /// Takes a word about the end of the cluster, and passes the first one on. `from` is the peer
    /// that said it or was lost; words of this process have none and are not handled here.
    pub(super) fn hear(&self, message: Message, from: Option<usize>) {
        let noticed = matches!(message, Message::Lost { by, .. } if by == self.process);
        let news = lock(&self.told).hear(&message);
        self.done(|_| {});
        if news == News::Old {
            return;
        }
        if news == News::First || from.is_none() {
            for peer in self
                .peers
                .iter()
                .filter(|peer| noticed || Some(peer.process) != from)
            {
                peer.outbox.push(message.clone());
            }
        }
        let (Some(handler), Some(_)) = (self.handler.get(), from) else {
            return;
        };
        match message {
            Message::Failed {
                process,
                step,
                text,
            } => {
                handler.failed(process, step.as_deref(), &text);
            }
            Message::Stop { process, reason } => handler.stopped(process, reason),
            Message::Lost { process, by, .. } if process == self.process => {
                handler.lost(
                    by,
                    self.address(by),
                    "has lost the connection to this process",
                );
            }
            Message::Lost { process, why, .. } => {
                handler.lost(process, self.address(process), &why);
            }
            Message::Credit { .. } | Message::Heartbeat | Message::Bye => {}
        }
    }

    fn address(&self, process: usize) -> &str {
        self.addresses.get(process).map_or("", String::as_str)
    }

    /// Waits at most `limit` until `ready`.
    fn wait(&self, limit: Duration, ready: impl Fn(&Done) -> bool) -> bool {
        let (done, _) = self
            .changed
            .wait_timeout_while(lock(&self.done), limit, |done| !ready(done))
            .unwrap_or_else(PoisonError::into_inner);
        ready(&done)
    }
}

impl Control {
    /// Takes the connections over and begins to give signs of life.
    pub(super) fn new(
        process: usize,
        addresses: &[String],
        sockets: Vec<(usize, TcpStream, Arc<Link>)>,
        timing: Timing,
    ) -> Result<Self, NetError> {
        let setup = |error: std::io::Error| NetError::Setup {
            what: String::from("a control connection"),
            why: reason(&error),
        };
        let mut peers = Vec::with_capacity(sockets.len());
        for (process, socket, link) in sockets {
            socket.set_read_timeout(Some(timing.tick)).map_err(setup)?;
            peers.push(Arc::new(Peer {
                process,
                socket,
                outbox: Outbox::default(),
                link,
            }));
        }
        let shared = Arc::new(Shared {
            process,
            addresses: addresses.to_vec(),
            peers,
            handler: OnceLock::new(),
            timing,
            told: Mutex::default(),
            closing: AtomicBool::new(false),
            done: Mutex::default(),
            changed: Condvar::new(),
        });
        let control = Self {
            shared,
            threads: Mutex::default(),
        };
        for peer in &control.shared.peers {
            control.spawn("write", peer, writer::write)?;
        }
        Ok(control)
    }

    /// Begins to listen to the other processes. The first handler stays.
    pub(crate) fn start(&self, handler: Arc<dyn Handler>) -> Result<(), NetError> {
        if self.shared.handler.set(handler).is_ok() {
            for peer in &self.shared.peers {
                self.spawn("read", peer, reader::read)?;
            }
        }
        Ok(())
    }

    fn spawn(
        &self,
        what: &str,
        peer: &Arc<Peer>,
        body: fn(&Shared, &Peer),
    ) -> Result<(), NetError> {
        let (shared, own) = (Arc::clone(&self.shared), Arc::clone(peer));
        let thread = thread::Builder::new()
            .name(format!("bytewax:{what}-{}", peer.process))
            .spawn(move || body(&shared, &own))
            .map_err(|error| NetError::Setup {
                what: format!(
                    "the thread of the control connection to process {}",
                    peer.process
                ),
                why: reason(&error),
            })?;
        lock(&self.threads).push(thread);
        Ok(())
    }

    /// Tells all processes that this one has failed.
    pub(crate) fn failed(&self, step: Option<&str>, text: &str) {
        let (step, text) = (step.map(String::from), text.to_owned());
        self.shared.hear(
            Message::Failed {
                process: self.shared.process,
                step,
                text,
            },
            None,
        );
    }

    /// Tells all processes to stop.
    pub(crate) fn stop(&self, reason: StopReason) {
        self.shared.hear(
            Message::Stop {
                process: self.shared.process,
                reason,
            },
            None,
        );
    }

    /// Tells `process` that its worker `worker` may send `items` more items on `edge`. Never waits.
    pub(crate) fn credit(&self, process: usize, edge: u32, worker: u32, items: u64) {
        if let Some(peer) = self
            .shared
            .peers
            .iter()
            .find(|peer| peer.process == process)
        {
            peer.outbox.push(Message::Credit {
                edge,
                worker,
                items,
            });
        }
    }

    /// Takes leave after a clean end, and waits at most `limit` until the others do so too, so that
    /// none takes this process for lost. True if all have. Call it after timely's guard is dropped.
    pub(crate) fn bye(&self, limit: Duration) -> bool {
        let shared = &self.shared;
        for peer in &shared.peers {
            peer.outbox.push(Message::Bye);
            peer.outbox.finish();
        }
        let until = Instant::now() + limit;
        let count = if shared.handler.get().is_some() {
            shared.peers.len()
        } else {
            0
        };
        shared.wait(limit, |done| {
            done.writers == shared.peers.len()
                && (done.readers == count || lock(&shared.told).any())
        });
        let all = lock(&shared.done).readers == count && !lock(&shared.told).any();
        self.end(
            shared
                .timing
                .leave
                .min(until.saturating_duration_since(Instant::now())),
        );
        all
    }

    /// Ends all connections after a failure or a stop, once the last words are out. Call it after
    /// the workers are dropped and before timely's guard is. It takes two seconds at most.
    pub(crate) fn close(&self) {
        let shared = &self.shared;
        shared.closing.store(true, Ordering::SeqCst);
        for peer in &shared.peers {
            peer.outbox.finish();
        }
        shared.wait(shared.timing.flush, |done| {
            done.writers == shared.peers.len()
        });
        self.end(shared.timing.leave);
    }

    /// Ends data connections, gives the peers `limit` to read the last words and to leave, and ends
    /// the threads.
    fn end(&self, limit: Duration) {
        let shared = &self.shared;
        shared.closing.store(true, Ordering::SeqCst);
        for peer in &shared.peers {
            peer.link.release();
        }
        if shared.handler.get().is_some() {
            // To close while a peer still sends could destroy words on their way to it.
            shared.wait(limit, |done| done.readers == shared.peers.len());
        }
        for peer in &shared.peers {
            let _ = peer.socket.shutdown(Shutdown::Both);
        }
        for thread in lock(&self.threads).drain(..) {
            // A handler that panicked has said so.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
impl Control {
    /// The addresses of all processes.
    pub(super) fn addresses(&self) -> &[String] {
        &self.shared.addresses
    }

    /// The connection to a process.
    pub(super) fn socket(&self, process: usize) -> &TcpStream {
        &self.peer(process).socket
    }

    /// What the data connection to a process shares.
    pub(super) fn link(&self, process: usize) -> &Link {
        &self.peer(process).link
    }

    /// Ends all connections as the end of the process would.
    pub(super) fn cut(&self) {
        self.shared.closing.store(true, Ordering::SeqCst);
        for peer in &self.shared.peers {
            peer.link.release();
            // It may be closed already.
            let _ = peer.socket.shutdown(Shutdown::Both);
        }
    }

    fn peer(&self, process: usize) -> &Peer {
        let found = self
            .shared
            .peers
            .iter()
            .find(|peer| peer.process == process);
        found.expect("a process of the cluster")
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        if !lock(&self.threads).is_empty() {
            self.close();
        }
    }
}
