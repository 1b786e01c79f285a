//! Runs that are stopped and saved by requests.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::error::{RunError, RunErrorKind};
use crate::execution::serve::{Here, Serving};
use crate::prelude::*;
use crate::source::{FixedPartitionedSource, Poll, StatefulSourcePartition};
use crate::testing::TestingSink;
use crate::worker::Monitor;
use crate::{RunConfig, StepError};

const TOKEN: &str = "0123456789abcdef";

/// Numbers from 1 up, as far as this says; each poll gives one.
#[derive(Clone)]
struct Numbers {
    last: Arc<AtomicU64>,
    ends: Arc<AtomicBool>,
}

struct Part {
    next: u64,
    of: Numbers,
}

impl FixedPartitionedSource for Numbers {
    type Item = u64;
    type Position = u64;
    type Partition = Part;

    fn partitions(&self) -> Result<Vec<String>, StepError> {
        Ok(vec!["only".to_owned()])
    }

    fn open(&self, _: &str, next: Option<u64>) -> Result<Part, StepError> {
        Ok(Part {
            next: next.unwrap_or(1),
            of: self.clone(),
        })
    }
}

impl StatefulSourcePartition for Part {
    type Item = u64;
    type Position = u64;

    fn next_batch(&mut self) -> Result<Poll<u64>, StepError> {
        if self.next <= self.of.last.load(Ordering::SeqCst) {
            self.next += 1;
            return Ok(Poll::item(self.next - 1));
        }
        match self.of.ends.load(Ordering::SeqCst) {
            true => Ok(Poll::end()),
            false => Ok(Poll::batch(Vec::new())),
        }
    }

    fn snapshot(&self) -> u64 {
        self.next
    }
}

type Sums = TestingSink<(u64, u64)>;

/// Each number with the sum of all up to it.
fn flow(numbers: &Numbers, out: &Sums) -> Dataflow {
    Dataflow::build("f", |flow| {
        let numbers = flow.input(numbers.clone()).named("in");
        let sums = numbers.key_on(|_| 0_u8).stateful_map(|sum: &mut u64, n| {
            *sum += n;
            (n, *sum)
        });
        sums.named("sums").key_rm().output(out.clone()).named("out");
    })
}

/// A run on another thread, with a server.
struct Running {
    address: SocketAddr,
    monitor: Monitor,
    thread: thread::JoinHandle<Result<(), RunError>>,
}

fn config(dir: &Path, workers: usize) -> RunConfig {
    RunConfig::new()
        .workers(workers)
        .epoch_interval(Duration::ZERO)
        .recovery(RecoveryConfig::new(dir))
}

/// The same with epochs as they are usual.
fn resumed(dir: &Path, workers: usize) -> RunConfig {
    config(dir, workers).epoch_interval(Duration::from_secs(10))
}

fn start(flow: Dataflow, config: RunConfig, token: Option<&str>) -> Running {
    let monitor = Monitor::new();
    let config = config.monitor(&monitor);
    let token = token.map(|token| token.parse::<Token>().unwrap());
    let (address, started) = channel();
    let thread = thread::spawn(move || {
        let listen = |shared: &Arc<Shared>, reading: Option<&crate::worker::Reading>| {
            let serving = Serving {
                metrics: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
                control: token.clone(),
                ..Serving::default()
            };
            let recovery = config.recovery.clone();
            let server = serving.start(
                flow.graph(),
                reading.unwrap(),
                shared,
                recovery,
                Here::default(),
            )?;
            address
                .send(server.as_ref().unwrap().addresses()[0])
                .unwrap();
            Ok(server)
        };
        config.run_with(&flow, listen).map_err(RunError::from)
    });
    Running {
        address: started.recv().unwrap(),
        monitor,
        thread,
    }
}

