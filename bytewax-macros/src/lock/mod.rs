//! The lock file: what a flow was when state was first saved under its steps' ids.
//!
//! `dataflow.lock` stands beside the package's `Cargo.toml`. [`file`] reads it, [`check`] holds the
//! steps of a flow against it, and [`codegen`] adds what only the compiler can tell: whether a type of
//! state is still the same.

mod check;
mod codegen;
mod exchange;
mod file;
mod gone;

#[cfg(test)]
mod tests;

pub(crate) use check::all;
pub(crate) use codegen::{beside, fill_keys};
pub(crate) use file::{Package, of_package};
