//! Checks that the server withstands clients, and shows only what they may see.

mod contents;
mod schema;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::api::Api;
use super::routes::Routes;
use super::{Here, Offers, Server, Serving};
use crate::error::RunErrorKind;
use crate::kit::Shared;
use crate::prelude::*;
use crate::report::{RunReport, RunState};
use crate::source::{FixedPartitionedSource, Poll, StatefulSourcePartition};
use crate::testing::{TestingSink, TestingSource};
use crate::worker::Reading;
use crate::{RunConfig, StepError};

const VIEWER: &str = "viewer-0123456789";
const CONTROL: &str = "control-0123456789";

fn anywhere() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

/// A server of a run of one worker that never begins: of its metrics, and of its page.
fn server_of(serving: Serving) -> (Server, Arc<Shared>) {
    let flow = Dataflow::build("f", |flow| {
        let numbers = flow.input(TestingSource::new([1])).named("in");
        let sums = numbers
            .key_on(|_| 0_u8)
            .named("keys")
            .stateful_map(|sum: &mut i32, n| {
                *sum += n;
                *sum
            });
        sums.named("sums").output(TestingSink::new()).named("out");
    });
    let shared = Arc::new(Shared::new(RunConfig::new().settings(), 0..1));
    let reading = Reading::new(flow.graph(), &shared);
    let server = serving.start(flow.graph(), &reading, &shared, None, Here::default());
    (server.unwrap().unwrap(), shared)
}

/// A server of the metrics alone.
fn server() -> (Server, Arc<Shared>) {
    server_of(Serving {
        metrics: Some(anywhere()),
        ..Serving::default()
    })
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    // It only catches hangs.
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    stream
}

/// What the server says to these bytes before it closes the connection, or is closed by it.
fn say_at(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = connect(address);
    // It may be closed before all is said.
    let _ = stream.write_all(bytes);
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    String::from_utf8_lossy(&said).into_owned()
}

fn say(server: &Server, bytes: &[u8]) -> String {
    say_at(server.addresses()[0], bytes)
}

/// The status, the head and the body of a response to a request with these lines.
fn ask(address: SocketAddr, path: &str, lines: &str) -> (u16, String, String) {
    let said = say_at(
        address,
        format!("GET {path} HTTP/1.1\r\n{lines}\r\n").as_bytes(),
    );
    let (head, body) = said.split_once("\r\n\r\n").unwrap_or_default();
    let status = head.split(' ').nth(1).unwrap_or_default();
    (
        status.parse().unwrap_or(0),
        head.to_owned(),
        body.to_owned(),
    )
}

fn get(server: &Server, path: &str) -> (u16, String) {
    let (status, _, body) = ask(server.addresses()[0], path, "Host: x\r\n");
    (status, body)
}

#[test]
fn health_and_readiness_follow_the_state_of_the_run() {
    let (server, shared) = server();
    let both = || {
        let (health, ready) = (get(&server, "/healthz"), get(&server, "/readyz"));
        assert_eq!(health.1, ready.1);
        (health.0, ready.0, health.1)
    };
    assert_eq!(both(), (200, 503, "starting\n".to_owned()));
    shared.meter.enter(RunState::Running);
    assert_eq!(both(), (200, 200, "running\n".to_owned()));
    shared.meter.enter(RunState::Stopping);
    assert_eq!(both(), (200, 503, "stopping\n".to_owned()));
    shared.meter.enter(RunState::Failed);
    assert_eq!(both(), (503, 503, "failed\n".to_owned()));
}

#[test]
fn tricks_and_garbage_get_nothing_and_harm_nothing() {
    let (server, _shared) = server();
    for path in [
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "//metrics",
        "/metrics/",
        "/metrics/../secret",
        "/METRICS",
        "/healthz%00",
    ] {
        assert_eq!(get(&server, path).0, 404, "{path}");
    }
    assert_eq!(get(&server, "/metrics?x=../..").0, 200);
    let posted = say(
        &server,
        b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    );
    assert!(posted.starts_with("HTTP/1.1 405"), "{posted}");
    let head = say(&server, b"HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(
        head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"),
        "{head}"
    );

    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(1 << 20));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(1 << 16));
    let garbage: Vec<u8> = (0..1 << 16)
        .map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    for bytes in [
        long.as_bytes(),
        many.as_bytes(),
        &garbage,
        b"\r\n\r\n\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ] {
        let said = say(&server, bytes);
        assert!(!said.contains("HTTP/1.1 200"), "{said}");
    }
    let (status, text) = get(&server, "/metrics");
    assert_eq!(status, 200);
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn slow_connections_keep_nobody_out() {
    let (server, _shared) = server();
    let mut slow: Vec<TcpStream> = Vec::new();
    for number in 0..600 {
        let mut stream = connect(server.addresses()[0]);
        // Half of them say something, but not all.
        if number % 2 == 0 {
            let _ = stream.write_all(b"GET /metrics HT");
        }
        slow.push(stream);
        if number % 100 == 99 {
            assert_eq!(
                get(&server, "/metrics").0,
                200,
                "beside {number} slow connections"
            );
        }
    }
    // The oldest were closed for those that came after them.
    let mut byte = [0];
    assert!(matches!(slow[0].read(&mut byte), Ok(0) | Err(_)));
    assert_eq!(get(&server, "/healthz").0, 200);
    drop(server);
    // With the server all are closed.
    let last = slow.last_mut().unwrap();
    assert!(matches!(last.read(&mut byte), Ok(0) | Err(_)));
}

