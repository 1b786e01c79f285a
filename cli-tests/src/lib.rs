//! Starts programs, collects their output, and waits for lines and for their ends.
//!
//! A test never waits for a time alone. Every wait has a time limit; when it is exceeded, the test fails and shows all
//! output.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// The time limit of a step that always succeeds.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The time limit for programs to exit after a stop or a failure.
pub const END: Duration = Duration::from_secs(5);

/// Another program has bound a port that was free. Run the case again.
#[derive(Debug)]
pub struct PortTaken;

/// Programs under test. When they are dropped, all of them and their children are killed.
#[derive(Debug)]
pub struct Programs {
    running: Vec<Program>,
    events: Receiver<(usize, Event)>,
    sender: Sender<(usize, Event)>,
}

#[derive(Debug)]
struct Program {
    id: u32,
    out: Vec<String>,
    err: String,
    /// Number of pipes that the program or its children still hold.
    pipes: usize,
    status: Option<ExitStatus>,
}

#[derive(Debug)]
enum Event {
    Out(String),
    Err(String),
    Closed,
    Ended(ExitStatus),
}

/// A program that has exited with all its children.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; `None` if a signal killed it.
    pub code: Option<i32>,
    /// The signal that killed it.
    pub signal: Option<i32>,
    /// The lines on standard output.
    pub out: Vec<String>,
    /// All of standard error.
    pub err: String,
}

impl Ended {
    /// Checks the exit code.
    #[track_caller]
    pub fn code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "the exit code\n{self}");
        self
    }

    /// Checks that standard error is this text.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert_eq!(self.err, text, "standard error\n{self}");
        self
    }

    /// Checks that standard error has this text once.
    #[track_caller]
    pub fn says_once(self, text: &str) -> Self {
        let count = self.err.matches(text).count();
        assert_eq!(count, 1, "how often standard error has `{text}`\n{self}");
        self
    }

    /// The lines on standard output, sorted.
    #[must_use]
    pub fn sorted(mut self) -> Vec<String> {
        self.out.sort_unstable();
        self.out
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "code {:?}, signal {:?}", self.code, self.signal)?;
        show(f, &self.out, &self.err)
    }
}

/// Shows the first and the last lines of what a program printed.
fn show(f: &mut impl fmt::Write, out: &[String], err: &str) -> fmt::Result {
    const SOME: usize = 20;
    let (first, rest) = out.split_at(out.len().min(SOME));
    let left_out = rest.len().saturating_sub(SOME);
    writeln!(f, "{}", first.join("\n"))?;
    if left_out > 0 {
        writeln!(f, ".. {left_out} lines ..")?;
    }
    writeln!(
        f,
        "{}\n--- standard error:\n{err}",
        rest[left_out..].join("\n")
    )
}

impl Default for Programs {
    fn default() -> Self {
        Self::new()
    }
}

impl Programs {
    /// No programs yet.
    #[must_use]
    pub fn new() -> Self {
        let (sender, events) = channel();
        Self {
            running: Vec::new(),
            events,
            sender,
        }
    }

    /// Starts a program. Returns its number, from 0.
    pub fn start(&mut self, mut command: Command) -> usize {
        let index = self.running.len();
        // In a group of their own, so that it can be killed with all its children.
        command.process_group(0).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let out = child.stdout.take().expect("it is piped");
        let err = child.stderr.take().expect("it is piped");
        self.running.push(Program {
            id: child.id(),
            out: Vec::new(),
            err: String::new(),
            pipes: 2,
            status: None,
        });
        self.read(index, out, Event::Out);
        self.read(index, err, Event::Err);
        let sender = self.sender.clone();
        thread::spawn(move || {
            let status = child.wait().expect("it is a child of this process");
            // The test may be over.
            let _ = sender.send((index, Event::Ended(status)));
        });
        index
    }

