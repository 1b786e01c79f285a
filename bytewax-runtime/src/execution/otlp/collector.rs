//! The address of a collector, and requests to it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::EnvResourceDetector;
use prost::Message;
use ureq::Agent;
use ureq::http::Uri;

/// The time limit of a request.
const LIMIT: Duration = Duration::from_secs(10);

/// The maximum size of the head of an answer. Its body is not read.
const HEAD_BYTES: usize = 64 << 10;

/// The headers of each request, by the specification of OpenTelemetry: `name=value`, separated by commas,
/// with percent-encoded values. They usually hold a secret.
const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";

/// The name of the program, by the specification.
const SERVICE_NAME: &str = "OTEL_SERVICE_NAME";

/// A collector that accepts OTLP over HTTP.
#[derive(Clone)]
pub(crate) struct Collector {
    url: String,
    headers: Vec<(String, String)>,
    agent: Agent,
    /// Whether the last request failed.
    fails: Arc<AtomicBool>,
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Collector").field(&self.url).finish()
    }
}

impl FromStr for Collector {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::new(text, std::env::var(HEADERS).ok().as_deref())
    }
}

impl Collector {
    pub(super) fn new(text: &str, headers: Option<&str>) -> Result<Self, String> {
        Self::with(text, headers, LIMIT)
    }

    /// A collector with a time limit for each request.
    pub(super) fn with(text: &str, headers: Option<&str>, limit: Duration) -> Result<Self, String> {
        let url = text.trim_end_matches('/');
        let uri = url.parse::<Uri>().ok().filter(|uri| uri.host().is_some());
        let Some(uri) = uri else {
            return Err("give the URL of a collector, such as `http://localhost:4318`".to_owned());
        };
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") if cfg!(feature = "otlp-ssl") => {}
            Some("https") => {
                return Err("`https` needs the feature `otlp-ssl`; use `http` and a collector on this machine, or \
                     build the program with the feature"
                    .to_owned());
            }
            _ => return Err("give a URL that begins with `http://` or `https://`".to_owned()),
        }
        let config = Agent::config_builder()
            .timeout_global(Some(limit))
            .max_response_header_size(HEAD_BYTES)
            .user_agent(concat!("bytewax/", env!("CARGO_PKG_VERSION")));
        #[cfg(feature = "otlp-ssl")]
        let config = config.tls_config(
            ureq::tls::TlsConfig::builder()
                .provider(ureq::tls::TlsProvider::NativeTls)
                .root_certs(ureq::tls::RootCerts::PlatformVerifier)
                .build(),
        );
        Ok(Self {
            url: url.to_owned(),
            headers: read_headers(headers.unwrap_or_default())?,
            agent: config.build().into(),
            fails: Arc::default(),
        })
    }

    /// Sends a message to a path of the collector. A failure is logged once, until a message gets through.
    /// Returns whether the collector accepted it.
    pub(super) fn send(&self, path: &str, message: &impl Message) -> bool {
        let mut request = self.agent.post(format!("{}{path}", self.url));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let request = request.content_type("application/x-protobuf");
        let sent = request.send(&message.encode_to_vec()[..]);
        let failed_before = self.fails.swap(sent.is_err(), Ordering::Relaxed);
        match &sent {
            Ok(_) if failed_before => {
                tracing::info!(
                    "the collector at {} accepts metrics and spans again",
                    self.url
                );
            }
            Err(error) if !failed_before => {
                tracing::warn!(
                    "the collector at {} does not accept {path}: {error}; the run continues without it",
                    self.url
                );
            }
            _ => {}
        }
        sent.is_ok()
    }
}

/// Reads the headers of [`HEADERS`]. The message must not show a secret.
fn read_headers(text: &str) -> Result<Vec<(String, String)>, String> {
    let wrong = || {
        format!(
            "`{HEADERS}` must contain `name=value`, separated by commas, with percent-encoded values"
        )
    };
    let parts = text.split(',').map(str::trim);
    let read = parts.filter(|part| !part.is_empty()).map(|part| {
        let (name, value) = part.split_once('=').ok_or_else(wrong)?;
        let decoded = percent_encoding::percent_decode_str(value.trim());
        let value = decoded.decode_utf8().map_err(|_| wrong())?.into_owned();
        let name = name.trim().to_owned();
        let is_name = ureq::http::HeaderName::from_bytes(name.as_bytes()).is_ok();
        let is_value = ureq::http::HeaderValue::from_str(&value).is_ok();
        if is_name && is_value {
            Ok((name, value))
        } else {
            Err(wrong())
        }
    });
    read.collect()
}

/// The origin of metrics and spans: the flow is the service, unless the environment names another, and this
/// process is its instance.
pub(super) fn resource(flow: &str) -> Resource {
    use opentelemetry::KeyValue;

    let name = std::env::var(SERVICE_NAME)
        .ok()
        .filter(|name| !name.is_empty());
    let own = [
        KeyValue::new("service.name", name.unwrap_or_else(|| flow.to_owned())),
        KeyValue::new("service.instance.id", std::process::id().to_string()),
        KeyValue::new("bytewax.flow", flow.to_owned()),
        KeyValue::new("bytewax.version", env!("CARGO_PKG_VERSION")),
    ];
    Resource::builder_empty()
        .with_attributes(own)
        .with_detector(Box::new(EnvResourceDetector::new()))
        .build()
}
