//! Operators on streams of messages.

use bytewax_runtime::StepError;
use bytewax_runtime::flow::Stream;
use bytewax_runtime::operators::{Errored, TryError, TryOut};

use super::error::DecodeError;
use super::message::KafkaMessage;
use crate::formats::{Deserializer, FormatError, Part, Serializer};

/// Converts keys and values of messages to other types, and back to bytes.
///
/// A message that cannot be converted goes to `errs`, which must be read: a dead letter contains the
/// unchanged message, and the reason with topic, partition and offset. If no message can be converted, for
/// example because a schema registry does not respond, the run stops before it loses messages.
///
/// A missing key or value stays missing.
///
/// # Examples
///
/// ```
/// use bytewax_connectors::formats::{JsonDeserializer, JsonSerializer, Utf8};
/// use bytewax_connectors::kafka::{KafkaMessage, KafkaStream};
/// use bytewax_runtime::testing::run_items;
///
/// let messages = ["[1, 2]", "x"].map(|value| KafkaMessage::new(value).with_key("a"));
/// let mut out = run_items(messages, |messages| {
///     let read = messages.deserialize(Utf8, JsonDeserializer::<Vec<u64>>::new());
///     let sums = read.oks.map(|message| {
///         let (key, value) = message.into_parts();
///         KafkaMessage::of(value.iter().flatten().sum::<u64>()).keyed_by(key.unwrap_or_default())
///     });
///     let written = sums.serialize(Utf8, JsonSerializer::new());
///     written.errs.fail().named("fail");
///     written.oks.merge(read.errs.map(|bad| bad.item.with_header("error", bad.error)))
/// });
/// out.sort_by_key(|message| message.value_bytes().to_vec());
/// assert_eq!(out[0], KafkaMessage::new("3").with_key("a"));
/// assert_eq!(
///     out[1].header("error"),
///     Some(b"the value is not as it should be: expected value at line 1 column 1".as_slice()),
/// );
/// ```
pub trait KafkaStream<K, V>: Sized {
    /// Decodes keys into another type.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_connectors::formats::Utf8;
    /// use bytewax_connectors::kafka::{KafkaMessage, KafkaStream};
    /// use bytewax_runtime::testing::run_items;
    ///
    /// let messages = [KafkaMessage::new("21").with_key("hall")];
    /// let out = run_items(messages, |messages| {
    ///     let read = messages.deserialize_key(Utf8);
    ///     read.errs.fail().named("fail");
    ///     read.oks.map(|message| message.key().cloned())
    /// });
    /// assert_eq!(out, [Some("hall".to_owned())]);
    /// ```
    #[track_caller]
    fn deserialize_key<D>(self, with: D) -> Tried<D::Value, V, K, V>
    where
        K: AsRef<[u8]>,
        D: Deserializer;

    /// Decodes values into another type.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_connectors::formats::JsonDeserializer;
    /// use bytewax_connectors::kafka::{KafkaMessage, KafkaStream};
    /// use bytewax_runtime::testing::run_items;
    ///
    /// let messages = [KafkaMessage::new("21"), KafkaMessage::tombstone("hall")];
    /// let out = run_items(messages, |messages| {
    ///     let read = messages.deserialize_value(JsonDeserializer::<u32>::new());
    ///     read.errs.fail().named("fail");
    ///     read.oks.map(KafkaMessage::into_value)
    /// });
    /// assert_eq!(out, [Some(21), None]);
    /// ```
    #[track_caller]
    fn deserialize_value<D>(self, with: D) -> Tried<K, D::Value, K, V>
    where
        V: AsRef<[u8]>,
        D: Deserializer;

    /// Decodes keys and values into other types. If either fails, the unchanged message is an error.
    #[track_caller]
    fn deserialize<DK, DV>(self, key: DK, value: DV) -> Tried<DK::Value, DV::Value, K, V>
    where
        K: AsRef<[u8]>,
        V: AsRef<[u8]>,
        DK: Deserializer,
        DV: Deserializer;