/// A request has five seconds, however many bytes of it come.
#[test]
fn a_request_that_does_not_end_is_closed() {
    let (server, _shared) = server();
    let mut slow = connect(server.addresses()[0]);
    slow.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n")
        .unwrap();
    let since = std::time::Instant::now();
    let mut said = String::new();
    let _ = slow.read_to_string(&mut said);
    assert!(!said.contains(" 200 "), "{said}");
    let took = since.elapsed();
    let limit = Duration::from_secs(5);
    assert!(
        took + Duration::from_millis(500) > limit && took < 5 * limit,
        "{took:?}"
    );
}

/// A connection has its own limit, which ends it before the five seconds of a request.
#[test]
fn a_connection_that_does_not_end_is_closed() {
    let (flow, settings) = (Dataflow::build("f", |_| {}), RunConfig::new().settings());
    let shared = Arc::new(Shared::new(settings, 0..1));
    let reading = Reading::new(flow.graph(), &shared);
    let api = Api::new(flow.graph(), reading.clone(), Vec::new());
    let routes = Routes::new(api, reading, None, None);
    let places = [(anywhere(), Offers::METRICS)];
    let server = Server::within(Duration::from_millis(20), &places, routes).unwrap();
    let since = std::time::Instant::now();
    let said = say(&server, b"GET /healthz HTTP/1.1\r\nHost: x\r\n");
    assert!(!said.contains(" 200 "), "{said}");
    assert!(since.elapsed() < Duration::from_secs(5));
}

/// A source without items, which counts how often it is asked for its partitions.
struct Counted(Arc<AtomicUsize>);

struct Nothing;

impl FixedPartitionedSource for Counted {
    type Item = i64;
    type Position = u64;
    type Partition = Nothing;

    fn partitions(&self) -> Result<Vec<String>, StepError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(vec!["only".to_owned()])
    }

    fn open(&self, _: &str, _: Option<u64>) -> Result<Nothing, StepError> {
        Ok(Nothing)
    }
}

impl StatefulSourcePartition for Nothing {
    type Item = i64;
    type Position = u64;

    fn next_batch(&mut self) -> Result<Poll<i64>, StepError> {
        Ok(Poll::end())
    }

    fn snapshot(&self) -> u64 {
        0
    }
}

#[test]
fn a_port_that_is_taken_fails_the_run_before_any_item_is_read() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = taken.local_addr().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let flow = || {
        let source = Counted(Arc::clone(&asked));
        Dataflow::build("f", |flow| {
            let numbers = flow.input(source).named("in");
            numbers.output(TestingSink::new()).named("out");
        })
    };
    let new = RunConfig::new;
    for (config, text) in [
        (
            new().metrics(address),
            "the metrics cannot be served at `ADDRESS`; give `--metrics`",
        ),
        (
            new().web(address),
            "the page cannot be served at `ADDRESS`; give `--web`",
        ),
        (
            new().web(address).metrics(address),
            "the metrics and the page cannot be served at `ADDRESS`; give `--web`",
        ),
        (
            new().metrics(anywhere()).web(address),
            "the page cannot be served at `ADDRESS`; give `--web`",
        ),
    ] {
        let error = config.run(flow()).unwrap_err();
        assert_eq!(error.kind(), RunErrorKind::Network);
        let told = error.report();
        let text = text.replace("ADDRESS", &address.to_string());
        assert!(told.starts_with(&text), "{told}");
        assert!(told.contains("caused by: Address already in use"), "{told}");
        assert_eq!(asked.load(Ordering::SeqCst), 0);
    }

    drop(taken);
    new().metrics(address).web(address).run(flow()).unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    // The port is free again when the run has ended.
    drop(TcpListener::bind(address).unwrap());
}

#[test]
fn processes_of_one_machine_use_consecutive_ports_and_know_them() {
    let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let serving = Serving {
        metrics: Some(at(9464)),
        page: Some(at(8088)),
        ..Serving::default()
    };
    let here = |process, processes| Here { process, processes };
    assert_eq!(serving.ports(here(1, 3)), [8088, 8089, 8090]);
    assert!(serving.ports(Here::default()).is_empty());
    let places = serving.places(here(2, 3)).unwrap();
    let addresses: Vec<SocketAddr> = places.iter().map(|(address, _)| *address).collect();
    assert_eq!(addresses, [at(9466), at(8090)]);
    // What has the same address is served by one socket.
    let both = Serving {
        metrics: Some(at(8088)),
        ..serving
    };
    let places = both.places(here(1, 3)).unwrap();
    assert_eq!(places, [(at(8089), Offers::BOTH)]);
    let high = Serving {
        page: Some(at(65_534)),
        ..Serving::default()
    };
    let error = high.places(here(2, 3)).unwrap_err();
    assert!(
        error.to_string().contains("there is no port 2 above"),
        "{error}"
    );
}

