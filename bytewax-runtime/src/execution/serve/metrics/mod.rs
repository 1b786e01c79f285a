//! The metrics of a run as text for Prometheus.

mod encode;
mod families;

pub(super) use encode::{CONTENT_TYPE, text};
#[cfg(feature = "otlp")]
pub(crate) use families::{Count, Family, Labels, Samples, Unit, families};

#[cfg(test)]
#[cfg(feature = "recovery")]
mod described;
#[cfg(test)]
#[cfg(feature = "recovery")]
pub(super) mod tests;
