//! Numbers of a run as Prometheus reads them: `/metrics`, and `/healthz` and `/readyz` beside it.

mod encode;
mod families;
mod server;

pub(crate) use server::MetricsServer;

#[cfg(all(test, feature = "recovery"))]
mod tests;