    /// Encodes keys into bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_connectors::formats::JsonSerializer;
    /// use bytewax_connectors::kafka::{KafkaMessage, KafkaStream};
    /// use bytewax_runtime::testing::run_items;
    ///
    /// let messages = [KafkaMessage::new("21").keyed_by(("hall", 1))];
    /// let out = run_items(messages, |messages| {
    ///     let written = messages.serialize_key(JsonSerializer::new());
    ///     written.errs.fail().named("fail");
    ///     written.oks
    /// });
    /// assert_eq!(out, [KafkaMessage::new("21").with_key(r#"["hall",1]"#)]);
    /// ```
    #[track_caller]
    fn serialize_key<S>(self, with: S) -> Tried<Vec<u8>, V, K, V>
    where
        S: Serializer<K>;

    /// Encodes values into bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_connectors::formats::JsonSerializer;
    /// use bytewax_connectors::kafka::{KafkaMessage, KafkaStream};
    /// use bytewax_runtime::testing::run_items;
    ///
    /// let out = run_items([21, 22], |degrees| {
    ///     let messages = degrees.map(|n| KafkaMessage::of(n).with_key("hall"));
    ///     let written = messages.serialize_value(JsonSerializer::new());
    ///     written.errs.fail().named("fail");
    ///     written.oks
    /// });
    /// assert_eq!(out, ["21", "22"].map(|n| KafkaMessage::new(n).with_key("hall")));
    /// ```
    #[track_caller]
    fn serialize_value<S>(self, with: S) -> Tried<K, Vec<u8>, K, V>
    where
        S: Serializer<V>;

    /// Encodes keys and values into bytes. If either fails, the unchanged message is an error.
    #[track_caller]
    fn serialize<SK, SV>(self, key: SK, value: SV) -> Tried<Vec<u8>, Vec<u8>, K, V>
    where
        SK: Serializer<K>,
        SV: Serializer<V>;
}

/// Converted messages with a key `K2` and a value `V2`, and the unchanged messages that failed.
pub type Tried<K2, V2, K, V> = TryOut<KafkaMessage<K2, V2>, Errored<KafkaMessage<K, V>>>;

impl<K: 'static, V: 'static> KafkaStream<K, V> for Stream<KafkaMessage<K, V>> {
    #[track_caller]
    fn deserialize_key<D>(self, with: D) -> Tried<D::Value, V, K, V>
    where
        K: AsRef<[u8]>,
        D: Deserializer,
    {
        let init = move || reader(&with, Part::Key);
        self.try_map_with(init, |with, message| {
            match read(with, message.key.as_ref()) {
                Ok(key) => Ok(message.with_parts(|_, value| (key, value))),
                Err(error) => Err(not_read(message, Part::Key, error)),
            }
        })
    }

    #[track_caller]
    fn deserialize_value<D>(self, with: D) -> Tried<K, D::Value, K, V>
    where
        V: AsRef<[u8]>,
        D: Deserializer,
    {
        let init = move || reader(&with, Part::Value);
        self.try_map_with(init, |with, message| {
            match read(with, message.value.as_ref()) {
                Ok(value) => Ok(message.with_parts(|key, _| (key, value))),
                Err(error) => Err(not_read(message, Part::Value, error)),
            }
        })
    }

    #[track_caller]
    fn deserialize<DK, DV>(self, key: DK, value: DV) -> Tried<DK::Value, DV::Value, K, V>
    where
        K: AsRef<[u8]>,
        V: AsRef<[u8]>,
        DK: Deserializer,
        DV: Deserializer,
    {
        let init = move || Ok((reader(&key, Part::Key)?, reader(&value, Part::Value)?));
        self.try_map_with(init, |(of_key, of_value), message| {
            let key = match read(of_key, message.key.as_ref()) {
                Ok(key) => key,
                Err(error) => return Err(not_read(message, Part::Key, error)),
            };
            match read(of_value, message.value.as_ref()) {
                Ok(value) => Ok(message.with_parts(|_, _| (key, value))),
                Err(error) => Err(not_read(message, Part::Value, error)),
            }
        })
    }

