//! The envelope of every saved value. The parent module documents the layout.

use xxhash_rust::xxh3::xxh3_64;

use super::error::Kind;
use super::{Schema, State, StateError, place};
use crate::codec;

/// The mark of this layout. Another layout gets another mark.
const MARK: u8 = 0xb1;
/// Mark, codec, version and fingerprint.
const HEAD: usize = 12;
/// The checksum.
const TAIL: usize = 4;

/// Appends a value to `out` with its envelope, so that another release can read it.
///
/// The envelope takes 16 bytes. In debug builds, the value is also read again, to detect a type that can be
/// written but not read before its state is needed.
///
/// ```
/// use bytewax_runtime::state;
///
/// let mut bytes = Vec::new();
/// state::seal(&300_u64, &mut bytes)?;
/// assert_eq!(bytes.len(), 16 + 3);
/// assert_eq!(state::open::<u64>(&bytes)?, 300);
/// # Ok::<(), state::StateError>(())
/// ```
///
/// # Errors
///
/// Fails if the type cannot be serialized, or takes more than 256 MiB. `out` then stays unchanged.
pub fn seal<S: State>(state: &S, out: &mut Vec<u8>) -> Result<(), StateError> {
    let start = out.len();
    let sealed = seal_at(start, state, out);
    if sealed.is_err() {
        out.truncate(start);
    }
    sealed
}

fn seal_at<S: State>(start: usize, state: &S, out: &mut Vec<u8>) -> Result<(), StateError> {
    let Schema {
        name,
        version,
        fingerprint,
        ..
    } = S::SCHEMA;
    let version = u16::try_from(version).expect("a schema's version is checked when it is made");
    let mut head = [MARK, codec::STORED, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    head[2..4].copy_from_slice(&version.to_le_bytes());
    head[4..HEAD].copy_from_slice(&fingerprint.to_le_bytes());
    out.extend_from_slice(&head);
    codec::encode_stored(state, out).map_err(|source| Kind::Encode { name, source })?;
    if cfg!(debug_assertions) {
        codec::decode_stored::<S>(&out[start + HEAD..])
            .map_err(|source| Kind::OneWay { name, source })?;
    }
    let checksum = checksum(&out[start..]);
    out.extend_from_slice(&checksum);
    Ok(())
}

/// Reads a value that [`seal`] wrote, in this release or an older one.
///
/// ```
/// use bytewax_runtime::state;
///
/// let mut bytes = Vec::new();
/// state::seal(&Some("ada".to_owned()), &mut bytes)?;
/// assert_eq!(state::open::<Option<String>>(&bytes)?, Some("ada".to_owned()));
/// # Ok::<(), state::StateError>(())
/// ```
///
/// # Errors
///
/// Fails if the bytes are damaged, or have a version or shape that `S` does not read.
pub fn open<S: State>(bytes: &[u8]) -> Result<S, StateError> {
    S::load(peek(bytes)?)
}

/// Checks a value that [`seal`] wrote, and returns its version, without knowing the type.
///
/// ```
/// use bytewax_runtime::state::{self, State};
///
/// let mut bytes = Vec::new();
/// state::seal(&2.5_f64, &mut bytes)?;
/// let saved = state::peek(&bytes)?;
/// assert_eq!(saved.version(), 1);
/// assert_eq!(saved.fingerprint(), f64::SCHEMA.fingerprint);
/// # Ok::<(), state::StateError>(())
/// ```
///
/// # Errors
///
/// Fails if the bytes are damaged, or were written by a newer release of this crate.
pub fn peek(bytes: &[u8]) -> Result<Saved<'_>, StateError> {
    let foreign = || Kind::Foreign { len: bytes.len() };
    if bytes.first() != Some(&MARK) {
        return Err(foreign().into());
    }
    let (sealed, sum) = bytes.split_last_chunk::<TAIL>().ok_or_else(foreign)?;
    let (head, value) = sealed.split_first_chunk::<HEAD>().ok_or_else(foreign)?;
    if checksum(sealed) != *sum {
        return Err(Kind::Damaged.into());
    }
    let &[_, codec, v0, v1, fingerprint @ ..] = head;
    if codec != codec::STORED {
        return Err(Kind::NewerCodec {
            found: codec,
            known: codec::STORED,
        }
        .into());
    }
    Ok(Saved {
        version: u32::from(u16::from_le_bytes([v0, v1])),
        fingerprint: u64::from_le_bytes(fingerprint),
        value,
    })
}

fn checksum(sealed: &[u8]) -> [u8; TAIL] {
    let [a, b, c, d, ..] = xxh3_64(sealed).to_le_bytes();
    [a, b, c, d]
}

