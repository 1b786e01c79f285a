//! The server of a run, with up to two addresses: `--metrics` for Prometheus, and `--web` for the live page.
//! Both have probes, the report as JSON, and requests that change the run for clients with a token.

mod answer;
mod api;
mod connections;
mod control;
#[cfg(feature = "web")]
mod history;
#[cfg(feature = "web")]
mod live;
#[cfg(feature = "metrics")]
mod metrics;
#[cfg(feature = "web")]
mod page;
mod routes;

use std::net::SocketAddr;
use std::sync::Arc;

use super::token::Token;
use crate::error::{RunError, RunErrorKind};
use crate::flow::Graph;
use crate::kit::Shared;
use crate::worker::{Reading, RecoveryConfig};

use api::Api;
pub(crate) use connections::Server;
use control::Control;
#[cfg(feature = "otlp")]
pub(crate) use metrics::{Count, Family, Labels, Samples, Unit, families};
use routes::Routes;

/// Reads bytes as parts of a request.
#[cfg(feature = "recovery")]
pub(crate) fn fuzz(bytes: &[u8]) {
    routes::fuzz(bytes);
    let path = String::from_utf8_lossy(bytes);
    let _ = control::Request::of(&path);
}

/// What a run serves, and where.
#[derive(Clone, Debug, Default)]
pub(crate) struct Serving {
    pub(crate) metrics: Option<SocketAddr>,
    pub(crate) page: Option<SocketAddr>,
    /// What clients that change the run send.
    pub(crate) control: Option<Token>,
    /// What clients of the page send.
    pub(crate) viewers: Option<Token>,
}

/// The place of a process among those that this machine started together, which use consecutive ports.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Here {
    pub(crate) process: usize,
    pub(crate) processes: usize,
}

impl Default for Here {
    fn default() -> Self {
        Self {
            process: 0,
            processes: 1,
        }
    }
}

/// What one address offers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Offers {
    pub(crate) metrics: bool,
    pub(crate) page: bool,
}

impl Serving {
    /// Why these settings cannot be used together, if they cannot.
    pub(crate) fn fault(&self) -> Option<String> {
        if let (Some(page), None) = (self.page, &self.viewers)
            && !page.ip().is_loopback()
        {
            return Some(format!(
                "the page at `{page}` would show keys and items to everyone who can reach this machine; give \
                 `--web-token` (BYTEWAX_WEB_TOKEN) a token that viewers must know, or `--web` an address of this \
                 machine alone, such as `127.0.0.1:{}`",
                page.port()
            ));
        }
        let (token, is_used) = match (&self.control, &self.viewers) {
            (Some(_), _) if self.metrics.is_none() && self.page.is_none() => (
                "`--control-token` (BYTEWAX_CONTROL_TOKEN)",
                "`--metrics` (BYTEWAX_METRICS) and `--web` (BYTEWAX_WEB)",
            ),
            (_, Some(_)) if self.page.is_none() => {
                ("`--web-token` (BYTEWAX_WEB_TOKEN)", "`--web` (BYTEWAX_WEB)")
            }
            _ => return None,
        };
        Some(format!(
            "{token} is set without {is_used}, so it has no effect; set an address, or omit the token"
        ))
    }

    /// The ports of the pages of all processes, if there are several.
    fn ports(&self, here: Here) -> Vec<u16> {
        let first = self.page.map_or(0, |page| page.port());
        if first == 0 || here.processes == 1 {
            return Vec::new();
        }
        let ports = (0..here.processes).filter_map(|by| first.checked_add(u16::try_from(by).ok()?));
        ports.collect()
    }

    /// The addresses of a process, each with what it offers.
    fn places(&self, here: Here) -> Result<Vec<(SocketAddr, Offers)>, RunError> {
        let mut places: Vec<(SocketAddr, Offers)> = Vec::new();
        let metrics = self.metrics.map(|address| (address, Offers::METRICS));
        let page = self.page.map(|address| (address, Offers::PAGE));
        for (mut address, offers) in metrics.into_iter().chain(page) {
            if address.port() > 0 {
                address.set_port(higher(address, offers, here.process)?);
            }
            let is_fixed = address.port() > 0;
            let mut known = places.iter_mut();
            match known.find(|(known, _)| is_fixed && *known == address) {
                Some((_, offered)) => *offered = Offers::BOTH,
                None => places.push((address, offers)),
            }
        }
        Ok(places)
    }

    /// Serves a run until the server is dropped; `None` if nothing is to be served.
    pub(crate) fn start(
        self,
        graph: &Graph,
        reading: &Reading,
        shared: &Arc<Shared>,
        recovery: Option<RecoveryConfig>,
        here: Here,
    ) -> Result<Option<Server>, RunError> {
        if let Some(fault) = self.fault() {
            return Err(RunError::new(RunErrorKind::Config, fault));
        }
        let places = self.places(here)?;
        if places.is_empty() {
            return Ok(None);
        }
        shared.meter.count_windows();
        #[cfg(feature = "web")]
        if self.page.is_some() {
            shared.meter.keep_errors();
        }
        let ports = self.ports(here);
        let control = self
            .control
            .map(|token| Control::new(token, &graph.name, shared, recovery));
        let routes = Routes::new(
            Api::new(graph, reading.clone(), ports),
            reading.clone(),
            control,
            self.viewers,
        );
        Server::start(&places, routes).map(Some)
    }
}

impl Offers {
    const METRICS: Self = Self {
        metrics: true,
        page: false,
    };
    const PAGE: Self = Self {
        metrics: false,
        page: true,
    };
    const BOTH: Self = Self {
        metrics: true,
        page: true,
    };

    /// The options that set the address, with their variables.
    fn option(self) -> &'static str {
        match self.page {
            true => "`--web` (BYTEWAX_WEB)",
            false => "`--metrics` (BYTEWAX_METRICS)",
        }
    }

    fn what(self) -> &'static str {
        match (self.metrics, self.page) {
            (true, true) => "the metrics and the page",
            (false, true) => "the page",
            _ => "the metrics",
        }
    }
}

/// The port that is this much higher.
fn higher(address: SocketAddr, offers: Offers, by: usize) -> Result<u16, RunError> {
    let number = u16::try_from(by).unwrap_or(u16::MAX);
    address.port().checked_add(number).ok_or_else(|| {
        let text = format!(
            "process {by} cannot serve {}: there is no port {by} above `{address}`; give {} a lower port",
            offers.what(),
            offers.option(),
        );
        RunError::new(RunErrorKind::Network, text)
    })
}

#[cfg(test)]
#[cfg(all(feature = "recovery", feature = "metrics", feature = "web"))]
mod tests;
