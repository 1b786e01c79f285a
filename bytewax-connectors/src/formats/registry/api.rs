//! Requests to a registry and their responses.

use serde::Deserialize;
use serde_json::{Value, json};

use super::error::RegistryError;
use super::http::{Answer, Http};
use crate::formats::schema::{Reference, Referenced, Schema};

/// The language of a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::formats) enum Kind {
    Avro,
    Json,
    Protobuf,
    Other(String),
}

impl Kind {
    pub(in crate::formats) fn name(&self) -> &str {
        match self {
            Self::Avro => "AVRO",
            Self::Json => "JSON",
            Self::Protobuf => "PROTOBUF",
            Self::Other(name) => name,
        }
    }

    fn of(name: Option<&str>) -> Self {
        match name {
            None | Some("AVRO") => Self::Avro,
            Some("JSON") => Self::Json,
            Some("PROTOBUF") => Self::Protobuf,
            Some(name) => Self::Other(name.to_owned()),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    schema: String,
    schema_type: Option<String>,
    #[serde(default)]
    references: Option<Vec<FoundReference>>,
}

#[derive(Deserialize)]
struct FoundReference {
    name: String,
    subject: String,
    version: u32,
}

#[derive(Deserialize)]
struct Id {
    id: u32,
}

/// The schema in a response.
pub(super) fn schema(http: &Http, answer: &Answer) -> Result<(Kind, Schema), RegistryError> {
    let found: Found = http.read(answer)?;
    let references = found.references.unwrap_or_default().into_iter();
    let references = references.map(|reference| Reference {
        name: reference.name,
        to: Referenced::Registered {
            subject: reference.subject,
            version: reference.version,
        },
    });
    let schema = Schema {
        text: found.schema,
        references: references.collect(),
    };
    Ok((Kind::of(found.schema_type.as_deref()), schema))
}

/// The id in a response.
pub(super) fn id(http: &Http, answer: &Answer) -> Result<u32, RegistryError> {
    Ok(http.read::<Id>(answer)?.id)
}

/// A schema in the form for registration and look-up.
pub(super) fn body(http: &Http, kind: &Kind, schema: &Schema) -> Result<Value, RegistryError> {
    let mut body = json!({"schema": schema.text});
    if *kind != Kind::Avro {
        body["schemaType"] = json!(kind.name());
    }
    let mut references = Vec::new();
    for Reference { name, to } in &schema.references {
        match to {
            Referenced::Registered { subject, version } => {
                references.push(json!({"name": name, "subject": subject, "version": version}));
            }
            Referenced::Text(_) => {
                return Err(http.bad_schema(
                    format_args!("the schema that refers to `{name}`"),
                    "what it refers to has to be in the registry; name its subject with `Schema::referring_to`",
                ));
            }
        }
    }
    if !references.is_empty() {
        body["references"] = Value::Array(references);
    }
    Ok(body)
}
