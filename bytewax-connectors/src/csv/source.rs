//! A source of the rows of CSV files.

use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;

use serde::de::DeserializeOwned;

use super::CsvRow;
use super::dialect::{Dialect, Header};
use super::rows::{Csv, ParseRow, Typed};
use crate::files::{Strict, file_source};
use crate::records::Files;

/// Reads the rows of a CSV file, or of the CSV files of a directory.
///
/// [`typed`](CsvSource::typed) deserializes them as a type: fields are matched by the names of the columns.
/// [`new`](CsvSource::new) returns them as [`CsvRow`]s, which contain text.
///
/// The first row names the columns. A quoted cell may contain delimiters, line ends, and quotes that are
/// written twice. Rows may be shorter or longer than the first; blank lines and a byte order mark are
/// skipped. A line in the log reports the assumed delimiter and column names. The statements about
/// files, directories, compression and positions of a [`FileSource`](crate::files::FileSource) apply here
/// too.
///
/// Several workers can read a large file in [ranges](Self::range_bytes). The start of a range is found by
/// counting quotes, so a quote elsewhere than around a cell is then an error.
///
/// # Examples
///
/// ```
/// use bytewax_connectors::csv::CsvSource;
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
/// # let path = directory.path().join("sales.csv");
/// std::fs::write(&path, "cents,shop\n150,Graz\nmany,Linz\n90,\"Wien,\nMitte\"\n")?;
///
/// let (out, bad) = (TestingSink::new(), TestingSink::new());
/// let flow = Dataflow::build("sales", |flow| {
///     let source = CsvSource::<Sale>::typed(&path).results();
///     let sales = flow.input(source).named("sales").split_result();
///     let cents = sales.oks.map(|sale| (sale.shop, sale.cents)).named("cents");
///     cents.output(out.clone()).named("out");
///     sales.errs.output(bad.clone()).named("bad");
/// });
/// run_main(flow)?;
/// assert_eq!(out.take(), [("Graz".to_owned(), 150), ("Wien,\nMitte".to_owned(), 90)]);
/// let bad = bad.take();
/// assert_eq!((bad[0].line(), bad[0].column()), (3, Some("cents")));
/// assert_eq!((bad[0].raw_text().as_ref(), bad[0].why()), ("many,Linz", "invalid digit found in string"));
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
/// A row has at most 64 MiB ([`max_row_bytes`](Self::max_row_bytes)). A file is UTF-8, with or without a byte
/// order mark; convert a UTF-16 file first. Delimiters, quotes and escapes are single bytes. A row that is
/// too long is never truncated, because a part of a value is another value.
///
/// A quote that is open at the end of a file may be closed by later writes, so its row waits like a last line
/// without a line end ([`unended`](Self::unended)), and a line in the log reports this. If later lines
/// are rows by themselves, with the right number of cells, the quote counts as never closed: one line that
/// parses as the type is enough, or several lines, most of which are rows, if any text parses. In a file of
/// one column, where any line is a row, the row always waits.
///
/// # Errors
///
/// A row that is not UTF-8, [too long](Self::max_row_bytes), or not of the type, and a quote that is never
/// closed, stop the run unless you request [`results`](Self::results). After an open quote, reading continues
/// with the next line. A file whose columns have changed since the last run is refused. Other errors are
/// those of a [`FileSource`](crate::files::FileSource).
///
/// # State
///
/// That of a [`FileSource`](crate::files::FileSource), and a hash of the names of the columns. A resume reads
/// the header row again.
#[must_use]
pub struct CsvSource<T = CsvRow, A = Strict> {
    files: Files<Csv<T>>,
    answer: PhantomData<fn() -> A>,
}

impl CsvSource {
    /// Creates a source of the rows, as text, of the file at this path, or of the files in the directory
    /// there. Nothing is opened before the run.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_connectors::csv::CsvSource;
    /// use bytewax_runtime::prelude::*;
    /// use bytewax_runtime::testing::{TestingSink, run_main};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("cities.csv");
    /// std::fs::write(&path, "city,note\nGraz,\"on the Mur,\nin a basin\"\nWien,\n")?;
    ///
    /// let out = TestingSink::new();
    /// let flow = Dataflow::build("cities", |flow| {
    ///     let rows = flow.input(CsvSource::new(&path)).named("rows");
    ///     let notes = rows.filter_map(|row| row.get("note").map(str::to_owned)).named("notes");
    ///     notes.output(out.clone()).named("out");
    /// });
    /// run_main(flow)?;
    /// assert_eq!(out.take(), ["on the Mur,\nin a basin", ""]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self::at(path.into())
    }
}

