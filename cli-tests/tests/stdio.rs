//! Standard streams of real processes: silent, ended and closed ones.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Stdio};

use cli_tests::{command, signal};

struct Shout {
    child: Child,
    input: Option<ChildStdin>,
    output: Option<BufReader<ChildStdout>>,
    errors: ChildStderr,
}

impl Shout {
    fn start(args: &str) -> Self {
        let mut command = command(env!("CARGO_BIN_EXE_shout"), args);
        let pipe = Stdio::piped;
        command.stdin(pipe()).stdout(pipe()).stderr(pipe());
        let mut child = command.spawn().unwrap();
        Self {
            input: child.stdin.take(),
            output: child.stdout.take().map(BufReader::new),
            errors: child.stderr.take().unwrap(),
            child,
        }
    }

    fn write(&mut self, text: &str) {
        self.input
            .as_mut()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
    }

    /// The next line that is no tick.
    fn line(&mut self) -> String {
        loop {
            let mut line = String::new();
            self.output.as_mut().unwrap().read_line(&mut line).unwrap();
            if line != "tick\n" {
                return line;
            }
        }
    }

    /// Waits for the end, at which nothing is said.
    fn end_quietly(self) -> Option<i32> {
        let (code, text) = self.end();
        assert_eq!(text, "", "standard error");
        code
    }

    /// Waits for the end: the exit code, and what is on standard error.
    fn end(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().unwrap();
        let mut text = String::new();
        self.errors.read_to_string(&mut text).unwrap();
        (status.code(), text)
    }
}

impl Drop for Shout {
    fn drop(&mut self) {
        // It has ended, unless the test fails.
        let _ = self.child.kill();
    }
}

const WAYS: [&str; 3] = ["-w 1", "-w 3", "-p 2"];

#[test]
fn the_end_of_standard_input_ends_the_flow() {
    for way in WAYS {
        let mut shout = Shout::start(way);
        shout.write("one\ntw");
        // What has come is not held back by what has not.
        assert_eq!(shout.line(), "ONE\n", "{way}");
        shout.write("o\nthree");
        assert_eq!(shout.line(), "TWO\n", "{way}");
        shout.input = None;
        assert_eq!(shout.line(), "THREE\n", "{way}");
        assert_eq!(shout.line(), "", "{way}");
        assert_eq!(shout.end_quietly(), Some(0), "{way}");
    }
}

/// Standard input that gives nothing holds back neither other sources nor a signal.
#[test]
fn a_silent_pipe_holds_nothing_back() {
    for (name, code) in [("-TERM", 143), ("-INT", 130)] {
        let mut shout = Shout::start("--ticks");
        let mut line = String::new();
        for _ in 0..3 {
            line.clear();
            shout.output.as_mut().unwrap().read_line(&mut line).unwrap();
            assert_eq!(line, "tick\n");
        }
        signal(name, shout.child.id());
        assert_eq!(shout.end().0, Some(code));
    }
}

/// As in `shout | head -n 1`: the run ends at once, and says nothing.
#[test]
fn a_closed_output_ends_the_flow_quietly() {
    for way in WAYS {
        let mut shout = Shout::start(&format!("--ticks {way}"));
        shout.write("one\n");
        assert_eq!(shout.line(), "ONE\n");
        shout.output = None;
        // The ticks find that nobody reads.
        assert_eq!(shout.end_quietly(), Some(0), "{way}");
    }
}
