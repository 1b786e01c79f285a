//! Protobuf.

mod dynamic;
mod files;
#[cfg(feature = "schema-registry")]
mod indexes;

use std::fmt;
use std::marker::PhantomData;

use prost::Message;

#[cfg(feature = "schema-registry")]
use self::files::path_of;
#[cfg(feature = "schema-registry")]
use self::indexes::{Path, read_path, write_path};
#[cfg(feature = "schema-registry")]
use super::registry::{Kind, Registration, Registry, SubjectName};
#[cfg(feature = "schema-registry")]
use super::schema::Texts;
#[cfg(feature = "schema-registry")]
use super::written::{ById, ByTopic, Ready};
use super::{Deserializer, FormatError, Serializer};
#[cfg(feature = "schema-registry")]
use super::{Part, Schema};

pub use self::dynamic::DynamicProtobufDeserializer;

/// Decodes Protobuf as messages of a type that `prost` generated.
///
/// # Examples
///
/// ```
/// use bytewax_connectors::formats::{Deserializer, FormatError, ProtobufDeserializer};
///
/// /// As `prost-build` makes it of a file.
/// #[derive(Clone, PartialEq, prost::Message)]
/// struct Reading {
///     #[prost(string, tag = "1")]
///     place: String,
///     #[prost(int64, tag = "2")]
///     degrees: i64,
/// }
///
/// let mut protobuf = ProtobufDeserializer::<Reading>::new();
/// let reading = protobuf.deserialize(b"\x0a\x04hall\x10\x15")?;
/// assert_eq!(reading, Reading { place: "hall".to_owned(), degrees: 21 });
/// # Ok::<(), FormatError>(())
/// ```
#[must_use]
pub struct ProtobufDeserializer<M> {
    #[cfg(feature = "schema-registry")]
    registered: Option<Expected>,
    message: PhantomData<fn() -> M>,
}

/// The wanted message of a registered schema.
#[cfg(feature = "schema-registry")]
#[derive(Clone, Debug)]
struct Expected {
    name: String,
    /// The path of the message in each schema; `None` if the schema lacks it.
    schemas: ById<Option<Path>>,
}

impl<M: Message + Default> ProtobufDeserializer<M> {
    /// Decodes messages without a header.
    pub fn new() -> Self {
        Self {
            #[cfg(feature = "schema-registry")]
            registered: None,
            message: PhantomData,
        }
    }

    /// Decodes messages that start with the id of their schema in the registry. `name` is the full name of
    /// the message in the schema, such as `shop.Order`; other messages are errors.
    #[cfg(feature = "schema-registry")]
    pub fn registry(registry: &Registry, name: impl Into<String>) -> Self {
        Self {
            registered: Some(Expected {
                name: name.into(),
                schemas: ById::new(registry, Kind::Protobuf),
            }),
            message: PhantomData,
        }
    }
}

impl<M: Message + Default> Default for ProtobufDeserializer<M> {
    fn default() -> Self {
        Self::new()
    }
}

impl<M> Clone for ProtobufDeserializer<M> {
    fn clone(&self) -> Self {
        Self {
            #[cfg(feature = "schema-registry")]
            registered: self.registered.clone(),
            message: PhantomData,
        }
    }
}

impl<M> fmt::Debug for ProtobufDeserializer<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProtobufDeserializer")
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "schema-registry")]
impl Expected {
    /// The bytes of the message.
    fn split<'b>(&mut self, bytes: &'b [u8]) -> Result<&'b [u8], FormatError> {
        let Self { name, schemas } = self;
        let (path, rest) = schemas.split(bytes, |texts| {
            let file = files::parse(&texts.main)?;
            Ok(path_of(&file, name))
        })?;
        let mut found = Path::new();
        let rest = read_path(rest, &mut found).map_err(FormatError::Data)?;
        match path {
            Some(path) if *path == found => Ok(rest),
            Some(_) => Err(FormatError::data(format_args!(
                "it is another message of its schema than `{name}`"
            ))),
            None => Err(FormatError::data(format_args!(
                "its schema has no message `{name}`"
            ))),
        }
    }
}

impl<M: Message + Default + 'static> Deserializer for ProtobufDeserializer<M> {
    type Value = M;

    #[cfg(feature = "schema-registry")]
    fn open(&mut self, _: Part) -> Result<(), FormatError> {
        match &self.registered {
            Some(registered) => registered.schemas.check(),
            None => Ok(()),
        }
    }

    fn deserialize(&mut self, bytes: &[u8]) -> Result<M, FormatError> {
        #[cfg(feature = "schema-registry")]
        let bytes = match &mut self.registered {
            Some(registered) => registered.split(bytes)?,
            None => bytes,
        };
        M::decode(bytes).map_err(FormatError::data)
    }
}

