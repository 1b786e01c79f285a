//! State: what keyed steps keep, how it is saved, and how old state is read by a new program.
//!
//! A type that implements [`State`] can be kept for a key and saved. Its [`Schema`] says what a
//! saved value looks like: a version, and a fingerprint of the names and types of its fields. Both
//! are saved beside each value, so that a program never takes old bytes for something else: it
//! reads them, or migrates them, or says what to do.
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
//! Codec 1 writes fields in order, without names; whole numbers take as many bytes as they need.
//! One value may take up to 256 MiB.
//!
//! A fingerprint is the FNV-1a hash (64 bit) of the fields in order, each as its name, the byte
//! `0xff`, and the eight bytes of the hash of its type: see [`Field`].
//!
//! # Testing a migration
//!
//! Save a value of the old type, and open it as the new one:
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
    Unsaved,
};
pub(crate) use keys::{run, timer};
#[doc(hidden)]
pub use past::Older;
#[doc(hidden)]
pub use schema::{ByName, OfState};
pub use schema::{Field, Schema};
#[cfg(feature = "recovery")]
pub(crate) use step_schema::Rewrite;
pub(crate) use step_schema::StepSchema;

/// What can be kept for a key and saved.
///
/// Numbers, `bool`, `char`, `String`, `DateTime<Utc>`, and options, boxes, tuples, `Vec`s, sets and
/// maps of what is `State` are `State`. For a type of your own, put `#[stateful]` on its definition.
///
/// # Versions
///
/// When the shape of a type changes, its version must, and the new type says how to read the old
/// bytes. A `#[stateful]` type that has versions is also migrated where it is inside another: in an option, a list, a map,
/// a struct, or what a join or a window keeps. What is inside a type is saved as a part of it. So a change inside of a type
/// that is not `#[stateful]` is a change of the whole: keep the old whole, with the old part, and migrate from it.
///
/// # Implementing it by hand
///
/// `#[stateful]` writes what you could write: serde's traits, and the schema:
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
/// The order of the fields must be the order in which they are serialized. Serde's `flatten`,
/// `untagged`, `tag` and `skip_serializing_if` cannot be used: they need names in the bytes, and
/// there are none.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be saved in the recovery store",
    label = "this state type does not implement `State`",
    note = "put `#[stateful]` on the definition of `{Self}`",
    note = "for a type from another crate, wrap it in a newtype and put `#[stateful]` on that"
)]
pub trait State: Serialize + DeserializeOwned + Send + 'static {
    /// The name, version and fields of what is saved.
    const SCHEMA: Schema;

    /// Reads a saved value, which may be of an older version.
    ///
    /// Unless it is overridden, it reads the version of [`SCHEMA`](Self::SCHEMA) and no other. To
    /// read older ones, load the type that had that version, and convert it: see the
    /// [module](self#testing-a-migration).
    ///
    /// # Errors
    ///
    /// If the value is of a version or shape that this type does not read, or not decodable.
    fn load(saved: Saved<'_>) -> Result<Self, StateError> {
        saved.decode()
    }

    /// Reads a value where one of a type that migrates from this one is expected.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    #[doc(hidden)]
    fn read_older<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::deserialize(deserializer)
    }
}
