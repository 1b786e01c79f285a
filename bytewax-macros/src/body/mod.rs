//! The body of a flow or of an operator: plain Rust, in which streams are followed and steps named.
//!
//! [`walk`] names the steps in the user's tree with [`codegen`] and records its findings in a
//! [`model::Model`]; [`check`] reports their faults, and [`windows`] invalid parameters of windows.

pub(crate) mod check;
pub(crate) mod codegen;
pub(crate) mod delivery;
pub(crate) mod env;
pub(crate) mod model;
pub(crate) mod moves;
pub(crate) mod names;
mod tokens;
pub(crate) mod walk;
pub(crate) mod windows;
