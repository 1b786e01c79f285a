//! Reads the report of a run.

use std::time::Duration;

use ureq::Agent;

use crate::error::{RunError, RunErrorKind};
use crate::report::RunReport;

/// What a report may take.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) time: Duration,
    pub(super) head_bytes: usize,
    pub(super) bytes: u64,
}

const LIMITS: Limits = Limits {
    time: Duration::from_secs(5),
    head_bytes: 64 << 10,
    // More than a report of a thousand steps on a hundred workers has.
    bytes: 256 << 20,
};

/// A server of metrics.
pub(super) struct Source {
    address: String,
    agent: Agent,
    bytes: u64,
}

impl Source {
    /// A server at `host:port`, or at a port of this machine.
    pub(super) fn new(address: &str) -> Result<Self, RunError> {
        Self::with(address, LIMITS)
    }

    pub(super) fn with(address: &str, limits: Limits) -> Result<Self, RunError> {
        let address = address.strip_prefix("http://").unwrap_or(address);
        let address = address.trim_end_matches('/');
        let address = match address.parse::<u16>() {
            Ok(port) => format!("127.0.0.1:{port}"),
            Err(_) => address.to_owned(),
        };
        let port = address
            .rsplit_once(':')
            .map(|(_, port)| port.parse::<u16>());
        if !matches!(port, Some(Ok(_))) || address.contains('/') {
            let text = format!(
                "`{address}` is no address of a run; give `host:port`, as its `--metrics` or `--web`"
            );
            return Err(RunError::new(RunErrorKind::Config, text));
        }
        let config = Agent::config_builder()
            .timeout_global(Some(limits.time))
            .max_response_header_size(limits.head_bytes);
        Ok(Self {
            address,
            agent: config.build().into(),
            bytes: limits.bytes,
        })
    }

    pub(super) fn report(&self) -> Result<RunReport, RunError> {
        let failed = |error: ureq::Error| {
            let text = format!(
                "no run answers at `{}`; start it with `--metrics {}` or `--web {}`, and give that address to `top`",
                self.address, self.address, self.address
            );
            RunError::new(RunErrorKind::Network, text).caused_by(error)
        };
        let url = format!("http://{}/api/v1/report", self.address);
        let mut answer = self.agent.get(url).call().map_err(failed)?;
        let body = answer.body_mut().with_config().limit(self.bytes);
        let text = body.read_to_string().map_err(failed)?;
        serde_json::from_str(&text).map_err(|error| {
            let text = format!(
                "what `{}` answers is no report of a run; the program there may be of another release",
                self.address
            );
            RunError::new(RunErrorKind::Network, text).caused_by(error)
        })
    }
}
