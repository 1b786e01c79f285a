//! Parses the text with an independent parser, and checks that the server withstands clients.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use nom_openmetrics::parser::openmetrics;
use nom_openmetrics::{MetricDescriptor, MetricType};

use super::MetricsServer;
use super::encode;
use crate::kit::Shared;
use crate::prelude::*;
use crate::report::{RunReport, RunState};
use crate::source::{FixedPartitionedSource, Lag, Poll, StatefulSourcePartition};
use crate::testing::{TestingSink, TestingSource};
use crate::windowing::{Lateness, Micros, StreamClock, TumblingWindower};
use crate::worker::{Monitor, Reading};
use crate::{RecoveryConfig, RunConfig, StepError};

/// A name that must be escaped.
const TOPIC: &str = "or\"d\\er\ns";

/// A source of times, whose only partition is one of a topic. It says how much is left at the beginning, and when the clock
/// has moved on by a second, which is never in this test.
struct Topic;

struct Times(Vec<i64>);

impl FixedPartitionedSource for Topic {
    type Item = i64;
    type Position = u64;
    type Partition = Times;

    fn partitions(&self) -> Result<Vec<String>, StepError> {
        Ok(vec![format!("{TOPIC}/3")])
    }

    fn open(&self, _: &str, _: Option<u64>) -> Result<Times, StepError> {
        Ok(Times(vec![300, 210, 60, 200, 100]))
    }
}

impl StatefulSourcePartition for Times {
    type Item = i64;
    type Position = u64;

    fn next_batch(&mut self) -> Result<Poll<i64>, StepError> {
        Ok(self.0.pop().map_or_else(Poll::end, Poll::item))
    }

    fn snapshot(&self) -> u64 {
        self.0.len() as u64
    }

    fn lag(&self) -> Option<Lag> {
        Some(Lag::Messages(self.0.len() as u64))
    }
}

fn at(item: &i64) -> Micros {
    Micros(item * 1_000_000)
}

/// A report of a flow with all kinds of steps, read while the last item is on its way.
fn report() -> RunReport {
    let dir = tempfile::tempdir().unwrap();
    let monitor = Monitor::new();
    let seen = Arc::new(std::sync::Mutex::new(None));
    let (watch, note) = (monitor.clone(), Arc::clone(&seen));
    let flow = Dataflow::build("f", |flow| {
        let times = flow.input(Topic).named("in");
        let lateness = Lateness::bounded(TimeDelta::zero()).any_future();
        let time = times.event_time(at, lateness).named("time");
        let parsed = time
            .down
            .try_map(move |at| {
                if *at == 300 {
                    *note.lock().unwrap() = watch.report();
                }
                if *at == 200 { Err("no") } else { Ok(*at) }
            })
            .named("parsed");
        parsed.errs.skip_counted().named("skip");
        let windower = TumblingWindower::new(TimeDelta::seconds(60), DateTime::UNIX_EPOCH);
        let keyed = parsed.oks.key_on(|_| 0_u8).named("keys");
        let counts = keyed
            .count_window(StreamClock::new(at), windower)
            .named("counts");
        counts.down.output(TestingSink::new()).named("out");
    });
    let config = RunConfig::new()
        .epoch_interval(Duration::ZERO)
        .recovery(RecoveryConfig::new(dir.path()))
        .monitor(&monitor);
    config.run(flow).unwrap();
    let seen = seen.lock().unwrap().take().unwrap();
    assert!(seen.steps.iter().all(|step| !step.workers.is_empty()));
    seen
}

/// A sample: its name, and its labels.
type Of = (String, BTreeMap<String, String>);

