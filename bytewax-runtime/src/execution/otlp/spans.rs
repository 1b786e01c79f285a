//! Exports spans and their events.

use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::Registry;

use super::collector::{Collector, resource};

const PATH: &str = "/v1/traces";

/// The exported spans and events. Epochs, snapshots and connections have the level `debug`.
const TARGET: (&str, tracing::Level) = ("bytewax", tracing::Level::DEBUG);

/// The time to export the last spans at the end of the program.
const LAST: Duration = Duration::from_secs(10);

/// Exports spans until it is dropped.
pub(crate) struct Spans(SdkTracerProvider);

impl Spans {
    /// Starts a thread that exports spans in batches.
    pub(crate) fn start(collector: Collector, flow: &str) -> Self {
        let resource = resource(flow);
        let exporter = Exporter {
            collector,
            resource: ResourceAttributesWithSchema::from(&resource),
        };
        Self::of(exporter, resource)
    }

    fn of(exporter: Exporter, resource: Resource) -> Self {
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource);
        Self(provider.build())
    }

    /// Receives the spans.
    pub(crate) fn layer(&self) -> Box<dyn Layer<Registry> + Send + Sync> {
        let (target, level) = TARGET;
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer("bytewax"))
            .with_filter(Targets::new().with_target(target, level))
            .boxed()
    }
}

impl Drop for Spans {
    fn drop(&mut self) {
        // A failure was logged when it was sent.
        let _ = self.0.shutdown_with_timeout(LAST);
    }
}

#[derive(Debug)]
struct Exporter {
    collector: Collector,
    resource: ResourceAttributesWithSchema,
}

impl SpanExporter for Exporter {
    /// Called on a thread of its own, which may wait.
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let request = ExportTraceServiceRequest {
            resource_spans: group_spans_by_resource_and_scope(batch, &self.resource),
        };
        match self.collector.send(PATH, &request) {
            true => Ok(()),
            false => Err(OTelSdkError::InternalFailure(
                "the collector refused spans".to_owned(),
            )),
        }
    }
}
