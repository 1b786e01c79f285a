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
/// [`typed`](CsvSource::typed) reads them as values of a type that serde can make: fields are found by
/// the names of the columns. [`new`](CsvSource::new) reads them as [`CsvRow`]s, which are text.
///
/// The first row names the columns. A cell may stand in quotes, and have delimiters and ends of lines in
/// them, and a quote that is written twice. Rows may be shorter or longer than the first; blank lines are
/// left out, and so is a byte order mark. A line on standard error says what of that is assumed: what is
/// between cells, and which columns the first row names. All that is said of a
/// [`FileSource`](crate::files::FileSource) about files, directories, compression and positions holds
/// here.
///
/// A large file can be read by several workers, in [ranges](Self::range_bytes). Where a range begins is
/// found by counting quotes, so a quote that stands elsewhere than around a cell is an error then.
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
/// A row has 64 MiB at most ([`max_row_bytes`](Self::max_row_bytes)). A file is UTF-8, with a byte order mark or without:
/// one in UTF-16 is to be converted before. Delimiters, quotes and escapes are single bytes. A row that is too long is
/// never truncated, because a part of a value is another value.
///
/// A quote that is open at the end of a file may be closed when more is written, so its row waits as a last line without
/// an end does ([`unended`](Self::unended)), and a line on standard error says so. Lines behind that of the quote that are
/// rows by themselves, with as many cells as there are columns, say that the quote is never closed: one that is of the
/// type, or several and most of them if any text is of the type. In a file of one column, where any line is a row, the row
/// waits in any case.
///
/// # Errors
///
/// A row that is not UTF-8, [too long](Self::max_row_bytes), or not of the type, and a quote that is never
/// closed, stop the run unless [`results`](Self::results) are asked for. After an open quote, reading
/// goes on with the next line. A file whose columns have changed since it was read last is refused. Other
/// errors are those of a [`FileSource`](crate::files::FileSource).
///
/// # State
///
/// That of a [`FileSource`](crate::files::FileSource), and a hash of the names of the columns. The row
/// that names the columns is read again on resume.
#[must_use]
pub struct CsvSource<T = CsvRow, A = Strict> {
    files: Files<Csv<T>>,
    answer: PhantomData<fn() -> A>,
}

impl CsvSource {
    /// A source of the rows, as text, of the file at this path, or of the files in the directory there.
    /// It is not looked at before the run.
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
    /// A source of the rows, as values of a type, of the file at this path, or of the files in the
    /// directory there. It is not looked at before the run.
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
    /// What stands between two cells; `b','` unless set.
    pub fn delimiter(mut self, delimiter: u8) -> Self {
        self.files.format.dialect.delimiter = delimiter;
        self
    }

    /// What stands around a cell that has delimiters or ends of lines; `b'"'` unless set.
    pub fn quote(mut self, quote: u8) -> Self {
        self.files.format.dialect.quote = quote;
        self
    }

    /// What stands before a quote, or before itself, inside of quotes. Unless set, a quote is written
    /// twice there.
    pub fn escape(mut self, escape: u8) -> Self {
        self.files.format.dialect.escape = Some(escape);
        self
    }

    /// Leaves out lines that begin with this byte.
    pub fn comment(mut self, comment: u8) -> Self {
        self.files.format.dialect.comment = Some(comment);
        self
    }

    /// Takes blanks away around cells.
    pub fn trim(mut self) -> Self {
        self.files.format.dialect.trim = true;
        self
    }

    /// Leaves out so many lines at the beginning of each file.
    pub fn skip_lines(mut self, lines: u64) -> Self {
        self.files.format.dialect.skip_lines = lines;
        self
    }

    /// Says that the files have no row that names the columns. Values are then made of cells by their
    /// order.
    pub fn no_header(mut self) -> Self {
        self.files.format.dialect.header = Header::None;
        self
    }

    /// Names the columns, of files that have no row that does.
    pub fn columns<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        let names = names.into_iter().map(Into::into).collect();
        self.files.format.dialect.header = Header::Given(names);
        self
    }

    /// How many rows one batch has at the most; 1000 unless set, and 0 counts as 1.
    ///
    /// A batch has about 64 KiB of text at the most, however many rows that are.
    pub fn batch_rows(mut self, rows: usize) -> Self {
        self.files.reading.batch_records = rows.max(1);
        self
    }

    /// How long a row may be; 64 MiB unless set. It bounds the memory that a quote takes which is left
    /// open.
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
