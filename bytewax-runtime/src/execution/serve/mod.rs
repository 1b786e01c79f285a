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

pub(crate) use connections::Server;
use control::Control;
use routes::Routes;

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
            "{token} is given without {is_used}, so nobody could use it; give an address, or omit the token"
        ))
    }

    /// The addresses of a process, each with what it offers. Processes of one machine use consecutive ports.
    fn places(&self, process_on_machine: usize) -> Result<Vec<(SocketAddr, Offers)>, RunError> {
        let mut places: Vec<(SocketAddr, Offers)> = Vec::new();
        let metrics = self.metrics.map(|at| {
            (
                at,
                Offers {
                    metrics: true,
                    page: false,
                },
            )
        });
        let page = self.page.map(|at| {
            (
                at,
                Offers {
                    metrics: false,
                    page: true,
                },
            )
        });
        for (mut address, offers) in metrics.into_iter().chain(page) {
            if address.port() > 0 {
                address.set_port(higher(address, offers, process_on_machine)?);
            }
            match places
                .iter_mut()
                .find(|(known, _)| *known == address && address.port() > 0)
            {
                Some((_, both)) => {
                    *both = Offers {
                        metrics: true,
                        page: true,
                    }
                }
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
        process_on_machine: usize,
    ) -> Result<Option<Server>, RunError> {
        if let Some(fault) = self.fault() {
            return Err(RunError::new(RunErrorKind::Config, fault));
        }
        let places = self.places(process_on_machine)?;
        if places.is_empty() {
            return Ok(None);
        }
        #[cfg(feature = "web")]
        if self.page.is_some() {
            shared.meter.keep_errors();
        }
        let control = self
            .control
            .map(|token| Control::new(token, shared, recovery));
        let routes = Routes::new(graph, reading.clone(), control, self.viewers);
        Server::start(&places, routes).map(Some)
    }
}

impl Offers {
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
