//! The control connections of a process.

use std::net::Shutdown;
#[cfg(test)]
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::data::Link;
use super::error::NetError;
use super::handler::Handler;
use super::message::{Message, StopReason};
use super::outbox::Outbox;
use super::shared::{Peer, Shared};
use super::sync::lock;
use super::text::reason;
use super::timing::Timing;
use super::wire::Wire;
use super::{reader, writer};
use crate::logged::Logged;

/// The control connections to all other processes.
pub(crate) struct Control {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Control {
    /// Takes over the connections and starts the heartbeats.
    pub(super) fn new(
        process: usize,
        addresses: &[String],
        wires: Vec<(usize, Wire, Arc<Link>)>,
        timing: Timing,
    ) -> Result<Self, NetError> {
        let setup = |error: std::io::Error| NetError::Setup {
            what: String::from("a control connection"),
            why: reason(&error),
        };
        let mut peers = Vec::with_capacity(wires.len());
        for (process, wire, link) in wires {
            let (socket, ways) = wire.split();
            socket.set_read_timeout(Some(timing.tick)).map_err(setup)?;
            peers.push(Arc::new(Peer {
                process,
                socket,
                ways,
                outbox: Outbox::default(),
                link,
            }));
        }
        let shared = Arc::new(Shared::new(process, addresses, peers, timing));
        let control = Self {
            shared,
            threads: Mutex::default(),
        };
        for peer in &control.shared.peers {
            peer.outbox.push(Message::Heartbeat);
            control.spawn("write", peer, writer::write)?;
        }
        Ok(control)
    }

    /// Starts reading from the other processes. The first handler stays.
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
        let process = peer.process;
        let span = tracing::debug_span!("connection", process, way = what);
        let logged = Logged::here().within(span);
        let thread = thread::Builder::new()
            .name(format!("bytewax:{what}-{process}"))
            .spawn(move || {
                logged.run(|| {
                    tracing::debug!("the connection is open");
                    body(&shared, &own);
                    tracing::debug!("the connection is closed");
                });
            })
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

    /// Notifies all processes that this one has failed.
    pub(crate) fn failed(&self, place: Option<&str>, text: &str) {
        let (place, text) = (place.map(String::from), text.to_owned());
        self.shared.receive(
            Message::Failed {
                process: self.shared.process,
                place,
                text,
            },
            None,
        );
    }

    /// Tells all processes to stop.
    pub(crate) fn stop(&self, reason: StopReason) {
        self.shared.receive(
            Message::Stop {
                process: self.shared.process,
                reason,
            },
            None,
        );
    }

    /// Tells all processes to stop after the present epoch. Never waits.
    pub(crate) fn stop_cleanly(&self, reason: StopReason) {
        for peer in &self.shared.peers {
            peer.outbox.push(Message::CleanStop {
                process: self.shared.process,
                reason,
            });
        }
    }

    /// Tells `process` that its worker `worker` may send items of `load` more bytes on `edge`. Never
    /// waits.
    pub(crate) fn credit(&self, process: usize, edge: u32, worker: u32, load: u64) {
        if let Some(peer) = self
            .shared
            .peers
            .iter()
            .find(|peer| peer.process == process)
        {
            peer.outbox.push(Message::Credit { edge, worker, load });
        }
    }

    /// Tells all processes that a worker of this one has begun an epoch. Never waits.
    pub(crate) fn epoch(&self, epoch: u64) {
        for peer in &self.shared.peers {
            peer.outbox.push(Message::Epoch(epoch));
        }
    }

    /// Asks all processes for their numbers. Never waits.
    #[cfg_attr(
        not(feature = "serve"),
        allow(dead_code, reason = "only the server asks other processes")
    )]
    pub(crate) fn ask(&self, number: u32, what: u8) {
        for peer in &self.shared.peers {
            peer.outbox.push(Message::Ask { number, what });
        }
    }

    /// Answers a question of a process. Never waits.
    pub(crate) fn answer(&self, process: usize, number: u32, text: String) {
        let mut peers = self.shared.peers.iter();
        if let Some(peer) = peers.find(|peer| peer.process == process) {
            peer.outbox.answer(number, text);
        }
    }

    /// Lets all processes take a step of a savepoint. Never waits.
    #[cfg_attr(
        not(feature = "serve"),
        allow(dead_code, reason = "only the server makes savepoints")
    )]
    pub(crate) fn step(&self, number: u32, text: &str) {
        for peer in &self.shared.peers {
            let text = text.to_owned();
            peer.outbox.push(Message::Step { number, text });
        }
    }

    /// Tells a process what came of its step. Never waits.
    #[cfg_attr(
        not(all(feature = "serve", feature = "recovery")),
        allow(dead_code, reason = "only the server makes savepoints")
    )]
    pub(crate) fn stepped(&self, process: usize, number: u32, text: String) {
        let mut peers = self.shared.peers.iter();
        if let Some(peer) = peers.find(|peer| peer.process == process) {
            peer.outbox.push(Message::Stepped { number, text });
        }
    }

    /// Announces a clean end, and waits at most `limit` until the others announce theirs, so that none
    /// considers this process lost. Returns true if all have. Call it after timely's guard is dropped.
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
                && (done.readers == count || lock(&shared.causes).any())
        });
        let all = shared.ended().readers == count && !lock(&shared.causes).any();
        self.end(
            shared
                .timing
                .leave
                .min(until.saturating_duration_since(Instant::now())),
        );
        all
    }

    /// Ends all connections after a failure or a stop, once the last messages are sent. Call it after the
    /// workers are dropped and before timely's guard is. It takes two seconds at most.
    pub(crate) fn close(&self) {
        let shared = &self.shared;
        shared.set_closing();
        for peer in &shared.peers {
            peer.outbox.finish();
        }
        shared.wait(shared.timing.flush, |done| {
            done.writers == shared.peers.len()
        });
        self.end(shared.timing.leave);
    }

    /// Ends data connections, gives the peers `limit` to read the last messages and to leave, and ends the
    /// threads.
    fn end(&self, limit: Duration) {
        let shared = &self.shared;
        shared.set_closing();
        for peer in &shared.peers {
            peer.link.release();
        }
        if shared.handler.get().is_some() {
            // Closing while a peer still sends could destroy messages on their way to it.
            shared.wait(limit, |done| done.readers == shared.peers.len());
        }
        for peer in &shared.peers {
            let _ = peer.socket.shutdown(Shutdown::Both);
        }
        for thread in lock(&self.threads).drain(..) {
            // A handler that panicked has reported it.
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

    /// The shared state of the data connection to a process.
    pub(super) fn link(&self, process: usize) -> &Link {
        &self.peer(process).link
    }

    /// Ends all connections, as the end of the process does.
    pub(super) fn cut(&self) {
        self.shared.set_closing();
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