    #[track_caller]
    fn serialize_key<S>(self, with: S) -> Tried<Vec<u8>, V, K, V>
    where
        S: Serializer<K>,
    {
        let init = move || writer(&with, Part::Key);
        self.try_map_with(init, |with, message| {
            match write(with, message.key.as_ref(), &message) {
                Ok(key) => Ok(message.with_parts(|_, value| (key, value))),
                Err(error) => Err(not_written(message, Part::Key, error)),
            }
        })
    }

    #[track_caller]
    fn serialize_value<S>(self, with: S) -> Tried<K, Vec<u8>, K, V>
    where
        S: Serializer<V>,
    {
        let init = move || writer(&with, Part::Value);
        self.try_map_with(init, |with, message| {
            match write(with, message.value.as_ref(), &message) {
                Ok(value) => Ok(message.with_parts(|key, _| (key, value))),
                Err(error) => Err(not_written(message, Part::Value, error)),
            }
        })
    }

    #[track_caller]
    fn serialize<SK, SV>(self, key: SK, value: SV) -> Tried<Vec<u8>, Vec<u8>, K, V>
    where
        SK: Serializer<K>,
        SV: Serializer<V>,
    {
        let init = move || Ok((writer(&key, Part::Key)?, writer(&value, Part::Value)?));
        self.try_map_with(init, |(of_key, of_value), message| {
            let key = match write(of_key, message.key.as_ref(), &message) {
                Ok(key) => key,
                Err(error) => return Err(not_written(message, Part::Key, error)),
            };
            match write(of_value, message.value.as_ref(), &message) {
                Ok(value) => Ok(message.with_parts(|_, _| (key, value))),
                Err(error) => Err(not_written(message, Part::Value, error)),
            }
        })
    }
}

/// The deserializer of a worker.
fn reader<D: Deserializer>(with: &D, part: Part) -> Result<D, StepError> {
    let mut with = with.clone();
    with.open(part)?;
    Ok(with)
}

/// The serializer of a worker.
fn writer<T, S: Serializer<T>>(with: &S, part: Part) -> Result<S, StepError> {
    let mut with = with.clone();
    with.open(part)?;
    Ok(with)
}

fn read<D: Deserializer>(
    with: &mut D,
    bytes: Option<&impl AsRef<[u8]>>,
) -> Result<Option<D::Value>, FormatError> {
    bytes
        .map(|bytes| with.deserialize(bytes.as_ref()))
        .transpose()
}

fn write<T, K, V, S: Serializer<T>>(
    with: &mut S,
    value: Option<&T>,
    message: &KafkaMessage<K, V>,
) -> Result<Option<Vec<u8>>, FormatError> {
    let topic = message.way.as_ref().and_then(|way| way.topic.as_deref());
    value.map(|value| with.serialize(value, topic)).transpose()
}

#[cold]
fn not_read<K, V>(
    message: KafkaMessage<K, V>,
    part: Part,
    error: FormatError,
) -> TryError<KafkaMessage<K, V>> {
    match error {
        FormatError::Data(why) => {
            let error = DecodeError::new(part, message.origin.clone(), why);
            TryError::Item(message, error.to_string())
        }
        FormatError::Stop(error) => TryError::Run(error),
    }
}

#[cold]
fn not_written<K, V>(
    message: KafkaMessage<K, V>,
    part: Part,
    error: FormatError,
) -> TryError<KafkaMessage<K, V>> {
    match error {
        FormatError::Data(why) => {
            TryError::Item(message, format!("the {part} cannot be written: {why}"))
        }
        FormatError::Stop(error) => TryError::Run(error),
    }
}
