//! Pushes the metrics and the spans of a run to a collector, by the protocol of OpenTelemetry (OTLP) over
//! HTTP.

mod collector;
mod metrics;
mod push;
#[cfg(feature = "cli")]
mod spans;
#[cfg(test)]
#[cfg(all(feature = "recovery", feature = "cli"))]
mod tests;

pub(crate) use collector::Collector;
pub(crate) use push::MetricsPush;
#[cfg(feature = "cli")]
pub(crate) use spans::Spans;
