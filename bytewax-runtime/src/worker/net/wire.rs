//! A connection after its handshake, whose bytes are sealed if the cluster has a secret.
//!
//! A sealed direction is a sequence of records: a length of two bytes, and a message of the protocol. Records are
//! numbered, so none can be changed, repeated, left out or moved. That the last one is missing shows by the end that
//! each kind of connection announces.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;

use super::cipher::{Cipher, LONGEST, TAG};
use super::sync::lock;

/// The length before a record.
const LENGTH: usize = 2;
/// The most bytes in a record.
const MOST: usize = LONGEST - TAG;
/// Room for received bytes.
const ROOM: usize = 256 << 10;

/// A connection after its handshake.
pub(super) struct Wire {
    pub(super) socket: TcpStream,
    pub(super) sealer: Sealer,
    pub(super) opener: Opener,
}

impl Wire {
    /// A connection without ciphers.
    pub(super) fn plain(socket: TcpStream) -> Self {
        Self::new(socket, None)
    }

    pub(super) fn new(socket: TcpStream, cipher: Option<Cipher>) -> Self {
        Self {
            socket,
            sealer: Sealer::new(cipher.clone()),
            opener: Opener::new(cipher),
        }
    }

    /// The first bytes that the other end has sent, opened if there are ciphers: one record, complete and alone.
    pub(super) fn open_first(cipher: Option<&Cipher>, bytes: &[u8]) -> io::Result<Option<Vec<u8>>> {
        if cipher.is_none() {
            return Ok((!bytes.is_empty()).then(|| bytes.to_vec()));
        }
        Opener::new(cipher.cloned()).open_one(bytes)
    }

    /// A connection whose first received record was opened.
    pub(super) fn after_first(socket: TcpStream, cipher: Cipher) -> Self {
        let mut wire = Self::new(socket, Some(cipher));
        wire.opener.number = 1;
        wire
    }

    /// The socket, and both directions, of which each is taken once.
    pub(super) fn split(self) -> (TcpStream, Ways) {
        let ways = Ways {
            sealer: Mutex::new(Some(self.sealer)),
            opener: Mutex::new(Some(self.opener)),
        };
        (self.socket, ways)
    }
}

/// Both directions of a connection. Two handles on one direction would use a number twice, so each is taken once.
pub(super) struct Ways {
    sealer: Mutex<Option<Sealer>>,
    opener: Mutex<Option<Opener>>,
}

impl Ways {
    pub(super) fn take_sealer(&self) -> io::Result<Sealer> {
        lock(&self.sealer).take().ok_or_else(taken)
    }

    pub(super) fn take_opener(&self) -> io::Result<Opener> {
        lock(&self.opener).take().ok_or_else(taken)
    }
}

fn taken() -> io::Error {
    io::Error::other("two threads use one direction of a connection")
}

fn broken() -> io::Error {
    let text = "it sent data that fails authentication with the keys of the connection";
    io::Error::new(io::ErrorKind::InvalidData, text)
}

/// The direction in which this process writes.
pub(super) struct Sealer {
    cipher: Option<Cipher>,
    number: u64,
    record: Vec<u8>,
}

impl Sealer {
    fn new(cipher: Option<Cipher>) -> Self {
        Self {
            cipher,
            number: 0,
            record: Vec::new(),
        }
    }

    /// Writes some bytes. Returns how many.
    pub(super) fn write(&mut self, mut to: impl Write, bytes: &[u8]) -> io::Result<usize> {
        let Some(cipher) = &self.cipher else {
            return to.write(bytes);
        };
        if bytes.is_empty() {
            return Ok(0);
        }
        let part = &bytes[..bytes.len().min(MOST)];
        let needed = LENGTH + part.len() + TAG;
        if self.record.len() < needed {
            self.record.resize(needed, 0);
        }
        let sealed = cipher.seal(self.number, part, &mut self.record[LENGTH..]);
        let sealed = sealed.ok_or_else(broken)?;
        self.number += 1;
        let length = u16::try_from(sealed).map_err(|_| broken())?;
        self.record[..LENGTH].copy_from_slice(&length.to_be_bytes());
        to.write_all(&self.record[..LENGTH + sealed])?;
        Ok(part.len())
    }

