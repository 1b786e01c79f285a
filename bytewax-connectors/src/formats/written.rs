//! Values that follow the id of their schema.

use std::collections::HashMap;
use std::sync::Arc;

use super::registry::{Kind, Registered, Registration, Registry, SubjectName};
use super::schema::{Schema, Texts};
use super::{FormatError, Part};

/// The first byte of bytes with a schema id.
const MAGIC: u8 = 0;

/// The length of the id with its prefix.
const HEAD: usize = 5;

/// The schema id of a value, and the remaining bytes.
pub(super) fn split(bytes: &[u8]) -> Result<(u32, &[u8]), FormatError> {
    let Some((head, rest)) = bytes.split_at_checked(HEAD) else {
        return Err(FormatError::data(format_args!(
            "it is {} bytes long, and has no room for the id of a schema",
            bytes.len()
        )));
    };
    let [magic, id @ ..] = head else {
        unreachable!("its length is not zero")
    };
    if *magic != MAGIC {
        return Err(FormatError::data(format_args!(
            "it begins with the byte {magic} and not with 0, so it has no id of a schema; was it written without a registry?"
        )));
    }
    let id = id.iter().fold(0, |id, byte| id << 8 | u32::from(*byte));
    if id > i32::MAX as u32 {
        return Err(FormatError::data(format_args!(
            "{id} is not the id of a schema"
        )));
    }
    Ok((id, rest))
}

/// The schema with an id, which must be of this kind.
pub(super) fn schema(
    registry: &Registry,
    id: u32,
    kind: &Kind,
) -> Result<Arc<Registered>, FormatError> {
    let found = registry.schema(id)?;
    if found.kind != *kind {
        return Err(FormatError::data(format_args!(
            "its schema, of the id {id}, is of the type {} and not of {}",
            found.kind.name(),
            kind.name()
        )));
    }
    Ok(found)
}

/// Schemas by id, each prepared once. Errors are cached as well.
#[derive(Clone, Debug)]
pub(super) struct ById<W> {
    registry: Registry,
    kind: Kind,
    known: HashMap<u32, Result<W, String>>,
}

impl<W: Clone> ById<W> {
    pub(super) fn new(registry: &Registry, kind: Kind) -> Self {
        Self {
            registry: registry.clone(),
            kind,
            known: HashMap::new(),
        }
    }

    pub(super) fn check(&self) -> Result<(), FormatError> {
        Ok(self.registry.check()?)
    }

    /// The schema of bytes, prepared by `ready`, and the bytes after its id.
    #[inline]
    pub(super) fn split<'b>(
        &mut self,
        bytes: &'b [u8],
        ready: impl FnOnce(&Texts) -> Result<W, String>,
    ) -> Result<(&W, &'b [u8]), FormatError> {
        let (id, rest) = split(bytes)?;
        if !self.known.contains_key(&id) {
            let found = schema(&self.registry, id, &self.kind)?;
            let made = ready(&found.texts);
            let made = made
                .map_err(|why| format!("its schema, of the id {id}, cannot be understood: {why}"));
            self.known.insert(id, made);
        }
        match &self.known[&id] {
            Ok(schema) => Ok((schema, rest)),
            Err(why) => Err(FormatError::Data(why.clone())),
        }
    }
}

/// The data after a schema id, and its encoding.
#[derive(Clone, Debug)]
pub(super) struct Ready<W> {
    /// The full name of the type.
    pub(super) record: Option<String>,
    /// The bytes between the id and the value.
    pub(super) head: Vec<u8>,
    pub(super) schema: W,
}

/// Schemas by topic of the values.
#[derive(Clone, Debug)]
pub(super) struct ByTopic<W> {
    registry: Registry,
    kind: Kind,
    given: Option<Schema>,
    topic: Option<String>,
    naming: SubjectName,
    registration: Registration,
    part: Part,
    /// The only schema, if it does not depend on the topic.
    one: Option<(Vec<u8>, W)>,
    known: HashMap<String, (Vec<u8>, W)>,
}

