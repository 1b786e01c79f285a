//! A source of JSON Lines files.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;

use serde::de::DeserializeOwned;

use crate::files::{Strict, file_source};
use crate::records::{Files, ParseLine};

/// Reads JSON Lines files as values of a type: each line is a JSON value.
///
/// `T` is any type that serde can deserialize. Blank lines and a byte order mark are skipped. The statements
/// about files, directories, compression and positions of a [`FileSource`](crate::files::FileSource) apply
/// here too.
///
/// # Examples
///
/// ```
/// use bytewax_connectors::json::JsonLinesSource;
/// use bytewax_runtime::prelude::*;
/// use bytewax_runtime::testing::{TestingSink, run_main};
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct Sale {
///     shop: String,
///     cents: u64,
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("sales.jsonl");
/// std::fs::write(&path, "{\"shop\":\"Graz\",\"cents\":150}\n{\"shop\":\"Linz\"}\n")?;
///
/// let (out, bad) = (TestingSink::new(), TestingSink::new());
/// let flow = Dataflow::build("sales", |flow| {
///     let source = JsonLinesSource::<Sale>::new(&path).results();
///     let sales = flow.input(source).named("sales").split_result();
///     let cents = sales.oks.map(|sale| (sale.shop, sale.cents)).named("cents");
///     cents.output(out.clone()).named("out");
///     sales.errs.map(|bad| bad.to_string()).output(bad.clone()).named("bad");
/// });
/// run_main(flow)?;
/// assert_eq!(out.take(), [("Graz".to_owned(), 150)]);
/// assert!(bad.take()[0].ends_with("missing field `cents` at column 15"));
/// # Ok(())
/// # }
/// ```
///
/// # Guarantee
///
/// That of a [`FileSource`](crate::files::FileSource).
///
/// # Limits
///
/// A value is on one line, of at most 64 MiB ([`max_line_bytes`](Self::max_line_bytes)). A line that is too
/// long is never truncated, because a part of a value is another value.
///
/// # Errors
///
/// A line that is not JSON, or not of the type, stops the run unless you request [`results`](Self::results).
/// Other errors are those of a [`FileSource`](crate::files::FileSource).
///
/// # State
///
/// That of a [`FileSource`](crate::files::FileSource).
#[must_use]
pub struct JsonLinesSource<T, A = Strict> {
    files: Files<Json<T>>,
    answer: PhantomData<fn() -> A>,
}

impl<T: DeserializeOwned + Send + 'static> JsonLinesSource<T> {
    /// Creates a source of the values of the file at this path, or of the files in the directory there.
    /// Nothing is opened before the run.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            files: Files::new(path.into(), Json(PhantomData)),
            answer: PhantomData,
        }
    }
}

file_source!(
    JsonLinesSource[T: DeserializeOwned + Send + 'static] => T,
    "use bytewax_connectors::json::JsonLinesSource;\n# let source = |path: &str| JsonLinesSource::<u64>::new(path);"
);

impl<T: DeserializeOwned, A> JsonLinesSource<T, A> {
    /// Sets the maximum number of lines per batch. The default is 1000, and 0 counts as 1.
    pub fn batch_lines(mut self, lines: usize) -> Self {
        self.files.reading.batch_records = lines.max(1);
        self
    }

    /// Sets the maximum length of a line, without its line end. The default is 64 MiB.
    pub fn max_line_bytes(mut self, bytes: usize) -> Self {
        self.files.reading.max_record_bytes = bytes;
        self
    }
}

impl<T, A> Clone for JsonLinesSource<T, A> {
    fn clone(&self) -> Self {
        Self {
            files: self.files.clone(),
            answer: PhantomData,
        }
    }
}

impl<T, A> fmt::Debug for JsonLinesSource<T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.files.fmt(f)
    }
}

/// Lines that are values of a type.
pub(crate) struct Json<T>(PhantomData<fn() -> T>);

impl<T> Clone for Json<T> {
    fn clone(&self) -> Self {
        Self(PhantomData)
    }
}

impl<T> fmt::Debug for Json<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Json")
    }
}

impl<T: DeserializeOwned + Send + 'static> ParseLine for Json<T> {
    type Item = T;

    fn parse(&self, line: Cow<'_, str>) -> Option<Result<T, String>> {
        if line.trim_ascii().is_empty() {
            return None;
        }
        // Some programs write a mark in front of the first line.
        let value = serde_json::from_str(line.strip_prefix('\u{feff}').unwrap_or(&line));
        Some(value.map_err(|error| {
            // The line is told by the record.
            let text = error.to_string();
            match text.rsplit_once(" at line ") {
                Some((why, _)) => format!("{why} at column {}", error.column()),
                None => text,
            }
        }))
    }
}
