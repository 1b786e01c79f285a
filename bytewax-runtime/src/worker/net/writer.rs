//! The thread that writes to a peer.

use std::net::Shutdown;

use super::message::Message;
use super::outbox::Next;
use super::shared::{Peer, Shared};

/// Writes the messages in the outbox of `peer`, and a heartbeat when none come.
pub(super) fn write(shared: &Shared, peer: &Peer) {
    let mut bytes = Vec::new();
    // This thread alone writes.
    let mut sealer = peer.ways.take_sealer();
    loop {
        let messages = match peer.outbox.next(shared.timing.heartbeat) {
            Next::Write(messages) => messages,
            Next::Idle => vec![Message::Heartbeat],
            Next::Finished => break,
        };
        bytes.clear();
        for message in messages {
            message.encode(&mut bytes);
        }
        let written = match &mut sealer {
            Ok(sealer) => sealer.write_all(&peer.socket, &bytes).is_ok(),
            Err(_) => false,
        };
        if !written {
            // The reader determines the reason.
            peer.outbox.abandon();
            break;
        }
    }
    // It may be closed already.
    let _ = peer.socket.shutdown(Shutdown::Write);
    shared.done(|done| done.writers += 1);
}