impl Running {
    fn ask(&self, method: &str, path: &str, token: Option<&str>) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let authorization = token.map_or(String::new(), |token| {
            format!("Authorization: Bearer {token}\r\n")
        });
        let head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\n{authorization}\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        let (head, body) = said.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap();
        (status.parse().unwrap(), body.to_owned())
    }

    /// Waits until so many more epochs are complete.
    fn epochs(&self, more: u64) {
        let complete = || {
            let report = self.monitor.report().unwrap();
            let worker = report.workers.first();
            worker.map_or(0, |worker| worker.epochs_complete)
        };
        let until = complete() + more;
        let limit = Instant::now() + Duration::from_secs(60);
        while complete() < until {
            assert!(Instant::now() < limit, "no epoch is complete");
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn ended(self) -> Result<(), RunError> {
        self.thread.join().unwrap()
    }
}

fn endless() -> Numbers {
    Numbers {
        last: Arc::new(AtomicU64::new(u64::MAX)),
        ends: Arc::default(),
    }
}

#[test]
fn a_run_goes_on_from_a_savepoint_that_was_made_while_another_went_on() {
    for workers in [1, 2] {
        let dir = tempfile::tempdir().unwrap();
        let (numbers, out) = (endless(), Sums::new());
        let running = start(
            flow(&numbers, &out),
            config(dir.path(), workers),
            Some(TOKEN),
        );
        running.epochs(3);
        let (status, text) = running.ask("POST", "/savepoint/one", Some(TOKEN));
        assert_eq!(status, 201, "{text}");
        let place = dir.path().join("savepoints").join("one");
        assert!(
            text.contains(&format!(" is saved in `{}`", place.display())),
            "{text}"
        );
        // The run is none the worse.
        running.epochs(3);
        let (status, text) = running.ask("POST", "/savepoint/one", Some(TOKEN));
        assert_eq!(status, 409, "{text}");
        assert!(text.contains("/savepoints/one` exists;"), "{text}");

        assert_eq!(running.ask("POST", "/stop", Some(TOKEN)).0, 202);
        let error = running.ended().unwrap_err();
        assert_eq!(error.kind(), RunErrorKind::Requested);
        assert_eq!(error.to_string(), "stopped by a request to `/stop`");
        let before = out.take();

        // From the savepoint, what came after it comes again, and the same.
        let last = before.len() as u64 + 10;
        let numbers = Numbers {
            last: Arc::new(AtomicU64::new(last)),
            ends: Arc::new(AtomicBool::new(true)),
        };
        resumed(&place, 3).run(flow(&numbers, &out)).unwrap();
        let again = out.take();
        let first = again[0].0;
        assert!(first > 1 && first <= before.len() as u64, "{first}");
        let sum = |n: u64| (n, n * (n + 1) / 2);
        assert_eq!(again, (first..=last).map(sum).collect::<Vec<_>>());
        // The store of the run itself goes on where that was stopped.
        resumed(dir.path(), 1).run(flow(&numbers, &out)).unwrap();
        let all: Vec<_> = before.into_iter().chain(out.take()).collect();
        assert_eq!(all, (1..=last).map(sum).collect::<Vec<_>>());
    }
}

#[test]
fn requests_need_the_token() {
    let dir = tempfile::tempdir().unwrap();
    let (numbers, out) = (endless(), Sums::new());
    let running = start(flow(&numbers, &out), config(dir.path(), 1), Some(TOKEN));
    for path in ["/stop", "/savepoint/one"] {
        assert_eq!(running.ask("GET", path, Some(TOKEN)).0, 405, "{path}");
        assert_eq!(running.ask("POST", path, None).0, 401, "{path}");
        for token in ["", "0123456789abcdeF", "0123456789abcdef0"] {
            assert_eq!(running.ask("POST", path, Some(token)).0, 401, "{path}");
        }
    }
    for name in ["", "..", ".x", "a/b", "a%2fb", "a\\b"] {
        let path = format!("/savepoint/{name}");
        assert_eq!(running.ask("POST", &path, Some(TOKEN)).0, 400, "{name}");
    }
    assert!(!dir.path().join("savepoints").exists());
    running.epochs(3);
    assert_eq!(running.ask("POST", "/stop", Some(TOKEN)).0, 202);
    assert_eq!(running.ended().unwrap_err().kind(), RunErrorKind::Requested);
}

#[test]
fn without_a_token_nobody_may() {
    let dir = tempfile::tempdir().unwrap();
    let (numbers, out) = (endless(), Sums::new());
    let running = start(flow(&numbers, &out), config(dir.path(), 1), None);
    for path in ["/stop", "/savepoint/one"] {
        let (status, text) = running.ask("POST", path, Some(TOKEN));
        assert_eq!(status, 403, "{path}");
        assert!(text.contains("`--control-token`"), "{text}");
    }
    numbers.ends.store(true, Ordering::SeqCst);
    numbers.last.store(0, Ordering::SeqCst);
    running.ended().unwrap();
}

#[test]
fn a_run_without_a_store_makes_no_savepoint() {
    let (numbers, out) = (endless(), Sums::new());
    let running = start(flow(&numbers, &out), RunConfig::new(), Some(TOKEN));
    let (status, text) = running.ask("POST", "/savepoint/one", Some(TOKEN));
    assert_eq!(
        (status, text.contains("saves nothing")),
        (409, true),
        "{text}"
    );
    assert_eq!(running.ask("POST", "/stop", Some(TOKEN)).0, 202);
    assert!(running.ended().is_err());
}

#[test]
fn before_an_epoch_is_complete_there_is_nothing_to_save() {
    let dir = tempfile::tempdir().unwrap();
    let (numbers, out) = (endless(), Sums::new());
    let long = config(dir.path(), 1).epoch_interval(Duration::from_secs(3600));
    let running = start(flow(&numbers, &out), long, Some(TOKEN));
    let limit = Instant::now() + Duration::from_secs(60);
    while running.monitor.report().unwrap().items() == 0 {
        assert!(Instant::now() < limit, "no item comes");
        thread::sleep(Duration::from_millis(1));
    }
    let (status, text) = running.ask("POST", "/savepoint/one", Some(TOKEN));
    assert_eq!(status, 409, "{text}");
    assert!(text.contains("no epoch is complete yet"), "{text}");
    assert!(!dir.path().join("savepoints").exists());
    assert_eq!(running.ask("POST", "/stop", Some(TOKEN)).0, 202);
    assert!(running.ended().is_err());
}
