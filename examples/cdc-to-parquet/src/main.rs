//! Writes the changes of a database table to Parquet files.
//!
//! `cdc-to-parquet CHANGES.jsonl FOLDER` reads change events of a table of customers, in the form of Debezium:
//! `op` (`r`, `c`, `u` or `d`), the row `before` and `after`, and in `source` the position `lsn` in the
//! database's log. It drops events that are older than what it knows of their customer, and those that change
//! nothing. It writes the others to Parquet files in the folder: a file for each epoch and partition.
//!
//! A file has its final name when its epoch is complete. After a kill, the next run with the same `-r DIR`
//! therefore neither loses nor repeats a row.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytewax::connectors::json::JsonLinesSource;
use bytewax::delivery::Transactional;
use bytewax::prelude::*;
use bytewax::sink::{FixedPartitionedSink, StatefulSinkPartition};
use bytewax::{Epoch, StepError};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use serde::Deserialize;

/// How many partitions, and thereby workers, write files.
const PARTITIONS: usize = 2;

const SCHEMA: &str = "message change {
    required int64 id;
    required int64 lsn;
    required boolean is_deleted;
    optional binary name (UTF8);
    optional binary city (UTF8);
    optional int64 credit_cents;
}";

// ANCHOR: flow
#[derive(Deserialize)]
struct Event {
    before: Option<Customer>,
    after: Option<Customer>,
    source: Position,
}

#[derive(Deserialize)]
struct Position {
    lsn: i64,
}

#[stateful]
#[derive(Clone, PartialEq)]
struct Customer {
    id: i64,
    name: String,
    city: Option<String>,
    credit_cents: i64,
}

/// The newest version of a customer; without a row, it was deleted.
#[stateful]
#[derive(Clone)]
struct Version {
    lsn: i64,
    row: Option<Customer>,
}

impl Event {
    /// The id of the customer, and its version after the event.
    fn version(self) -> Option<(i64, Version)> {
        let id = self.after.as_ref().or(self.before.as_ref())?.id;
        let (lsn, row) = (self.source.lsn, self.after);
        Some((id, Version { lsn, row }))
    }
}

/// Emits a version that is newer than the one that is known, and another.
fn change(known: &mut Option<Version>, next: Version) -> Option<Version> {
    if known.as_ref().is_some_and(|known| known.lsn >= next.lsn) {
        return None;
    }
    let row = known.as_ref().and_then(|known| known.row.as_ref());
    let changed = row != next.row.as_ref();
    *known = Some(next.clone());
    changed.then_some(next)
}

fn cdc_to_parquet(changes: PathBuf, folder: PathBuf) -> Dataflow {
    dataflow!("cdc_to_parquet", |flow| {
        let events = flow.input(JsonLinesSource::<Event>::new(changes));
        let versions = events.filter_map(Event::version);
        let changes = versions.stateful_flat_map(change);
        let rows = changes.map(|(id, version)| (id, (id, version)));
        rows.output(ParquetFolder { folder });
    })
}
// ANCHOR_END: flow

// ANCHOR: sink
/// A folder of Parquet files: `part-0-000000.parquet`, `part-0-000001.parquet` and so on for each partition.
struct ParquetFolder {
    folder: PathBuf,
}

impl FixedPartitionedSink<i64, (i64, Version), Transactional> for ParquetFolder {
    /// The number of the next file.
    type Position = u64;
    type Partition = ParquetFiles;

    fn partitions(&self) -> Result<Vec<String>, StepError> {
        Ok((0..PARTITIONS).map(|part| format!("part-{part}")).collect())
    }

    fn open(&self, part: &str, resume: Option<u64>) -> Result<ParquetFiles, StepError> {
        fs::create_dir_all(&self.folder).map_err(|error| {
            StepError::msg(format!("cannot make `{}`: {error}", self.folder.display()))
        })?;
        let files = ParquetFiles {
            folder: self.folder.clone(),
            part: part.to_owned(),
            next: resume.unwrap_or(0),
            rows: Vec::new(),
            written: VecDeque::new(),
        };
        files.restore()?;
        Ok(files)
    }
}

struct ParquetFiles {
    folder: PathBuf,
    part: String,
    next: u64,
    /// The rows of this epoch.
    rows: Vec<(i64, Version)>,
    /// The files without their final names, and their epochs.
    written: VecDeque<(Epoch, u64)>,
}

impl ParquetFiles {
    fn path(&self, number: u64, ending: &str) -> PathBuf {
        let part = &self.part;
        self.folder.join(format!("{part}-{number:06}.{ending}"))
    }

