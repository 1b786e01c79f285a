//! The bytes of a key and of its state, in the store and among the evicted keys.

use super::batch::TooLong;
use super::mark::KeyMark;
use crate::brief::brief;
use crate::codec::{self, CodecError};
use crate::key::Key;
use crate::state::{State, StateError, open, seal};

/// Why a key cannot be saved.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SaveError {
    #[error(transparent)]
    State(#[from] StateError),
    #[error("the key cannot be saved")]
    Key(#[from] CodecError),
    #[error(transparent)]
    TooLong(#[from] TooLong),
}

/// A key that cannot be saved, and why.
#[derive(Debug)]
pub(crate) struct Unsaved {
    pub(crate) key: String,
    pub(crate) error: SaveError,
}

impl Unsaved {
    pub(super) fn new(key: &impl Key, error: impl Into<SaveError>) -> Self {
        Self {
            key: brief(key),
            error: error.into(),
        }
    }

    /// The same for a key that is known only by its bytes.
    pub(super) fn of_bytes<K: Key>(key: &[u8], error: SaveError) -> Self {
        let key = decode_key::<K>(key).map_or_else(|_| hex(key), |key| brief(&key));
        Self { key, error }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Why a key cannot be restored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RestoreError {
    #[error("the saved key {bytes} cannot be read")]
    Key {
        bytes: String,
        #[source]
        cause: CodecError,
    },
    #[error("the saved state cannot be read")]
    State {
        key: String,
        #[source]
        cause: StateError,
    },
}

/// A key with its saved state.
pub(crate) struct Restored<K, S> {
    pub(crate) hash: u64,
    pub(crate) key: K,
    pub(crate) saved: S,
    /// Its metadata; none for a key from the store.
    pub(crate) mark: Option<KeyMark>,
}

#[inline]
pub(super) fn encode_key(key: &impl Key, bytes: &mut Vec<u8>) -> Result<(), SaveError> {
    codec::encode_stored(key, bytes).map_err(SaveError::Key)
}

#[inline]
pub(super) fn encode_state(state: &impl State, bytes: &mut Vec<u8>) -> Result<(), SaveError> {
    seal(state, bytes).map_err(SaveError::State)
}

pub(super) fn decode_key<K: Key>(bytes: &[u8]) -> Result<K, RestoreError> {
    codec::decode_stored(bytes).map_err(|cause| RestoreError::Key {
        bytes: hex(bytes),
        cause,
    })
}

pub(super) fn decode_state<K: Key, S: State>(key: &K, bytes: &[u8]) -> Result<S, RestoreError> {
    open(bytes).map_err(|cause| RestoreError::State {
        key: brief(key),
        cause,
    })
}
