//! Runs against a collector that keeps what it receives.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Text;
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use prost::Message;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::Registry;

use super::{Collector, Spans};
use crate::execution::serve::families;
use crate::logged::testing::Heard;
use crate::prelude::*;
use crate::testing::{TestingSink, TestingSource};
use crate::worker::Monitor;
use crate::{RecoveryConfig, RunConfig};

/// A request: its path, its head, and its body.
struct Received {
    path: String,
    head: String,
    body: Vec<u8>,
}

/// A collector that answers with one status.
struct Fake {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Fake {
    fn start(status: &'static str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (received, ends) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let (list, end) = (Arc::clone(&received), Arc::clone(&ends));
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if end.load(Ordering::Acquire) {
                    return;
                }
                let list: &Mutex<Vec<Received>> = &list;
                list.lock().unwrap().push(receive(stream.unwrap(), status));
            }
        });
        Self {
            address,
            received,
            ends,
            thread: Some(thread),
        }
    }

    fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// The bodies of the requests to a path.
    fn bodies(&self, path: &str) -> Vec<Vec<u8>> {
        let received = self.received.lock().unwrap();
        let of_path = received.iter().filter(|received| received.path == path);
        of_path.map(|received| received.body.clone()).collect()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Release);
        drop(TcpStream::connect(self.address));
        self.thread.take().unwrap().join().unwrap();
    }
}

fn receive(mut stream: TcpStream, status: &str) -> Received {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(reader.read_line(&mut head).unwrap() > 0, "{head}");
    }
    let lower = head.to_ascii_lowercase();
    let length = lower
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.unwrap().parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).unwrap();
    let path = head.split(' ').nth(1).unwrap().to_owned();
    Received { path, head, body }
}

fn flow(out: &TestingSink<u64>) -> Dataflow {
    let out = out.clone();
    Dataflow::build("f", |flow| {
        let numbers = flow.input(TestingSource::new(1..=5_u64)).named("numbers");
        numbers.output(out).named("out");
    })
}

fn attribute<'a>(attributes: &'a [KeyValue], name: &str) -> &'a str {
    let found = attributes.iter().find(|one| one.key == name).unwrap();
    match &found.value.as_ref().unwrap().value {
        Some(Text::StringValue(text)) => text,
        other => panic!("{other:?}"),
    }
}

