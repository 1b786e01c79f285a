//! The ciphers of a connection: the Noise protocol, pattern `NNpsk0`, with Curve25519, ChaCha20-Poly1305 and BLAKE2s.
//!
//! Both ends prove in the handshake that they know the key of the cluster. Each connection then has keys of its own,
//! one for each direction, which nobody can compute later from the key of the cluster.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use snow::{Builder, HandshakeState, StatelessTransportState};

const PATTERN: &str = "Noise_NNpsk0_25519_ChaChaPoly_BLAKE2s";

/// The digits of a key.
const DIGITS: usize = 64;

/// The bytes that sealing adds.
pub(super) const TAG: usize = 16;

/// The longest message of the protocol.
pub(super) const LONGEST: usize = 65_535;

/// The key that all processes of a cluster know. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ClusterKey([u8; 32]);

impl FromStr for ClusterKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut key = [0; 32];
        let text = text.trim();
        let is_hex = text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        for (at, byte) in key.iter_mut().enumerate().filter(|_| is_hex) {
            *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap_or(0);
        }
        if is_hex && key != [0; 32] {
            return Ok(Self(key));
        }
        Err(format!(
            "the secret of a cluster has {DIGITS} hexadecimal digits; `openssl rand -hex 32` makes one"
        ))
    }
}

impl fmt::Debug for ClusterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterKey")
    }
}

/// One end of a handshake of two messages.
pub(super) struct Handshake(HandshakeState);

impl Handshake {
    /// The end that connects, for a connection with this prologue.
    pub(super) fn initiator(key: &ClusterKey, prologue: &[u8]) -> Option<Self> {
        let builder = builder(key, prologue)?;
        builder.build_initiator().ok().map(Self)
    }

    /// The end that accepts.
    pub(super) fn responder(key: &ClusterKey, prologue: &[u8]) -> Option<Self> {
        let builder = builder(key, prologue)?;
        builder.build_responder().ok().map(Self)
    }

    /// The next message, with a payload.
    pub(super) fn write(&mut self, payload: &[u8]) -> Option<Vec<u8>> {
        let mut message = vec![0; LONGEST];
        let length = self.0.write_message(payload, &mut message).ok()?;
        message.truncate(length);
        Some(message)
    }

    /// The payload of a message; `None` if it was made without the key.
    pub(super) fn read(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        let mut payload = vec![0; message.len()];
        let length = self.0.read_message(message, &mut payload).ok()?;
        payload.truncate(length);
        Some(payload)
    }

    /// The cipher of the connection, after both messages.
    pub(super) fn finish(self) -> Option<Cipher> {
        let state = self.0.into_stateless_transport_mode().ok()?;
        Some(Cipher(Arc::new(state)))
    }
}

fn builder<'k>(key: &'k ClusterKey, prologue: &'k [u8]) -> Option<Builder<'k>> {
    let builder = Builder::new(PATTERN.parse().ok()?);
    let builder = builder.prologue(prologue).ok()?;
    builder.psk(0, &key.0).ok()
}

/// The keys of a connection. Each direction has its own, and counts its messages.
#[derive(Clone)]
pub(super) struct Cipher(Arc<StatelessTransportState>);

impl Cipher {
    /// Seals the message of this number. Returns its length.
    pub(super) fn seal(&self, number: u64, plain: &[u8], out: &mut [u8]) -> Option<usize> {
        self.0.write_message(number, plain, out).ok()
    }

    /// Opens the message of this number. Returns its length; `None` if it is not that message.
    pub(super) fn open(&self, number: u64, sealed: &[u8], out: &mut [u8]) -> Option<usize> {
        self.0.read_message(number, sealed, out).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_64_digits_and_is_never_shown() {
        let key: ClusterKey = "0f".repeat(32).parse().unwrap();
        assert_eq!(key.0, [15; 32]);
        assert_eq!(format!("{key:?}"), "ClusterKey");
        assert_eq!(format!("{}\n", "0F".repeat(32)).parse(), Ok(key));
        for text in [
            String::new(),
            "0f".repeat(31),
            "0f".repeat(33),
            "0g".repeat(32),
            "é".repeat(32),
            "00".repeat(32),
        ] {
            let error = text.parse::<ClusterKey>().unwrap_err();
            assert!(text.is_empty() || !error.contains(&text), "{error}");
        }
    }
}