    fn read(&self, index: usize, pipe: impl Read + Send + 'static, event: fn(String) -> Event) {
        let sender = self.sender.clone();
        thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            while pipe
                .read_until(b'\n', &mut line)
                .is_ok_and(|length| length > 0)
            {
                let text = String::from_utf8_lossy(&line).into_owned();
                let _ = sender.send((index, event(text)));
                line.clear();
            }
            let _ = sender.send((index, Event::Closed));
        });
    }

    /// How many programs have been started.
    #[must_use]
    pub fn count(&self) -> usize {
        self.running.len()
    }

    /// The id that the system gave to a program.
    #[must_use]
    pub fn id(&self, program: usize) -> u32 {
        self.running[program].id
    }

    /// The lines that a program has printed so far.
    #[must_use]
    pub fn out(&self, program: usize) -> &[String] {
        &self.running[program].out
    }

    /// Waits until a program has printed a matching line, and returns the first one.
    #[track_caller]
    pub fn line(
        &mut self,
        program: usize,
        what: &str,
        is: impl Fn(&str) -> bool,
    ) -> Result<String, PortTaken> {
        self.lines(program, what, 1, is)
            .map(|mut lines| lines.remove(0))
    }

    /// Waits until a program has printed `count` matching lines, and returns them.
    #[track_caller]
    pub fn lines(
        &mut self,
        program: usize,
        what: &str,
        count: usize,
        is: impl Fn(&str) -> bool,
    ) -> Result<Vec<String>, PortTaken> {
        let until = Instant::now() + PATIENCE;
        let mut found = Vec::new();
        let mut seen = 0;
        loop {
            let running = &self.running[program];
            for line in &running.out[seen..] {
                if found.len() < count && is(line) {
                    found.push(line.clone());
                }
            }
            seen = running.out.len();
            if found.len() == count {
                return Ok(found);
            }
            if running.has_ended() || !self.take(until) {
                return self.give_up(&format!("program {program} does not print {what}"));
            }
        }
    }

    /// Runs programs for a time. Returns false as soon as one of them has exited.
    ///
    /// For events that may happen at any moment, without a line to wait for.
    pub fn run_for(&mut self, time: Duration) -> bool {
        let until = Instant::now() + time;
        while !self.running.iter().any(|program| program.status.is_some()) {
            if !self.take(until) {
                return true;
            }
        }
        false
    }

    /// Waits until a program and all children that share its output have exited.
    #[track_caller]
    pub fn ended(&mut self, program: usize, limit: Duration) -> Result<Ended, PortTaken> {
        let ended = self.anyhow_ended(program, limit)?;
        if self.running[program].found_port_taken() {
            return Err(PortTaken);
        }
        Ok(ended)
    }

    /// Waits until a program has exited, also because its port is in use.
    #[track_caller]
    fn anyhow_ended(&mut self, program: usize, limit: Duration) -> Result<Ended, PortTaken> {
        let until = Instant::now() + limit;
        while !self.running[program].has_ended() {
            if !self.take(until) {
                let text = format!("program {program} does not end within {limit:?}");
                return self.give_up(&text);
            }
        }
        let running = &self.running[program];
        let status = running.status.expect("it has ended");
        Ok(Ended {
            code: status.code(),
            signal: status.signal(),
            out: running.out.clone(),
            err: running.err.clone(),
        })
    }

    /// Waits until all programs have ended.
    #[track_caller]
    pub fn all_ended(&mut self, limit: Duration) -> Result<Vec<Ended>, PortTaken> {
        let until = Instant::now() + limit;
        (0..self.running.len())
            .map(|program| self.ended(program, until.saturating_duration_since(Instant::now())))
            .collect()
    }

    /// Sends a signal to a program and all its children. Processes that have exited are ignored.
    pub fn signal_all(&self, program: usize, signal: &str) {
        kill(signal, &format!("-{}", self.running[program].id));
    }

    /// Waits until a program listens on an address, by connecting to it.
    #[track_caller]
    pub fn connects(&mut self, program: usize, address: SocketAddr) -> Result<(), PortTaken> {
        self.poll(&format!("program {program} does not listen"), || {
            TcpStream::connect(address).is_ok()
        })
    }

    /// Waits until a program connects to a listener, and closes that connection.
    #[track_caller]
    pub fn connected(&mut self, listener: &TcpListener) -> Result<(), PortTaken> {
        listener.set_nonblocking(true).expect("it listens");
        self.poll("no program connects", || listener.accept().is_ok())
    }

    /// Polls a condition while no program has exited.
    #[track_caller]
    fn poll(&mut self, why: &str, is: impl Fn() -> bool) -> Result<(), PortTaken> {
        let until = Instant::now() + PATIENCE;
        while !is() {
            self.take(Instant::now() + Duration::from_millis(10));
            let ended = self.running.iter().any(Program::has_ended);
            if ended || Instant::now() > until {
                return self.give_up(why);
            }
        }
        Ok(())
    }

    /// Records the next event. Returns false if none occurs in time.
    fn take(&mut self, until: Instant) -> bool {
        let left = until.saturating_duration_since(Instant::now());
        let Ok((program, event)) = self.events.recv_timeout(left) else {
            return false;
        };
        let running = &mut self.running[program];
        match event {
            Event::Out(line) => running.out.push(line.trim_end().to_owned()),
            Event::Err(line) => running.err.push_str(&line),
            Event::Closed => running.pipes -= 1,
            Event::Ended(status) => running.status = Some(status),
        }
        true
    }

    #[track_caller]
    fn give_up<T>(&self, why: &str) -> Result<T, PortTaken> {
        if self.running.iter().any(Program::found_port_taken) {
            return Err(PortTaken);
        }
        let mut text = why.to_owned();
        for (program, running) in self.running.iter().enumerate() {
            let Program { id, status, .. } = running;
            let _ = writeln!(text, "\n=== program {program}, id {id}, {status:?}");
            let _ = show(&mut text, &running.out, &running.err);
        }
        panic!("{text}");
    }
}

