//! Schemas, versions and envelopes.

mod schemas;
mod stored;
mod versions;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::fmt::Debug;

use bytewax_macros::stateful;
use chrono::{DateTime, Utc};
use proptest::prelude::*;

use super::*;

fn sealed<S: State>(state: &S) -> Vec<u8> {
    let mut bytes = Vec::new();
    seal(state, &mut bytes).expect("can be saved");
    bytes
}

/// What becomes of a value that is saved as one type and read as another.
fn migrated<Old: State, New: State>(old: &Old) -> Result<New, StateError> {
    open(&sealed(old))
}

#[track_caller]
fn check_error<Old: State, New: State + Debug>(old: &Old, message: &str) -> StateError {
    let error = migrated::<Old, New>(old).expect_err("cannot be read");
    assert_eq!(error.to_string(), message);
    error
}

fn fingerprint<S: State>() -> u64 {
    S::SCHEMA.fingerprint
}
