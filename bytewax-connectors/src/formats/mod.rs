//! Formats: encoding and decoding of values.
//!
//! A format is a [`Deserializer`], a [`Serializer`], or both. Operators of connectors use them, such as those
//! of [`KafkaStream`](crate::kafka::KafkaStream) (feature `kafka`):
//!
//! | Format | Reads | Writes | Feature |
//! | --- | --- | --- | --- |
//! | text | [`Utf8`] | [`Utf8`] | |
//! | JSON | [`JsonDeserializer`] | [`JsonSerializer`] | |
//! | Avro | `AvroDeserializer` | `AvroSerializer` | `avro` |
//! | Protobuf | `ProtobufDeserializer`, `DynamicProtobufDeserializer` | `ProtobufSerializer` | `protobuf` |
//!
//! With the feature `schema-registry`, JSON, Avro and Protobuf use the wire format of Confluent's
//! serializers: each value starts with the id of its schema in a `Registry`.
//!
//! # A format of your own
//!
//! ```
//! use bytewax_connectors::formats::{Deserializer, FormatError, Part};
//!
//! /// Numbers of four bytes, the greatest first.
//! #[derive(Clone)]
//! struct Number;
//!
//! impl Deserializer for Number {
//!     type Value = u32;
//!
//!     fn deserialize(&mut self, bytes: &[u8]) -> Result<u32, FormatError> {
//!         let four = bytes.try_into();
//!         let four = four.map_err(|_| FormatError::Data("it is not four bytes long".to_owned()))?;
//!         Ok(u32::from_be_bytes(four))
//!     }
//! }
//!
//! let mut number = Number;
//! number.open(Part::Value)?;
//! assert_eq!(number.deserialize(&[0, 0, 1, 2])?, 258);
//! assert_eq!(number.deserialize(b"x").unwrap_err().to_string(), "it is not four bytes long");
//! # Ok::<(), FormatError>(())
//! ```

// What only Avro and Protobuf share stands in modules of all formats.
#![cfg_attr(
    not(any(feature = "avro", feature = "protobuf")),
    allow(dead_code, reason = "it is of formats that are off")
)]

#[cfg(feature = "avro")]
mod avro;
mod json;
#[cfg(feature = "protobuf")]
mod protobuf;
#[cfg(feature = "schema-registry")]
mod registry;
mod schema;
mod text;
#[cfg(feature = "schema-registry")]
mod written;

use std::fmt;

use bytewax_runtime::StepError;

#[cfg(feature = "avro")]
pub use self::avro::{AvroDeserializer, AvroSerializer};
pub use self::json::{JsonDeserializer, JsonSerializer};
#[cfg(feature = "protobuf")]
pub use self::protobuf::{DynamicProtobufDeserializer, ProtobufDeserializer, ProtobufSerializer};
#[cfg(feature = "schema-registry")]
pub use self::registry::{Registration, Registry, RegistryError, SubjectName, TestingRegistry};
pub use self::schema::Schema;
pub use self::text::Utf8;

/// Decodes bytes into values.
///
/// Each worker uses its own clone, which may cache data such as schemas. It saves no state.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not turn bytes into values",
    label = "this is not a `Deserializer`",
    note = "use one of `bytewax::connectors::formats`, such as `JsonDeserializer::<T>::new()`, where `T` implements serde's `Deserialize`"
)]
pub trait Deserializer: Clone + Send + Sync + 'static {
    /// The decoded value.
    type Value: 'static;

    /// Prepares the format, once on each worker, before the first item.
    ///
    /// # Errors
    ///
    /// Fails if decoding is impossible, for example because a schema is invalid: the run does not start.
    fn open(&mut self, part: Part) -> Result<(), FormatError> {
        let _ = part;
        Ok(())
    }

    /// Decodes bytes into a value.
    ///
    /// # Errors
    ///
    /// Fails if these bytes are not a value, or if decoding is currently impossible.
    fn deserialize(&mut self, bytes: &[u8]) -> Result<Self::Value, FormatError>;
}

/// Encodes values into bytes.
///
/// Each worker uses its own clone, as with a [`Deserializer`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not turn `{T}` into bytes",
    label = "this is not a `Serializer` of `{T}`",
    note = "use one of `bytewax::connectors::formats`, such as `JsonSerializer::new()`, for types that implement serde's `Serialize`"
)]
pub trait Serializer<T: ?Sized>: Clone + Send + Sync + 'static {
    /// Prepares the format, once on each worker, before the first item.
    ///
    /// # Errors
    ///
    /// Fails if encoding is impossible, for example because a schema is invalid: the run does not start.
    fn open(&mut self, part: Part) -> Result<(), FormatError> {
        let _ = part;
        Ok(())
    }

    /// Encodes a value into bytes. `topic` is their topic, if it is already known.
    ///
    /// # Errors
    ///
    /// Fails if this value cannot be encoded, or if encoding is currently impossible.
    fn serialize(&mut self, value: &T, topic: Option<&str>) -> Result<Vec<u8>, FormatError>;
}

/// The part of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The key.
    Key,
    /// The value.
    Value,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key => "key",
            Self::Value => "value",
        })
    }
}

/// The error of a format.
#[derive(Debug)]
pub enum FormatError {
    /// This value or these bytes are invalid; others may be valid.
    Data(String),
    /// No value can be decoded or encoded: the run stops.
    Stop(StepError),
}

impl FormatError {
    /// Creates an error of this value.
    pub(crate) fn data(why: impl fmt::Display) -> Self {
        Self::Data(why.to_string())
    }

    /// Creates an error that stops the run.
    pub(crate) fn stop(why: impl Into<String>) -> Self {
        Self::Stop(StepError::msg(why))
    }
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data(why) => f.write_str(why),
            Self::Stop(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for FormatError {}
