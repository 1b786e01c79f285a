//! Encodes a report for a collector. The series are those for Prometheus. Their names have neither the unit
//! nor `_total`, which a collector appends when it writes them for Prometheus.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
    ResourceMetrics, ScopeMetrics, Sum,
};
use opentelemetry_sdk::Resource;

use crate::execution::serve::{Count, Family, Labels, Samples, Unit, families};
use crate::report::RunReport;

const CUMULATIVE: i32 = AggregationTemporality::Cumulative as i32;

/// The start of the run and the time of the report, in nanoseconds since 1970.
#[derive(Clone, Copy)]
struct Times {
    start: u64,
    now: u64,
}

/// The request that exports a report.
pub(super) fn request(report: &RunReport, resource: &Resource) -> ExportMetricsServiceRequest {
    let now = report.read_at.timestamp_nanos_opt().unwrap_or_default();
    let now = u64::try_from(now).unwrap_or_default();
    let times = Times {
        start: now.saturating_sub((report.seconds * 1e9) as u64),
        now,
    };
    let metrics = families(report);
    let metrics = metrics.iter().filter_map(|family| metric(family, times));
    let scope = InstrumentationScope {
        name: "bytewax".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    };
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(resource.into()),
            scope_metrics: vec![ScopeMetrics {
                scope: Some(scope),
                metrics: metrics.collect(),
                schema_url: String::new(),
            }],
            schema_url: String::new(),
        }],
    }
}

/// `None` for what the resource contains.
fn metric(family: &Family, times: Times) -> Option<Metric> {
    let data = match &family.samples {
        Samples::Counters(all) => {
            let points = all.iter().map(|(labels, count)| {
                let value = match count {
                    Count::Whole(count) => Value::AsInt(i64::try_from(*count).unwrap_or(i64::MAX)),
                    Count::Seconds(seconds) => Value::AsDouble(*seconds),
                };
                point(labels, times.start, times.now, value)
            });
            Data::Sum(Sum {
                data_points: points.collect(),
                aggregation_temporality: CUMULATIVE,
                is_monotonic: true,
            })
        }
        Samples::Gauges(all) => {
            let points = all
                .iter()
                .map(|(labels, value)| point(labels, 0, times.now, Value::AsDouble(*value)));
            Data::Gauge(Gauge {
                data_points: points.collect(),
            })
        }
        Samples::Histograms(all) => {
            let points = all.iter().map(|(labels, values)| HistogramDataPoint {
                attributes: attributes(labels),
                start_time_unix_nano: times.start,
                time_unix_nano: times.now,
                count: values.count(),
                sum: Some(values.sum),
                bucket_counts: values.counts.clone(),
                explicit_bounds: values.bounds.clone(),
                ..HistogramDataPoint::default()
            });
            Data::Histogram(Histogram {
                data_points: points.collect(),
                aggregation_temporality: CUMULATIVE,
            })
        }
        Samples::Info(_) => return None,
    };
    let unit = match family.unit {
        Some(Unit::Seconds) => "s",
        Some(Unit::Bytes) => "By",
        None => "",
    };
    Some(Metric {
        name: family.name.to_owned(),
        description: family.help.to_owned(),
        unit: unit.to_owned(),
        metadata: Vec::new(),
        data: Some(data),
    })
}

fn point(labels: &Labels, start: u64, now: u64, value: Value) -> NumberDataPoint {
    NumberDataPoint {
        attributes: attributes(labels),
        start_time_unix_nano: start,
        time_unix_nano: now,
        value: Some(value),
        ..NumberDataPoint::default()
    }
}

fn attributes(labels: &Labels) -> Vec<KeyValue> {
    let attributes = labels.iter().map(|(name, value)| KeyValue {
        key: (*name).to_owned(),
        value: Some(AnyValue {
            value: Some(any_value::Value::StringValue(value.clone())),
        }),
        ..KeyValue::default()
    });
    attributes.collect()
}
