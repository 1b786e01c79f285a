//! Serves the metrics of a run to Prometheus: `/metrics`, and also `/healthz` and `/readyz`; with a token,
//! `/stop` and `/savepoint/NAME`.

mod control;
mod encode;
mod families;
mod server;

pub(crate) use control::Control;
pub(crate) use server::MetricsServer;

#[cfg(test)]
#[cfg(feature = "recovery")]
mod tests;