/// Encodes messages as Protobuf: of types that `prost` generated, and the `DynamicMessage` of
/// `prost-reflect`.
///
/// # Examples
///
/// ```
/// use bytewax_connectors::formats::{FormatError, ProtobufSerializer, Serializer};
///
/// #[derive(Clone, PartialEq, prost::Message)]
/// struct Reading {
///     #[prost(string, tag = "1")]
///     place: String,
///     #[prost(int64, tag = "2")]
///     degrees: i64,
/// }
///
/// let reading = Reading { place: "hall".to_owned(), degrees: 21 };
/// assert_eq!(ProtobufSerializer::new().serialize(&reading, None)?, b"\x0a\x04hall\x10\x15");
/// # Ok::<(), FormatError>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct ProtobufSerializer {
    #[cfg(feature = "schema-registry")]
    registered: Option<(String, ByTopic<()>)>,
}

impl ProtobufSerializer {
    /// Encodes messages without a header.
    pub fn new() -> Self {
        Self::default()
    }
}

#[cfg(feature = "schema-registry")]
impl ProtobufSerializer {
    /// Encodes messages after the id of the schema in the registry. The schema is the text of a file, and
    /// `name` the full name of the message in it, such as `shop.Order`.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use bytewax_connectors::formats::{ProtobufSerializer, Registry, Schema};
    ///
    /// let registry = Registry::new("http://localhost:8081");
    /// let file = r#"
    ///     syntax = "proto3";
    ///     package shop;
    ///     import "shop/price.proto";
    ///     message Order { Price price = 1; }
    /// "#;
    /// let schema = Schema::new(file).referring_to("shop/price.proto", "price", 1);
    /// let orders = ProtobufSerializer::registry(&registry, schema, "shop.Order").topic("orders");
    /// # let _ = orders;
    /// ```
    pub fn registry(
        registry: &Registry,
        schema: impl Into<Schema>,
        name: impl Into<String>,
    ) -> Self {
        let schemas = ByTopic::new(registry, Kind::Protobuf, Some(schema.into()));
        Self {
            registered: Some((name.into(), schemas)),
        }
    }

    /// Sets the topic of the messages, from which the subject is derived. By default, each message names it.
    pub fn topic(mut self, topic: impl Into<String>) -> Self {
        if let Some((_, registered)) = &mut self.registered {
            registered.set_topic(topic.into());
        }
        self
    }

    /// Sets how the subject is named. The default is by topic.
    pub fn subject_name(mut self, naming: SubjectName) -> Self {
        if let Some((_, registered)) = &mut self.registered {
            registered.set_naming(naming);
        }
        self
    }

    /// Sets the treatment of the schema. By default, it is registered.
    pub fn registration(mut self, registration: Registration) -> Self {
        if let Some((_, registered)) = &mut self.registered {
            registered.set_registration(registration);
        }
        self
    }
}

#[cfg(feature = "schema-registry")]
fn ready(texts: &Texts, name: &str) -> Result<Ready<()>, String> {
    let file = files::parse(&texts.main)?;
    let path = path_of(&file, name).ok_or_else(|| format!("it has no message `{name}`"))?;
    let mut head = Vec::new();
    write_path(&path, &mut head);
    Ok(Ready {
        record: Some(name.to_owned()),
        head,
        schema: (),
    })
}

impl<M: Message> Serializer<M> for ProtobufSerializer {
    #[cfg(feature = "schema-registry")]
    fn open(&mut self, part: Part) -> Result<(), FormatError> {
        match &mut self.registered {
            Some((name, registered)) => registered.open(part, |texts| ready(texts, name)),
            None => Ok(()),
        }
    }

    #[cfg_attr(
        not(feature = "schema-registry"),
        expect(unused_variables, reason = "the topic is for the registry")
    )]
    fn serialize(&mut self, value: &M, topic: Option<&str>) -> Result<Vec<u8>, FormatError> {
        #[cfg(feature = "schema-registry")]
        if let Some((name, registered)) = &mut self.registered {
            let (head, ()) = registered.of(topic, |texts| ready(texts, name))?;
            let mut bytes = Vec::with_capacity(head.len() + value.encoded_len());
            bytes.extend_from_slice(head);
            value.encode(&mut bytes).map_err(FormatError::data)?;
            return Ok(bytes);
        }
        Ok(value.encode_to_vec())
    }
}