    /// Removes the files of epochs that this run repeats, and names those of complete epochs.
    fn restore(&self) -> Result<(), StepError> {
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            let rest = name.and_then(|name| name.strip_prefix(&self.part)?.strip_prefix('-'));
            let Some((number, ending)) = rest.and_then(|rest| rest.split_once('.')) else {
                continue;
            };
            let number: u64 = number.parse()?;
            if number >= self.next {
                fs::remove_file(path)?;
            } else if ending == "tmp" {
                fs::rename(path, self.path(number, "parquet"))?;
            }
        }
        sync(&self.folder)
    }
}

impl StatefulSinkPartition<(i64, Version)> for ParquetFiles {
    type Position = u64;

    fn write_batch(&mut self, rows: Vec<(i64, Version)>) -> Result<(), StepError> {
        self.rows.extend(rows);
        Ok(())
    }

    /// Writes the rows of the epoch to a file, which survives a crash.
    fn end_epoch(&mut self, epoch: Epoch) -> Result<(), StepError> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let file = File::create(self.path(self.next, "tmp"))?;
        write_rows(&file, &self.rows)?;
        file.sync_all()?;
        sync(&self.folder)?;
        self.rows.clear();
        self.written.push_back((epoch, self.next));
        self.next += 1;
        Ok(())
    }

    fn snapshot(&mut self) -> Result<u64, StepError> {
        Ok(self.next)
    }

    /// Gives the files of the epoch their final names.
    fn completed(&mut self, epoch: Epoch) -> Result<(), StepError> {
        while let Some((of, number)) = self.written.front()
            && *of <= epoch
        {
            fs::rename(self.path(*number, "tmp"), self.path(*number, "parquet"))?;
            self.written.pop_front();
        }
        sync(&self.folder)
    }
}

/// Makes the names of the files in a folder survive a crash.
fn sync(folder: &Path) -> Result<(), StepError> {
    Ok(File::open(folder)?.sync_all()?)
}
// ANCHOR_END: sink

// ANCHOR: parquet
fn write_rows(file: &File, rows: &[(i64, Version)]) -> Result<(), ParquetError> {
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let mut writer = SerializedFileWriter::new(file, schema, Arc::default())?;
    let mut group = writer.next_row_group()?;
    let text = |text: &String| ByteArray::from(text.as_str());
    let (ids, versions): (Vec<i64>, Vec<&Version>) =
        rows.iter().map(|(id, version)| (id, version)).unzip();
    let customers = || versions.iter().map(|version| version.row.as_ref());
    required::<Int64Type, _>(&mut group, &ids)?;
    let lsns: Vec<_> = versions.iter().map(|version| version.lsn).collect();
    required::<Int64Type, _>(&mut group, &lsns)?;
    let deleted: Vec<_> = customers().map(|row| row.is_none()).collect();
    required::<BoolType, _>(&mut group, &deleted)?;
    optional::<ByteArrayType, _>(
        &mut group,
        customers().map(|row| row.map(|row| text(&row.name))),
    )?;
    let cities = customers().map(|row| row?.city.as_ref().map(text));
    optional::<ByteArrayType, _>(&mut group, cities)?;
    optional::<Int64Type, _>(&mut group, customers().map(|row| Some(row?.credit_cents)))?;
    group.close()?;
    writer.close()?;
    Ok(())
}

/// Writes the next column, which has a value in each row.
fn required<D: DataType, W: std::io::Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[D::T],
) -> Result<(), ParquetError> {
    let Some(mut column) = group.next_column()? else {
        return Err(ParquetError::General("too many columns".to_owned()));
    };
    column.typed::<D>().write_batch(values, None, None)?;
    column.close()
}

/// Writes the next column, which has rows without a value.
fn optional<D: DataType, W: std::io::Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    cells: impl Iterator<Item = Option<D::T>>,
) -> Result<(), ParquetError> {
    let Some(mut column) = group.next_column()? else {
        return Err(ParquetError::General("too many columns".to_owned()));
    };
    let cells: Vec<_> = cells.collect();
    let levels: Vec<_> = cells.iter().map(|cell| i16::from(cell.is_some())).collect();
    let values: Vec<_> = cells.into_iter().flatten().collect();
    column
        .typed::<D>()
        .write_batch(&values, Some(&levels), None)?;
    column.close()
}
// ANCHOR_END: parquet

#[derive(clap::Parser)]
struct Args {
    /// The change events.
    changes: PathBuf,
    /// The folder for Parquet files.
    folder: PathBuf,
    #[command(flatten)]
    run: bytewax::RunArgs,
}

fn main() -> bytewax::ExitCode {
    let args = <Args as clap::Parser>::parse();
    args.run.execute(cdc_to_parquet(args.changes, args.folder))
}