    /// Writes all bytes.
    pub(super) fn write_all(&mut self, mut to: impl Write, mut bytes: &[u8]) -> io::Result<()> {
        if self.cipher.is_none() {
            return to.write_all(bytes);
        }
        while !bytes.is_empty() {
            let written = self.write(&mut to, bytes)?;
            bytes = &bytes[written..];
        }
        Ok(())
    }
}

/// The direction in which this process reads.
pub(super) struct Opener {
    cipher: Option<Cipher>,
    number: u64,
    /// Received bytes that are not opened yet, between these places.
    sealed: Vec<u8>,
    start: usize,
    end: usize,
    /// Opened bytes that did not fit, from this place on.
    plain: Vec<u8>,
    given: usize,
}

/// The first record of these bytes, if it is complete.
fn record(bytes: &[u8]) -> Option<&[u8]> {
    let (length, rest) = bytes.split_first_chunk::<LENGTH>()?;
    rest.get(..usize::from(u16::from_be_bytes(*length)))
}

impl Opener {
    pub(super) fn new(cipher: Option<Cipher>) -> Self {
        Self {
            cipher,
            number: 0,
            sealed: Vec::new(),
            start: 0,
            end: 0,
            plain: Vec::new(),
            given: 0,
        }
    }

    /// Reads some bytes; 0 at the end. A part of a record is kept if the socket would block.
    pub(super) fn read(&mut self, mut from: impl Read, out: &mut [u8]) -> io::Result<usize> {
        let Some(cipher) = &self.cipher else {
            return from.read(out);
        };
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            let rest = &self.plain[self.given..];
            if !rest.is_empty() {
                let count = rest.len().min(out.len());
                out[..count].copy_from_slice(&rest[..count]);
                self.given += count;
                return Ok(count);
            }
            if let Some(sealed) = record(&self.sealed[self.start..self.end]) {
                // Records are never empty.
                let length = sealed.len().checked_sub(TAG).filter(|length| *length > 0);
                let length = length.ok_or_else(broken)?;
                let fits = out.len() >= length;
                if !fits {
                    self.plain.resize(length, 0);
                }
                let to = if fits { &mut *out } else { &mut self.plain[..] };
                let opened = cipher.open(self.number, sealed, to);
                self.number += 1;
                self.start += LENGTH + sealed.len();
                let opened = opened.filter(|opened| *opened == length);
                if opened.is_none() {
                    self.plain.clear();
                    self.given = 0;
                    return Err(broken());
                }
                if fits {
                    return Ok(length);
                }
                self.given = 0;
                continue;
            }
            self.sealed.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            self.sealed.resize(ROOM, 0);
            match from.read(&mut self.sealed[self.end..])? {
                0 if self.end > 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                0 => return Ok(0),
                read => self.end += read,
            }
        }
    }

    /// The bytes that a read would return first if these were received next. Nothing is read.
    pub(super) fn peek(&self, mut bytes: &[u8]) -> Vec<u8> {
        let Some(cipher) = &self.cipher else {
            return bytes.to_vec();
        };
        let (mut all, mut number) = (Vec::new(), self.number);
        while let Some(sealed) = record(bytes) {
            let mut plain = vec![0; sealed.len()];
            let Some(length) = cipher.open(number, sealed, &mut plain) else {
                break;
            };
            all.extend_from_slice(&plain[..length]);
            number += 1;
            bytes = &bytes[LENGTH + sealed.len()..];
        }
        all
    }

    /// Opens the first record if the bytes are that, and nothing else. `None` requests more bytes.
    fn open_one(&self, bytes: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let (Some(cipher), Some(sealed)) = (&self.cipher, record(bytes)) else {
            return Ok(None);
        };
        let mut plain = vec![0; sealed.len()];
        let length = cipher.open(self.number, sealed, &mut plain);
        let length = length.filter(|_| bytes.len() == LENGTH + sealed.len());
        plain.truncate(length.ok_or_else(broken)?);
        Ok(Some(plain))
    }
}

/// The length of a record of one byte.
pub(super) const SHORTEST: usize = LENGTH + 1 + TAG;

#[cfg(all(test, feature = "encryption"))]
mod tests {
    use super::super::cipher::{ClusterKey, Handshake};
    use super::*;

