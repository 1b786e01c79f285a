//! What a keyed step has of the recovery store.

mod memory;
mod step;

pub(crate) use step::StepStore;
