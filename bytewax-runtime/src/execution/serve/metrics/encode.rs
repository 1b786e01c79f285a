//! Encodes a report in the OpenMetrics text format, which Prometheus reads.

use std::borrow::Cow;
use std::fmt::{self, Debug};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{self, Registry};

use super::families::{Count, Family, Labels, Samples, Unit, families};
use crate::report::RunReport;

/// The content type of [`text`].
pub(in crate::execution::serve) const CONTENT_TYPE: &str =
    "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All series of a report.
pub(in crate::execution::serve) fn text(report: RunReport) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Reported(report)));
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

#[derive(Debug)]
struct Reported(RunReport);

impl Collector for Reported {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut all = families(&self.0).into_iter();
        all.try_for_each(|family| put(&family, &mut encoder))
    }
}

fn put(family: &Family, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
    let Family {
        name,
        help,
        unit,
        samples,
    } = family;
    let unit = unit.map(|unit| match unit {
        Unit::Seconds => registry::Unit::Seconds,
        Unit::Bytes => registry::Unit::Bytes,
    });
    let kind = match samples {
        Samples::Counters(_) => MetricType::Counter,
        Samples::Gauges(_) => MetricType::Gauge,
        Samples::Histograms(_) => MetricType::Histogram,
        Samples::Info(_) => MetricType::Info,
    };
    let mut encoder = encoder.encode_descriptor(name, help, unit.as_ref(), kind)?;
    match samples {
        Samples::Counters(all) => all.iter().try_for_each(|(labels, count)| {
            labelled(&mut encoder, labels, |encoder| match count {
                Count::Whole(count) => counter(encoder, count),
                Count::Seconds(seconds) => counter(encoder, seconds),
            })
        }),
        Samples::Gauges(all) => all.iter().try_for_each(|(labels, value)| {
            labelled(&mut encoder, labels, |encoder| encoder.encode_gauge(value))
        }),
        Samples::Histograms(all) => all.iter().try_for_each(|(labels, of)| {
            // The last bucket is unbounded.
            let bounds = of.bounds.iter().copied().chain([f64::MAX]);
            let buckets: Vec<(f64, u64)> = bounds.zip(of.counts.iter().copied()).collect();
            labelled(&mut encoder, labels, |encoder| {
                encoder.encode_histogram::<NoLabelSet>(of.sum, of.count(), &buckets, None)
            })
        }),
        Samples::Info(labels) => encoder.encode_info(&escaped(labels)),
    }
}

/// Encodes a sample with its labels, if it has any.
fn labelled(
    encoder: &mut MetricEncoder<'_>,
    labels: &Labels,
    encode: impl FnOnce(&mut MetricEncoder<'_>) -> Result<(), fmt::Error>,
) -> Result<(), fmt::Error> {
    if labels.is_empty() {
        return encode(encoder);
    }
    let labels = escaped(labels);
    encode(&mut encoder.encode_family(&labels)?)
}

/// Escapes the labels; the crate writes them unchanged.
fn escaped(labels: &Labels) -> Vec<(&'static str, Cow<'_, str>)> {
    let escaped = labels.iter().map(|(name, value)| {
        let value = match value.contains(['\\', '"', '\n']) {
            true => {
                let value = value.replace('\\', "\\\\").replace('"', "\\\"");
                Cow::Owned(value.replace('\n', "\\n"))
            }
            false => Cow::Borrowed(value.as_str()),
        };
        (*name, value)
    });
    escaped.collect()
}

fn counter<V>(encoder: &mut MetricEncoder<'_>, value: &V) -> Result<(), fmt::Error>
where
    V: prometheus_client::encoding::EncodeCounterValue,
{
    encoder.encode_counter::<NoLabelSet, _, u64>(value, None)
}
