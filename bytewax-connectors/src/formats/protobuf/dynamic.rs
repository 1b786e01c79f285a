//! Messages of types that are loaded at run time.

use std::fmt;
#[cfg(feature = "schema-registry")]
use std::{collections::HashMap, sync::Arc};

use prost_reflect::{DynamicMessage, MessageDescriptor};

use super::files;
#[cfg(feature = "schema-registry")]
use super::indexes::{Path, read_path};
use crate::formats::{Deserializer, FormatError, Part, Schema};
#[cfg(feature = "schema-registry")]
use crate::formats::{
    registry::{Kind, Registry},
    schema::Texts,
    written::ById,
};

/// Decodes Protobuf as messages of types that are loaded at run time.
///
/// # Examples
///
/// ```
/// use bytewax_connectors::formats::{Deserializer, DynamicProtobufDeserializer, FormatError, Part};
///
/// let file = r#"
///     syntax = "proto3";
///     package weather;
///     message Reading { string place = 1; int64 degrees = 2; }
/// "#;
/// let mut protobuf = DynamicProtobufDeserializer::new(file, "weather.Reading");
/// protobuf.open(Part::Value)?;
/// let reading = protobuf.deserialize(b"\x0a\x04hall\x10\x15")?;
/// assert_eq!(reading.get_field_by_name("degrees").unwrap().as_i64(), Some(21));
/// # Ok::<(), FormatError>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct DynamicProtobufDeserializer {
    types: Types,
}

#[derive(Clone)]
enum Types {
    /// All messages are of one type, which is prepared at the start.
    Given {
        schema: Schema,
        name: String,
        ready: Option<MessageDescriptor>,
    },
    #[cfg(feature = "schema-registry")]
    Registered {
        schemas: ById<Arc<HashMap<Path, MessageDescriptor>>>,
        path: Path,
    },
}

impl DynamicProtobufDeserializer {
    /// Decodes messages without a header, of the type with this full name in the given text of a file.
    pub fn new(schema: impl Into<Schema>, name: impl Into<String>) -> Self {
        Self {
            types: Types::Given {
                schema: schema.into(),
                name: name.into(),
                ready: None,
            },
        }
    }

    /// Decodes messages that start with the id of their schema in the registry.
    #[cfg(feature = "schema-registry")]
    pub fn registry(registry: &Registry) -> Self {
        Self {
            types: Types::Registered {
                schemas: ById::new(registry, Kind::Protobuf),
                path: Path::new(),
            },
        }
    }
}

impl fmt::Debug for DynamicProtobufDeserializer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamicProtobufDeserializer")
            .finish_non_exhaustive()
    }
}

/// The types of all messages of a file.
#[cfg(feature = "schema-registry")]
fn types(texts: &Texts) -> Result<Arc<HashMap<Path, MessageDescriptor>>, String> {
    let file = files::compile(texts)?;
    let pool = file.parent_pool();
    let paths = files::all_paths(file.file_descriptor_proto()).into_iter();
    let types = paths.filter_map(|(path, name)| Some((path, pool.get_message_by_name(&name)?)));
    Ok(Arc::new(types.collect()))
}

impl Deserializer for DynamicProtobufDeserializer {
    type Value = DynamicMessage;

    fn open(&mut self, _: Part) -> Result<(), FormatError> {
        match &mut self.types {
            Types::Given {
                schema,
                name,
                ready,
            } => {
                let unusable =
                    |why: String| FormatError::stop(format!("the schema cannot be used: {why}"));
                let texts = schema.texts().map_err(unusable)?;
                let file = files::compile(&texts).map_err(unusable)?;
                let found = file.parent_pool().get_message_by_name(name);
                let found = found.ok_or_else(|| unusable(format!("it has no message `{name}`")))?;
                *ready = Some(found);
            }
            #[cfg(feature = "schema-registry")]
            Types::Registered { schemas, .. } => schemas.check()?,
        }
        Ok(())
    }

    fn deserialize(&mut self, bytes: &[u8]) -> Result<DynamicMessage, FormatError> {
        let (message, bytes) = match &mut self.types {
            Types::Given {
                ready: Some(ready), ..
            } => (ready.clone(), bytes),
            Types::Given { .. } => {
                return Err(FormatError::stop("the deserializer was not opened"));
            }
            #[cfg(feature = "schema-registry")]
            Types::Registered { schemas, path } => {
                let (types, rest) = schemas.split(bytes, types)?;
                let rest = read_path(rest, path).map_err(FormatError::Data)?;
                let message = types.get(path).cloned().ok_or_else(|| {
                    FormatError::data(format_args!("its schema has no message {path:?}"))
                })?;
                (message, rest)
            }
        };
        DynamicMessage::decode(message, bytes).map_err(FormatError::data)
    }
}
