//! Numbers of a run as Prometheus reads them: `/metrics`, and `/healthz` and `/readyz` beside it; with a token also `/stop` and
//! `/savepoint/NAME`.

mod control;
mod encode;
mod families;
mod server;

pub(crate) use control::Control;
pub(crate) use server::MetricsServer;

#[cfg(test)]
#[cfg(feature = "recovery")]
mod tests;
