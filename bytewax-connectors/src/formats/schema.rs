//! Given schemas.

/// The text of a schema, with its references.
///
/// A text converts into a `Schema`, so functions that take a schema also take a text.
///
/// # Examples
///
/// ```
/// use bytewax_connectors::formats::Schema;
///
/// let price = r#"{"type": "record", "name": "Price", "fields": [{"name": "cents", "type": "long"}]}"#;
/// let order = r#"{"type": "record", "name": "Order", "fields": [{"name": "price", "type": "Price"}]}"#;
/// let schema = Schema::new(order).including("Price", price);
/// # let _ = schema;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Schema {
    pub(super) text: String,
    pub(super) references: Vec<Reference>,
}

/// A referenced schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    /// A type of Avro, or a file that is imported.
    pub(super) name: String,
    pub(super) to: Referenced,
}

/// The source of a referenced schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Referenced {
    Text(String),
    #[cfg(feature = "schema-registry")]
    Registered {
        subject: String,
        version: u32,
    },
}

impl Schema {
    /// Creates a schema from a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            references: Vec::new(),
        }
    }

    /// Adds the text of a referenced schema: an Avro type by its full name, or a file that Protobuf imports.
    /// Add the references of the added text before it.
    pub fn including(mut self, name: impl Into<String>, text: impl Into<String>) -> Self {
        self.references.push(Reference {
            name: name.into(),
            to: Referenced::Text(text.into()),
        });
        self
    }

    /// Adds a referenced schema that is in the [`Registry`](super::Registry) under this subject and version.
    /// `name` is the full name of an Avro type, or a file that Protobuf imports.
    #[cfg(feature = "schema-registry")]
    pub fn referring_to(
        mut self,
        name: impl Into<String>,
        subject: impl Into<String>,
        version: u32,
    ) -> Self {
        self.references.push(Reference {
            name: name.into(),
            to: Referenced::Registered {
                subject: subject.into(),
                version,
            },
        });
        self
    }
}

impl From<&str> for Schema {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Schema {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

/// A schema and all its references, each after those it refers to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Texts {
    pub(super) main: String,
    /// Names and texts.
    pub(super) others: Vec<(String, String)>,
}

impl Schema {
    /// All texts, if they were given directly.
    pub(super) fn texts(&self) -> Result<Texts, String> {
        let others = self.references.iter().map(|reference| match &reference.to {
            Referenced::Text(text) => Ok((reference.name.clone(), text.clone())),
            #[cfg(feature = "schema-registry")]
            Referenced::Registered { subject, .. } => Err(format!(
                "the schema of the subject `{subject}` is in a registry, and none is used here; add its text with `Schema::including`"
            )),
        });
        Ok(Texts {
            main: self.text.clone(),
            others: others.collect::<Result<_, String>>()?,
        })
    }
}