impl<T: DeserializeOwned + Send + 'static> CsvSource<T> {
    /// Creates a source of the rows, as values of a type, of the file at this path, or of the files in the
    /// directory there. Nothing is opened before the run.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_connectors::csv::CsvSource;
    /// use bytewax_runtime::prelude::*;
    /// use bytewax_runtime::testing::{TestingSink, run_main};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("pairs.csv");
    /// std::fs::write(&path, "1;one\n2;two\n")?;
    ///
    /// let out = TestingSink::new();
    /// let flow = Dataflow::build("pairs", |flow| {
    ///     let source = CsvSource::<(u64, String)>::typed(&path).delimiter(b';').no_header();
    ///     flow.input(source).named("pairs").output(out.clone()).named("out");
    /// });
    /// run_main(flow)?;
    /// assert_eq!(out.take(), [(1, "one".to_owned()), (2, "two".to_owned())]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn typed(path: impl Into<PathBuf>) -> CsvSource<Typed<T>> {
        CsvSource::at(path.into())
    }
}

file_source!(
    CsvSource[T: ParseRow] => T::Item,
    "use bytewax_connectors::csv::CsvSource;\n# let source = |path: &str| CsvSource::new(path);"
);

impl<T: ParseRow> CsvSource<T> {
    fn at(path: PathBuf) -> Self {
        let dialect = Dialect {
            delimiter: b',',
            quote: b'"',
            escape: None,
            comment: None,
            trim: false,
            skip_lines: 0,
            header: Header::FirstRow,
        };
        Self {
            files: Files::new(path, Csv::new(dialect)),
            answer: PhantomData,
        }
    }
}

impl<T: ParseRow, A> CsvSource<T, A> {
    /// Sets the delimiter between two cells. The default is `b','`.
    pub fn delimiter(mut self, delimiter: u8) -> Self {
        self.files.format.dialect.delimiter = delimiter;
        self
    }

    /// Sets the quote around cells with delimiters or line ends. The default is `b'"'`.
    pub fn quote(mut self, quote: u8) -> Self {
        self.files.format.dialect.quote = quote;
        self
    }

    /// Sets the escape before a quote, or before itself, inside quotes. By default, a quote is written twice
    /// there.
    pub fn escape(mut self, escape: u8) -> Self {
        self.files.format.dialect.escape = Some(escape);
        self
    }

    /// Skips lines that start with this byte.
    pub fn comment(mut self, comment: u8) -> Self {
        self.files.format.dialect.comment = Some(comment);
        self
    }

    /// Trims whitespace around cells.
    pub fn trim(mut self) -> Self {
        self.files.format.dialect.trim = true;
        self
    }

    /// Skips this number of lines at the start of each file.
    pub fn skip_lines(mut self, lines: u64) -> Self {
        self.files.format.dialect.skip_lines = lines;
        self
    }

    /// Declares that the files have no header row. Cells are then matched by their order.
    pub fn no_header(mut self) -> Self {
        self.files.format.dialect.header = Header::None;
        self
    }

    /// Names the columns of files without a header row.
    pub fn columns<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        let names = names.into_iter().map(Into::into).collect();
        self.files.format.dialect.header = Header::Given(names);
        self
    }

    /// Sets the maximum number of rows per batch. The default is 1000, and 0 counts as 1.
    ///
    /// A batch has at most about 64 KiB of text, regardless of the number of rows.
    pub fn batch_rows(mut self, rows: usize) -> Self {
        self.files.reading.batch_records = rows.max(1);
        self
    }

    /// Sets the maximum length of a row. The default is 64 MiB. It bounds the memory of an unclosed quote.
    pub fn max_row_bytes(mut self, bytes: usize) -> Self {
        self.files.reading.max_record_bytes = bytes;
        self
    }
}

impl<T, A> Clone for CsvSource<T, A> {
    fn clone(&self) -> Self {
        Self {
            files: self.files.clone(),
            answer: PhantomData,
        }
    }
}

impl<T, A> fmt::Debug for CsvSource<T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.files.fmt(f)
    }
}
