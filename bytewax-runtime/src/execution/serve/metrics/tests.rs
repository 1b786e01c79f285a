//! Parses the text with an independent parser.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use nom_openmetrics::parser::openmetrics;
use nom_openmetrics::{MetricDescriptor, MetricType};

use super::encode;
use crate::prelude::*;
use crate::report::RunReport;
use crate::source::{FixedPartitionedSource, Lag, Poll, StatefulSourcePartition};
use crate::testing::TestingSink;
use crate::windowing::{Lateness, Micros, StreamClock, TumblingWindower};
use crate::worker::Monitor;
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
pub(in crate::execution::serve) fn report() -> RunReport {
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
pub(super) type Of = (String, BTreeMap<String, String>);

/// The samples of a text, which must follow the rules of the format.
pub(super) fn samples(text: &str) -> BTreeMap<Of, f64> {
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
