//! Keys, which split a keyed stream, and their stable hash.
//!
//! Any type that implements [`Key`] can be the key of a keyed stream. The hash of a key determines its
//! [`Slot`], the slot determines the worker, and the same hash finds the key's state on that worker. It is
//! computed once per item.
//!
//! # The stable format, version 1
//!
//! A key has the same hash on every platform and in every release, so that a flow finds its state again.
//! These rules must never change:
//!
//! | Key | Hash |
//! |---|---|
//! | `String`, `Arc<str>`, `Box<str>`, `Vec<u8>`, `[u8; N]` | XXH3 (64 bit, seed 0) of the bytes; the same content has the same hash in each of them |
//! | integers up to 64 bits | *mix* of the number, sign- or zero-extended to 64 bits; the same number has the same hash in every integer type |
//! | `u128`, `i128` | as above if the number fits `u64` or `i64`, otherwise `mix(low ^ mix(high))` of its two halves |
//! | `bool`, `char` | as the integers 0 and 1, and as the `u32` of the character |
//! | `Ipv4Addr`, `Ipv6Addr` | as the integer of their 32 or 128 bits, most significant first |
//! | `NaiveDate` | as the integer of days since the common era (1 January of year 1 is day 1) |
//! | `()`, tuples, derived structs | *fields* from the fixed start, in order |
//! | derived enums | *fields* from XXH3 of the variant's name, in order |
//! | `Option`, `IpAddr` | as enums with the variants `None` and `Some`, `V4` and `V6` |
//! | `DateTime<Utc>` | as a tuple of seconds since 1970 and nanoseconds in that second |
//!
//! - *mix* is the output function of SplitMix64: with wrapping arithmetic, `z = n + 0x9e3779b97f4a7c15`,
//!   `z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9`, `z = (z ^ (z >> 27)) * 0x94d049bb133111eb`, and
//!   the result is `z ^ (z >> 31)`. No two 64-bit numbers share a result.
//! - *fields* is [`FieldsHash`]: `state = (rotate_left(state, 23) ^ hash) * 0x9fb21c651e98df25` for
//!   the hash of every field, and `mix(state)` at the end. The fixed start is `0x243f6a8885a308d3`.
//!
//! Names of structs and fields therefore do not matter, but the order of fields and the names of variants do:
//! changing them changes the hash of keys.
//!
//! The hash has no secret. An attacker who chooses keys freely can create collisions.

mod hash;
mod impls;
mod shape;
mod slot;
#[cfg(test)]
mod tests;

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use hash::FieldsHash;
pub(crate) use shape::reads as reads_shape;
#[doc(hidden)]
pub use shape::{KeyShape, keys_are};
pub use slot::{SLOTS, Slot};
pub(crate) use slot::{SlotOwners, position_slot, table_hash};

/// A type that can be the key of a keyed stream.
///
/// Implemented for all integers, `bool`, `char`, `String`, `Arc<str>`, `Box<str>`, `Vec<u8>`, `[u8; N]`,
/// `()`, `Option`, tuples of up to twelve keys, `DateTime<Utc>`, `NaiveDate`, IP addresses, and
/// [`Secret`](crate::Secret) keys, which no message and no page shows. For your own struct or enum write
/// `#[derive(Key)]`.
///
/// ```
/// use bytewax_runtime::key::Key;
///
/// let user = String::from("ada");
/// assert_eq!(user.stable_hash(), 0x691d_4463_952c_802f);
///
/// // The same number is the same key, whatever the type.
/// assert_eq!(7_u8.stable_hash(), 7_i64.stable_hash());
///
/// // A key can have several parts.
/// let part = ("europe".to_owned(), Some(7_u32));
/// assert_ne!(part.stable_hash(), user.stable_hash());
/// ```
///
/// Floats are not keys: results that should be equal often are not, and `NaN` does not equal itself. Use an
/// integer, such as cents for an amount, or a newtype that rounds.
///
/// ```compile_fail,E0277
/// use bytewax_runtime::key::Key;
///
/// fn count_by<K: Key>(_key: K) {}
/// count_by(1.5_f64);
/// ```
///
/// # Implementing it by hand
///
/// Prefer `#[derive(Key)]`. In a manual implementation, equal keys must have equal hashes, and the hash must
/// depend on nothing but the value: not on the platform, an address or a random seed. Build it from the
/// hashes of fields with [`FieldsHash`]:
///
/// ```
/// use bytewax_runtime::key::{FieldsHash, Key};
/// use serde::{Deserialize, Serialize};
///
/// /// A temperature, rounded to tenths of a degree.
/// #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
/// struct Tenths(i32);
///
/// impl Key for Tenths {
///     fn stable_hash(&self) -> u64 {
///         let mut hash = FieldsHash::new();
///         hash.add(&self.0);
///         hash.finish()
///     }
/// }
///
/// assert_eq!(Tenths(215).stable_hash(), Tenths(215).stable_hash());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be used as a key",
    label = "not a key",
    note = "keys are hashed, compared and written to the recovery store",
    note = "put `#[derive(Key)]` on your own type; floats are not keys: use an integer, or a newtype that rounds"
)]
pub trait Key: Clone + Ord + Debug + Serialize + DeserializeOwned + Send + 'static {
    /// Returns the hash of this key: the same on every platform and in every release.
    ///
    /// All 64 bits are well mixed, so any of them can select a slot or a bucket.
    ///
    /// ```
    /// use bytewax_runtime::key::Key;
    ///
    /// assert_eq!(0_u64.stable_hash(), 0xe220_a839_7b1d_cdaf);
    /// assert_eq!(String::new().stable_hash(), 0x2d06_8005_38d3_94c2);
    /// ```
    fn stable_hash(&self) -> u64;

    /// The saved shape, for the compiler; generated by `#[derive(Key)]`.
    #[doc(hidden)]
    const SHAPE: KeyShape = KeyShape::UNKNOWN;
}