#[test]
fn the_page_needs_a_token_where_others_can_reach_it() {
    let everywhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let asked = Arc::new(AtomicUsize::new(0));
    let flow = || {
        let source = Counted(Arc::clone(&asked));
        Dataflow::build("f", |flow| {
            let numbers = flow.input(source).named("in");
            numbers.output(TestingSink::new()).named("out");
        })
    };
    let error = RunConfig::new().web(everywhere).run(flow()).unwrap_err();
    assert_eq!(error.kind(), RunErrorKind::Config);
    assert!(error.to_string().contains("`--web-token`"), "{error}");
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    let config = RunConfig::new().web(everywhere).web_token(VIEWER);
    config.run(flow()).unwrap();
}

#[test]
fn what_a_page_shows_needs_the_token_of_viewers_or_of_control() {
    let (server, _shared) = server_of(Serving {
        metrics: Some(anywhere()),
        page: Some(anywhere()),
        control: Some(CONTROL.parse().unwrap()),
        viewers: Some(VIEWER.parse().unwrap()),
    });
    let [metrics, page] = server.addresses() else {
        panic!("it has two addresses");
    };
    for path in ["/api/v1/report", "/api/v1/flow", "/api", "/api/v1/nothing"] {
        for lines in [
            String::new(),
            "Host: localhost\r\n".to_owned(),
            "Authorization: Bearer \r\n".to_owned(),
            format!("Authorization: Bearer {VIEWER}x\r\n"),
            format!("Authorization: Basic {VIEWER}\r\n"),
        ] {
            let lines = match lines.starts_with("Host") {
                true => lines,
                false => format!("Host: x\r\n{lines}"),
            };
            let (status, head, body) = ask(*page, path, &lines);
            assert_eq!(status, 401, "{path} {lines}");
            assert!(head.contains("www-authenticate: Bearer"), "{head}");
            assert!(!body.contains("f.in"), "{body}");
        }
    }
    for token in [VIEWER, CONTROL] {
        let lines = format!("Host: x\r\nAuthorization: Bearer {token}\r\n");
        assert_eq!(ask(*page, "/api/v1/report", &lines).0, 200);
    }
    // Whoever may look may not stop the run.
    let stop = format!("POST /stop HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {VIEWER}\r\n\r\n");
    assert!(say_at(*page, stop.as_bytes()).starts_with("HTTP/1.1 401"));
    // The files of the page hold no secret, and the address of the metrics has no page.
    assert_eq!(ask(*page, "/", "Host: x\r\n").0, 200);
    assert_eq!(ask(*page, "/metrics", "Host: x\r\n").0, 404);
    assert_eq!(ask(*metrics, "/api/v1/report", "Host: x\r\n").0, 200);
    assert!(!ask(*metrics, "/", "Host: x\r\n").2.contains("<html"));
}

#[test]
fn without_a_token_other_sites_do_not_see_through_a_name_of_theirs() {
    let (server, _shared) = server_of(Serving {
        page: Some(anywhere()),
        ..Serving::default()
    });
    let page = server.addresses()[0];
    for path in ["/api/v1/report", "/api/v1/flow"] {
        let seen = |host: &str| ask(page, path, &format!("Host: {host}\r\n")).0;
        assert_eq!(seen("evil.example"), 403, "{path}");
        assert_eq!(seen("localhost:8088"), 200, "{path}");
        assert_eq!(seen("127.0.0.1"), 200, "{path}");
    }
    let (_, head, _) = ask(
        page,
        "/api/v1/report",
        "Host: localhost\r\nOrigin: http://evil.example\r\n",
    );
    assert!(!head.to_lowercase().contains("access-control"), "{head}");
}

#[test]
fn the_report_is_read_back_as_it_was() {
    let (server, shared) = server();
    shared.meter.enter(RunState::Running);
    let (status, text) = get(&server, "/api/v1/report");
    assert_eq!(status, 200);
    let report: RunReport = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (report.flow.as_str(), report.state),
        ("f", RunState::Running)
    );
    assert_eq!((report.process, report.processes), (0, 1));
    let ids: Vec<&str> = report.steps.iter().map(|step| step.step.as_str()).collect();
    assert_eq!(ids, ["f.in", "f.keys", "f.sums", "f.out"]);
    // Many clients cost no more than one: within half a second, each gets the same.
    let again = get(&server, "/api/v1/report");
    let age = report.read_at - serde_json::from_str::<RunReport>(&again.1).unwrap().read_at;
    assert!(again == (200, text) || age.abs() > chrono::TimeDelta::milliseconds(400));
    for (path, status) in [
        ("/api", 200),
        ("/api/v1", 200),
        ("/api/v1/flow", 200),
        ("/api/v1/schema", 200),
        ("/api/v1/report?histograms=true", 200),
        ("/apis", 404),
        ("/api/v2/report", 404),
        ("/api/v1/report/", 404),
        ("/api/v1/../report", 404),
    ] {
        assert_eq!(get(&server, path).0, status, "{path}");
    }
}
