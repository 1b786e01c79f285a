//! Drives Chromium over its DevTools protocol, and runs staged flows.

mod browser;
mod run;

pub use browser::{Browser, Tab};
pub use run::{Run, post};

use std::time::Duration;

/// How long anything may take that happens anyway.
pub const PATIENCE: Duration = Duration::from_secs(60);
