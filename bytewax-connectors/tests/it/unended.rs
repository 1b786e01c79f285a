//! Last lines without an end, which may still be written.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};

use bytewax_connectors::files::{FilePosition, FileSource, Unended};
use bytewax_runtime::StepError;
use bytewax_runtime::source::{FixedPartitionedSource, StatefulSourcePartition};
use tempfile::TempDir;

fn file(content: &str) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("input.txt");
    fs::write(&path, content).unwrap();
    (directory, path)
}

/// All items from a position on, and the position behind them.
fn read<S>(
    source: &S,
    path: &Path,
    resume: Option<FilePosition>,
) -> Result<(Vec<S::Item>, FilePosition), StepError>
where
    S: FixedPartitionedSource<Position = FilePosition>,
    S::Item: Clone,
{
    let mut file = source.open(path.to_str().unwrap(), resume)?;
    let mut items = Vec::new();
    loop {
        let batch = file.next_batch()?;
        if batch.is_end() {
            return Ok((items, file.snapshot()));
        }
        items.extend(batch.into_items());
    }
}

/// A file that is written byte by byte, and read by a run after each byte, is read as one that is whole.
fn check_each_byte<S>(whole: &str, source: impl Fn(&Path) -> S)
where
    S: FixedPartitionedSource<Position = FilePosition>,
    S::Item: Clone + Debug + PartialEq,
{
    let (_directory, path) = file(whole);
    let expect = read(&source(&path), &path, None).unwrap().0;
    let (mut items, mut position) = (Vec::new(), None);
    for length in 0..=whole.len() {
        fs::write(&path, &whole.as_bytes()[..length]).unwrap();
        let (new, next) = read(&source(&path), &path, position).unwrap();
        items.extend(new);
        position = Some(next);
        let waits = next.byte() < length as u64;
        assert_eq!(next.has_ended(), !waits, "{length} bytes");
    }
    assert_eq!(items, expect);
}

#[test]
fn lines_wait_for_their_ends() {
    let source = |path: &Path| FileSource::new(path).unended(Unended::Wait);
    check_each_byte("one\r\n\ntwo\rthree\n", source);
    let (_directory, path) = file("one\ntw");
    let (lines, position) = read(&source(&path), &path, None).unwrap();
    assert_eq!((lines, position.byte()), (vec!["one".to_owned()], 4));
}

#[cfg(feature = "csv")]
#[test]
fn rows_wait_for_their_ends() {
    use bytewax_connectors::csv::CsvSource;
    for text in [
        "id,name\n1,ann\n2,hat\n",
        "\u{feff}id,name\r\n\r\n1,\"a\"\"n\"\r\n2,hat\r\n",
    ] {
        check_each_byte(text, |path| CsvSource::new(path).unended(Unended::Wait));
        check_each_byte(text, |path| {
            let source = CsvSource::new(path).skip_lines(1).no_header();
            source.unended(Unended::Wait)
        });
    }
}

#[cfg(feature = "json")]
#[test]
fn values_wait_for_their_ends() {
    use bytewax_connectors::json::JsonLinesSource;
    check_each_byte("12\n\n345\n", |path| {
        JsonLinesSource::<u64>::new(path).unended(Unended::Wait)
    });
}

/// In ranges too, of which more come as the file grows.
#[test]
fn ranges_wait_for_the_ends_of_lines() {
    let whole = "one\ntwo\n\nthree\nfour\n";
    let (_directory, path) = file(whole);
    let mut positions = std::collections::BTreeMap::new();
    let mut lines = Vec::new();
    for length in 0..=whole.len() {
        fs::write(&path, &whole.as_bytes()[..length]).unwrap();
        let source = FileSource::new(&path).range_bytes(6).unended(Unended::Wait);
        for name in source.partitions().unwrap() {
            let mut range = source.open(&name, positions.get(&name).copied()).unwrap();
            loop {
                let batch = range.next_batch().unwrap();
                if batch.is_end() {
                    break;
                }
                lines.extend(batch.into_items());
            }
            positions.insert(name, range.snapshot());
        }
    }
    assert_eq!(lines, ["one", "two", "", "three", "four"]);
}

/// A line that was read as it was is not joined to what comes behind it, and its rest is no line.
#[test]
fn a_line_that_was_emitted_and_goes_on_is_refused() {
    let source = |path: &Path| FileSource::new(path).unended(Unended::Emit);
    let (_directory, path) = file("one\ntw");
    let (lines, position) = read(&source(&path), &path, None).unwrap();
    assert_eq!(lines, ["one", "tw"]);
    assert_eq!((position.byte(), position.line()), (6, Some(2)));
    // Nothing new, and only its end.
    assert_eq!(
        read(&source(&path), &path, Some(position)).unwrap(),
        (vec![], position)
    );
    fs::write(&path, "one\ntw\nthree").unwrap();
    let (lines, next) = read(&source(&path), &path, Some(position)).unwrap();
    assert_eq!((lines, next.line()), (vec!["three".to_owned()], Some(3)));

    fs::write(&path, "one\ntwo\n").unwrap();
    let error = read(&source(&path), &path, Some(position)).unwrap_err();
    let expect = format!(
        "the last line of the file `{}` had no end when it was read, up to byte 6",
        path.display()
    );
    assert!(error.to_string().starts_with(&expect), "{error}");
}
