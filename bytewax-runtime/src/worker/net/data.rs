//! The data connection that timely uses.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use timely::communication::allocator::zero_copy::stream::Stream;

use super::frames::Frames;
use super::sync::lock;
use super::text::loss;
use super::wire::{Opener, Sealer, Ways};

/// A data connection that never fails from timely's point of view.
///
/// Timely panics when a connection breaks, and its queues then make the workers panic as well, even while
/// they are being dropped. A lost connection is therefore recorded for the reader of the control connection,
/// which reports it, and timely sees a proper end: its further writes are discarded, and its further reads
/// return the end mark. If the loss came in the middle of a frame, the read waits until the workers are
/// dropped and then completes the frame, which nobody will look at.
pub(crate) struct DataStream {
    socket: TcpStream,
    frames: Frames,
    link: Arc<Link>,
    /// Both directions. Timely reads with one handle and writes with another.
    ways: Arc<Ways>,
    opener: Option<Opener>,
    sealer: Option<Sealer>,
}

/// State shared between the data connection and the control connection of a process.
pub(super) struct Link {
    state: Mutex<State>,
    changed: Condvar,
    /// A handle to the connection's socket.
    socket: TcpStream,
}

#[derive(Default)]
struct State {
    lost: Option<String>,
    released: bool,
}

impl Link {
    /// Why the connection was lost, if it was.
    pub(super) fn lost(&self) -> Option<String> {
        lock(&self.state).lost.clone()
    }

    /// Ends the connection. The workers must be gone.
    pub(super) fn release(&self) {
        lock(&self.state).released = true;
        self.changed.notify_all();
        // It may be closed already.
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    fn lose(&self, why: &io::Error) {
        let mut state = lock(&self.state);
        if state.lost.is_none() && !state.released {
            state.lost = Some(loss(why));
        }
        drop(state);
        // The peer must not wait for data that will never come.
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    fn broken(&self) -> bool {
        let state = lock(&self.state);
        state.released || state.lost.is_some()
    }

    fn wait_for_release(&self) {
        let state = lock(&self.state);
        let _state = self
            .changed
            .wait_while(state, |state| !state.released)
            .unwrap_or_else(PoisonError::into_inner);
    }
}

impl DataStream {
    /// Wraps a connection after its handshake.
    pub(super) fn new(socket: TcpStream, ways: Ways) -> io::Result<(Self, Arc<Link>)> {
        let link = Arc::new(Link {
            state: Mutex::default(),
            changed: Condvar::new(),
            socket: socket.try_clone()?,
        });
        let stream = Self {
            socket,
            frames: Frames::new(),
            link: Arc::clone(&link),
            ways: Arc::new(ways),
            opener: None,
            sealer: None,
        };
        Ok((stream, link))
    }

    fn read_socket(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let opener = match &mut self.opener {
            Some(opener) => opener,
            none => none.insert(self.ways.take_opener()?),
        };
        let read = loop {
            match opener.read(&self.socket, buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if !self.frames.pass(&buffer[..read]) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "it sent data after its end",
            ));
        }
        Ok(read)
    }

    fn write_socket(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sealer = match &mut self.sealer {
            Some(sealer) => sealer,
            none => none.insert(self.ways.take_sealer()?),
        };
        sealer.write(&self.socket, bytes)
    }

    /// Reads after a loss: the bytes missing to a proper end, then nothing.
    fn read_rest(&mut self, buffer: &mut [u8]) -> usize {
        if self.frames.inside() {
            self.link.wait_for_release();
        }
        let needed = usize::try_from(self.frames.needed()).unwrap_or(usize::MAX);
        let length = needed.min(buffer.len());
        let rest = &mut buffer[..length];
        rest.fill(0);
        let fits = self.frames.pass(rest);
        debug_assert!(fits, "the rest ends with the frames");
        rest.len()
    }
}

impl Read for DataStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if !self.link.broken() {
            let ended = self.frames.ended();
            match self.read_socket(buffer) {
                Ok(read) => return Ok(read),
                // Nothing can be lost after the end mark.
                Err(_) if ended => return Ok(0),
                Err(error) => self.link.lose(&error),
            }
        }
        Ok(self.read_rest(buffer))
    }
}

impl Write for DataStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.link.broken() {
            return Ok(bytes.len());
        }
        match self.write_socket(bytes) {
            Ok(0) if !bytes.is_empty() => self.link.lose(&io::ErrorKind::WriteZero.into()),
            Err(error) if error.kind() != io::ErrorKind::Interrupted => self.link.lose(&error),
            other => return other,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for DataStream {
    fn try_clone(&self) -> io::Result<Self> {
        Ok(Self {
            socket: self.socket.try_clone()?,
            frames: Frames::new(),
            link: Arc::clone(&self.link),
            ways: Arc::clone(&self.ways),
            opener: None,
            sealer: None,
        })
    }

    fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.socket.set_nonblocking(nonblocking)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        // A peer that closed first has already ended the connection.
        let _ = self.socket.shutdown(how);
        Ok(())
    }
}
