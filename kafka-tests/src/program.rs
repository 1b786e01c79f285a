//! The program `copy`, started as users start programs.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::PATIENCE;

/// A program that runs. It is killed when this is dropped.
#[derive(Debug)]
pub struct Program {
    child: Child,
    out: Receiver<String>,
    notes: Receiver<String>,
}

/// The lines of a stream, as they come.
fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

impl Program {
    /// Starts a program with these arguments.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    #[must_use]
    pub fn start(program: &str, args: &[&str]) -> Self {
        let mut child = Command::new(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let out = lines(child.stdout.take().expect("it is piped"));
        let notes = lines(child.stderr.take().expect("it is piped"));
        Self { child, out, notes }
    }

    /// Waits until it has printed so many more lines.
    ///
    /// # Panics
    ///
    /// If they do not come.
    pub fn wait_for_lines(&self, count: usize) {
        for _ in 0..count {
            self.out.recv_timeout(PATIENCE).expect("a line");
        }
    }

    /// Waits for a line on standard error that has this in it, and returns the line.
    ///
    /// # Panics
    ///
    /// If it does not come.
    #[must_use]
    pub fn wait_for_note(&self, part: &str) -> String {
        loop {
            let line = self.notes.recv_timeout(PATIENCE).expect("a note");
            if line.contains(part) {
                return line;
            }
        }
    }

    /// Stops it by SIGTERM, and returns how it ended, after how long, and what else it has written to standard error.
    ///
    /// # Panics
    ///
    /// If it does not end.
    #[must_use]
    pub fn terminate(mut self) -> (ExitStatus, Duration, String) {
        let begun = Instant::now();
        let pid = self.child.id().to_string();
        let killed = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(killed.expect("`kill` runs").success());
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("it is a child") {
                break status;
            }
            assert!(begun.elapsed() < PATIENCE, "it does not end");
            thread::sleep(Duration::from_millis(10));
        };
        let took = begun.elapsed();
        let notes: Vec<String> = self.notes.iter().collect();
        (status, took, notes.join("\n"))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
