//! The handshake at the start of each connection.
//!
//! The connecting process sends a hello, the other answers with its own hello and a verdict, and the first
//! confirms. A connection counts from the confirmation on, so neither side keeps one that the other has
//! abandoned. Both receive both hellos, so both can name a difference.

use serde::{Deserialize, Serialize};

use super::identity::Identity;

const MAGIC: &[u8; 8] = b"BYTEWAX\n";
/// Version of this handshake and of the messages after it.
pub(super) const PROTOCOL: u16 = 4;
/// Longest body of a hello or a verdict.
const MAX_BODY: usize = 64 << 10;
/// Magic, protocol and length of the body.
const HEAD: usize = MAGIC.len() + 2 + 4;
/// The byte with which the connecting process confirms a connection.
pub(super) const CONFIRM: u8 = b'+';
const WELCOME: u8 = b'+';
pub(super) const REFUSED: u8 = b'-';

/// The start of a sealed handshake, which both ends must agree on: the protocol is its last byte.
pub(super) const PROLOGUE: &[u8; 9] = b"BYTEWAX#\x04";
/// The most bytes of a sealed hello, besides the prologue and its length.
pub(super) const MAX_SEALED: usize = 4 << 10;

/// A sealed hello as it is sent.
pub(super) fn sealed_hello(message: &[u8]) -> Vec<u8> {
    [&PROLOGUE[..], &sealed(message)].concat()
}

/// A message of the handshake as it is sent.
pub(super) fn sealed(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes()[..], message].concat()
}

/// The message of the handshake at the start of `bytes`, if it is complete.
pub(super) fn take_sealed(bytes: &[u8]) -> Option<&[u8]> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.get(..usize::from(u16::from_be_bytes(*length)))
}

/// The sealed hello in `bytes`. `None` requests more bytes; an error is no such hello, or a longer one than any
/// process sends.
pub(super) fn take_sealed_hello(bytes: &[u8]) -> Result<Option<&[u8]>, Unreadable> {
    let known = bytes.len().min(PROLOGUE.len());
    if bytes[..known] != PROLOGUE[..known] || bytes.len() > PROLOGUE.len() + 2 + MAX_SEALED {
        return Err(Unreadable::Stranger);
    }
    let rest = &bytes[known..];
    match take_sealed(rest) {
        Some(message) if rest.len() == 2 + message.len() => Ok(Some(message)),
        Some(_) => Err(Unreadable::Stranger),
        None => Ok(None),
    }
}

/// The purpose of a connection.
#[derive(Serialize, Deserialize, PartialEq, Eq, Debug, Clone, Copy)]
pub(super) enum Role {
    /// Timely's messages.
    Data,
    /// Failures, stops, credits, heartbeats.
    Control,
}

/// The sender and the purpose of a connection.
#[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
pub(super) struct Hello {
    /// The purpose of the connection.
    pub(super) role: Role,
    /// Index of the sender.
    pub(super) from: usize,
    /// Index of the process that the sender expects at the other end.
    pub(super) to: usize,
    /// A random number that distinguishes two starts of the same process.
    pub(super) instance: u64,
    /// The settings that both must agree on.
    pub(super) identity: Identity,
}

/// Why a hello cannot be read.
#[derive(Debug, PartialEq)]
pub(super) enum Unreadable {
    /// The sender is no bytewax process.
    Stranger,
    /// The sender uses another protocol.
    Protocol(u16),
}

impl Hello {
    /// The encoded hello.
    pub(super) fn encode(&self) -> Vec<u8> {
        // Plain fields with text keys always have a JSON form.
        let body = serde_json::to_vec(self).unwrap_or_default();
        let mut bytes = Vec::with_capacity(HEAD + body.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&PROTOCOL.to_be_bytes());
        put_body(&mut bytes, &body);
        bytes
    }

