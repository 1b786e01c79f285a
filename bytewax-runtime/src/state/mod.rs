//! State: the data of keyed steps, its saved format, and its migration.
//!
//! A type that implements [`State`] can be kept per key and saved. Its [`Schema`] describes a saved value: a
//! version, and a fingerprint of the names and types of its fields. Both are saved with each value, so a
//! program never misinterprets old bytes: it reads them, migrates them, or reports what to do.
//!
//! # The stable format
//!
//! [`seal`] writes a value, and [`open`] reads it. Numbers are little-endian:
//!
//! | Bytes | What |
//! |---|---|
//! | 1 | `0xb1`, the mark of this layout |
//! | 1 | the number of the codec |
//! | 2 | the version of the schema |
//! | 8 | the fingerprint of the schema |
//! | any | the value |
//! | 4 | the lower half of the XXH3 (64 bit, seed 0) of all bytes before |
//!
//! Codec 1 writes fields in order, without names; integers have a variable length. One value may take up to
//! 256 MiB.
//!
//! A fingerprint is the FNV-1a hash (64 bit) of the fields in order. Each field adds its name, the byte
//! `0xff`, and the eight bytes of the hash of its type: see [`Field`].
//!
//! # Testing a migration
//!
//! Save a value of the old type and open it as the new type:
//!
//! ```
//! use bytewax_runtime::state::{self, Field, Saved, Schema, State, StateError};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct MeanV1 {
//!     mean: f64,
//! }
//!
//! impl State for MeanV1 {
//!     const SCHEMA: Schema = Schema::new("Mean", 1, &[Field::of::<f64>("mean")]);
//! }
//!
//! #[derive(Debug, PartialEq, Serialize, Deserialize)]
//! struct Mean {
//!     sum: f64,
//!     count: u64,
//! }
//!
//! impl State for Mean {
//!     const SCHEMA: Schema =
//!         Schema::new("Mean", 2, &[Field::of::<f64>("sum"), Field::of::<u64>("count")]);
//!
//!     fn load(saved: Saved<'_>) -> Result<Self, StateError> {
//!         if saved.version() < 2 {
//!             let old = MeanV1::load(saved)?;
//!             return Ok(Mean { sum: old.mean, count: 1 });
//!         }
//!         saved.decode()
//!     }
//! }
//!
//! let mut bytes = Vec::new();
//! state::seal(&MeanV1 { mean: 2.5 }, &mut bytes)?;
//! let mean: Mean = state::open(&bytes)?;
//! assert_eq!(mean, Mean { sum: 2.5, count: 1 });
//! # Ok::<(), StateError>(())
//! ```

mod envelope;
mod error;
pub(crate) mod facts;
mod impls;
mod keys;
mod past;
mod place;
mod schema;
pub(crate) mod shape;
mod step_schema;
#[cfg(test)]
mod tests;

use serde::Serialize;
use serde::de::{DeserializeOwned, Deserializer};

pub use envelope::{Saved, open, peek, seal};
pub use error::StateError;
#[cfg(feature = "recovery")]
pub(crate) use error::next_versions;
pub(crate) use facts::Fact;
#[cfg(any(test, feature = "recovery"))]
pub(crate) use keys::batch;
pub(crate) use keys::{
    Cell, Changed, ColdError, FEW, Few, Found, KeyTable, MemoryLimit, RestoreError, Restored,
    TablePlace, Unsaved,
};
pub(crate) use keys::{run, timer};
#[doc(hidden)]
pub use past::Older;
#[doc(hidden)]
pub use schema::{ByName, OfState};
pub use schema::{Field, Schema};
#[cfg(feature = "recovery")]
pub(crate) use step_schema::{Rewrite, RewritePosition};
pub(crate) use step_schema::{StepSchema, rewrite};

/// A type that can be kept per key and saved.
///
/// Numbers, `bool`, `char`, `String`, `DateTime<Utc>`, and options, boxes, tuples, `Vec`s, sets and maps of
/// `State` types implement it. For your own type, put `#[stateful]` on its definition.
///
/// # Versions
///
/// When the shape of a type changes, its version must change too, and the new type must define how to read
/// the old bytes. A `#[stateful]` type with versions is also migrated inside another: in an option, a list, a
/// map, a struct, or the state of a join or a window. An inner type is saved as a part of the outer one. A
/// change of an inner type that is not `#[stateful]` is therefore a change of the whole: keep the old whole,
/// with the old part, and migrate from it.
///
/// # Implementing it by hand
///
/// `#[stateful]` generates serde's traits and the schema:
///
/// ```
/// use bytewax_runtime::state::{self, Field, Schema, State};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
/// struct Mean {
///     sum: f64,
///     count: u64,
/// }
///
/// impl State for Mean {
///     const SCHEMA: Schema =
///         Schema::new("Mean", 1, &[Field::of::<f64>("sum"), Field::of::<u64>("count")]);
/// }
///
/// let mut bytes = Vec::new();
/// state::seal(&Mean { sum: 5.0, count: 2 }, &mut bytes)?;
/// assert_eq!(state::open::<Mean>(&bytes)?, Mean { sum: 5.0, count: 2 });
/// # Ok::<(), bytewax_runtime::state::StateError>(())
/// ```
///
/// The order of the fields must be the order of their serialization. Serde's `flatten`, `untagged`, `tag` and
/// `skip_serializing_if` do not work, because the bytes contain no names.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be saved in the recovery store",
    label = "this state type does not implement `State`",
    note = "put `#[stateful]` on the definition of `{Self}`",
    note = "for a type from another crate, wrap it in a newtype and put `#[stateful]` on that"
)]
pub trait State: Serialize + DeserializeOwned + Send + 'static {
    /// The name, version and fields of the saved type.
    const SCHEMA: Schema;

    /// Decodes a saved value, which may have an older version.
    ///
    /// The default decodes only the version of [`SCHEMA`](Self::SCHEMA). To read older versions, load the
    /// type of that version and convert it: see the [module](self#testing-a-migration).
    ///
    /// # Errors
    ///
    /// Fails if the value has a version or shape that this type does not read, or cannot be decoded.
    fn load(saved: Saved<'_>) -> Result<Self, StateError> {
        saved.decode()
    }

    /// Decodes a value in a place of a type that migrates from this one.
    ///
    /// # Errors
    ///
    /// Fails if it cannot be read.
    #[doc(hidden)]
    fn read_older<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::deserialize(deserializer)
    }
}
