//! The built-in connectors keep what connectors promise.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use bytewax_connectors::files::{DirSource, FileSink, FileSource};
use bytewax_runtime::testing::connector::{check_sink, check_source};
use tempfile::TempDir;

fn file(name: &str, content: &str) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    fs::write(&path, content).unwrap();
    (directory, path)
}

/// The items of all partitions.
fn all<T>(items: Vec<(String, Vec<T>)>) -> Vec<T> {
    items.into_iter().flat_map(|(_, items)| items).collect()
}

#[test]
fn lines_of_a_file() {
    let (_directory, path) = file("lines.txt", "one\r\ntwo\n\nthree\rfour");
    let expect = ["one", "two", "", "three", "four"];
    let whole = check_source(|| FileSource::new(&path).batch_lines(2));
    assert_eq!(all(whole.unwrap()), expect);
    for bytes in [1, 4, 100] {
        let ranges = check_source(|| FileSource::new(&path).batch_lines(1).range_bytes(bytes));
        assert_eq!(all(ranges.unwrap()), expect);
    }
}

#[test]
fn lines_of_a_directory() {
    let (directory, path) = file("a.txt", "one\ntwo\n");
    fs::copy(&path, path.with_file_name("b.txt")).unwrap();
    let lines = check_source(|| DirSource::new(directory.path()).batch_lines(1)).unwrap();
    let names: Vec<&str> = lines.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["a.txt", "b.txt"]);
}

#[cfg(feature = "gzip")]
#[test]
fn lines_of_a_compressed_file() {
    use std::io::Write;
    let mut bytes = Vec::new();
    for member in ["a\nb\n", "c\nd\n"] {
        let mut encoder = flate2::write::GzEncoder::new(bytes, flate2::Compression::fast());
        encoder.write_all(member.as_bytes()).unwrap();
        bytes = encoder.finish().unwrap();
    }
    let (_directory, path) = file("lines.txt.gz", "");
    fs::write(&path, bytes).unwrap();
    let lines = check_source(|| FileSource::new(&path).batch_lines(1)).unwrap();
    assert_eq!(all(lines), ["a", "b", "c", "d"]);
}

#[cfg(feature = "csv")]
#[test]
fn rows_of_a_csv_file() {
    use bytewax_connectors::csv::CsvSource;
    let text = "id,name\n1,ann\n\n2,\"b\nb\"\nmany,cid\n4,\"d\"\"d\"\n";
    let (_directory, path) = file("rows.csv", text);
    let source = || CsvSource::<(u64, String)>::typed(&path).results();
    for bytes in [None, Some(7), Some(20)] {
        let rows = check_source(|| {
            let source = source().batch_rows(1);
            match bytes {
                None => source,
                Some(bytes) => source.range_bytes(bytes),
            }
        });
        let shown = all(rows.unwrap()).into_iter().map(|row| match row {
            Ok((id, name)) => format!("{id} {name}"),
            Err(bad) => format!("line {}", bad.line()),
        });
        assert_eq!(
            shown.collect::<Vec<_>>(),
            ["1 ann", "2 b\nb", "line 6", "4 d\"d"]
        );
    }
}

#[cfg(feature = "json")]
#[test]
fn lines_of_json() {
    use bytewax_connectors::json::JsonLinesSource;
    let (_directory, path) = file("rows.jsonl", "1\n\n[\n3\n");
    let rows = check_source(|| JsonLinesSource::<u64>::new(&path).results().batch_lines(1));
    let shown = all(rows.unwrap())
        .into_iter()
        .map(|row| row.map_err(|bad| bad.line()));
    assert_eq!(shown.collect::<Vec<_>>(), [Ok(1), Err(3), Ok(3)]);
}

fn lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// What a sink of compressed files writes is read back by a source.
#[cfg(feature = "gzip")]
#[test]
fn a_compressed_file_that_is_written() {
    let batches = [vec!["one", "two"], vec!["three"], vec!["four", "five"]];
    let batches = batches.map(|batch| batch.into_iter().map(str::to_owned).collect());
    let checked = check_sink::<u64, String, _, _>(
        || {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("out.gz");
            (FileSink::new(&path), move |_: &str| {
                // The directory goes when this does.
                let _directory = &directory;
                all(check_source(|| FileSource::new(&path)).unwrap())
            })
        },
        &batches,
    );
    checked.unwrap();
}

#[test]
fn a_file_that_is_written() {
    let batches = [vec!["one", "two"], vec!["three"], vec!["four", "five"]];
    let batches = batches.map(|batch| batch.into_iter().map(str::to_owned).collect());
    let checked = check_sink::<u64, String, _, _>(
        || {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("out.txt");
            (FileSink::new(&path), move |_: &str| {
                // The directory goes when this does.
                let _directory = &directory;
                lines(&path)
            })
        },
        &batches,
    );
    checked.unwrap();
}
