//! The built-in connectors keep what connectors promise.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
#[cfg(feature = "demo")]
use std::time::Duration;

use bytewax_connectors::files::{DirSink, DirSource, FileSink, FileSource, TooLong, Unended};
use bytewax_runtime::StepError;
use bytewax_runtime::source::{FixedPartitionedSource, Poll, StatefulSourcePartition};
#[cfg(any(feature = "csv", feature = "json"))]
use bytewax_runtime::testing::connector::check_single_sink;
use bytewax_runtime::testing::connector::{
    check_failing_source, check_sink, check_sink_in_flows, check_source,
};
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
    let source = || FileSource::new(&path).unended(Unended::Emit);
    let whole = check_source(|| source().batch_lines(2));
    assert_eq!(all(whole.unwrap()), expect);
    for bytes in [1, 4, 100] {
        let ranges = check_source(|| source().batch_lines(1).range_bytes(bytes));
        assert_eq!(all(ranges.unwrap()), expect);
    }
}

#[test]
fn lines_that_are_truncated() {
    let (_directory, path) = file("lines.txt", "one\nseventeen\r\ntwo\neighteen");
    let source = || FileSource::new(&path).max_line_bytes(5);
    let source = || source().too_long(TooLong::Truncate).batch_lines(1);
    let lines = check_source(|| source().unended(Unended::Emit));
    assert_eq!(all(lines.unwrap()), ["one", "seven…", "two", "eight…"]);
    let lines = check_source(source);
    assert_eq!(all(lines.unwrap()), ["one", "seven…", "two"]);
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

/// Files that were put one behind another: a mark inside of a file is text, wherever reading begins.
#[cfg(feature = "csv")]
#[test]
fn a_mark_inside_of_a_csv_file() {
    use bytewax_connectors::csv::CsvSource;
    let text = "\u{feff}id,name\n1,\"ann\"\n\u{feff}2,\"bob\"\n\u{feff}3,cid\n";
    let (_directory, path) = file("rows.csv", text);
    let rows = check_source(|| CsvSource::new(&path).batch_rows(1)).unwrap();
    let rows = all(rows);
    let ids: Vec<Option<&str>> = rows.iter().map(|row| row.get("id")).collect();
    assert_eq!(ids, [Some("1"), Some("\u{feff}2"), Some("\u{feff}3")]);
}

#[cfg(feature = "json")]
#[test]
fn lines_of_json() {
    use bytewax_connectors::json::JsonLinesSource;
    let (_directory, path) = file("rows.jsonl", "\u{feff}1\n\n[\n3\n");
    let rows = check_source(|| JsonLinesSource::<u64>::new(&path).results().batch_lines(1));
    let shown = all(rows.unwrap())
        .into_iter()
        .map(|row| row.map_err(|bad| bad.line()));
    assert_eq!(shown.collect::<Vec<_>>(), [Ok(1), Err(3), Ok(3)]);
}

/// A source without an end, which ends when it gives nothing.
struct UntilIdle<S>(S);

struct UntilIdlePartition<P>(P);

impl<S: FixedPartitionedSource> FixedPartitionedSource for UntilIdle<S> {
    type Item = S::Item;
    type Position = S::Position;
    type Partition = UntilIdlePartition<S::Partition>;

    fn partitions(&self) -> Result<Vec<String>, StepError> {
        self.0.partitions()
    }

    fn open(
        &self,
        partition: &str,
        resume: Option<S::Position>,
    ) -> Result<Self::Partition, StepError> {
        Ok(UntilIdlePartition(self.0.open(partition, resume)?))
    }
}

impl<P: StatefulSourcePartition> StatefulSourcePartition for UntilIdlePartition<P> {
    type Item = P::Item;
    type Position = P::Position;

    fn next_batch(&mut self) -> Result<Poll<P::Item>, StepError> {
        let poll = self.0.next_batch()?;
        Ok(match poll.items().is_empty() {
            true => Poll::end(),
            false => poll,
        })
    }

    fn snapshot(&self) -> P::Position {
        self.0.snapshot()
    }
}

#[test]
fn a_file_that_is_followed() {
    let (_directory, path) = file("app.log", "one\ntwo\nthree\nfo");
    let followed = || FileSource::new(&path).batch_lines(1).follow();
    let items = check_source(|| UntilIdle(followed()));
    assert_eq!(all(items.unwrap()), ["one", "two", "three"]);
}

#[test]
fn a_directory_that_is_watched() {
    let (directory, path) = file("a.txt", "one\ntwo\n");
    fs::copy(&path, path.with_file_name("b.txt")).unwrap();
    let watched = || FileSource::new(directory.path()).batch_lines(1).watch();
    let items = check_source(|| UntilIdle(watched()));
    assert_eq!(all(items.unwrap()), ["one", "two", "one", "two"]);
}

/// Bad input of each parser stops each at the same place.
#[test]
fn lines_that_cannot_be_read() {
    let (_directory, path) = file("lines.txt", "");
    fs::write(&path, b"one\ntwo\ncaf\xe9\nfour\n").unwrap();
    let failed = check_failing_source(|| FileSource::new(&path).batch_lines(1)).unwrap();
    assert_eq!(failed[0].1, ["one", "two"]);
    assert!(
        failed[0].2.contains("line 3 of the file"),
        "{}",
        failed[0].2
    );
}

#[cfg(feature = "csv")]
#[test]
fn rows_that_cannot_be_read() {
    use bytewax_connectors::csv::CsvSource;
    for (bad, why) in [
        ("many,cid", "column `id`: invalid digit found in string"),
        ("3", "missing field `name`"),
        ("3,\"cid", "the quote in cell 2 is never closed"),
    ] {
        let text = format!("id,name\n1,ann\n2,bob\n{bad}\n4,dan\n");
        let (_directory, path) = file("rows.csv", &text);
        let source = || CsvSource::<Row>::typed(&path).batch_rows(1);
        let failed = check_failing_source(source).unwrap();
        assert_eq!(failed[0].1.len(), 2);
        let error = &failed[0].2;
        assert!(error.contains("line 4 of the file"), "{error}");
        assert!(error.contains(why), "{error}");
    }
}

#[cfg(feature = "csv")]
#[derive(Debug, PartialEq, serde::Deserialize)]
struct Row {
    id: u64,
    name: String,
}

#[cfg(feature = "json")]
#[test]
fn values_that_cannot_be_read() {
    use bytewax_connectors::json::JsonLinesSource;
    for (bad, why) in [
        ("{", "invalid type: map"),
        ("-1", "invalid value: integer `-1`"),
        ("3 4", "trailing characters"),
    ] {
        let (_directory, path) = file("rows.jsonl", &format!("1\n2\n{bad}\n4\n"));
        let source = || JsonLinesSource::<u64>::new(&path).batch_lines(1);
        let failed = check_failing_source(source).unwrap();
        assert_eq!(failed[0].1, [1, 2]);
        let error = &failed[0].2;
        assert!(error.contains("line 3 of the file"), "{error}");
        assert!(error.contains(why), "{error}");
    }
}

/// Files that are cut in their midst, or are not compressed at all.
#[cfg(all(feature = "gzip", feature = "zstd", feature = "bzip2", feature = "xz"))]
#[test]
fn compressed_files_that_cannot_be_read() {
    use bytewax_runtime::delivery::Transactional;
    use bytewax_runtime::sink::{SinglePartitionSink, StatefulSinkPartition};
    for ending in ["gz", "zst", "bz2", "xz"] {
        let (_directory, path) = file(&format!("lines.txt.{ending}"), "");
        let mut written =
            SinglePartitionSink::<u64, Transactional>::open(&FileSink::new(&path), None).unwrap();
        written.write_batch((0..100_000_u64).collect()).unwrap();
        StatefulSinkPartition::<u64>::close(&mut written).unwrap();
        drop(written);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        let source = || FileSource::new(&path).batch_lines(10_000);
        let failed = check_failing_source(source).unwrap();
        let (_, lines, error) = &failed[0];
        let numbers = lines.iter().map(|line| line.parse::<u64>().unwrap());
        assert!(numbers.eq(0..lines.len() as u64), "{ending}");
        assert!(error.contains("cannot read the file"), "{ending}: {error}");

        fs::write(&path, "plain text\n").unwrap();
        let failed = check_failing_source(source).unwrap();
        assert!(failed[0].1.is_empty(), "{ending}");
    }
}

/// The lines of a file that may be compressed.
fn read(path: &Path) -> Vec<String> {
    let source = FileSource::new(path);
    let mut file = source.open(path.to_str().unwrap(), None).unwrap();
    let mut lines = Vec::new();
    loop {
        let batch = file.next_batch().unwrap();
        if batch.is_end() {
            return lines;
        }
        lines.extend(batch.into_items());
    }
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
                read(&path)
            })
        },
        &batches,
    );
    checked.unwrap();
}

