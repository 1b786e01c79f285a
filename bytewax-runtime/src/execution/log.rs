//! Writes the events of the library, unless the program has its own subscriber.

#[cfg(not(feature = "otlp"))]
use std::convert::Infallible as ExportedSpans;
use std::fmt::{self, Debug};
use std::str::FromStr;

use clap::ValueEnum;
use clap::builder::PossibleValue;
use tracing::dispatcher::{self, Dispatch};
use tracing::field::{Field, Visit};
use tracing::subscriber::NoSubscriber;
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{self as lines, FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::{LookupSpan, Registry};

#[cfg(feature = "otlp")]
use super::otlp::Spans as ExportedSpans;
use super::progress::BesideProgress;

/// The default of `--log`: only events of the library, from level `info` on.
const FILTER: &str = "bytewax=info";

/// The events to log: a level, or levels by target prefix, separated by commas.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LogFilter(Targets);

impl FromStr for LogFilter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let targets = text.parse::<Targets>().ok();
        // A word that is not a level would be read as a target.
        let is_known = |part: &str| part.contains('=') || part.parse::<tracing::Level>().is_ok();
        let is_off = |part: &str| part.eq_ignore_ascii_case("off");
        let mut parts = text.split(',').map(str::trim);
        let targets = targets.filter(|_| parts.all(|part| is_known(part) || is_off(part)));
        targets.map(Self).ok_or_else(|| {
            "give a level (`error`, `warn`, `info`, `debug`, `trace` or `off`), or levels by target, such as \
             `warn,bytewax=debug`"
                .to_owned()
        })
    }
}

/// The format of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// The message alone, or with `--log` also the time, level, spans and values.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

impl ValueEnum for LogFormat {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Text, Self::Json]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (name, help) = match self {
            Self::Text => (
                "text",
                "The message, and with `--log` also time, level, spans and values",
            ),
            Self::Json => ("json", "One JSON object a line"),
        };
        Some(PossibleValue::new(name).help(help))
    }
}

/// Exports spans until it is dropped.
pub(super) type Exported = Option<ExportedSpans>;

/// Writes events to standard error, and exports spans. If the program has set a subscriber, that one stays.
pub(super) fn start(
    filter: Option<&LogFilter>,
    format: LogFormat,
    export: impl FnOnce() -> Exported,
) -> Exported {
    if !dispatcher::get_default(|known| known.is::<NoSubscriber>()) {
        return None;
    }
    let exported = export();
    let subscriber = subscriber(filter, format, exported.as_ref(), || BesideProgress);
    // Another thread may just have set one, which then stays.
    let is_set = dispatcher::set_global_default(subscriber).is_ok();
    exported.filter(|_| is_set)
}

/// Receives the exported spans.
#[cfg(feature = "otlp")]
fn exporting(spans: &ExportedSpans) -> Layers {
    spans.layer()
}

#[cfg(not(feature = "otlp"))]
fn exporting(never: &ExportedSpans) -> Layers {
    match *never {}
}

type Layers = Box<dyn Layer<Registry> + Send + Sync>;

fn subscriber<W>(
    filter: Option<&LogFilter>,
    format: LogFormat,
    exported: Option<&ExportedSpans>,
    writer: W,
) -> Dispatch
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let default = || FILTER.parse().unwrap_or_default();
    let targets = filter.map_or_else(default, |LogFilter(targets)| targets.clone());
    // Without standard error, nobody reads it.
    let layer = lines::layer()
        .with_writer(writer)
        .with_ansi(false)
        .log_internal_errors(false);
    let layer: Layers = match (format, filter) {
        (LogFormat::Json, _) => layer.json().flatten_event(true).boxed(),
        (LogFormat::Text, Some(_)) => layer.boxed(),
        (LogFormat::Text, None) => layer.event_format(MessageAlone).boxed(),
    };
    let mut layers = vec![layer.with_filter(targets).boxed()];
    layers.extend(exported.map(exporting));
    Registry::default().with(layers).into()
}

/// Writes only the message of an event, which is complete by itself.
struct MessageAlone;

impl<S, N> FormatEvent<S, N> for MessageAlone
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut message = Message(String::new());
        event.record(&mut message);
        writeln!(writer, "{}", message.0)
    }
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

#[cfg(test)]
mod tests;
