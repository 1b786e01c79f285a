//! The shared state of the threads of the control connections.

use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::data::Link;
use super::end_causes::{EndCauses, News};
use super::handler::Handler;
use super::message::Message;
use super::outbox::Outbox;
use super::sync::lock;
use super::timing::Timing;
use super::wire::Ways;

/// The control connection to one process.
pub(super) struct Peer {
    pub(super) process: usize,
    pub(super) socket: TcpStream,
    pub(super) ways: Ways,
    pub(super) outbox: Outbox,
    pub(super) link: Arc<Link>,
}

/// The shared state of the threads of the control connections.
pub(super) struct Shared {
    pub(super) process: usize,
    pub(super) addresses: Vec<String>,
    pub(super) peers: Vec<Arc<Peer>>,
    pub(super) handler: OnceLock<Arc<dyn Handler>>,
    pub(super) timing: Timing,
    pub(super) causes: Mutex<EndCauses>,
    closing: AtomicBool,
    done: Mutex<Done>,
    changed: Condvar,
}

/// The number of threads that have ended.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Done {
    pub(super) readers: usize,
    pub(super) writers: usize,
}

impl Shared {
    /// The state of a process that has just connected to `peers`.
    pub(super) fn new(
        process: usize,
        addresses: &[String],
        peers: Vec<Arc<Peer>>,
        timing: Timing,
    ) -> Self {
        Self {
            process,
            addresses: addresses.to_vec(),
            peers,
            handler: OnceLock::new(),
            timing,
            causes: Mutex::default(),
            closing: AtomicBool::new(false),
            done: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// From now on the end of a connection is expected.
    pub(super) fn set_closing(&self) {
        self.closing.store(true, Ordering::SeqCst);
    }

    /// How many threads have ended.
    pub(super) fn ended(&self) -> Done {
        *lock(&self.done)
    }

    /// Whether this process ends the connections itself.
    pub(super) fn closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }

    /// Counts the end of a thread.
    pub(super) fn done(&self, count: impl FnOnce(&mut Done)) {
        count(&mut lock(&self.done));
        self.changed.notify_all();
    }

    /// Handles a message about the end of the cluster, and forwards the first one. `from` is the peer that
    /// sent it or was lost; messages of this process are not handled here.
    pub(super) fn receive(&self, message: Message, from: Option<usize>) {
        let noticed = matches!(message, Message::Lost { by, .. } if by == self.process);
        let news = lock(&self.causes).receive(&message);
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
                place,
                text,
            } => {
                handler.failed(process, place.as_deref(), &text);
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

    fn address(&self, process: usize) -> &str {
        self.addresses.get(process).map_or("", String::as_str)
    }

    /// Waits at most `limit` until `ready`.
    pub(super) fn wait(&self, limit: Duration, ready: impl Fn(&Done) -> bool) -> bool {
        let (done, _) = self
            .changed
            .wait_timeout_while(lock(&self.done), limit, |done| !ready(done))
            .unwrap_or_else(PoisonError::into_inner);
        ready(&done)
    }
}
