//! The links from the parent to its children.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::super::message::StopReason;
use super::child::{Cause, Report};

/// How long a connection may take to report.
const PATIENCE: Duration = Duration::from_secs(10);
/// The most connections that have not reported. A new one replaces the oldest.
const MAX_PENDING: usize = 256;
/// Longest report.
const MAX_REPORT: usize = 1024;
/// Longest error text of a child.
const MAX_ERROR: usize = 1 << 20;

/// Collects the addresses of the children and sends all of them to each.
pub(super) struct Reports {
    /// Until all have reported.
    listener: Option<TcpListener>,
    token: String,
    pending: Vec<Pending>,
    /// By child.
    links: Vec<Option<Link>>,
    /// The first child that has reported an error of its own, and the error.
    error: Option<(usize, String)>,
    /// The first error that follows from the end of another process.
    consequence: Option<String>,
}

/// A child that has reported.
struct Link {
    socket: TcpStream,
    /// Its listening address.
    address: String,
    /// The beginning of its error report.
    line: Vec<u8>,
    /// Whether its report is complete.
    told: bool,
}

struct Pending {
    socket: TcpStream,
    until: Instant,
    line: Vec<u8>,
}

impl Reports {
    /// Waits for `count` children on `listener`, which does not block.
    pub(super) fn new(listener: TcpListener, token: String, count: usize) -> Self {
        let links = (0..count).map(|_| None).collect();
        Self {
            listener: Some(listener),
            token,
            pending: Vec::new(),
            links,
            error: None,
            consequence: None,
        }
    }

    /// Whether all children know each other.
    pub(super) fn complete(&self) -> bool {
        self.listener.is_none()
    }

    /// The first child that has reported an error of its own, and the error.
    pub(super) fn error(&self) -> Option<(usize, &str)> {
        self.error
            .as_ref()
            .map(|(index, text)| (*index, text.as_str()))
    }

    /// The first reported error that follows from the end of another process.
    pub(super) fn consequence(&self) -> Option<&str> {
        self.consequence.as_deref()
    }

    /// Handles new data.
    pub(super) fn poll(&mut self) {
        let Some(listener) = &self.listener else {
            self.listen();
            return;
        };
        while let Ok((socket, _)) = listener.accept() {
            if socket.set_nonblocking(true).is_ok() {
                let until = Instant::now() + PATIENCE;
                if self.pending.len() == MAX_PENDING {
                    self.pending.remove(0);
                }
                self.pending.push(Pending {
                    socket,
                    until,
                    line: Vec::new(),
                });
            }
        }
        for mut pending in std::mem::take(&mut self.pending) {
            match pending.read() {
                Some(true) => self.take(pending),
                Some(false) => self.pending.push(pending),
                None => {}
            }
        }
        if self.links.iter().all(Option::is_some) {
            self.listener = None;
            self.pending.clear();
            self.send_addresses();
        }
    }

    /// Stores the first complete error of each kind. Later reports of children follow from it.
    fn listen(&mut self) {
        for (index, link) in self.links.iter_mut().enumerate() {
            match link.as_mut().and_then(Link::cause) {
                Some(cause) if cause.follows => {
                    self.consequence.get_or_insert(cause.text);
                }
                Some(cause) => {
                    self.error.get_or_insert((index, cause.text));
                }
                None => {}
            }
        }
    }

    /// Tells all children to stop.
    pub(super) fn stop_children(&self, reason: StopReason) {
        self.send(&[reason.code()]);
    }

    fn take(&mut self, pending: Pending) {
        let Ok(report) = serde_json::from_slice::<Report>(&pending.line) else {
            return;
        };
        if report.token == self.token
            && let Some(link @ None) = self.links.get_mut(report.index)
        {
            *link = Some(Link {
                socket: pending.socket,
                address: report.address,
                line: Vec::new(),
                told: false,
            });
        }
    }

    fn send_addresses(&self) {
        let addresses: Vec<&str> = self
            .links
            .iter()
            .flatten()
            .map(|link| link.address.as_str())
            .collect();
        // Texts always have a JSON form.
        let mut line = serde_json::to_vec(&addresses).unwrap_or_default();
        line.push(b'\n');
        self.send(&line);
    }

    fn send(&self, bytes: &[u8]) {
        for link in self.links.iter().flatten() {
            let mut socket = &link.socket;
            // An unreachable child is ending. The few bytes fit the buffer.
            let _ = socket.write_all(bytes);
        }
    }
}

impl Link {
    /// The error that the child has reported, once complete.
    fn cause(&mut self) -> Option<Cause> {
        let mut chunk = [0; 4096];
        while !self.told && !self.line.ends_with(b"\n") && self.line.len() < MAX_ERROR {
            match self.socket.read(&mut chunk) {
                Ok(read @ 1..) => self.line.extend_from_slice(&chunk[..read]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // No more data for now, or ever.
                Ok(0) | Err(_) => return None,
            }
        }
        if std::mem::replace(&mut self.told, true) {
            return None;
        }
        serde_json::from_slice(&self.line).ok()
    }
}

impl Pending {
    /// Reads the available bytes. Returns true at the end of the line, `None` if no line will come.
    fn read(&mut self) -> Option<bool> {
        let mut chunk = [0; MAX_REPORT];
        match self.socket.read(&mut chunk) {
            Ok(0) => return None,
            Ok(read) => self.line.extend_from_slice(&chunk[..read]),
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(_) => return None,
        }
        if self.line.ends_with(b"\n") {
            return Some(true);
        }
        (self.line.len() < MAX_REPORT && Instant::now() < self.until).then_some(false)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn strangers_do_not_count() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        listener.set_nonblocking(true).expect("a listener");
        let port = listener.local_addr().expect("bound").port();
        let mut reports = Reports::new(listener, String::from("secret"), 1);
        let send = |text: &str| {
            let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it listens");
            socket.write_all(text.as_bytes()).expect("open");
            socket
        };
        let report = |token: &str, index: usize| {
            format!("{{\"token\":\"{token}\",\"index\":{index},\"address\":\"a:1\"}}\n")
        };
        let silent = send("");
        for text in [
            String::from("GET /\n"),
            report("guess", 0),
            report("secret", 1),
        ] {
            let mut socket = send(&text);
            socket
                .set_read_timeout(Some(Duration::from_millis(1)))
                .expect("open");
            // The end of the connection shows that it was accepted.
            while socket
                .read(&mut [0])
                .is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
            {
                reports.poll();
            }
            assert!(!reports.complete());
        }
        let many: Vec<_> = (0..MAX_PENDING)
            .map(|_| {
                let stranger = send("");
                while reports
                    .pending
                    .last()
                    .map(|last| last.socket.peer_addr().ok())
                    != Some(stranger.local_addr().ok())
                {
                    reports.poll();
                }
                stranger
            })
            .collect();
        assert_eq!(reports.pending.len(), MAX_PENDING);
        // They have taken the place of the one that came first.
        assert_eq!((&silent).read(&mut [0]).expect("an end"), 0);
        let child = send(&report("secret", 0));
        while !reports.complete() {
            reports.poll();
        }
        let mut line = String::new();
        BufReader::new(child)
            .read_line(&mut line)
            .expect("an answer");
        assert_eq!(line, "[\"a:1\"]\n");
        drop(many);
    }
}
