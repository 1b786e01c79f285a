//! Names of subjects.

use crate::formats::{FormatError, Part};

/// The subject of the schema of a key or a value in a registry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubjectName {
    /// The topic, with `-key` or `-value`: all messages of a topic have one schema. Confluent calls it
    /// `TopicNameStrategy`.
    #[default]
    Topic,
    /// The full name of the type: a type has one schema in all topics. Confluent calls it
    /// `RecordNameStrategy`.
    Record,
    /// The topic, `-`, and the full name of the type: a topic has several types. Confluent calls it
    /// `TopicRecordNameStrategy`.
    TopicRecord,
}

/// The treatment of the schema of encoded values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Registration {
    /// Registers the schema, if it does not exist yet.
    #[default]
    Register,
    /// Requires that the schema exists.
    Existing,
    /// Uses the newest schema of the subject instead.
    Latest,
}

impl SubjectName {
    /// Whether it depends on the topic of a message.
    pub(in crate::formats) fn needs_topic(self) -> bool {
        self != Self::Record
    }

    /// The subject of a part of a topic's messages, for a type with this name.
    pub(in crate::formats) fn subject(
        self,
        topic: Option<&str>,
        part: Part,
        record: Option<&str>,
    ) -> Result<String, FormatError> {
        let topic = || {
            topic.ok_or_else(|| {
                FormatError::stop(
                    "the subject of the schema depends on the topic, which is not known; name it with `topic` of the serializer, \
                     or by `KafkaMessage::to_topic`",
                )
            })
        };
        let record = || {
            record.ok_or_else(|| {
                FormatError::stop(
                    "the subject of the schema is the name of a type, and the schema is not of a type with a name; use \
                     `SubjectName::Topic`",
                )
            })
        };
        match self {
            Self::Topic => Ok(format!("{}-{part}", topic()?)),
            Self::Record => Ok(record()?.to_owned()),
            Self::TopicRecord => Ok(format!("{}-{}", topic()?, record()?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_by_all_strategies() {
        let subject = |naming: SubjectName, topic, record| {
            let subject = naming.subject(topic, Part::Value, record);
            subject.map_err(|error| error.to_string())
        };
        let (topic, record) = (Some("orders"), Some("shop.Order"));
        assert_eq!(
            subject(SubjectName::Topic, topic, None).unwrap(),
            "orders-value"
        );
        assert_eq!(
            subject(SubjectName::Record, None, record).unwrap(),
            "shop.Order"
        );
        assert_eq!(
            subject(SubjectName::TopicRecord, topic, record).unwrap(),
            "orders-shop.Order"
        );
        let key = SubjectName::Topic.subject(topic, Part::Key, None);
        assert_eq!(key.unwrap(), "orders-key");
        let error = subject(SubjectName::Topic, None, record).unwrap_err();
        assert!(error.contains("name it with `topic`"), "{error}");
        let error = subject(SubjectName::TopicRecord, topic, None).unwrap_err();
        assert!(error.contains("use `SubjectName::Topic`"), "{error}");
    }
}
