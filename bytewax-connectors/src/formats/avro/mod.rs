//! Avro.

mod schema;

use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use self::schema::{AvroSchema, Fit};
#[cfg(feature = "schema-registry")]
use super::registry::{Kind, Registration, Registry, SubjectName};
#[cfg(feature = "schema-registry")]
use super::written::{ById, ByTopic, Ready};
use super::{Deserializer, FormatError, Part, Schema, Serializer};

/// Decodes Avro as values of a serde type.
///
/// Fields of records are matched by name, and fields of the schema that the type lacks are ignored. If the
/// schema is unknown at compile time, use `serde_json::Value`.
///
/// # Examples
///
/// ```
/// use bytewax_connectors::formats::{AvroDeserializer, Deserializer, FormatError, Part};
/// use serde::Deserialize;
///
/// #[derive(Debug, PartialEq, Deserialize)]
/// struct Reading {
///     place: String,
///     degrees: i64,
/// }
///
/// let schema = r#"{
///     "type": "record",
///     "name": "Reading",
///     "fields": [{"name": "place", "type": "string"}, {"name": "degrees", "type": "long"}]
/// }"#;
/// let mut avro = AvroDeserializer::new(schema);
/// avro.open(Part::Value)?;
/// let reading: Reading = avro.deserialize(b"\x08hall\x2a")?;
/// assert_eq!(reading, Reading { place: "hall".to_owned(), degrees: 21 });
/// # Ok::<(), FormatError>(())
/// ```
///
/// # Limits
///
/// Each distinct schema stays in memory until the process ends.
#[must_use]
pub struct AvroDeserializer<T> {
    writer: Writer,
    reader: Option<Schema>,
    /// The parsed reader schema.
    wanted: Option<&'static AvroSchema>,
    fit: Fit,
    value: PhantomData<fn() -> T>,
}

/// The schema of the writer.
#[derive(Clone)]
enum Writer {
    /// It is the same for all values, and prepared at the start.
    Given(Schema, Option<&'static AvroSchema>),
    #[cfg(feature = "schema-registry")]
    Registered(ById<&'static AvroSchema>),
}

impl<T: DeserializeOwned> AvroDeserializer<T> {
    /// Decodes values of this schema, without a header.
    pub fn new(schema: impl Into<Schema>) -> Self {
        Self::of(Writer::Given(schema.into(), None))
    }

    /// Decodes values that start with the id of their schema in the registry.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use bytewax_connectors::formats::{AvroDeserializer, Registry};
    ///
    /// let registry = Registry::new("http://localhost:8081");
    /// let orders = AvroDeserializer::<serde_json::Value>::registry(&registry);
    /// # let _ = orders;
    /// ```
    #[cfg(feature = "schema-registry")]
    pub fn registry(registry: &Registry) -> Self {
        Self::of(Writer::Registered(ById::new(registry, Kind::Avro)))
    }

    fn of(writer: Writer) -> Self {
        Self {
            writer,
            reader: None,
            wanted: None,
            fit: Fit::default(),
            value: PhantomData,
        }
    }

    /// Resolves each value from its writer's schema to this one, with the defaults of missing fields. By
    /// default, values keep the writer's schema.
    pub fn reader_schema(mut self, schema: impl Into<Schema>) -> Self {
        self.reader = Some(schema.into());
        self
    }
}

impl<T> Clone for AvroDeserializer<T> {
    fn clone(&self) -> Self {
        Self {
            writer: self.writer.clone(),
            reader: self.reader.clone(),
            wanted: self.wanted,
            fit: self.fit,
            value: PhantomData,
        }
    }
}

impl<T> fmt::Debug for AvroDeserializer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AvroDeserializer").finish_non_exhaustive()
    }
}

impl<T: DeserializeOwned + 'static> Deserializer for AvroDeserializer<T> {
    type Value = T;

    fn open(&mut self, _: Part) -> Result<(), FormatError> {
        if let Some(schema) = &self.reader {
            self.wanted = Some(schema::given(schema)?);
        }
        match &mut self.writer {
            Writer::Given(schema, ready) => *ready = Some(schema::given(schema)?),
            #[cfg(feature = "schema-registry")]
            Writer::Registered(schemas) => schemas.check()?,
        }
        Ok(())
    }

    fn deserialize(&mut self, bytes: &[u8]) -> Result<T, FormatError> {
        let (schema, bytes) = match &mut self.writer {
            Writer::Given(_, Some(schema)) => (*schema, bytes),
            Writer::Given(..) => return Err(FormatError::stop("the deserializer was not opened")),
            #[cfg(feature = "schema-registry")]
            Writer::Registered(schemas) => {
                let (schema, bytes) = schemas.split(bytes, schema::intern)?;
                (*schema, bytes)
            }
        };
        let read = schema.read(bytes, self.wanted, &mut self.fit);
        read.map_err(FormatError::Data)
    }
}

