//! Formats: how values become bytes, and bytes become values.
//!
//! A format is a [`Deserializer`], a [`Serializer`], or both in one. Operators of connectors use them, as those of
//! [`KafkaStream`](crate::kafka::KafkaStream) (feature `kafka`):
//!
//! | Format | Reads | Writes | Feature |
//! | --- | --- | --- | --- |
//! | text | [`Utf8`] | [`Utf8`] | |
//! | JSON | [`JsonDeserializer`] | [`JsonSerializer`] | |
//! | Avro | `AvroDeserializer` | `AvroSerializer` | `avro` |
//! | Protobuf | `ProtobufDeserializer`, `DynamicProtobufDeserializer` | `ProtobufSerializer` | `protobuf` |
//!
//! With the feature `schema-registry`, JSON, Avro and Protobuf are read and written as the serializers of Confluent do: in front of each
//! value is the id of its schema, which a `Registry` knows.
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

/// Turns bytes into values.
///
/// Each worker works on a clone of its own, which may keep what it has found out, such as schemas. Nothing of it is saved.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not turn bytes into values",
    label = "this is not a `Deserializer`",
    note = "use one of `bytewax::connectors::formats`, such as `JsonDeserializer::<T>::new()`, where `T` implements serde's `Deserialize`"
)]
pub trait Deserializer: Clone + Send + Sync + 'static {
    /// What comes of the bytes.
    type Value: 'static;

    /// Gets ready, once on each worker, before anything is read.
    ///
    /// # Errors
    ///
    /// If nothing can be read, as when a schema is wrong: the run does not begin.
    fn open(&mut self, part: Part) -> Result<(), FormatError> {
        let _ = part;
        Ok(())
    }

    /// Turns bytes into a value.
    ///
    /// # Errors
    ///
    /// If these bytes are not a value, or nothing can be read at present.
    fn deserialize(&mut self, bytes: &[u8]) -> Result<Self::Value, FormatError>;
}

/// Turns values into bytes.
///
/// Each worker works on a clone of its own, as with a [`Deserializer`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not turn `{T}` into bytes",
    label = "this is not a `Serializer` of `{T}`",
    note = "use one of `bytewax::connectors::formats`, such as `JsonSerializer::new()`, for types that implement serde's `Serialize`"
)]
pub trait Serializer<T: ?Sized>: Clone + Send + Sync + 'static {
    /// Gets ready, once on each worker, before anything is written.
    ///
    /// # Errors
    ///
    /// If nothing can be written, as when a schema is wrong: the run does not begin.
    fn open(&mut self, part: Part) -> Result<(), FormatError> {
        let _ = part;
        Ok(())
    }

    /// Turns a value into bytes. `topic` is where they go, if that is known already.
    ///
    /// # Errors
    ///
    /// If this value has no form in bytes, or nothing can be written at present.
    fn serialize(&mut self, value: &T, topic: Option<&str>) -> Result<Vec<u8>, FormatError>;
}

/// Which part of a message bytes are.
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

/// Why there is no value or there are no bytes.
#[derive(Debug)]
pub enum FormatError {
    /// The bytes or the value at hand are wrong, in words: other bytes and values may be right.
    Data(String),
    /// Nothing can be read or written, whatever the bytes or the value are: the run stops.
    Stop(StepError),
}

impl FormatError {
    /// The bytes or the value at hand are wrong.
    pub(crate) fn data(why: impl fmt::Display) -> Self {
        Self::Data(why.to_string())
    }

    /// Nothing can be read or written.
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