impl<W: Clone> ByTopic<W> {
    pub(super) fn new(registry: &Registry, kind: Kind, given: Option<Schema>) -> Self {
        let registration = match given {
            Some(_) => Registration::default(),
            None => Registration::Latest,
        };
        Self {
            registry: registry.clone(),
            kind,
            given,
            topic: None,
            naming: SubjectName::default(),
            registration,
            part: Part::Value,
            one: None,
            known: HashMap::new(),
        }
    }

    pub(super) fn set_topic(&mut self, topic: String) {
        self.topic = Some(topic);
    }

    pub(super) fn set_naming(&mut self, naming: SubjectName) {
        self.naming = naming;
    }

    pub(super) fn set_registration(&mut self, registration: Registration) {
        self.registration = registration;
    }

    /// Finds the schema, if it is already determined.
    pub(super) fn open(
        &mut self,
        part: Part,
        ready: impl Fn(&Texts) -> Result<Ready<W>, String>,
    ) -> Result<(), FormatError> {
        self.part = part;
        self.registry.check()?;
        if self.topic.is_some() || !self.naming.needs_topic() {
            self.one = Some(self.find(None, &ready)?);
        }
        Ok(())
    }

    /// The prefix of a value for a topic, and its schema.
    #[inline]
    pub(super) fn of(
        &mut self,
        topic: Option<&str>,
        ready: impl Fn(&Texts) -> Result<Ready<W>, String>,
    ) -> Result<(&[u8], &W), FormatError> {
        if self.one.is_none() {
            let name = topic.unwrap_or_default();
            if !self.known.contains_key(name) {
                let found = self.find(topic, &ready)?;
                self.known.insert(name.to_owned(), found);
            }
        }
        let (head, schema) = match &self.one {
            Some(one) => one,
            None => &self.known[topic.unwrap_or_default()],
        };
        Ok((head, schema))
    }

    fn find(
        &self,
        topic: Option<&str>,
        ready: &impl Fn(&Texts) -> Result<Ready<W>, String>,
    ) -> Result<(Vec<u8>, W), FormatError> {
        let topic = self.topic.as_deref().or(topic);
        // The value is not at fault, whatever the registry responds.
        let stop = |error| FormatError::Stop(bytewax_runtime::StepError::from(error));
        let given = match &self.given {
            Some(schema) if self.naming != SubjectName::Topic => {
                let texts = self.registry.texts(schema).map_err(stop)?;
                let made = ready(&texts);
                made.map_err(|why| self.registry.unusable("a schema that was given", why))?
                    .record
            }
            _ => None,
        };
        let subject = self.naming.subject(topic, self.part, given.as_deref())?;
        let found =
            self.registry
                .id_of(&subject, &self.kind, self.given.as_ref(), self.registration);
        let (id, schema) = found.map_err(stop)?;
        let unusable = |why: String| {
            let what = format!("the schema of the subject `{subject}`");
            self.registry.unusable(what, why)
        };
        if schema.kind != self.kind {
            return Err(unusable(format!(
                "it is of the type {} and not of {}",
                schema.kind.name(),
                self.kind.name()
            )));
        }
        let made = ready(&schema.texts).map_err(unusable)?;
        let mut head = vec![MAGIC];
        head.extend(id.to_be_bytes());
        head.extend(made.head);
        Ok((head, made.schema))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read() {
        let (id, rest) = split(&[0, 0, 0, 1, 2, 7, 8]).unwrap();
        assert_eq!((id, rest), (258, [7, 8].as_slice()));
        let why = |bytes: &[u8]| split(bytes).unwrap_err().to_string();
        assert_eq!(
            why(&[0, 0, 1]),
            "it is 3 bytes long, and has no room for the id of a schema"
        );
        assert_eq!(
            why(b"{\"a\": 1}"),
            "it begins with the byte 123 and not with 0, so it has no id of a schema; was it written without a registry?"
        );
        assert_eq!(
            why(&[0, 255, 255, 255, 255, 1]),
            "4294967295 is not the id of a schema"
        );
    }
}
