//! One row.

use std::borrow::Cow;
use std::sync::Arc;

use ::csv::{ErrorKind, StringRecord};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A row of a CSV file: its cells, by the names of their columns.
///
/// [`get`](Self::get) returns one cell as text, and [`parse`](Self::parse) the whole row as your own type. To
/// continue after rows that do not parse, call it in `try_map`:
///
/// ```
/// use bytewax_connectors::csv::{CsvRow, CsvSource};
/// use bytewax_runtime::prelude::*;
/// use bytewax_runtime::testing::{TestingSink, run_main};
/// use serde::Deserialize;
///
/// #[derive(Debug, Deserialize)]
/// struct Sale {
///     shop: String,
///     cents: u64,
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("sales.csv");
/// std::fs::write(&path, "cents,shop\n150,Graz\nmany,Linz\n90,Graz\n")?;
///
/// let out = TestingSink::new();
/// let flow = Dataflow::build("sales", |flow| {
///     let rows = flow.input(CsvSource::new(&path)).named("rows");
///     let sales = rows.try_map(|row: &CsvRow| row.parse::<Sale>()).named("sales");
///     sales.errs.skip_counted().named("wrong");
///     let by_shop = sales.oks.map(|sale| (sale.shop, sale.cents)).named("by_shop");
///     by_shop.output(out.clone()).named("out");
/// });
/// run_main(flow)?;
/// assert_eq!(out.take(), [("Graz".to_owned(), 150), ("Graz".to_owned(), 90)]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Sent", into = "Sent")]
pub struct CsvRow {
    columns: Arc<StringRecord>,
    cells: StringRecord,
    line: u64,
}

/// A row that is sent to another process.
#[derive(Serialize, Deserialize)]
struct Sent {
    columns: Vec<String>,
    cells: Vec<String>,
    line: u64,
}

impl From<Sent> for CsvRow {
    fn from(sent: Sent) -> Self {
        Self {
            columns: Arc::new(StringRecord::from(sent.columns)),
            cells: StringRecord::from(sent.cells),
            line: sent.line,
        }
    }
}

impl From<CsvRow> for Sent {
    fn from(row: CsvRow) -> Self {
        let owned = |record: &StringRecord| record.iter().map(str::to_owned).collect();
        Self {
            columns: owned(&row.columns),
            cells: owned(&row.cells),
            line: row.line,
        }
    }
}

impl CsvRow {
    pub(super) fn new(columns: &Arc<StringRecord>, cells: &StringRecord, line: u64) -> Self {
        Self {
            columns: Arc::clone(columns),
            cells: cells.clone(),
            line,
        }
    }

    /// Returns the cell of a column; `None` if there is no column with this name, or the row is too short.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bytewax_connectors::csv::CsvSource;
    /// # use bytewax_runtime::prelude::*;
    /// # use bytewax_runtime::testing::{TestingSink, run_main};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("cities.csv");
    /// std::fs::write(&path, "city,river\nGraz,Mur\nEisenstadt\nWien,Donau,Wien\n")?;
    /// # let out = TestingSink::new();
    /// # let flow = Dataflow::build("f", |flow| {
    /// #     flow.input(CsvSource::new(&path)).named("rows").output(out.clone()).named("out");
    /// # });
    /// # run_main(flow)?;
    /// # let rows = out.take();
    /// // Of the rows of this file:
    /// assert_eq!(rows[0].get("river"), Some("Mur"));
    /// assert_eq!(rows[1].get("river"), None);
    /// assert!(rows[2].surplus().eq(["Wien"]));
    /// assert_eq!(rows[2].line(), 4);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn get(&self, column: &str) -> Option<&str> {
        let index = self.columns.iter().position(|name| name == column)?;
        self.cells.get(index)
    }

    /// Returns the columns of the file, each with the cell of this row.
    pub fn cells(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let columns = self.columns.iter().enumerate();
        columns.map(|(index, name)| (name, self.cells.get(index)))
    }

    /// Returns the cells without a column.
    pub fn surplus(&self) -> impl Iterator<Item = &str> {
        self.cells.iter().skip(self.columns.len())
    }

    /// Returns the line of the file at which the row starts, counted from 1.
    #[must_use]
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Deserializes the row as a type: fields are matched by the names of the columns, numbers and similar
    /// values are parsed from their text, and an empty cell is `None` if the field is an `Option`. Surplus
    /// cells are ignored.
    ///
    /// # Errors
    ///
    /// A field without a cell, or a cell that does not match the type of the field. The error names the line
    /// and the column.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, RowError> {
        parse(&self.columns, &self.cells).map_err(|(column, why)| RowError {
            line: self.line,
            column,
            why,
        })
    }
}

/// Deserializes the cells of a row. The error is the name of the column, if it is known, and the reason.
pub(super) fn parse<T: DeserializeOwned>(
    columns: &StringRecord,
    cells: &StringRecord,
) -> Result<T, (Option<String>, String)> {
    let parsed = if columns.is_empty() {
        cells.deserialize(None)
    } else {
        let width = columns.len().min(cells.len());
        cut(cells, width).deserialize(Some(&cut(columns, width)))
    };
    parsed.map_err(|error| match error.kind() {
        ErrorKind::Deserialize { err, .. } => {
            let field = err.field().map(|field| field as usize);
            let column = field.and_then(|field| columns.get(field));
            (column.map(str::to_owned), err.kind().to_string())
        }
        _ => (None, error.to_string()),
    })
}

/// The reason why a row cannot be parsed; see [`CsvRow::parse`].
#[derive(Debug, thiserror::Error)]
#[error("line {line}{}: {why}", column.as_ref().map(|name| format!(", column `{name}`")).unwrap_or_default())]
pub struct RowError {
    line: u64,
    column: Option<String>,
    why: String,
}

impl RowError {
    /// Returns the line at which the row starts, counted from 1.
    #[must_use]
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Returns the name of the column, if it is known.
    #[must_use]
    pub fn column(&self) -> Option<&str> {
        self.column.as_deref()
    }
}

/// The first cells of a record.
fn cut(record: &StringRecord, width: usize) -> Cow<'_, StringRecord> {
    let mut record = Cow::Borrowed(record);
    if record.len() > width {
        record.to_mut().truncate(width);
    }
    record
}
