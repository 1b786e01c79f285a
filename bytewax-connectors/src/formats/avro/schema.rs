//! Prepared Avro schemas.

use std::collections::HashMap;
use std::io::{self, Read};
use std::sync::{Mutex, PoisonError};

use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use apache_avro::{Schema as Parsed, from_value, to_value};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::formats::FormatError;
use crate::formats::schema::{Schema, Texts};

/// All schemas of the process. A reader and a writer of the library borrow their schema, and creating them
/// for each value would take longer than reading it. Schemas therefore live as long as the process; their
/// number is that of distinct texts.
static ALL: Mutex<Option<HashMap<Texts, &'static AvroSchema>>> = Mutex::new(None);

/// A schema with its reader and writer.
pub(super) struct AvroSchema {
    parsed: &'static Parsed,
    all: Vec<&'static Parsed>,
    reader: GenericDatumReader<'static>,
    writer: GenericDatumWriter<'static>,
}

/// A schema whose text was given.
pub(super) fn given(schema: &Schema) -> Result<&'static AvroSchema, FormatError> {
    let made = schema.texts().and_then(|texts| intern(&texts));
    made.map_err(|why| FormatError::stop(format!("the schema cannot be used: {why}")))
}

/// The schema with these texts.
pub(super) fn intern(texts: &Texts) -> Result<&'static AvroSchema, String> {
    let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
    let all = all.get_or_insert_default();
    if let Some(known) = all.get(texts) {
        return Ok(known);
    }
    let made = AvroSchema::new(texts).map_err(|error| error.to_string())?;
    let made = Box::leak(Box::new(made));
    all.insert(texts.clone(), made);
    Ok(made)
}

impl AvroSchema {
    fn new(texts: &Texts) -> Result<Self, apache_avro::Error> {
        let others = texts.others.iter().map(|(_, text)| text);
        let (parsed, others) = Parsed::parse_str_with_list(&texts.main, others)?;
        // A useless schema is not leaked, because the check comes first.
        let all: Vec<&Parsed> = others.iter().chain([&parsed]).collect();
        GenericDatumReader::builder(&parsed)
            .writer_schemata(all)?
            .build()?;
        let parsed: &'static Parsed = Box::leak(Box::new(parsed));
        let others: &'static [Parsed] = Vec::leak(others);
        let all: Vec<&'static Parsed> = others.iter().chain([parsed]).collect();
        Ok(Self {
            parsed,
            reader: GenericDatumReader::builder(parsed)
                .writer_schemata(all.clone())?
                .build()?,
            writer: GenericDatumWriter::builder(parsed)
                .schemata(all.clone())?
                .build()?,
            all,
        })
    }

    /// The full name of the type, if it has one.
    #[cfg(feature = "schema-registry")]
    pub(super) fn name(&self) -> Option<String> {
        self.parsed.name().map(|name| name.fullname(None))
    }

    /// Reads a value as the type that `wanted` describes.
    pub(super) fn read<T: DeserializeOwned>(
        &self,
        bytes: &[u8],
        wanted: Option<&Self>,
        fit: &mut Fit,
    ) -> Result<T, String> {
        if wanted.is_none() && *fit == Fit::Exact {
            let mut rest = Rest(bytes);
            if let Ok(value) = self.reader.read_deser(&mut rest) {
                return whole(value, &rest);
            }
        }
        let shown = |error: apache_avro::Error| error.to_string();
        let mut rest = Rest(bytes);
        let mut value = self.reader.read_value(&mut rest).map_err(shown)?;
        if let Some(wanted) = wanted {
            let resolved = value.resolve_schemata(wanted.parsed, wanted.all.clone());
            value = resolved.map_err(shown)?;
        }
        let value = from_value(&value).map_err(shown)?;
        *fit = Fit::Converted;
        whole(value, &rest)
    }

    /// Appends a value to bytes.
    pub(super) fn write<T: Serialize>(
        &self,
        value: &T,
        bytes: &mut Vec<u8>,
        fit: &mut Fit,
    ) -> Result<(), String> {
        if *fit == Fit::Exact {
            let before = bytes.len();
            if self.writer.write_ser(bytes, value).is_ok() {
                return Ok(());
            }
            bytes.truncate(before);
        }
        let shown = |error: apache_avro::Error| error.to_string();
        let value = with_longs(to_value(value).map_err(shown)?);
        let resolved = value.resolve_schemata(self.parsed, self.all.clone());
        let value = resolved.map_err(shown)?;
        self.writer.write_value_ref(bytes, &value).map_err(shown)?;
        *fit = Fit::Converted;
        Ok(())
    }
}

/// How a type fits the schemas so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Fit {
    /// Its numbers have the width of the schema's: values are read and written directly.
    #[default]
    Exact,
    /// They are converted, such as an `i64` for an `int`, which takes longer.
    Converted,
}

/// The unread bytes of a value. The library reads a null at the end of the bytes where a value may be null,
/// so reading past the end is a different error.
struct Rest<'b>(&'b [u8]);

impl Read for Rest<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() && !buffer.is_empty() {
            let why = "the bytes end in the midst of the value";
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        self.0.read(buffer)
    }
}

fn whole<T>(value: T, rest: &Rest<'_>) -> Result<T, String> {
    match rest.0.len() {
        0 => Ok(value),
        count => Err(format!("there are {count} bytes behind the value")),
    }
}

/// The library writes a `u64` as eight bytes; schemas use a `long` for it.
fn with_longs(value: Value) -> Value {
    match value {
        Value::Fixed(8, bytes) => {
            let number = <[u8; 8]>::try_from(bytes.as_slice()).map(u64::from_le_bytes);
            match number.map(i64::try_from) {
                Ok(Ok(number)) => Value::Long(number),
                _ => Value::Fixed(8, bytes),
            }
        }
        Value::Record(fields) => {
            let fields = fields.into_iter();
            Value::Record(fields.map(|(name, it)| (name, with_longs(it))).collect())
        }
        Value::Map(entries) => {
            let entries = entries.into_iter();
            Value::Map(entries.map(|(name, it)| (name, with_longs(it))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(with_longs).collect()),
        Value::Union(number, value) => Value::Union(number, Box::new(with_longs(*value))),
        value => value,
    }
}
