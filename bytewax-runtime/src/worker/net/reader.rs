//! The thread that reads from a peer.

use std::io;
use std::time::Instant;

use super::message::Message;
use super::pieces::Pieces;
use super::shared::{Peer, Shared};
use super::text::{loss, span};

/// Reads the messages of `peer` until it ends, and monitors its liveness.
pub(super) fn read(shared: &Shared, peer: &Peer) {
    // The end is counted even if a handler panics.
    let _end = End(shared);
    let mut reader = Reader {
        shared,
        peer,
        pending: Vec::new(),
        heard: None,
        since: Instant::now(),
        pieces: Pieces::default(),
        data_lost: None,
        bye: false,
    };
    reader.run();
}

struct End<'a>(&'a Shared);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.done(|done| done.readers += 1);
    }
}

struct Reader<'a> {
    shared: &'a Shared,
    peer: &'a Peer,
    /// The start of an incomplete message.
    pending: Vec<u8>,
    /// When the peer last sent something. It sends nothing until its own start-up is over.
    heard: Option<Instant>,
    /// When reading began.
    since: Instant,
    /// The answer of which pieces come.
    pieces: Pieces,
    /// When the loss of the data connection was noticed.
    data_lost: Option<Instant>,
    /// Whether the peer announced its end.
    bye: bool,
}

impl Reader<'_> {
    fn run(&mut self) {
        let mut chunk = [0; 4096];
        // This thread alone reads.
        let mut opener = self.peer.ways.take_opener();
        let gone = loop {
            let read = match &mut opener {
                Ok(opener) => opener.read(&self.peer.socket, &mut chunk),
                Err(error) => Err(io::Error::other(error.to_string())),
            };
            match read {
                Ok(0) => break String::from("connection closed"),
                Ok(read) => {
                    self.heard = Some(Instant::now());
                    self.pending.extend_from_slice(&chunk[..read]);
                    if !self.take_messages() {
                        break String::from("it sent an invalid message");
                    }
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock
                    | io::ErrorKind::TimedOut
                    | io::ErrorKind::Interrupted => {}
                    _ => break loss(&error),
                },
            }
            self.check_life();
        };
        // The data connection of an ended peer must be complete; otherwise it is lost.
        match self.peer.link.lost() {
            Some(why) => self.lose(format!("is gone: {why}")),
            None if !self.bye => self.lose(format!("is gone: {gone}")),
            None => {}
        }
    }

    /// Handles the complete messages. Returns false if they are invalid.
    fn take_messages(&mut self) -> bool {
        let mut start = 0;
        loop {
            match Message::decode(&self.pending[start..]) {
                Ok(Some((message, used))) => {
                    start += used;
                    if !self.take(message) {
                        return false;
                    }
                }
                Ok(None) => break,
                Err(_) => return false,
            }
        }
        self.pending.drain(..start);
        true
    }

    /// Handles a message. Returns false if no process sends it at this point.
    fn take(&mut self, message: Message) -> bool {
        match message {
            Message::Heartbeat => {}
            Message::Bye => self.bye = true,
            Message::Credit { edge, worker, load } => {
                if let Some(handler) = self.shared.handler.get() {
                    handler.credit(edge, worker, load);
                }
            }
            Message::CleanStop { process, reason } => {
                if let Some(handler) = self.shared.handler.get() {
                    handler.stops_cleanly(process, reason);
                }
            }
            Message::Epoch(epoch) => {
                if let Some(handler) = self.shared.handler.get() {
                    handler.epoch(epoch);
                }
            }
            Message::Ask { number, what } => {
                if let Some(handler) = self.shared.handler.get() {
                    handler.asked(self.peer.process, number, what);
                }
            }
            Message::Answer {
                number,
                place,
                text,
            } => match self.pieces.add(number, place, &text) {
                Ok(Some((number, text))) => {
                    if let Some(handler) = self.shared.handler.get() {
                        handler.answered(self.peer.process, number, text);
                    }
                }
                Ok(None) => {}
                Err(_) => return false,
            },
            Message::Step { number, text } => {
                if let Some(handler) = self.shared.handler.get() {
                    handler.steps(self.peer.process, number, text);
                }
            }
            Message::Stepped { number, text } => {
                if let Some(handler) = self.shared.handler.get() {
                    handler.stepped(self.peer.process, number, text);
                }
            }
            word => self.shared.receive(word, Some(self.peer.process)),
        }
        true
    }

    fn check_life(&mut self) {
        if let Some(why) = self.peer.link.lost() {
            // A failed peer sends the reason on this connection, perhaps a little later.
            let since = *self.data_lost.get_or_insert_with(Instant::now);
            if since.elapsed() >= self.shared.timing.data_grace {
                self.lose(format!("is gone: {why}"));
            }
        }
        let timing = &self.shared.timing;
        let (since, limit) = match self.heard {
            Some(heard) => (heard, timing.silence),
            None => (self.since, timing.first),
        };
        if !self.bye && since.elapsed() >= limit {
            self.lose(format!("has been silent for {}", span(limit)));
        }
    }

    fn lose(&self, why: String) {
        if !self.shared.closing() {
            let message = Message::Lost {
                process: self.peer.process,
                by: self.shared.process,
                why,
            };
            self.shared.receive(message, Some(self.peer.process));
        }
    }
}
