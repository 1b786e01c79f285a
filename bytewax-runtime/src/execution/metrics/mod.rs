//! Numbers of a run as Prometheus reads them: `/metrics`, and `/healthz` and `/readyz` beside it.

mod encode;
mod families;
mod server;

pub(crate) use server::MetricsServer;

#[cfg(test)]
#[cfg(feature = "recovery")]
mod tests;