    /// Decodes a hello from the start of `bytes`. `None` requests more bytes.
    pub(super) fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>, Unreadable> {
        let known = bytes.len().min(MAGIC.len());
        if bytes[..known] != MAGIC[..known] {
            return Err(Unreadable::Stranger);
        }
        let Some(&[high, low]) = bytes[known..].first_chunk() else {
            return Ok(None);
        };
        let protocol = u16::from_be_bytes([high, low]);
        if protocol != PROTOCOL {
            return Err(Unreadable::Protocol(protocol));
        }
        let Some((body, used)) = take_body(&bytes[known + 2..])? else {
            return Ok(None);
        };
        let hello = serde_json::from_slice(body).map_err(|_| Unreadable::Stranger)?;
        Ok(Some((hello, known + 2 + used)))
    }
}

/// The answer to a hello.
#[derive(Debug, PartialEq, Clone)]
pub(super) enum Verdict {
    /// The processes are compatible.
    Welcome,
    /// They are incompatible, for the given reason.
    Refused(String),
}

impl Verdict {
    /// Appends the encoded verdict.
    pub(super) fn encode(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Welcome => bytes.push(WELCOME),
            Self::Refused(text) => {
                bytes.push(REFUSED);
                put_body(bytes, clip(text, MAX_BODY).as_bytes());
            }
        }
    }

    /// Decodes a verdict. `None` requests more bytes.
    pub(super) fn decode(bytes: &[u8]) -> Result<Option<Self>, Unreadable> {
        match bytes.split_first() {
            None => Ok(None),
            Some((&WELCOME, [])) => Ok(Some(Self::Welcome)),
            Some((&REFUSED, rest)) => {
                let text = take_body(rest)?;
                Ok(text.map(|(body, _)| Self::Refused(String::from_utf8_lossy(body).into_owned())))
            }
            Some(_) => Err(Unreadable::Stranger),
        }
    }
}

/// The longest prefix of `text` with at most `limit` bytes.
pub(super) fn clip(text: &str, limit: usize) -> &str {
    let mut end = text.len().min(limit);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn put_body(bytes: &mut Vec<u8>, body: &[u8]) {
    // The reader refuses a body longer than the limit.
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(body);
}

fn take_body(bytes: &[u8]) -> Result<Option<(&[u8], usize)>, Unreadable> {
    let Some((length, rest)) = bytes.split_first_chunk::<4>() else {
        return Ok(None);
    };
    let length = u32::from_be_bytes(*length) as usize;
    if length > MAX_BODY {
        return Err(Unreadable::Stranger);
    }
    Ok(rest.get(..length).map(|body| (body, 4 + length)))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn identity() -> Identity {
        Identity {
            release: String::from("0.1.0"),
            flow: String::from("wordcount"),
            fingerprint: 7,
            processes: 2,
            workers_per_process: 1,
            epoch_interval_ms: 10_000,
        }
    }

    fn hello() -> Hello {
        Hello {
            role: Role::Control,
            from: 1,
            to: 0,
            instance: 9,
            identity: identity(),
        }
    }

    #[test]
    fn a_hello_comes_through_in_pieces() {
        let bytes = hello().encode();
        for end in 0..bytes.len() {
            assert_eq!(Hello::decode(&bytes[..end]), Ok(None), "{end}");
        }
        assert_eq!(Hello::decode(&bytes), Ok(Some((hello(), bytes.len()))));
    }

    #[test]
    fn strangers_are_told_at_the_first_byte() {
        assert_eq!(Hello::decode(b"G"), Err(Unreadable::Stranger));
        let mut long = hello().encode();
        long[10] = 255;
        assert_eq!(Hello::decode(&long), Err(Unreadable::Stranger));
        let mut other = hello().encode();
        other[9] = 9;
        assert_eq!(Hello::decode(&other), Err(Unreadable::Protocol(9)));
    }

    #[test]
    fn a_verdict_comes_through() {
        for verdict in [Verdict::Welcome, Verdict::Refused(String::from("no"))] {
            let mut bytes = Vec::new();
            verdict.encode(&mut bytes);
            assert_eq!(Verdict::decode(&bytes[..bytes.len() - 1]), Ok(None));
            assert_eq!(Verdict::decode(&bytes), Ok(Some(verdict)));
        }
        assert_eq!(Verdict::decode(b"?"), Err(Unreadable::Stranger));
    }

    #[test]
    fn text_is_clipped_between_letters() {
        assert_eq!(clip("añb", 2), "a");
        assert_eq!(clip("añb", 3), "añ");
    }
}
