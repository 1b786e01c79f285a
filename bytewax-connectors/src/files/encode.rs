//! The encoding of values in a file.

use std::any::Any;
use std::fmt::{self, Display, Write};

/// Encodes values.
pub trait Encode<V>: 'static {
    /// Appends the bytes of values to `out`; the file has `before` bytes in front of them. The error is the
    /// reason why a value cannot be encoded.
    fn encode(&self, values: &[V], before: u64, out: &mut Vec<u8>) -> Result<(), String>;
}

/// Values in their [`Display`] form, each with a line end.
#[derive(Clone, Debug)]
pub struct Lines {
    pub(super) end: String,
}

impl<V: Display + 'static> Encode<V> for Lines {
    fn encode(&self, values: &[V], _: u64, out: &mut Vec<u8>) -> Result<(), String> {
        let mut text = AsText(out);
        for value in values {
            match (value as &dyn Any).downcast_ref::<String>() {
                // Most lines are texts, which need no formatting.
                Some(line) => text.0.extend_from_slice(line.as_bytes()),
                None => {
                    let written = write!(text, "{value}");
                    written.map_err(|_| "its `Display` returned an error".to_owned())?;
                }
            }
            text.0.extend_from_slice(self.end.as_bytes());
        }
        Ok(())
    }
}

/// Text that is written to bytes.
struct AsText<'a>(&'a mut Vec<u8>);

impl Write for AsText<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// Values as JSON, one per line.
#[cfg(feature = "json")]
#[derive(Clone, Copy, Debug)]
pub struct JsonLines;

#[cfg(feature = "json")]
impl<V: serde::Serialize> Encode<V> for JsonLines {
    fn encode(&self, values: &[V], _: u64, out: &mut Vec<u8>) -> Result<(), String> {
        for value in values {
            serde_json::to_writer(&mut *out, value).map_err(|error| error.to_string())?;
            out.push(b'\n');
        }
        Ok(())
    }
}

/// Values as rows of a CSV file; the first row names the columns.
#[cfg(feature = "csv")]
#[derive(Clone, Copy, Debug)]
pub struct CsvRows {
    pub(crate) delimiter: u8,
    pub(crate) has_header: bool,
}

#[cfg(feature = "csv")]
impl<V: serde::Serialize> Encode<V> for CsvRows {
    fn encode(&self, values: &[V], before: u64, out: &mut Vec<u8>) -> Result<(), String> {
        let mut writer = csv::WriterBuilder::new()
            .delimiter(self.delimiter)
            .has_headers(self.has_header && before == 0)
            .from_writer(out);
        for value in values {
            writer.serialize(value).map_err(|error| error.to_string())?;
        }
        writer.flush().map_err(|error| error.to_string())
    }
}
