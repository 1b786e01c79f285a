//! Encodes and decodes values; no other file uses the codec's crate.

use std::io;
use std::marker::PhantomData;

use bincode::config;
use bincode::enc::write::Writer;
use bincode::error::{DecodeError, EncodeError};
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error, Visitor};
use serde::{Serialize, forward_to_deserialize_any};

/// Why a value could not be encoded or decoded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CodecError {
    #[error("the value cannot be encoded")]
    Encode(#[source] EncodeError),
    #[error("the value takes {0} bytes; at most {MAX_STORED} can be saved")]
    TooLong(usize),
    #[error("the bytes cannot be decoded")]
    Decode(#[source] DecodeError),
    #[error("{0} bytes are left over after the value")]
    LeftOver(usize),
}

/// The encoding of items between processes: numbers at full width, which is fast.
fn wire() -> impl config::Config {
    config::standard().with_fixed_int_encoding()
}

/// Encodes items for another process of the same program.
pub(crate) fn encode_wire(
    value: &impl Serialize,
    writer: &mut impl io::Write,
) -> Result<usize, CodecError> {
    bincode::serde::encode_into_std_write(value, writer, wire()).map_err(CodecError::Encode)
}

/// Returns the number of bytes that [`encode_wire`] writes.
pub(crate) fn wire_len(value: &impl Serialize) -> Result<usize, CodecError> {
    encode_wire(value, &mut io::sink())
}

/// Decodes the bytes of [`encode_wire`].
pub(crate) fn decode_wire<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let decoded = bincode::serde::decode_from_slice(bytes, wire());
    decoded.map(|(value, _)| value).map_err(CodecError::Decode)
}

/// The number of the codec of [`encode_stored`], which is saved with each value. A codec with another format
/// gets another number, and this one stays readable.
pub(crate) const STORED: u8 = 1;

/// The maximum size of one stored value: 256 MiB.
pub(crate) const MAX_STORED: usize = 1 << 28;

/// The maximum size that a stored value may claim when it is read, so that an invalid length is an error and
/// not an allocation. A number of one byte claims up to sixteen.
const MAX_CLAIM: usize = if usize::BITS > 32 {
    MAX_STORED << 4
} else {
    usize::MAX >> 1
};

/// The size that most stored values do not exceed: 1 MiB.
const SMALL: usize = 1 << 20;

/// The encoding of stored values: numbers of variable length.
fn stored() -> Stored<MAX_CLAIM> {
    config::standard()
        .with_variable_int_encoding()
        .with_limit::<MAX_CLAIM>()
}

type Stored<const CLAIM: usize> =
    config::Configuration<config::LittleEndian, config::Varint, config::Limit<CLAIM>>;

/// Appends to bytes. Most writes are one byte, so that case has its own path.
struct Append<'a>(&'a mut Vec<u8>);

impl Writer for Append<'_> {
    #[inline(always)]
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        match bytes {
            [byte] => self.0.push(*byte),
            _ => self.0.extend_from_slice(bytes),
        }
        Ok(())
    }
}

/// Appends a value to stored bytes. On an error, the bytes stay unchanged.
pub(crate) fn encode_stored(value: &impl Serialize, out: &mut Vec<u8>) -> Result<(), CodecError> {
    let start = out.len();
    let written = bincode::serde::encode_into_writer(value, Append(out), stored());
    let result = match written {
        Ok(()) if out.len() - start > MAX_STORED => Err(CodecError::TooLong(out.len() - start)),
        Ok(()) => Ok(()),
        Err(error) => Err(CodecError::Encode(error)),
    };
    if result.is_err() {
        out.truncate(start);
    }
    result
}

/// Decodes the bytes of [`encode_stored`].
pub(crate) fn decode_stored<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    decode_stored_by(bytes, PhantomData)
}

/// Decodes the bytes of [`encode_stored`] as a struct that had only the first `fields` of its current fields;
/// the others need defaults. Enums are decoded unchanged.
pub(crate) fn decode_stored_prefix<T: DeserializeOwned>(
    bytes: &[u8],
    fields: usize,
) -> Result<T, CodecError> {
    let prefix = Prefix {
        of: PhantomData,
        fields,
    };
    decode_stored_by(bytes, prefix)
}

/// The same with a seed.
pub(crate) fn decode_stored_by<S: for<'de> DeserializeSeed<'de, Value = T>, T>(
    bytes: &[u8],
    seed: S,
) -> Result<T, CodecError> {
    let decoded = if bytes.len() <= SMALL {
        // A damaged length must not take more memory than a value of this size can need.
        let small = stored().with_limit::<{ SMALL << 4 }>();
        bincode::serde::seed_decode_from_slice(seed, bytes, small)
    } else {
        bincode::serde::seed_decode_from_slice(seed, bytes, stored())
    };
    let (value, read) = decoded.map_err(CodecError::Decode)?;
    match bytes.len() - read {
        0 => Ok(value),
        left => Err(CodecError::LeftOver(left)),
    }
}

/// Decodes a `T` from bytes of its first fields only.
struct Prefix<T> {
    of: PhantomData<T>,
    fields: usize,
}

impl<'de, T: DeserializeOwned> DeserializeSeed<'de> for Prefix<T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<T, D::Error> {
        T::deserialize(FirstFields::new(inner, self.fields))
    }
}

/// Ends the outermost struct early, so that serde fills in the defaults.
#[doc(hidden)]
#[derive(Debug)]
pub struct FirstFields<D> {
    inner: D,
    fields: usize,
}

