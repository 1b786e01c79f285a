//! The types that are keys. The documentation of the parent module lists the rules.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::hash::{bytes, mix, mix_wide};
use super::{FieldsHash, Key, KeyShape};
use crate::secret::Secret;

/// Integers of at most 64 bits, with the 64-bit type that extends them without changing the number.
macro_rules! integer_keys {
    ($($integer:ty => $extended:ty, $name:literal;)+) => {$(
        impl Key for $integer {
            const SHAPE: KeyShape = KeyShape::of($name);

            #[inline]
            fn stable_hash(&self) -> u64 {
                mix(*self as $extended as u64)
            }
        }
    )+};
}

integer_keys! {
    u8 => u64, "u8"; u16 => u64, "u16"; u32 => u64, "u32"; u64 => u64, "u64"; usize => u64, "u64";
    i8 => i64, "i8"; i16 => i64, "i16"; i32 => i64, "i32"; i64 => i64, "i64"; isize => i64, "i64";
}

impl Key for u128 {
    const SHAPE: KeyShape = KeyShape::of("u128");

    #[inline]
    fn stable_hash(&self) -> u64 {
        match u64::try_from(*self) {
            Ok(number) => mix(number),
            Err(_) => mix_wide(*self),
        }
    }
}

impl Key for i128 {
    const SHAPE: KeyShape = KeyShape::of("i128");

    #[inline]
    fn stable_hash(&self) -> u64 {
        match i64::try_from(*self) {
            Ok(number) => mix(number as u64),
            Err(_) => (*self as u128).stable_hash(),
        }
    }
}

/// The same key as its value, so the state of a key stays when it becomes secret.
impl<K: Key> Key for Secret<K> {
    const SHAPE: KeyShape = K::SHAPE;

    #[inline]
    fn stable_hash(&self) -> u64 {
        self.0.stable_hash()
    }
}

impl Key for bool {
    const SHAPE: KeyShape = KeyShape::of("bool");

    #[inline]
    fn stable_hash(&self) -> u64 {
        mix(u64::from(*self))
    }
}

impl Key for char {
    const SHAPE: KeyShape = KeyShape::of("char");

    #[inline]
    fn stable_hash(&self) -> u64 {
        mix(u64::from(*self))
    }
}

macro_rules! text_keys {
    ($($text:ty),+ $(,)?) => {$(
        impl Key for $text {
            const SHAPE: KeyShape = KeyShape::of("str");

            #[inline]
            fn stable_hash(&self) -> u64 {
                bytes(self.as_bytes())
            }
        }
    )+};
}

text_keys! { String, Arc<str>, Box<str> }

impl Key for Vec<u8> {
    const SHAPE: KeyShape = KeyShape::of("list(u8)");

    #[inline]
    fn stable_hash(&self) -> u64 {
        bytes(self)
    }
}

impl<const N: usize> Key for [u8; N]
where
    // Serde supports arrays of up to 32 elements.
    [u8; N]: Serialize + DeserializeOwned,
{
    const SHAPE: KeyShape = KeyShape::repeated(&u8::SHAPE, N);

    #[inline]
    fn stable_hash(&self) -> u64 {
        bytes(self)
    }
}

impl<K: Key> Key for Option<K> {
    const SHAPE: KeyShape = KeyShape::within("option", &K::SHAPE);

    #[inline]
    fn stable_hash(&self) -> u64 {
        match self {
            None => const { FieldsHash::variant("None").finish() },
            Some(key) => {
                let mut hash = const { FieldsHash::variant("Some") };
                hash.add(key);
                hash.finish()
            }
        }
    }
}

impl Key for () {
    const SHAPE: KeyShape = KeyShape::tuple(&[]);

    #[inline]
    fn stable_hash(&self) -> u64 {
        const { FieldsHash::new().finish() }
    }
}

macro_rules! tuple_keys {
    ($(($($field:ident $index:tt),+))+) => {$(
        impl<$($field: Key),+> Key for ($($field,)+) {
            const SHAPE: KeyShape = KeyShape::tuple(&[$($field::SHAPE),+]);

            #[inline]
            fn stable_hash(&self) -> u64 {
                let mut hash = FieldsHash::new();
                $(hash.add(&self.$index);)+
                hash.finish()
            }
        }
    )+};
}

tuple_keys! {
    (A 0)
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
    (A 0, B 1, C 2, D 3, E 4)
    (A 0, B 1, C 2, D 3, E 4, F 5)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11)
}

impl Key for DateTime<Utc> {
    const SHAPE: KeyShape = KeyShape::of("str");

    #[inline]
    fn stable_hash(&self) -> u64 {
        // Two numbers, because nanoseconds alone would overflow outside of 1677 to 2262.
        (self.timestamp(), self.timestamp_subsec_nanos()).stable_hash()
    }
}

impl Key for NaiveDate {
    const SHAPE: KeyShape = KeyShape::of("str");

    #[inline]
    fn stable_hash(&self) -> u64 {
        self.num_days_from_ce().stable_hash()
    }
}

impl Key for Ipv4Addr {
    const SHAPE: KeyShape = KeyShape::repeated(&u8::SHAPE, 4);

    #[inline]
    fn stable_hash(&self) -> u64 {
        self.to_bits().stable_hash()
    }
}

impl Key for Ipv6Addr {
    const SHAPE: KeyShape = KeyShape::repeated(&u8::SHAPE, 16);

    #[inline]
    fn stable_hash(&self) -> u64 {
        self.to_bits().stable_hash()
    }
}

impl Key for IpAddr {
    const SHAPE: KeyShape = KeyShape::variants(&[
        ("V4", KeyShape::tuple(&[Ipv4Addr::SHAPE])),
        ("V6", KeyShape::tuple(&[Ipv6Addr::SHAPE])),
    ]);

    #[inline]
    fn stable_hash(&self) -> u64 {
        match self {
            IpAddr::V4(address) => {
                let mut hash = const { FieldsHash::variant("V4") };
                hash.add(address);
                hash.finish()
            }
            IpAddr::V6(address) => {
                let mut hash = const { FieldsHash::variant("V6") };
                hash.add(address);
                hash.finish()
            }
        }
    }
}