impl Drop for Programs {
    fn drop(&mut self) {
        for running in self.running.iter().filter(|running| !running.has_ended()) {
            // It may have ended just now.
            kill("-KILL", &format!("-{}", running.id));
        }
    }
}

impl Program {
    fn has_ended(&self) -> bool {
        self.status.is_some() && self.pipes == 0
    }

    fn found_port_taken(&self) -> bool {
        self.err.contains("cannot listen on its address")
            && self.err.contains("address already in use")
    }
}

/// A command without variables of this library, with the words of `args`.
#[must_use]
pub fn command(program: &str, args: &str) -> Command {
    let mut command = Command::new(program);
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("BYTEWAX_") {
            command.env_remove(variable);
        }
    }
    command.args(args.split_whitespace());
    command
}

/// Runs one program to its end, also if its port is in use.
#[track_caller]
pub fn run(command: Command) -> Ended {
    let mut programs = Programs::new();
    programs.start(command);
    programs.anyhow_ended(0, PATIENCE).expect("it ends in time")
}

/// Starts a program repeatedly, with the next of these arguments each time, and kills it, until a run completes. Returns
/// the end of each run. Panics if a run fails, or if fewer than three were killed.
#[must_use]
pub fn kill_until_done(ways: &[&str], program: impl Fn(&str) -> Command) -> Vec<Ended> {
    let (since, mut kills) = (Instant::now(), 0_u64);
    let mut runs = Vec::new();
    for way in ways.iter().cycle() {
        assert!(
            since.elapsed() < 3 * PATIENCE,
            "it does not come to its end"
        );
        let mut programs = Programs::new();
        programs.start(program(way));
        // Longer each time, so that there is progress.
        let is_running = kills < 10 && programs.run_for(Duration::from_millis(60 + 40 * kills));
        if is_running {
            programs.signal_all(0, "-KILL");
            kills += 1;
        }
        let Ok(ended) = programs.ended(0, PATIENCE) else {
            panic!("a port was taken");
        };
        let code = ended.code;
        assert!(is_running || code == Some(0), "{ended}");
        runs.push(ended);
        if code == Some(0) {
            break;
        }
    }
    assert!(kills > 2, "it was killed {kills} times");
    runs
}

/// Sends a signal, such as `-INT`, to a process.
#[track_caller]
pub fn signal(signal: &str, id: u32) {
    assert!(kill(signal, &id.to_string()), "process {id} is gone");
}

/// Sends a signal to a process. Returns whether the process existed.
#[must_use]
pub fn signal_if_running(signal: &str, id: u32) -> bool {
    is_running(id) && kill(signal, &id.to_string())
}

fn kill(signal: &str, target: &str) -> bool {
    let mut kill = Command::new("kill");
    kill.args([signal, "--", target]).stderr(Stdio::null());
    kill.status().expect("there is a program `kill`").success()
}

/// Whether a process still runs. A zombie does not.
#[must_use]
pub fn is_running(id: u32) -> bool {
    if Path::new("/proc/self").exists() {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        // The state follows the name, which stands in parentheses.
        let state = stat.rsplit_once(") ").map(|(_, rest)| rest.chars().next());
        !matches!(state, None | Some(None | Some('Z' | 'X')))
    } else {
        kill("-0", &id.to_string())
    }
}

/// Listens on a free port.
#[must_use]
pub fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a free port");
    let address = listener.local_addr().expect("it listens");
    (listener, address)
}

/// Runs a case with `count` addresses with free ports, and repeats it with others if a port is in use.
#[track_caller]
pub fn with_ports(count: usize, case: impl Fn(&[SocketAddr]) -> Result<(), PortTaken>) {
    for _ in 0..10 {
        // All are bound at the same time, so that they differ.
        let held: Vec<_> = (0..count).map(|_| listen()).collect();
        let addresses: Vec<_> = held.iter().map(|(_, address)| *address).collect();
        assert_eq!(addresses.iter().collect::<BTreeSet<_>>().len(), count);
        drop(held);
        if case(&addresses).is_ok() {
            return;
        }
    }
    panic!("free ports are taken again and again");
}

/// The addresses as an option of a program.
#[must_use]
pub fn list(addresses: &[SocketAddr]) -> String {
    let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    addresses.join(";")
}
