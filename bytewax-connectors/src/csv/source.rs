//! A source of the rows of one CSV file.

use std::path::PathBuf;

use bytewax_runtime::StepError;
use bytewax_runtime::source::FixedPartitionedSource;

use super::reading::{CsvSourcePartition, Form};
use super::{CsvRow, Error};
use crate::files::{self, FsId};

/// Reads the rows of one CSV file.
///
/// The first row names the columns; the others come as [`CsvRow`]s. A cell may stand in quotes, and
/// have delimiters and ends of lines in them, and a quote that is written twice. Rows may be shorter or
/// longer than the first; blank lines are left out. The file ends the input, and it is read by one
/// worker; all that is said of [`FileSource`](crate::files::FileSource) about this holds here.
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
///
/// # Errors
///
/// A missing file, a row that is not UTF-8 or [too long](Self::max_row_bytes), a quote that is never
/// closed, and a file that is shorter than the saved position stop the run; [`Error`] lists what can go wrong. Rows before a
/// fault are given first. A cell that is not what it should be is seen by
/// [`CsvRow::parse`] alone.
///
/// # State
///
/// Two numbers are saved: the byte and the line at which the next row begins. A file that has grown
/// since is read on from there; the row that names the columns is read again.
#[derive(Clone, Debug)]
#[must_use]
pub struct CsvSource {
    path: PathBuf,
    fs_id: FsId,
    form: Form,
}

impl CsvSource {
    /// A source of the rows of the file at this path, with `,` between cells and `"` around them. The
    /// file is not looked at before the run.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_connectors::csv::CsvSource;
    /// use bytewax_runtime::source::FixedPartitionedSource;
    ///
    /// assert!(CsvSource::new("no/such/file.csv").partitions().is_err());
    /// ```
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            fs_id: FsId::NONE,
            form: Form {
                delimiter: b',',
                quote: b'"',
                batch_rows: 1000,
                max_row_bytes: 64 << 20,
            },
        }
    }

    /// What stands between two cells; `b','` unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_connectors::csv::CsvSource;
    /// let source = CsvSource::new("sales.csv").delimiter(b';');
    /// # let _ = source;
    /// ```
    pub fn delimiter(mut self, delimiter: u8) -> Self {
        self.form.delimiter = delimiter;
        self
    }

    /// What stands around a cell that has delimiters or ends of lines; `b'"'` unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_connectors::csv::CsvSource;
    /// let source = CsvSource::new("sales.csv").quote(b'\'');
    /// # let _ = source;
    /// ```
    pub fn quote(mut self, quote: u8) -> Self {
        self.form.quote = quote;
        self
    }

    /// How many rows one batch has at the most; 1000 unless set, and 0 counts as 1.
    ///
    /// A batch has about 64 KiB of text at the most, however many rows that are.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_connectors::csv::CsvSource;
    /// let source = CsvSource::new("sales.csv").batch_rows(100);
    /// # let _ = source;
    /// ```
    pub fn batch_rows(mut self, rows: usize) -> Self {
        self.form.batch_rows = rows.max(1);
        self
    }

    /// How long a row may be; 64 MiB unless set. One that is less than 64 KiB longer may pass.
    ///
    /// It bounds the memory that a quote takes which is left open.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_connectors::csv::CsvSource;
    /// let source = CsvSource::new("sales.csv").max_row_bytes(1 << 20);
    /// # let _ = source;
    /// ```
    pub fn max_row_bytes(mut self, bytes: usize) -> Self {
        self.form.max_row_bytes = bytes;
        self
    }

    /// Says that the file is one of this machine alone, or of those with the same id; it becomes part
    /// of the partition's name.
    ///
    /// Without an id, a path means the same file on all machines, and one of them reads it.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_connectors::csv::CsvSource;
    /// use bytewax_runtime::source::FixedPartitionedSource;
    ///
    /// let source = CsvSource::new("Cargo.toml").fs_id("host-1");
    /// assert_eq!(source.partitions().unwrap()[0], "host-1::Cargo.toml");
    /// ```
    pub fn fs_id(mut self, id: impl Into<String>) -> Self {
        self.fs_id = FsId::new(id.into());
        self
    }
}

impl FixedPartitionedSource for CsvSource {
    type Item = CsvRow;
    type Position = (u64, u64);
    type Partition = CsvSourcePartition;

    fn partitions(&self) -> Result<Vec<String>, StepError> {
        files::check(&self.path).map_err(Error::from)?;
        let name = self.fs_id.partition(&self.path);
        Ok(vec![name.map_err(Error::from)?])
    }

    fn open(
        &self,
        partition: &str,
        resume: Option<(u64, u64)>,
    ) -> Result<CsvSourcePartition, StepError> {
        let known = self.fs_id.check(&self.path, partition);
        known.map_err(Error::from)?;
        Ok(CsvSourcePartition::open(&self.path, self.form, resume)?)
    }
}