/// The samples of a text, which must follow the rules of the format.
fn samples(text: &str) -> BTreeMap<Of, f64> {
    let read = openmetrics(text);
    let (rest, families) = read.unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(rest, "");
    let mut samples = BTreeMap::new();
    let mut names = BTreeSet::new();
    for family in families {
        let (mut name, mut kind, mut unit, mut help) = (None, None, None, None);
        for described in &family.descriptors {
            let named = match described {
                MetricDescriptor::Type { metric, r#type } => {
                    kind = Some(r#type);
                    metric
                }
                MetricDescriptor::Help { metric, help: text } => {
                    help = Some(text);
                    metric
                }
                MetricDescriptor::Unit { metric, unit: of } => {
                    unit = Some(of);
                    metric
                }
            };
            assert!(name.is_none_or(|name| name == named), "{name:?} {named}");
            name = Some(named);
        }
        let (name, kind) = (name.unwrap().to_string(), kind.unwrap());
        assert!(name.starts_with("bytewax_"), "{name}");
        assert!(help.is_some_and(|help| !help.is_empty()), "{name}");
        assert!(names.insert(name.clone()), "`{name}` is there twice");
        if let Some(unit) = unit {
            assert!(name.ends_with(&format!("_{unit}")), "{name} in {unit}");
        }
        assert!(!family.samples.is_empty(), "{name}");
        for sample in family.samples {
            let ending = sample.name().strip_prefix(&*name).unwrap();
            let is_right = match kind {
                MetricType::Counter => ending == "_total",
                MetricType::Gauge => ending.is_empty() && !name.ends_with("_total"),
                // The parser does not know the word.
                MetricType::Histogram | MetricType::Unknown("histogram") => {
                    ["_bucket", "_sum", "_count"].contains(&ending)
                }
                MetricType::Info => ending == "_info",
                _ => false,
            };
            assert!(is_right, "{name}: {}", sample.name());
            let labels = sample.labels().iter();
            let labels = labels.map(|label| (label.name.to_owned(), label.value.clone()));
            let of = (sample.name().to_owned(), labels.collect());
            let before = samples.insert(of, sample.number());
            assert!(before.is_none(), "a sample of `{name}` is there twice");
        }
    }
    samples
}

fn labels(of: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = of
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    owned.collect()
}

#[test]
fn another_parser_reads_what_the_report_says() {
    let report = report();
    let samples = samples(&encode::text(report.clone()).unwrap());
    let get = |name: &str, of: &[(&str, &str)]| {
        let of = (name.to_owned(), labels(of));
        *samples
            .get(&of)
            .unwrap_or_else(|| panic!("{of:?} is not in {samples:#?}"))
    };
    for step in &report.steps {
        let (id, numbers) = (step.step.as_str(), &step.workers[0]);
        let of = [("step_id", id), ("worker_index", "0")];
        if id != "f.in" {
            let taken = get("bytewax_item_inp_count_total", &of);
            assert_eq!(taken, numbers.items_in as f64, "{id}");
        }
        if !numbers.outputs.is_empty() {
            let given = get("bytewax_item_out_count_total", &of);
            assert_eq!(given, numbers.items_out as f64, "{id}");
        }
        let busy = get("bytewax_step_busy_seconds_total", &of);
        assert_eq!(busy, numbers.busy_seconds, "{id}");
    }
    let step = |id: &'static str| [("step_id", id), ("worker_index", "0")];
    assert_eq!(get("bytewax_item_out_count_total", &step("f.in")), 5.0);
    assert_eq!(get("bytewax_late_items_total", &step("f.time")), 1.0);
    assert_eq!(get("bytewax_error_items_total", &step("f.parsed")), 1.0);
    assert_eq!(get("bytewax_skipped_items_total", &step("f.skip")), 1.0);
    assert_eq!(get("bytewax_state_keys", &step("f.counts")), 1.0);
    assert!(get("bytewax_state_size_bytes", &step("f.counts")) > 0.0);
    let watermark = get("bytewax_watermark_timestamp_seconds", &step("f.counts"));
    assert_eq!(watermark, 210.0);
    assert!(get("bytewax_watermark_lag_seconds", &step("f.counts")) > 1e9);
    let of = [("step_id", "f.in"), ("topic", TOPIC), ("partition", "3")];
    assert!(get("bytewax_kafka_consumer_lag", &of) <= 5.0);
    assert_eq!(get("bytewax_run_state", &[("state", "running")]), 1.0);
    assert_eq!(get("bytewax_run_state", &[("state", "failed")]), 0.0);
    assert_eq!(get("bytewax_restarts_total", &[]), 0.0);
    assert!(get("bytewax_run_start_time_seconds", &[]) > 1e9);
    let of = [
        ("flow", "f"),
        ("version", env!("CARGO_PKG_VERSION")),
        ("process", "0"),
    ];
    assert_eq!(get("bytewax_build_info", &of), 1.0);
}

#[test]
fn the_series_of_bytewax_have_their_names() {
    let samples = samples(&encode::text(report()).unwrap());
    let names: BTreeSet<&str> = samples.keys().map(|(name, _)| name.as_str()).collect();
    for name in [
        "item_inp_count_total",
        "item_out_count_total",
        "inp_part_next_batch_duration_seconds_bucket",
        "inp_part_next_batch_size_bucket",
        "out_part_write_batch_duration_seconds_bucket",
        "snapshot_duration_seconds_bucket",
        "flat_map_batch_duration_seconds_bucket",
        "stateful_batch_on_batch_duration_seconds_bucket",
        "stateful_batch_on_notify_duration_seconds_bucket",
        "stateful_batch_on_eof_duration_seconds_bucket",
        "partd_load_builder_duration_seconds_bucket",
        "partd_write_duration_seconds_bucket",
        "kafka_consumer_lag",
    ] {
        assert!(
            names.contains(&*format!("bytewax_{name}")),
            "{name} is not in {names:#?}"
        );
    }
}

#[test]
fn the_buckets_of_a_histogram_add_up() {
    let samples = samples(&encode::text(report()).unwrap());
    let mut checked = 0;
    for ((name, labels), count) in &samples {
        let Some(name) = name
            .strip_suffix("_count")
            .filter(|name| !name.ends_with("item_inp"))
        else {
            continue;
        };
        let mut buckets = Vec::new();
        for ((other, of), below) in &samples {
            let mut of = of.clone();
            let bound = of.remove("le");
            if *other == format!("{name}_bucket") && of == *labels {
                let bound = bound.unwrap();
                let bound = if bound == "+Inf" {
                    f64::INFINITY
                } else {
                    bound.parse().unwrap()
                };
                buckets.push((bound, *below));
            }
        }
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        assert!(
            buckets.is_sorted_by(|a, b| a.1 <= b.1),
            "{name}: {buckets:?}"
        );
        assert_eq!(buckets.last(), Some(&(f64::INFINITY, *count)), "{name}");
        checked += 1;
    }
    assert!(checked > 10);
}

/// A server of a run of one worker that never begins.
fn server() -> (MetricsServer, Arc<Shared>) {
    let flow = Dataflow::build("f", |flow| {
        let numbers = flow.input(TestingSource::new([1])).named("in");
        numbers.output(TestingSink::new()).named("out");
    });
    let shared = Arc::new(Shared::new(RunConfig::new().settings(), 0..1));
    let reading = Reading::new(flow.graph(), &shared);
    let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let server = MetricsServer::start(anywhere, reading, None).unwrap();
    (server, shared)
}

fn connect(server: &MetricsServer) -> TcpStream {
    let stream = TcpStream::connect(server.address()).unwrap();
    // It only catches hangs.
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    stream
}

/// What the server says to these bytes before it closes the connection, or is closed by it.
fn say(server: &MetricsServer, bytes: &[u8]) -> String {
    let mut stream = connect(server);
    // It may be closed before all is said.
    let _ = stream.write_all(bytes);
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    String::from_utf8_lossy(&said).into_owned()
}

fn get(server: &MetricsServer, path: &str) -> (u16, String) {
    let said = say(
        server,
        format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes(),
    );
    let (head, body) = said.split_once("\r\n\r\n").unwrap_or_default();
    let status = head.split(' ').nth(1).unwrap_or_default();
    (status.parse().unwrap_or(0), body.to_owned())
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
        let mut stream = connect(&server);
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

#[test]
fn a_port_that_is_taken_fails_the_run_before_any_item_is_read() {
    struct Counted(Arc<AtomicUsize>);

    impl FixedPartitionedSource for Counted {
        type Item = i64;
        type Position = u64;
        type Partition = Times;

        fn partitions(&self) -> Result<Vec<String>, StepError> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Ok(vec!["only".to_owned()])
        }

        fn open(&self, _: &str, _: Option<u64>) -> Result<Times, StepError> {
            Ok(Times(Vec::new()))
        }
    }

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
    let error = RunConfig::new().metrics(address).run(flow()).unwrap_err();
    let text = error.report();
    assert!(
        text.starts_with(&format!(
            "the metrics cannot be served at `{address}`; give `--metrics`"
        )),
        "{text}"
    );
    assert!(text.contains("caused by: Address already in use"), "{text}");
    assert_eq!(asked.load(Ordering::SeqCst), 0);

    drop(taken);
    RunConfig::new().metrics(address).run(flow()).unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    // The port is free again when the run has ended.
    drop(TcpListener::bind(address).unwrap());
}
