//! Messages in JSON.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::DecodeError;
use super::message::KafkaMessage;
use crate::formats::Part;

impl KafkaMessage {
    /// Creates a message with a JSON value.
    ///
    /// If a value has no JSON form, such as a map whose keys are not text, the sink of the message fails.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_connectors::kafka::KafkaMessage;
    ///
    /// let message = KafkaMessage::json(&vec![1, 2]);
    /// assert_eq!(message.value_bytes(), b"[1,2]");
    /// ```
    #[must_use]
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Self {
        match serde_json::to_vec(value) {
            Ok(value) => Self::new(value),
            Err(error) => {
                let mut message = Self::default();
                message.way().fault = Some(format!("it has no form in JSON: {error}"));
                message
            }
        }
    }

    /// Decodes the value as JSON.
    ///
    /// # Errors
    ///
    /// Fails if the value is not a `T` in JSON, or missing. The text contains the reason and the origin of
    /// the message.
    ///
    /// # Examples
    ///
    /// Messages that cannot be decoded go to `errs`, with topic, partition, offset and reason:
    ///
    /// ```
    /// use bytewax_connectors::kafka::KafkaMessage;
    /// use bytewax_runtime::testing::run_items;
    ///
    /// let messages = [KafkaMessage::new("[1, 2]"), KafkaMessage::new("x")];
    /// let out = run_items(messages, |messages| {
    ///     let parsed = messages.try_map(KafkaMessage::value_json::<Vec<u64>>);
    ///     let bad = parsed.errs.map(|bad| bad.error);
    ///     parsed.oks.map(|numbers| format!("{numbers:?}")).merge(bad)
    /// });
    /// assert!(out.contains(&"[1, 2]".to_owned()));
    /// assert!(out.contains(&"the value is not as it should be: expected value at line 1 column 1".to_owned()));
    /// ```
    pub fn value_json<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        self.decode(Part::Value, self.value.as_deref())
    }

    /// Decodes the key as JSON.
    ///
    /// # Errors
    ///
    /// Those of [`value_json`](Self::value_json).
    pub fn key_json<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        self.decode(Part::Key, self.key.as_deref())
    }

    fn decode<T: DeserializeOwned>(
        &self,
        part: Part,
        bytes: Option<&[u8]>,
    ) -> Result<T, DecodeError> {
        let failed = |why: String| DecodeError::new(part, self.origin.clone(), why);
        let bytes = bytes.ok_or_else(|| failed("there is none".to_owned()))?;
        serde_json::from_slice(bytes).map_err(|error| failed(error.to_string()))
    }

    /// Sets a JSON key. The notes about the value of [`json`](Self::json) apply.
    #[must_use]
    pub fn with_json_key<T: Serialize + ?Sized>(mut self, key: &T) -> Self {
        match serde_json::to_vec(key) {
            Ok(key) => self.with_key(key),
            Err(error) => {
                self.way().fault = Some(format!("its key has no form in JSON: {error}"));
                self
            }
        }
    }
}
