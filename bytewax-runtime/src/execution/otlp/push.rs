//! Pushes the metrics of a run at intervals, and at its end.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::collector::{Collector, resource};
use super::metrics::request;
use crate::error::{RunError, RunErrorKind};
use crate::logged::Logged;
use crate::worker::Reading;

const PATH: &str = "/v1/metrics";

/// The interval in milliseconds, by the specification of OpenTelemetry.
const INTERVAL: &str = "OTEL_METRIC_EXPORT_INTERVAL";

const DEFAULT_INTERVAL: Duration = Duration::from_secs(10);

/// Pushes the metrics of a run until it is dropped.
pub(crate) struct MetricsPush {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl MetricsPush {
    pub(crate) fn start(collector: Collector, reading: Reading) -> Result<Self, RunError> {
        let interval = interval(std::env::var(INTERVAL).ok().as_deref())?;
        let (stop, stopped) = mpsc::channel();
        let logged = Logged::here();
        let push = move || {
            let resource = resource(reading.flow());
            let send = || collector.send(PATH, &request(&reading.report(), &resource));
            while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                send();
            }
            // The last values.
            send();
        };
        let thread = thread::Builder::new()
            .name("bytewax-otlp".to_owned())
            .spawn(move || logged.run(push))
            .map_err(|error| {
                let text = "the thread that pushes metrics could not be started";
                RunError::new(RunErrorKind::Network, text).caused_by(error)
            })?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for MetricsPush {
    fn drop(&mut self) {
        // Dropping the sender ends the thread, after a last push within the limit of a request.
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // The panic hook has printed a panic, which does not affect the run.
            let _ = thread.join();
        }
    }
}

fn interval(text: Option<&str>) -> Result<Duration, RunError> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(DEFAULT_INTERVAL);
    };
    let millis = text.parse::<u64>().ok().filter(|millis| *millis > 0);
    millis.map(Duration::from_millis).ok_or_else(|| {
        let text =
            format!("`{INTERVAL}` must be a number of milliseconds above 0, and is `{text}`");
        RunError::new(RunErrorKind::Config, text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_in_milliseconds() {
        assert_eq!(interval(None).unwrap(), DEFAULT_INTERVAL);
        assert_eq!(interval(Some("")).unwrap(), DEFAULT_INTERVAL);
        assert_eq!(interval(Some("250")).unwrap(), Duration::from_millis(250));
        for text in ["0", "-1", "1s"] {
            let error = interval(Some(text)).unwrap_err().to_string();
            assert!(error.contains(&format!("and is `{text}`")), "{error}");
        }
    }
}
