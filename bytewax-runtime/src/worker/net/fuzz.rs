//! Feeds arbitrary bytes to the readers of the network.

use super::frames::Frames;
use super::hello::{Hello, MAX_SEALED, Verdict, take_sealed_hello};
use super::message::{MAX_ANSWER, Message};
use super::pieces::Pieces;
use super::rendezvous;

/// Reads bytes as each thing that a process receives. What was read can be written, and is then read as the same.
pub(crate) fn network(bytes: &[u8]) {
    if let Ok(Some((hello, used))) = Hello::decode(bytes) {
        assert!(used <= bytes.len());
        let again = Hello::decode(&hello.encode());
        assert!(matches!(again, Ok(Some((again, _))) if again == hello));
    }
    if let Ok(Some(verdict)) = Verdict::decode(bytes) {
        let mut again = Vec::new();
        verdict.encode(&mut again);
        assert!(Verdict::decode(&again).is_ok());
    }
    if let Ok(Some(message)) = take_sealed_hello(bytes) {
        assert!(message.len() <= MAX_SEALED);
    }
    let (mut rest, mut pieces) = (bytes, Pieces::default());
    while let Ok(Some((message, used))) = Message::decode(rest) {
        let mut again = Vec::new();
        message.encode(&mut again);
        assert!(matches!(Message::decode(&again), Ok(Some((again, _))) if again == message));
        rest = &rest[used..];
        if let Message::Answer {
            number,
            place,
            text,
        } = message
            && let Ok(Some((_, text))) = pieces.add(number, place, &text)
        {
            assert!(text.len() <= MAX_ANSWER);
        }
    }
    rendezvous::fuzz(bytes);
    let mut frames = Frames::new();
    let (first, second) = bytes.split_at(bytes.len() / 2);
    let _ = frames.pass(first) && frames.pass(second);
    let _ = (frames.needed(), frames.inside(), frames.ended());
    #[cfg(feature = "encryption")]
    sealed::read(bytes);
}

/// The readers of sealed connections.
#[cfg(feature = "encryption")]
mod sealed {
    use std::sync::OnceLock;

    use super::super::cipher::{Cipher, ClusterKey, Handshake};
    use super::super::hello::{PROLOGUE, take_sealed};
    use super::super::wire::Opener;

    /// Reads bytes as those of a sealed connection, which nobody can make without its keys.
    pub(super) fn read(bytes: &[u8]) {
        static ENDS: OnceLock<Option<(ClusterKey, Cipher)>> = OnceLock::new();
        let Some((key, cipher)) = ENDS.get_or_init(ends) else {
            return;
        };
        let mut stranger = Handshake::responder(key, PROLOGUE).expect("a key is given");
        let hello = take_sealed(bytes).unwrap_or(bytes);
        assert_eq!(stranger.read(hello), None);
        let (mut opener, mut out) = (Opener::new(Some(cipher.clone())), [0; 64]);
        let read = opener.read(bytes, &mut out);
        assert!(matches!(read, Err(_) | Ok(0)));
        assert!(opener.peek(bytes).is_empty());
    }

    /// A key, and the cipher of a connection with it; `None` without encryption.
    fn ends() -> Option<(ClusterKey, Cipher)> {
        let key: ClusterKey = "5a".repeat(32).parse().ok()?;
        let mut one = Handshake::initiator(&key, PROLOGUE)?;
        let mut other = Handshake::responder(&key, PROLOGUE)?;
        other.read(&one.write(b"hello")?)?;
        one.read(&other.write(b"welcome")?)?;
        Some((key, one.finish()?))
    }
}
