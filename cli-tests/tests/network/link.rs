//! Two network namespaces, and a link between them whose packets pass through the test, which delays or drops them.
//!
//! Each namespace has a TUN device. `socat` passes its packets to the test as datagrams, so faults need nothing of the
//! kernel but namespaces and TUN.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use cli_tests::PATIENCE;
use tempfile::TempDir;

/// Longer than any packet.
const PACKET: usize = 64 << 10;

/// What happens to the packets of one direction.
#[derive(Default)]
pub(crate) struct Fault {
    /// How many milliseconds a packet takes.
    delay: AtomicU64,
    /// Every packet of such a number is lost; none with 0.
    lost: AtomicU64,
    is_cut: AtomicBool,
    is_over: AtomicBool,
}

impl Fault {
    pub(crate) fn delay(&self, millis: u64) {
        self.delay.store(millis, Ordering::Relaxed);
    }

    pub(crate) fn lose_one_of(&self, number: u64) {
        self.lost.store(number, Ordering::Relaxed);
    }

    pub(crate) fn cut(&self, is_cut: bool) {
        self.is_cut.store(is_cut, Ordering::Relaxed);
    }
}

/// Two namespaces with a link between them. They are deleted when it is dropped.
pub(crate) struct Link {
    names: [String; 2],
    relays: Vec<Child>,
    /// By the namespace that sends.
    pub(crate) ways: [Arc<Fault>; 2],
    _directory: TempDir,
}

/// The addresses of the namespaces.
pub(crate) const ADDRESSES: [&str; 2] = ["10.99.0.1", "10.99.0.2"];

impl Link {
    /// `case` distinguishes the links of a test program.
    pub(crate) fn new(case: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_owned();
        let place = |end: &str, at: usize| path.join(format!("{end}{at}"));
        let names = [0, 1].map(|at| format!("bytewax-{}-{case}-{at}", std::process::id()));
        let mut link = Self {
            names,
            relays: Vec::new(),
            ways: [0, 1].map(|_| Arc::default()),
            _directory: directory,
        };
        let wires = [0, 1].map(|at| UnixDatagram::bind(place("net", at)).unwrap());
        for (at, address) in ADDRESSES.into_iter().enumerate() {
            ip(&["netns", "add", &link.names[at]]);
            ip(&["-n", &link.names[at], "link", "set", "lo", "up"]);
            let tun = format!("TUN:{address}/24,tun-name=wire,tun-type=tun,iff-no-pi,iff-up");
            let socket = format!(
                "UNIX-SENDTO:{},bind={}",
                place("net", at).display(),
                place("tun", at).display()
            );
            let mut relay = link.command(at, "socat");
            relay.args([tun, socket]).stdin(Stdio::null());
            link.relays.push(relay.spawn().unwrap());
        }
        for (at, wire) in wires.into_iter().enumerate() {
            wait_for(&place("tun", at));
            let (fault, to) = (Arc::clone(&link.ways[at]), place("tun", 1 - at));
            thread::spawn(move || pass(&wire, &to, &fault));
        }
        link
    }

    /// A command in a namespace, without variables of this library.
    pub(crate) fn command(&self, at: usize, program: &str) -> Command {
        let mut command = cli_tests::command("ip", "netns exec");
        command.args([&self.names[at], program]);
        command
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        for way in &self.ways {
            way.is_over.store(true, Ordering::Relaxed);
        }
        for relay in &mut self.relays {
            // It may have ended by itself.
            let _ = relay.kill();
            let _ = relay.wait();
        }
        for name in &self.names {
            let _ = Command::new("ip").args(["netns", "del", name]).status();
        }
    }
}

#[track_caller]
fn ip(args: &[&str]) {
    let done = Command::new("ip").args(args).output().unwrap();
    let mut text = args.join(" ");
    let _ = write!(text, ": {}", String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "ip {text}");
}

#[track_caller]
fn wait_for(path: &Path) {
    let until = Instant::now() + PATIENCE;
    while !path.exists() {
        assert!(Instant::now() < until, "{} does not come", path.display());
        thread::sleep(Duration::from_millis(2));
    }
}

/// Passes the packets of one direction on, until the link is over.
fn pass(wire: &UnixDatagram, to: &PathBuf, fault: &Fault) {
    let out = UnixDatagram::unbound().unwrap();
    // Like a router, it drops what finds no room.
    out.set_nonblocking(true).unwrap();
    let mut under_way: VecDeque<(Instant, Vec<u8>)> = VecDeque::new();
    let (mut bytes, mut number) = (vec![0; PACKET], 0);
    while !fault.is_over.load(Ordering::Relaxed) {
        let now = Instant::now();
        while under_way.front().is_some_and(|(due, _)| *due <= now) {
            let (_, packet) = under_way.pop_front().unwrap();
            let _ = out.send_to(&packet, to);
        }
        let wait = under_way
            .front()
            .map_or(Duration::from_millis(100), |(due, _)| *due - now);
        // Zero would mean to wait without limit.
        let wait = wait.max(Duration::from_micros(1));
        wire.set_read_timeout(Some(wait)).unwrap();
        let Ok(length) = wire.recv(&mut bytes) else {
            continue;
        };
        number += 1;
        let lost = fault.lost.load(Ordering::Relaxed);
        let is_lost = lost > 0 && number % lost == 0;
        if is_lost || fault.is_cut.load(Ordering::Relaxed) {
            continue;
        }
        let delay = Duration::from_millis(fault.delay.load(Ordering::Relaxed));
        under_way.push_back((Instant::now() + delay, bytes[..length].to_vec()));
    }
}