    /// The ciphers of both ends.
    fn ciphers() -> (Cipher, Cipher) {
        let key: ClusterKey = "5a".repeat(32).parse().expect("a key");
        let mut one = Handshake::initiator(&key, b"p").expect("it begins");
        let mut other = Handshake::responder(&key, b"p").expect("it begins");
        let hello = one.write(b"hello").expect("it fits");
        assert_eq!(other.read(&hello).as_deref(), Some(&b"hello"[..]));
        let answer = other.write(b"welcome").expect("it fits");
        assert_eq!(one.read(&answer).as_deref(), Some(&b"welcome"[..]));
        let both = one.finish().zip(other.finish());
        both.expect("it is over")
    }

    /// Bytes that come in pieces of this size.
    struct Pieces<'a>(&'a [u8], usize);

    impl Read for Pieces<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let count = self.0.len().min(self.1).min(out.len());
            out[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn sealed(cipher: Cipher, bytes: &[u8]) -> Vec<u8> {
        let mut sealed = Vec::new();
        let mut sealer = Sealer::new(Some(cipher));
        sealer.write_all(&mut sealed, bytes).expect("it takes all");
        sealed
    }

    fn opened(cipher: Cipher, from: &[u8], piece: usize, most: usize) -> io::Result<Vec<u8>> {
        let (mut opener, mut from) = (Opener::new(Some(cipher)), Pieces(from, piece));
        let (mut all, mut out) = (Vec::new(), vec![0; most]);
        loop {
            match opener.read(&mut from, &mut out)? {
                0 => return Ok(all),
                read => all.extend_from_slice(&out[..read]),
            }
        }
    }

    #[test]
    fn bytes_come_through_in_pieces_of_any_size() {
        let bytes: Vec<u8> = (0..200_000_u32).map(|n| (n / 7) as u8).collect();
        for (piece, most) in [(1 << 20, 1 << 20), (1000, 70_000), (70_000, 1000), (17, 33)] {
            let (one, other) = ciphers();
            let sealed = sealed(one, &bytes);
            let near = sealed
                .windows(64)
                .any(|part| bytes.windows(64).next() == Some(part));
            assert!(!near, "it is sealed");
            assert!(opened(other, &sealed, piece, most).expect("right") == bytes);
        }
    }

    #[test]
    fn what_was_changed_repeated_moved_or_cut_is_refused() {
        let record = |cipher: &Cipher, number: u64, text: &[u8]| {
            let mut sealer = Sealer::new(Some(cipher.clone()));
            sealer.number = number;
            let mut bytes = Vec::new();
            sealer.write_all(&mut bytes, text).expect("it takes all");
            bytes
        };
        let (one, other) = ciphers();
        let (first, second) = (record(&one, 0, b"first"), record(&one, 1, b"second"));
        let right = [first.clone(), second.clone()].concat();
        assert_eq!(
            opened(other.clone(), &right, 9, 9).expect("right"),
            b"firstsecond"
        );
        for place in 0..first.len() {
            let mut changed = right.clone();
            changed[place] ^= 1;
            assert!(opened(other.clone(), &changed, 99, 99).is_err(), "{place}");
        }
        for wrong in [
            [first.clone(), first.clone()].concat(),
            [second.clone(), first.clone()].concat(),
            second.clone(),
            right[..right.len() - 1].to_vec(),
            // What this end sent itself.
            sealed(other.clone(), b"first"),
            vec![0, 0],
            vec![0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        ] {
            assert!(opened(other.clone(), &wrong, 99, 99).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn another_key_or_prologue_opens_nothing() {
        let key = |digits: &str| digits.repeat(32).parse::<ClusterKey>().expect("a key");
        let hello = |key: &ClusterKey| {
            let one = Handshake::initiator(key, b"p");
            one.and_then(|mut one| one.write(b"hello")).expect("fits")
        };
        for (digits, prologue, opens) in [("5a", "p", true), ("5b", "p", false), ("5a", "q", false)]
        {
            let other = Handshake::responder(&key(digits), prologue.as_bytes());
            let read = other.expect("it begins").read(&hello(&key("5a")));
            assert_eq!(read.is_some(), opens, "{digits} {prologue}");
        }
    }

    #[test]
    fn a_direction_is_taken_once() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let socket = TcpStream::connect(address).expect("it listens");
        let (_, ways) = Wire::plain(socket).split();
        assert!(ways.take_sealer().is_ok() && ways.take_sealer().is_err());
        assert!(ways.take_opener().is_ok() && ways.take_opener().is_err());
    }
}
