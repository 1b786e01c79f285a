//! A run of a staged flow, with its page.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Instant;

use serde_json::Value;

use crate::PATIENCE;

/// A program that runs until it is dropped.
#[derive(Debug)]
pub struct Run {
    child: Child,
    /// The address of its page: host and port.
    pub address: String,
    errors: Receiver<String>,
}

impl Run {
    /// Starts the program with these words, and waits until its page is served.
    #[must_use]
    pub fn start(program: &str, words: &str) -> Self {
        Self::at(program, "127.0.0.1:0", words)
    }

    /// The same at an address.
    #[must_use]
    pub fn at(program: &str, address: &str, words: &str) -> Self {
        let mut run = Self::spawn(program, address, words);
        let line = run.line("the page is at http://");
        let (_, address) = line.split_once("http://").expect("it was found by it");
        run.address = address.trim_end_matches('/').to_owned();
        run
    }

    /// The same on this machine for a run of two processes, of which each prints the address of its page. `None`
    /// if a port of theirs is taken.
    #[must_use]
    pub fn at_port(program: &str, port: u16, words: &str) -> Option<Self> {
        let address = format!("127.0.0.1:{port}");
        let mut run = Self::spawn(program, &address, words);
        let lines = [run.line("127.0.0.1:"), run.line("127.0.0.1:")];
        run.address = address;
        let is_taken = lines.iter().any(|line| line.contains("cannot be served"));
        (!is_taken).then_some(run)
    }

    /// A run of two processes on two consecutive ports. Returns the port of the second too.
    #[must_use]
    pub fn pair(program: &str, words: &str) -> (Self, u16) {
        Self::pair_with(program, |_| words.to_owned())
    }

    /// The same with words that name the first port.
    #[must_use]
    pub fn pair_with(program: &str, words: impl Fn(u16) -> String) -> (Self, u16) {
        // Ports that are free now may be taken when the run starts; then others are used.
        let found = (0..10).find_map(|_| {
            let (first, second) = two_ports();
            Self::at_port(program, first, &words(first)).map(|run| (run, second))
        });
        found.expect("two ports are free")
    }

    /// A run of two processes that are started one by one, each in its own directory. Both serve their pages.
    #[must_use]
    pub fn cluster(program: &str, dirs: [&Path; 2], words: &str) -> [Self; 2] {
        let found = (0..10).find_map(|_| {
            let (first, second) = two_ports();
            let start = |(dir, process): (&Path, usize)| {
                let addresses = format!("127.0.0.1:{first};127.0.0.1:{second}");
                let words = format!("{words} -i {process} -a {addresses}");
                Self::spawn_in(dir, program, "127.0.0.1:0", &words)
            };
            let mut runs = [(dirs[0], 0), (dirs[1], 1)].map(start);
            let lines = runs.each_mut().map(|run| run.line("127.0.0.1:"));
            for (run, line) in runs.iter_mut().zip(&lines) {
                let (_, address) = line.split_once("http://")?;
                run.address = address.trim_end_matches('/').to_owned();
            }
            Some(runs)
        });
        found.expect("two ports are free")
    }

    fn spawn(program: &str, address: &str, words: &str) -> Self {
        Self::spawn_in(Path::new("."), program, address, words)
    }

    fn spawn_in(dir: &Path, program: &str, address: &str, words: &str) -> Self {
        let mut command = Command::new(program);
        command.current_dir(dir);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("BYTEWAX_") {
                command.env_remove(name);
            }
        }
        command
            .args(words.split_whitespace())
            .args(["--web", address]);
        // In a group of its own, so that it is killed with all processes that it starts.
        command.process_group(0);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        let (sender, errors) = channel();
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                // The test may be over.
                let _ = sender.send(line);
            }
        });
        Self {
            child,
            address: String::new(),
            errors,
        }
    }

    /// Waits for a line on standard error with this text.
    #[track_caller]
    pub fn line(&mut self, text: &str) -> String {
        let until = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        while let Ok(line) = self
            .errors
            .recv_timeout(until.saturating_duration_since(Instant::now()))
        {
            if line.contains(text) {
                return line;
            }
            seen.push(line);
        }
        panic!("the program does not print `{text}`, but {seen:#?}");
    }

    /// The id of its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The response to a request without a token.
    #[must_use]
    pub fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).expect("the run serves");
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("the run reads");
        let mut said = String::new();
        stream.read_to_string(&mut said).expect("the run responds");
        let (head, body) = said.split_once("\r\n\r\n").expect("it is a response");
        assert!(head.starts_with("HTTP/1.1 200"), "{path}: {head}");
        body.to_owned()
    }

    /// The report of the run.
    #[must_use]
    pub fn report(&self) -> Value {
        serde_json::from_str(&self.get("/api/v1/report")).expect("it is JSON")
    }

    /// The processor time that a thread of it has used, in seconds.
    #[must_use]
    pub fn processor_seconds(&self, thread: &str) -> f64 {
        let tasks = format!("/proc/{}/task", self.child.id());
        let tasks = std::fs::read_dir(tasks).expect("the process runs");
        let read = |task: &std::fs::DirEntry, file: &str| {
            std::fs::read_to_string(task.path().join(file)).unwrap_or_default()
        };
        let mut tasks = tasks.map_while(Result::ok);
        let task = tasks.find(|task| read(task, "comm").trim() == thread);
        let times = read(&task.expect("it has this thread"), "schedstat");
        // The first number is the time on a processor, in nanoseconds.
        let nanoseconds = times
            .split(' ')
            .next()
            .and_then(|time| time.parse::<f64>().ok());
        nanoseconds.expect("it is a number") / 1e9
    }

    /// Waits for its end after a request, and returns the exit code.
    pub fn ended(&mut self) -> Option<i32> {
        self.child
            .wait()
            .expect("it is a child of this process")
            .code()
    }

    /// Kills it.
    pub fn kill(mut self) -> String {
        self.stop();
        self.address.clone()
    }

    fn stop(&mut self) {
        // It may have ended.
        let group = format!("-{}", self.child.id());
        let mut kill = Command::new("kill");
        kill.args(["-KILL", "--", &group]).stderr(Stdio::null());
        let _ = kill.status();
        let _ = self.child.wait();
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The status and the text of the response to `POST` with a token at an address; `None` if the run ends before it
/// responds.
#[must_use]
pub fn post(address: &str, path: &str, token: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n");
    stream.write_all(head.as_bytes()).ok()?;
    let mut said = String::new();
    stream.read_to_string(&mut said).ok()?;
    let (head, body) = said.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}

/// Two consecutive ports that are free.
fn two_ports() -> (u16, u16) {
    loop {
        let first = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a free port");
        let port = first.local_addr().expect("it listens").port();
        let next = port.checked_add(1);
        if let Some(next) =
            next.filter(|next| TcpListener::bind((Ipv4Addr::LOCALHOST, *next)).is_ok())
        {
            return (port, next);
        }
    }
}