impl<D> FirstFields<D> {
    pub(crate) fn new(inner: D, fields: usize) -> Self {
        Self { inner, fields }
    }
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for FirstFields<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, D::Error> {
        Err(Error::custom(
            "only structs and enums can be read in an older version",
        ))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let first = fields.get(..self.fields).unwrap_or(fields);
        self.inner.deserialize_struct(name, first, visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_tuple(self.fields, visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_tuple(self.fields, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct seq tuple map identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[test]
    fn wire_length_is_what_is_written_and_values_come_back() {
        let value = vec![
            (7_u64, "key".to_owned(), Some(2.5_f64)),
            (8, String::new(), None),
        ];
        let mut bytes = Vec::new();
        let written = encode_wire(&value, &mut bytes).expect("is fine");
        assert_eq!(written, bytes.len());
        assert_eq!(wire_len(&value).expect("is fine"), bytes.len());
        assert_eq!(
            decode_wire::<Vec<(u64, String, Option<f64>)>>(&bytes).expect("is fine"),
            value
        );
    }

    #[test]
    fn truncated_bytes_are_an_error() {
        let mut bytes = Vec::new();
        encode_wire(&vec!["text".to_owned()], &mut bytes).expect("is fine");
        bytes.pop();
        assert!(decode_wire::<Vec<String>>(&bytes).is_err());
    }

    #[test]
    fn a_length_that_was_never_written_takes_no_memory() {
        // A text of 3.6 GB, by its length.
        let bytes = [0xfc, 0xd9, 0xd9, 0xd9, 0xd9, b'x'];
        let read = decode_stored::<String>(&bytes);
        assert!(
            matches!(read, Err(CodecError::Decode(DecodeError::LimitExceeded))),
            "{read:?}"
        );
    }

    fn stored_bytes(value: &impl Serialize) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode_stored(value, &mut bytes).expect("is fine");
        bytes
    }

    /// Codec 1. These bytes must never change, because existing stores contain them.
    #[test]
    fn stored_bytes_never_change() {
        assert_eq!(
            stored_bytes(&(250_u64, 251_u64, -1_i32)),
            [250, 251, 251, 0, 1]
        );
        assert_eq!(
            stored_bytes(&("é", true, Some('a'))),
            [2, 0xc3, 0xa9, 1, 1, b'a']
        );
        assert_eq!(stored_bytes(&1.5_f64), 1.5_f64.to_le_bytes());
        assert_eq!(stored_bytes(&vec![Some(1_u8), None]), [2, 1, 1, 0]);
    }

    #[test]
    fn a_failed_value_leaves_nothing_behind() {
        struct Broken;
        impl Serialize for Broken {
            fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
                Err(serde::ser::Error::custom("broken"))
            }
        }
        let mut bytes = vec![9];
        assert!(encode_stored(&(1_u8, Broken), &mut bytes).is_err());
        assert_eq!(bytes, [9]);
    }

    #[test]
    fn bytes_left_over_are_an_error() {
        let error = decode_stored::<u8>(&[1, 2]).expect_err("is refused");
        assert_eq!(error.to_string(), "1 bytes are left over after the value");
    }

    #[test]
    fn a_length_that_was_never_written_is_not_allocated() {
        let huge = [0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
        assert!(decode_stored::<String>(&huge).is_err());
        assert!(decode_stored::<Vec<u64>>(&huge).is_err());
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Grown {
        a: u8,
        #[serde(default)]
        b: String,
        #[serde(default)]
        c: Vec<(u8, u8)>,
    }

    #[test]
    fn missing_fields_at_the_end_take_their_defaults() {
        let grown = |b: &str| Grown {
            a: 7,
            b: b.to_owned(),
            c: Vec::new(),
        };
        assert_eq!(
            decode_stored_prefix::<Grown>(&[7], 1).expect("is fine"),
            grown("")
        );
        assert_eq!(
            decode_stored_prefix::<Grown>(&[7, 1, b'x'], 2).expect("is fine"),
            grown("x")
        );
        assert!(
            decode_stored_prefix::<Grown>(&[], 0).is_err(),
            "`a` has no default"
        );
        assert!(
            decode_stored_prefix::<Grown>(&[7, 1, b'x'], 1).is_err(),
            "bytes are left over"
        );
        assert!(
            decode_stored_prefix::<u8>(&[7], 1).is_err(),
            "a number is no struct"
        );
    }

    #[test]
    fn tuple_structs_grow_too() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct One(#[serde(default)] u8);
        #[derive(Debug, PartialEq, Deserialize)]
        struct Two(u8, #[serde(default)] u8);
        assert_eq!(
            decode_stored_prefix::<One>(&[], 0).expect("is fine"),
            One(0)
        );
        assert_eq!(
            decode_stored_prefix::<One>(&[3], 1).expect("is fine"),
            One(3)
        );
        assert_eq!(
            decode_stored_prefix::<Two>(&[3], 1).expect("is fine"),
            Two(3, 0)
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_value_or_an_error(bytes: Vec<u8>, fields in 0_usize..4) {
            let _ = decode_stored::<(String, Option<u64>, Vec<i32>, char)>(&bytes);
            let _ = decode_stored_prefix::<Grown>(&bytes, fields);
        }

        #[test]
        fn stored_values_come_back(value: (u64, i64, String, Option<Vec<u8>>, bool)) {
            let bytes = stored_bytes(&value);
            prop_assert_eq!(decode_stored::<(u64, i64, String, Option<Vec<u8>>, bool)>(&bytes).expect("is fine"), value);
        }
    }
}