/// Encodes values as Avro.
///
/// # Examples
///
/// ```
/// use bytewax_connectors::formats::{AvroSerializer, FormatError, Part, Serializer};
/// use serde::Serialize;
///
/// #[derive(Serialize)]
/// struct Reading {
///     place: String,
///     degrees: i64,
/// }
///
/// let schema = r#"{
///     "type": "record",
///     "name": "Reading",
///     "fields": [{"name": "place", "type": "string"}, {"name": "degrees", "type": "long"}]
/// }"#;
/// let mut avro = AvroSerializer::new(schema);
/// Serializer::<Reading>::open(&mut avro, Part::Value)?;
/// let reading = Reading { place: "hall".to_owned(), degrees: 21 };
/// assert_eq!(avro.serialize(&reading, None)?, b"\x08hall\x2a");
/// # Ok::<(), FormatError>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct AvroSerializer {
    schema: Written,
    fit: Fit,
}

/// The schema of encoded values.
#[derive(Clone)]
enum Written {
    Given(Schema, Option<&'static AvroSchema>),
    #[cfg(feature = "schema-registry")]
    Registered(Box<ByTopic<&'static AvroSchema>>),
}

impl AvroSerializer {
    /// Encodes values with this schema, without a header.
    pub fn new(schema: impl Into<Schema>) -> Self {
        Self {
            schema: Written::Given(schema.into(), None),
            fit: Fit::default(),
        }
    }
}

#[cfg(feature = "schema-registry")]
impl AvroSerializer {
    /// Encodes values with this schema, after its id in the registry.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use bytewax_connectors::formats::{AvroSerializer, Registration, Registry};
    ///
    /// let registry = Registry::new("http://localhost:8081");
    /// let degrees = AvroSerializer::registry(&registry, r#""long""#)
    ///     .topic("degrees") // So the subject is `degrees-value`, or `degrees-key` for keys.
    ///     .registration(Registration::Existing);
    /// # let _ = degrees;
    /// ```
    pub fn registry(registry: &Registry, schema: impl Into<Schema>) -> Self {
        Self::of(registry, Some(schema.into()))
    }

    /// Encodes values with the newest schema of the subject.
    pub fn latest(registry: &Registry) -> Self {
        Self::of(registry, None)
    }

    fn of(registry: &Registry, schema: Option<Schema>) -> Self {
        Self {
            schema: Written::Registered(Box::new(ByTopic::new(registry, Kind::Avro, schema))),
            fit: Fit::default(),
        }
    }

    fn registered(&mut self) -> Option<&mut ByTopic<&'static AvroSchema>> {
        match &mut self.schema {
            Written::Given(..) => None,
            Written::Registered(registered) => Some(registered.as_mut()),
        }
    }

    /// Sets the topic of the messages, from which the subject is derived. By default, each message names it.
    pub fn topic(mut self, topic: impl Into<String>) -> Self {
        if let Some(registered) = self.registered() {
            registered.set_topic(topic.into());
        }
        self
    }

    /// Sets how the subject is named. The default is by topic.
    pub fn subject_name(mut self, naming: SubjectName) -> Self {
        if let Some(registered) = self.registered() {
            registered.set_naming(naming);
        }
        self
    }

    /// Sets the treatment of the schema. By default, it is registered.
    pub fn registration(mut self, registration: Registration) -> Self {
        if let Some(registered) = self.registered() {
            registered.set_registration(registration);
        }
        self
    }
}

#[cfg(feature = "schema-registry")]
fn ready(texts: &super::schema::Texts) -> Result<Ready<&'static AvroSchema>, String> {
    let schema = schema::intern(texts)?;
    Ok(Ready {
        record: schema.name(),
        head: Vec::new(),
        schema,
    })
}

impl fmt::Debug for AvroSerializer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AvroSerializer").finish_non_exhaustive()
    }
}

impl<T: Serialize> Serializer<T> for AvroSerializer {
    #[cfg_attr(
        not(feature = "schema-registry"),
        expect(unused_variables, reason = "the part is for the registry")
    )]
    fn open(&mut self, part: Part) -> Result<(), FormatError> {
        match &mut self.schema {
            Written::Given(schema, ready) => *ready = Some(schema::given(schema)?),
            #[cfg(feature = "schema-registry")]
            Written::Registered(registered) => registered.open(part, ready)?,
        }
        Ok(())
    }

    #[cfg_attr(
        not(feature = "schema-registry"),
        expect(unused_variables, reason = "the topic is for the registry")
    )]
    fn serialize(&mut self, value: &T, topic: Option<&str>) -> Result<Vec<u8>, FormatError> {
        let (mut bytes, schema) = match &mut self.schema {
            Written::Given(_, Some(schema)) => (Vec::new(), *schema),
            Written::Given(..) => return Err(FormatError::stop("the serializer was not opened")),
            #[cfg(feature = "schema-registry")]
            Written::Registered(registered) => {
                let (head, schema) = registered.of(topic, ready)?;
                (head.to_vec(), *schema)
            }
        };
        let written = schema.write(value, &mut bytes, &mut self.fit);
        written.map_err(FormatError::Data)?;
        Ok(bytes)
    }
}
