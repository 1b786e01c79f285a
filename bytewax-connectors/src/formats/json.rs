//! JSON.

use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

#[cfg(feature = "schema-registry")]
use super::registry::{Kind, Registration, Registry, SubjectName};
use super::{Deserializer, FormatError, Serializer};
#[cfg(feature = "schema-registry")]
use super::{
    Part, Schema,
    written::{ByTopic, Ready, split},
};

/// Decodes JSON as values of a type.
///
/// # Examples
///
/// ```
/// use bytewax_connectors::formats::{Deserializer, FormatError, JsonDeserializer};
///
/// let mut json = JsonDeserializer::<Vec<u32>>::new();
/// assert_eq!(json.deserialize(b"[1, 2]")?, [1, 2]);
/// # Ok::<(), FormatError>(())
/// ```
#[must_use]
pub struct JsonDeserializer<T> {
    is_registered: bool,
    value: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> JsonDeserializer<T> {
    /// Decodes JSON without a header.
    pub fn new() -> Self {
        Self {
            is_registered: false,
            value: PhantomData,
        }
    }

    /// Decodes JSON that starts with the id of a schema. Only the type determines whether a value is valid:
    /// the schema is ignored.
    #[cfg(feature = "schema-registry")]
    pub fn registry(registry: &Registry) -> Self {
        let _ = registry;
        Self {
            is_registered: true,
            ..Self::new()
        }
    }
}

impl<T: DeserializeOwned> Default for JsonDeserializer<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Clone for JsonDeserializer<T> {
    fn clone(&self) -> Self {
        Self { ..*self }
    }
}

impl<T> fmt::Debug for JsonDeserializer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonDeserializer").finish_non_exhaustive()
    }
}

impl<T: DeserializeOwned + 'static> Deserializer for JsonDeserializer<T> {
    type Value = T;

    fn deserialize(&mut self, bytes: &[u8]) -> Result<T, FormatError> {
        let bytes = match self.is_registered {
            #[cfg(feature = "schema-registry")]
            true => split(bytes)?.1,
            _ => bytes,
        };
        serde_json::from_slice(bytes).map_err(FormatError::data)
    }
}

/// Encodes values as JSON.
///
/// # Examples
///
/// ```
/// use bytewax_connectors::formats::{FormatError, JsonSerializer, Serializer};
///
/// assert_eq!(JsonSerializer::new().serialize(&[1, 2], None)?, b"[1,2]");
/// # Ok::<(), FormatError>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct JsonSerializer {
    #[cfg(feature = "schema-registry")]
    registered: Option<ByTopic<()>>,
}

impl JsonSerializer {
    /// Encodes JSON without a header.
    pub fn new() -> Self {
        Self::default()
    }
}

#[cfg(feature = "schema-registry")]
impl JsonSerializer {
    /// Encodes JSON after the id of a JSON Schema. Values are not checked against the schema.
    pub fn registry(registry: &Registry, schema: impl Into<Schema>) -> Self {
        Self {
            registered: Some(ByTopic::new(registry, Kind::Json, Some(schema.into()))),
        }
    }

    /// Sets the topic of the messages, from which the subject is derived. By default, each message names it.
    pub fn topic(mut self, topic: impl Into<String>) -> Self {
        if let Some(registered) = &mut self.registered {
            registered.set_topic(topic.into());
        }
        self
    }

    /// Sets how the subject is named. The default is by topic. The name of a type is the `title` of the
    /// schema.
    pub fn subject_name(mut self, naming: SubjectName) -> Self {
        if let Some(registered) = &mut self.registered {
            registered.set_naming(naming);
        }
        self
    }

    /// Sets the treatment of the schema. By default, it is registered.
    pub fn registration(mut self, registration: Registration) -> Self {
        if let Some(registered) = &mut self.registered {
            registered.set_registration(registration);
        }
        self
    }
}

/// The name of a type, where other serializers also look for it.
#[cfg(feature = "schema-registry")]
fn ready(texts: &super::schema::Texts) -> Result<Ready<()>, String> {
    let schema: serde_json::Value =
        serde_json::from_str(&texts.main).map_err(|error| error.to_string())?;
    Ok(Ready {
        record: schema["title"].as_str().map(str::to_owned),
        head: Vec::new(),
        schema: (),
    })
}

impl<T: Serialize + ?Sized> Serializer<T> for JsonSerializer {
    #[cfg(feature = "schema-registry")]
    fn open(&mut self, part: Part) -> Result<(), FormatError> {
        match &mut self.registered {
            Some(registered) => registered.open(part, ready),
            None => Ok(()),
        }
    }

    #[cfg_attr(
        not(feature = "schema-registry"),
        expect(unused_variables, reason = "the topic is for the registry")
    )]
    fn serialize(&mut self, value: &T, topic: Option<&str>) -> Result<Vec<u8>, FormatError> {
        let mut bytes = Vec::new();
        #[cfg(feature = "schema-registry")]
        if let Some(registered) = &mut self.registered {
            bytes.extend(registered.of(topic, ready)?.0);
        }
        serde_json::to_writer(&mut bytes, value).map_err(FormatError::data)?;
        Ok(bytes)
    }
}