#[cfg(feature = "csv")]
#[test]
fn rows_that_are_written() {
    use bytewax_connectors::csv::CsvSink;
    let batches = [vec![(1, 2)], vec![(3, 4), (5, 6)], vec![(7, 8)]];
    let make = || {
        let (directory, path) = file("rows.csv", "");
        (CsvSink::new(&path), move || {
            let _directory = &directory;
            let lines = lines(&path);
            let numbers = |line: &String| {
                let (a, b) = line.split_once(',').unwrap();
                (a.parse::<u64>().unwrap(), b.parse::<u64>().unwrap())
            };
            lines.iter().map(numbers).collect()
        })
    };
    check_single_sink(make, &batches).unwrap();
}

#[cfg(feature = "json")]
#[test]
fn values_that_are_written() {
    use bytewax_connectors::json::JsonLinesSink;
    let batches = [vec![1_u64], vec![3, 4], vec![5]];
    let make = || {
        let (directory, path) = file("values.jsonl", "");
        (JsonLinesSink::new(&path), move || {
            let _directory = &directory;
            let lines = lines(&path);
            lines.iter().map(|line| line.parse().unwrap()).collect()
        })
    };
    check_single_sink(make, &batches).unwrap();
}

#[test]
fn files_that_are_written_in_flows() {
    let texts: Vec<String> = (0..9).map(|n| n.to_string()).collect();
    for name in ["out.txt", "out.txt.gz"] {
        if name.ends_with("gz") && cfg!(not(feature = "gzip")) {
            continue;
        }
        let make = || {
            let (directory, path) = file(name, "");
            let written = path.clone();
            let read = move || {
                let _directory = &directory;
                read(&written)
            };
            (move || FileSink::new(&path), read)
        };
        check_sink_in_flows(make, &texts, &texts).unwrap();
    }
}

#[test]
fn directories_that_are_written_in_flows() {
    let pairs: Vec<(u64, String)> = (0..9).map(|n| (n, format!("value {n}"))).collect();
    let values: Vec<String> = pairs.iter().map(|(_, value)| value.clone()).collect();
    let make = || {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_owned();
        let read = move || {
            let names = ["part_0", "part_1", "part_2"];
            let lines = names.map(|name| lines(&directory.path().join(name)));
            lines.concat()
        };
        (move || DirSink::new(&path, 3), read)
    };
    check_sink_in_flows(make, &pairs, &values).unwrap();
}

#[cfg(feature = "demo")]
#[test]
fn values_of_a_metric() {
    use bytewax_connectors::demo::RandomMetricSource;
    let volts = || RandomMetricSource::new("volts").interval(Duration::ZERO);
    let values = check_source(|| volts().count(7).values(|random| random % 220));
    assert_eq!(all(values.unwrap()).len(), 7);
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