/// A valid saved value that is not decoded yet.
#[derive(Clone, Copy, Debug)]
pub struct Saved<'a> {
    version: u32,
    fingerprint: u64,
    value: &'a [u8],
}

impl Saved<'_> {
    /// Creates the header of a value without its bytes.
    pub(super) fn without_value(version: u32, fingerprint: u64) -> Self {
        Self {
            version,
            fingerprint,
            value: &[],
        }
    }

    /// Returns the version of the saved type.
    ///
    /// ```
    /// use bytewax_runtime::state;
    ///
    /// let mut bytes = Vec::new();
    /// state::seal(&'a', &mut bytes)?;
    /// assert_eq!(state::peek(&bytes)?.version(), 1);
    /// # Ok::<(), state::StateError>(())
    /// ```
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Returns the fingerprint of the saved type.
    ///
    /// ```
    /// use bytewax_runtime::state::{self, State};
    ///
    /// let mut bytes = Vec::new();
    /// state::seal(&'a', &mut bytes)?;
    /// assert_eq!(state::peek(&bytes)?.fingerprint(), char::SCHEMA.fingerprint);
    /// # Ok::<(), state::StateError>(())
    /// ```
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// Returns the encoded value alone.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.value
    }

    /// Decodes the value with the current version and shape of `S`.
    ///
    /// ```
    /// use bytewax_runtime::state;
    ///
    /// let mut bytes = Vec::new();
    /// state::seal(&'a', &mut bytes)?;
    /// assert_eq!(state::peek(&bytes)?.decode::<char>()?, 'a');
    /// # Ok::<(), state::StateError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if it has another version or shape, or cannot be decoded.
    pub fn decode<S: State>(self) -> Result<S, StateError> {
        let own = S::SCHEMA;
        if self.version > own.version {
            return Err(Kind::Newer {
                found: self.version,
                own,
            }
            .into());
        }
        if self.version < own.version {
            return Err(Kind::Older {
                found: self.version,
                own,
            }
            .into());
        }
        let read = || {
            codec::decode_stored(self.value).map_err(|source| {
                let place = place::of_fault::<S>(self.value);
                StateError::from(Kind::Decode { own, place, source })
            })
        };
        if self.fingerprint == own.fingerprint {
            read()
        } else {
            // Types within it may have been older.
            let past = own.past_of_first(own.fields.len(), self.fingerprint);
            let past = past.ok_or(Kind::OtherShape { own })?;
            past.during(read)
        }
    }

    /// Decodes the value of an older version, which had only the first of the current fields.
    ///
    /// `first_fields` are the possible numbers of its fields. The remaining fields of a struct take their
    /// `#[serde(default)]`. An enum may lack any variants, each with all its fields.
    ///
    /// ```
    /// use bytewax_runtime::state::{self, Field, Saved, Schema, State, StateError};
    /// use serde::{Deserialize, Serialize};
    ///
    /// # #[derive(Serialize, Deserialize)]
    /// # struct VisitsV1 { count: u64 }
    /// # impl State for VisitsV1 {
    /// #     const SCHEMA: Schema = Schema::new("Visits", 1, &[Field::of::<u64>("count")]);
    /// # }
    /// #[derive(Debug, PartialEq, Serialize, Deserialize)]
    /// struct Visits {
    ///     count: u64,
    ///     #[serde(default)]
    ///     last: Option<String>,
    /// }
    ///
    /// impl State for Visits {
    ///     const SCHEMA: Schema = Schema::new(
    ///         "Visits",
    ///         2,
    ///         &[Field::of::<u64>("count"), Field::of::<Option<String>>("last")],
    ///     );
    ///
    ///     fn load(saved: Saved<'_>) -> Result<Self, StateError> {
    ///         match saved.version() {
    ///             1 => saved.decode_older(&[1]),
    ///             _ => saved.decode(),
    ///         }
    ///     }
    /// }
    ///
    /// let mut bytes = Vec::new();
    /// state::seal(&VisitsV1 { count: 3 }, &mut bytes)?;
    /// assert_eq!(state::open::<Visits>(&bytes)?, Visits { count: 3, last: None });
    /// # Ok::<(), StateError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if it had other fields, or cannot be decoded.
    pub fn decode_older<S: State>(self, first_fields: &[usize]) -> Result<S, StateError> {
        let own = S::SCHEMA;
        let mut past = first_fields.iter().filter_map(|&fields| {
            let past = own.past_of_first(fields, self.fingerprint)?;
            Some((fields, past))
        });
        let (fields, past) = past.next().ok_or(Kind::NotAPrefix {
            found: self.version,
            own,
        })?;
        let decoded = past.during(|| codec::decode_stored_prefix(self.value, fields));
        let place = None;
        decoded.map_err(|source| Kind::Decode { own, place, source }.into())
    }
}