/// The number of samples of a metric.
fn points(metric: &Metric) -> usize {
    match metric.data.as_ref().unwrap() {
        Data::Gauge(gauge) => gauge.data_points.len(),
        Data::Sum(sum) => {
            assert!(sum.is_monotonic);
            sum.data_points.len()
        }
        Data::Histogram(histogram) => {
            for point in &histogram.data_points {
                assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
                assert_eq!(point.bucket_counts.iter().sum::<u64>(), point.count);
            }
            histogram.data_points.len()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_last_push_has_the_metrics_of_the_whole_run() {
    let collector = Fake::start("200 OK");
    let (out, monitor) = (TestingSink::new(), Monitor::new());
    let config = RunConfig::new().monitor(&monitor);
    let config = config.otlp(&collector.url()).unwrap();
    config.run(flow(&out)).unwrap();

    let bodies = collector.bodies("/v1/metrics");
    let last = &bodies.last().unwrap()[..];
    let mut request = ExportMetricsServiceRequest::decode(last).unwrap();
    let pushed = request.resource_metrics.remove(0);
    let resource = pushed.resource.unwrap().attributes;
    assert_eq!(attribute(&resource, "service.name"), "f");
    assert_eq!(
        attribute(&resource, "bytewax.version"),
        env!("CARGO_PKG_VERSION")
    );
    let pushed = &pushed.scope_metrics[0].metrics;
    let report = monitor.report().unwrap();
    let families = families(&report);
    let expected: BTreeSet<_> = families.iter().map(|family| family.name).collect();
    let names: BTreeSet<_> = pushed.iter().map(|metric| metric.name.as_str()).collect();
    let missing: Vec<_> = expected.difference(&names).collect();
    assert_eq!(missing, [&"bytewax_build"]);
    assert!(pushed.iter().all(|metric| points(metric) > 0));

    let named = |name: &str| pushed.iter().find(|metric| metric.name == name).unwrap();
    let Some(Data::Sum(items)) = &named("bytewax_item_out_count").data else {
        panic!("no counter");
    };
    let of_step = |point: &&_| {
        let point: &opentelemetry_proto::tonic::metrics::v1::NumberDataPoint = point;
        attribute(&point.attributes, "step_id") == "f.numbers"
    };
    let point = items.data_points.iter().find(of_step).unwrap();
    assert_eq!(point.value, Some(Value::AsInt(5)));
    assert!(0 < point.start_time_unix_nano && point.start_time_unix_nano <= point.time_unix_nano);
    assert_eq!(named("bytewax_step_busy").unit, "s");
}

#[test]
fn a_collector_that_refuses_or_is_not_there_is_reported_once_and_harms_nothing() {
    let refusing = Fake::start("503 Service Unavailable");
    let gone = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let nobody = format!("http://{}", gone.local_addr().unwrap());
    drop(gone);
    for url in [refusing.url(), nobody] {
        let out = TestingSink::new();
        let lines = Heard::of(tracing::Level::WARN, || {
            let config = RunConfig::new().otlp(&url).unwrap();
            config.run(flow(&out)).unwrap();
        });
        assert_eq!(out.items(), [1, 2, 3, 4, 5]);
        let told = "does not accept /v1/metrics: ";
        let told = lines.iter().filter(|line| line.contains(told)).count();
        assert_eq!(told, 1, "{lines:?}");
    }
}

#[test]
fn the_headers_of_the_environment_are_sent_and_never_shown() {
    let fake = Fake::start("200 OK");
    let headers = "authorization=Bearer%20se%2Ccret, x-tenant = a";
    let collector = Collector::new(&fake.url(), Some(headers)).unwrap();
    assert!(collector.send("/v1/metrics", &ExportMetricsServiceRequest::default()));
    let received = fake.received.lock().unwrap();
    let head = received[0].head.to_ascii_lowercase();
    for expected in [
        "authorization: bearer se,cret\r\n",
        "x-tenant: a\r\n",
        "content-type: application/x-protobuf\r\n",
        "user-agent: bytewax/",
    ] {
        assert!(head.contains(expected), "{head}");
    }
    assert!(!format!("{collector:?}").contains("cret"));
    for wrong in ["secret", "a b=secret", "a=secret%0a", "a=secret%ff"] {
        let error = Collector::new(&fake.url(), Some(wrong)).unwrap_err();
        assert!(error.contains("`OTEL_EXPORTER_OTLP_HEADERS`"), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}

#[test]
fn a_wrong_url_is_refused() {
    for url in [
        "",
        "localhost",
        "4318",
        "ftp://localhost",
        "http://",
        "http:///v1",
    ] {
        let error = RunConfig::new().otlp(url).unwrap_err().to_string();
        assert!(
            error.starts_with("metrics cannot be pushed: give "),
            "{url}: {error}"
        );
    }
    let with_tls = RunConfig::new().otlp("https://localhost:4318");
    assert_eq!(with_tls.is_ok(), cfg!(feature = "otlp-ssl"));
}

#[test]
fn the_spans_of_a_run_form_one_trace() {
    let fake = Fake::start("200 OK");
    let dir = tempfile::tempdir().unwrap();
    let out = TestingSink::new();
    let spans = Spans::start(fake.url().parse().unwrap(), "f");
    let subscriber = Registry::default().with(spans.layer());
    tracing::subscriber::with_default(subscriber, || {
        let config = RunConfig::new().recovery(RecoveryConfig::new(dir.path()));
        config.run(flow(&out)).unwrap();
    });
    drop(spans);

    let bodies = fake.bodies("/v1/traces");
    let requests = bodies
        .iter()
        .map(|body| ExportTraceServiceRequest::decode(&body[..]).unwrap());
    let mut all = Vec::new();
    for of_resource in requests.flat_map(|request| request.resource_spans) {
        let resource = of_resource.resource.unwrap().attributes;
        assert_eq!(attribute(&resource, "service.name"), "f");
        let scopes = of_resource.scope_spans.into_iter();
        all.extend(scopes.flat_map(|scope| scope.spans));
    }
    let names: BTreeSet<_> = all.iter().map(|span| span.name.as_str()).collect();
    assert!(
        names.is_superset(&["run", "worker", "epoch"].into()),
        "{names:?}"
    );
    let run = all.iter().find(|span| span.name == "run").unwrap();
    assert!(
        all.iter().all(|span| span.trace_id == run.trace_id),
        "{all:?}"
    );
    let worker = all.iter().find(|span| span.name == "worker").unwrap();
    assert_eq!(worker.parent_span_id, run.span_id);
}

/// A collector that answers with a text once, and then with a byte again and again until it is disconnected.
fn endless(text: &'static str) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let thread = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.write_all(text.as_bytes());
        while stream.write_all(&[b'x'; 1 << 10]).is_ok() {}
    });
    (url, thread)
}

#[test]
fn what_is_read_of_an_answer_is_limited_in_size_and_time() {
    let pushes = |url: &str, time| {
        let collector = Collector::with(url, None, time).unwrap();
        collector.send("/v1/metrics", &ExportMetricsServiceRequest::default())
    };
    let minute = Duration::from_secs(60);
    // Of a body that does not end, nothing is read.
    let (url, thread) = endless("HTTP/1.1 200 OK\r\n\r\n");
    assert!(pushes(&url, minute));
    thread.join().unwrap();
    // A head that does not end is given up, before the time is over.
    let (url, thread) = endless("HTTP/1.1 200 OK\r\nx: ");
    let lines = Heard::of(tracing::Level::WARN, || assert!(!pushes(&url, minute)));
    assert!(lines[0].contains("header"), "{lines:?}");
    thread.join().unwrap();
    // It accepts the connection, and answers nothing.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    assert!(!pushes(&url, Duration::from_millis(20)));
}
