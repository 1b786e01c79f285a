//! The hash functions of the stable format. Their results must never change.

use xxhash_rust::const_xxh3;
use xxhash_rust::xxh3;

use super::Key;

/// Hash of text and bytes.
#[inline]
pub(super) fn bytes(bytes: &[u8]) -> u64 {
    xxh3::xxh3_64(bytes)
}

/// The output function of SplitMix64: bijective, and every input bit reaches every output bit.
#[inline]
pub(super) const fn mix(number: u64) -> u64 {
    let z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Hash of a number that fits neither `u64` nor `i64`.
#[inline]
pub(super) const fn mix_wide(number: u128) -> u64 {
    let low = number as u64;
    let high = (number >> 64) as u64;
    mix(low ^ mix(high))
}

/// Combines the hashes of several fields, in order, into the hash of a key.
///
/// Structs and tuples start with [`new`](Self::new), variants of an enum with
/// [`variant`](Self::variant). A struct of one field does not have the hash of that field.
///
/// ```
/// use bytewax_runtime::key::{FieldsHash, Key};
///
/// let mut hash = FieldsHash::new();
/// hash.add(&"paris".to_owned());
/// hash.add(&3_u32);
///
/// // A tuple of the same fields has the same hash; another order has another.
/// assert_eq!(hash.finish(), ("paris".to_owned(), 3_u32).stable_hash());
/// assert_ne!(hash.finish(), (3_u32, "paris".to_owned()).stable_hash());
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "the hash is what `finish` returns"]
pub struct FieldsHash {
    state: u64,
}

impl FieldsHash {
    /// Starts the hash of a struct or tuple.
    ///
    /// ```
    /// use bytewax_runtime::key::{FieldsHash, Key};
    ///
    /// assert_eq!(FieldsHash::new().finish(), ().stable_hash());
    /// ```
    #[inline]
    #[allow(
        clippy::new_without_default,
        reason = "a start is chosen, not a default"
    )]
    pub const fn new() -> Self {
        Self {
            state: 0x243f_6a88_85a3_08d3,
        }
    }

    /// Starts the hash of an enum's variant.
    ///
    /// Hash the name at compile time, in a `const` block:
    ///
    /// ```
    /// use bytewax_runtime::key::{FieldsHash, Key};
    ///
    /// let mut hash = const { FieldsHash::variant("Some") };
    /// hash.add(&3_u32);
    ///
    /// assert_eq!(hash.finish(), Some(3_u32).stable_hash());
    /// ```
    #[inline]
    pub const fn variant(name: &str) -> Self {
        Self {
            state: const_xxh3::xxh3_64(name.as_bytes()),
        }
    }

    /// Adds the next field.
    ///
    /// ```
    /// use bytewax_runtime::key::{FieldsHash, Key};
    ///
    /// let mut hash = FieldsHash::new();
    /// hash.add(&'a');
    ///
    /// assert_eq!(hash.finish(), ('a',).stable_hash());
    /// assert_ne!(hash.finish(), 'a'.stable_hash());
    /// ```
    #[inline]
    pub fn add<K: Key>(&mut self, field: &K) {
        self.add_hash(field.stable_hash());
    }

    /// Adds the next field by its hash, for the code of `#[derive(Key)]`.
    #[doc(hidden)]
    #[inline]
    pub fn add_hash(&mut self, hash: u64) {
        // Field hashes are mixed already, and `finish` mixes again: what is left to do here is to
        // make the order count.
        self.state = (self.state.rotate_left(23) ^ hash).wrapping_mul(0x9fb2_1c65_1e98_df25);
    }

    /// Returns the hash of the fields added so far.
    ///
    /// ```
    /// use bytewax_runtime::key::{FieldsHash, Key};
    ///
    /// let mut hash = FieldsHash::new();
    /// hash.add(&true);
    /// hash.add(&false);
    ///
    /// assert_eq!(hash.finish(), (true, false).stable_hash());
    /// ```
    #[inline]
    #[must_use]
    pub const fn finish(self) -> u64 {
        mix(self.state)
    }
}
