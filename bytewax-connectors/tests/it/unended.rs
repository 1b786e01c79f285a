//! Last lines without an end, which may still be written.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};

use bytewax_connectors::files::{FilePosition, FileSource, TooLong, Unended};
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

/// Where the end that is still to be written is one inside of quotes, or that of a comment, too.
#[cfg(feature = "csv")]
#[test]
fn quotes_and_comments_wait_for_their_ends() {
    use bytewax_connectors::csv::CsvSource;
    let text = "id,\"no\nte\"\r\n1,\"two\r\nlines, \"\"so\"\"\r\n\r\nand more\"\r\n#, n,o \"row\r\n2,\"hat\n\"\r\n3,\n";
    let csv = |path: &Path| CsvSource::new(path).comment(b'#').unended(Unended::Wait);
    check_each_byte(text, csv);
    check_each_byte(text, |path| {
        let typed = CsvSource::<(u64, String)>::typed(path).comment(b'#');
        typed.unended(Unended::Wait)
    });
    check_each_byte(text, |path| csv(path).results());
    check_each_byte("one\n\"t\nw\no\n\"\n\n", |path| {
        CsvSource::new(path).unended(Unended::Wait).results()
    });
    let escaped = "id,note\n1,\"a \\\"\nb\\\n\"\n2,\"\\\"\n\"\n";
    check_each_byte(escaped, |path| csv(path).escape(b'\\'));
}

/// A quote with rows behind it is not waited for.
#[cfg(feature = "csv")]
#[test]
fn a_quote_that_is_never_closed_does_not_wait() {
    use bytewax_connectors::csv::CsvSource;
    fn shown<T: Debug>(row: Result<T, bytewax_connectors::files::BadRecord>) -> String {
        row.map_or_else(
            |bad| format!("bad {}", bad.raw_text()),
            |row| format!("{row:?}"),
        )
    }
    let text = "id,note\n1,fine\n2,\"open\n3,x\n4,y";
    for length in 0..=text.len() {
        let (_directory, path) = file(&text[..length]);
        let source = CsvSource::<(u64, String)>::typed(&path).unended(Unended::Wait);
        let (rows, position) = read(&source.results(), &path, None).unwrap();
        let mut shown: Vec<String> = rows.into_iter().map(shown).collect();
        let expect = ["(1, \"fine\")", "bad 2,\"open", "(3, \"x\")"];
        let behind = text.find("4,").unwrap();
        if length < behind {
            // Until the row behind it is there, it may be closed.
            assert!(shown.len() < 2, "{length}: {shown:?}");
        } else {
            assert_eq!(shown.split_off(0), expect, "{length}");
            assert_eq!(position.byte(), behind as u64);
        }
    }
    // Any text is of the type: one line may be so by chance.
    for (rest, is_waiting) in [
        ("3,x\n", true),
        ("3,x\n4,y\n", false),
        ("3,x\nno row\n4,y\n", false),
        ("3,x\nno row\nno row\n4,y\n", true),
    ] {
        let (_directory, path) = file(&format!("id,note\n1,\"open\n{rest}"));
        let source = CsvSource::new(&path).unended(Unended::Wait).results();
        let (rows, _) = read(&source, &path, None).unwrap();
        assert_eq!(rows.is_empty(), is_waiting, "{rest}");
    }
}

/// A line that is too long is one that is too long when it has grown, and what comes of it is no line by itself.
#[test]
fn long_lines_wait_for_their_ends() {
    let source = |path: &Path| FileSource::new(path).max_line_bytes(4);
    let text = "one\nseventeen\r\ntwo\n";
    check_each_byte(text, |path| {
        source(path)
            .too_long(TooLong::Truncate)
            .unended(Unended::Wait)
    });
    check_each_byte(text, |path| source(path).unended(Unended::Wait).results());
    #[cfg(feature = "csv")]
    check_each_byte("id,name\n1,seventeen\n2,two\n", |path| {
        use bytewax_connectors::csv::CsvSource;
        let rows = CsvSource::new(path).max_row_bytes(8);
        rows.unended(Unended::Wait).results()
    });
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
