//! The lock file: describes a flow as it was when state was first saved under its steps' ids.
//!
//! `dataflow.lock` is beside the package's `Cargo.toml`. [`file`] reads it, [`check`] compares the steps of a
//! flow with it, and [`codegen`] adds the checks that only the compiler can make: whether a type of state is
//! unchanged.

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
