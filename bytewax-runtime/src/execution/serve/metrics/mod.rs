//! The metrics of a run as text for Prometheus.

mod encode;
mod families;

pub(super) use encode::{CONTENT_TYPE, text};

#[cfg(test)]
#[cfg(feature = "recovery")]
pub(super) mod tests;
