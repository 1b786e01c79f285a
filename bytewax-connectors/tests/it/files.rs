//! Flows that read files, and what they say when they cannot.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use bytewax_connectors::files::{Compression, FilePosition, FileSource, InvalidUtf8};
use bytewax_runtime::RunError;
use bytewax_runtime::prelude::*;
use bytewax_runtime::source::{FixedPartitionedSource, StatefulSourcePartition};
use bytewax_runtime::testing::{TestingSink, run_main};
use proptest::prelude::*;
use tempfile::TempDir;

fn file(content: &[u8]) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lines.txt");
    fs::write(&path, content).unwrap();
    (directory, path)
}

fn run(source: FileSource) -> Result<Vec<String>, RunError> {
    let out = TestingSink::new();
    let flow = Dataflow::build("lines", |flow| {
        let lines = flow.input(source).named("lines");
        lines.output(out.clone()).named("out");
    });
    run_main(flow)?;
    Ok(out.take())
}

/// All lines from a position on, and the position after them.
fn read(
    source: &FileSource,
    path: &Path,
    resume: Option<FilePosition>,
) -> (Vec<String>, FilePosition) {
    let mut file = source.open(path.to_str().unwrap(), resume).unwrap();
    let mut lines = Vec::new();
    loop {
        let batch = file.next_batch().unwrap();
        if batch.is_end() {
            return (lines, file.snapshot());
        }
        lines.extend_from_slice(batch.items());
    }
}

fn check_run(content: &str, expect: &[&str]) {
    let (_directory, path) = file(content.as_bytes());
    assert_eq!(run(FileSource::new(path)).unwrap(), expect);
}

/// Checks what a run that fails says of the file.
#[track_caller]
fn check_failure(path: &Path, source: FileSource, expect: &str) {
    let cause = run(source).unwrap_err().source().unwrap().to_string();
    let cause = cause.replace(path.to_str().unwrap(), "PATH");
    assert_eq!(cause, expect);
}

#[track_caller]
fn check_open(path: &Path, resume: u64, expect: &str) {
    let opened =
        FileSource::new(path).open(path.to_str().unwrap(), Some(FilePosition::at_byte(resume)));
    let error = opened.unwrap_err().to_string();
    assert_eq!(error.replace(path.to_str().unwrap(), "PATH"), expect);
}

#[test]
fn row_111_lines_in_order() {
    check_run(
        "one\ntwo\nthree\nfour\nfive\nsix\n",
        &["one", "two", "three", "four", "five", "six"],
    );
}

#[test]
fn row_112_blank_lines() {
    let expect = ["one", "", "two", "", "", "three", "four", "", "five"];
    check_run("one\n\ntwo\n\n\nthree\nfour\n\nfive\n", &expect);
}

#[test]
fn row_114_kinds_of_ends() {
    check_run(
        "a\r\nb\r\n\r\nc\rd\n\ne",
        &["a", "b", "", "c", "d", "", "e"],
    );
}

#[test]
fn nothing() {
    check_run("", &[]);
}

#[test]
fn lines_longer_than_a_chunk() {
    let long = "x".repeat(200_000);
    check_run(
        &format!("a\n{long}\r\nb\n{long}"),
        &["a", &long, "b", &long],
    );
}

#[test]
fn many_lines() {
    let lines: Vec<String> = (0..50_000).map(|n| format!("line {n}")).collect();
    let (_directory, path) = file(lines.join("\n").as_bytes());
    assert_eq!(run(FileSource::new(path)).unwrap(), lines);
}

#[test]
fn row_113_resumed() {
    let (_directory, path) = file(b"one\ntwo\nthree\nfour\nfive\n");
    let source = FileSource::new(&path).batch_lines(1);
    let mut file = source.open(path.to_str().unwrap(), None).unwrap();
    assert_eq!(file.next_batch().unwrap().items(), ["one"]);
    assert_eq!(file.next_batch().unwrap().items(), ["two"]);
    let saved = file.snapshot();

    let file = source.open(path.to_str().unwrap(), Some(saved)).unwrap();
    assert_eq!(file.snapshot(), saved);
    assert_eq!(
        read(&source, &path, Some(saved)).0,
        ["three", "four", "five"]
    );
}

#[test]
fn row_115_resumed_after_growth() {
    let check = |old: &str, new: &str, expect_old: &[&str], expect_new: &[&str]| {
        let (_directory, path) = file(old.as_bytes());
        let source = FileSource::new(&path);
        let (lines, saved) = read(&source, &path, None);
        assert_eq!(lines, expect_old);
        fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap()
            .write_all(new.as_bytes())
            .unwrap();
        assert_eq!(read(&source, &path, Some(saved)).0, expect_new);
    };
    check("one\r", "\ntwo\r\n", &["one"], &["two"]);
    check("one\r", "two\n", &["one"], &["two"]);
    check("one\n", "", &["one"], &[]);
    check("one", "\r\ntwo\n", &["one"], &["two"]);
}

#[test]
fn no_lines_in_a_batch_count_as_one() {
    let (_directory, path) = file(b"a\nb\n");
    let mut file = FileSource::new(&path)
        .batch_lines(0)
        .open(path.to_str().unwrap(), None)
        .unwrap();
    assert_eq!(file.next_batch().unwrap().items(), ["a"]);
}

#[test]
fn missing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("missing.txt");
    let expect = "cannot open the file `PATH`; \
                  it must be there, and readable, for each process of the run";
    check_failure(&path, FileSource::new(&path), expect);
    check_open(&path, 0, expect);

    let error = run(FileSource::new(&path)).unwrap_err();
    assert_eq!(error.step_id().unwrap().as_str(), "lines.lines");
    let cause = error
        .source()
        .and_then(Error::source)
        .and_then(|cause| cause.downcast_ref());
    let kind = cause.map(std::io::Error::kind);
    assert_eq!(kind, Some(std::io::ErrorKind::NotFound));
}

#[test]
fn truncated() {
    let (_directory, path) = file(b"one\n");
    check_open(
        &path,
        5,
        "the file `PATH` is 4 bytes long, but was read up to byte 5 before, so it was cut or \
         replaced; put the old file back, or start with a fresh recovery store",
    );
}

#[cfg(unix)]
#[test]
fn device() {
    let path = Path::new("/dev/null");
    assert!(run(FileSource::new(path)).unwrap().is_empty());
    check_open(
        path,
        5,
        "`PATH` is not a regular file, so reading cannot go on at the saved byte 5; read from a \
         file, or start with a fresh recovery store",
    );
}

#[cfg(unix)]
#[test]
fn pipe() {
    use std::os::fd::AsRawFd;

    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(b"a\r\nb").unwrap();
    drop(writer);
    let source = FileSource::new(format!("/dev/fd/{}", reader.as_raw_fd()));
    assert_eq!(run(source).unwrap(), ["a", "b"]);
}

#[test]
fn other_partition() {
    let (_directory, path) = file(b"one\n");
    let error = FileSource::new(&path)
        .open("other.txt", None)
        .unwrap_err()
        .to_string();
    assert!(error.ends_with("has no partition `other.txt`"), "{error}");
}

#[test]
fn invalid_utf8() {
    let (_directory, path) = file(b"one\ntwo\nth\xffree\nfour\n");
    check_failure(
        &path,
        FileSource::new(&path),
        "line 3 of the file `PATH`: byte 10 of the file is not UTF-8; convert the file to UTF-8, or \
         have such bytes replaced by `.invalid_utf8(InvalidUtf8::Replace)`; to receive such records as items and go \
         on, use `.results()`",
    );
    let replaced = FileSource::new(&path).invalid_utf8(InvalidUtf8::Replace);
    assert_eq!(
        run(replaced).unwrap(),
        ["one", "two", "th\u{fffd}ree", "four"]
    );
    let read = results(FileSource::new(&path));
    assert_eq!(read, ["one", "two", "3@8: b\"th\\xffree\"", "four"]);
}

/// What is read with bad lines among it: those by line, byte and what is kept of them.
fn results(source: FileSource) -> Vec<String> {
    let out = TestingSink::new();
    let flow = Dataflow::build("lines", |flow| {
        let lines = flow.input(source.results()).named("lines");
        let shown = lines.map(|line| match line {
            Ok(line) => line,
            Err(bad) => {
                let raw = bad.raw().escape_ascii();
                format!("{}@{}: b\"{raw}\"", bad.line(), bad.byte())
            }
        });
        shown.output(out.clone()).named("out");
    });
    run_main(flow).unwrap();
    out.take()
}

#[test]
fn too_long() {
    let long = "x".repeat(200_000);
    let (_directory, path) = file(format!("one\n123456\r\ntwo\n{long}\nthree").as_bytes());
    let source = || FileSource::new(&path).max_line_bytes(5);
    check_failure(
        &path,
        source(),
        "line 2 of the file `PATH`: it is longer than 5 bytes; if this is a file of lines, raise \
         `max_line_bytes`, or have long lines truncated by `.too_long(TooLong::Truncate)`; to receive such records as \
         items and go on, use `.results()`",
    );
    let expect = ["one", "2@4: b\"12345\"", "two", "4@16: b\"xxxxx\"", "three"];
    assert_eq!(results(source()), expect);
}

/// Another content under the same name is not taken for the old one, however long it is.
#[test]
fn replaced() {
    let old: String = (0..1000).map(|n| format!("line {n}\n")).collect();
    let check = |new: &str| {
        let (_directory, path) = file(old.as_bytes());
        let source = FileSource::new(&path).batch_lines(500);
        let mut file = source.open(path.to_str().unwrap(), None).unwrap();
        let _ = file.next_batch().unwrap();
        let saved = file.snapshot();
        fs::write(&path, new).unwrap();
        let mut file = source.open(path.to_str().unwrap(), Some(saved)).unwrap();
        file.next_batch().map(|batch| batch.items().len())
    };
    assert_eq!(check(&old).unwrap(), 500);
    assert_eq!(check(&format!("{old}more\n")).unwrap(), 500);
    for new in [
        old.replace("line 0\n", "LINE 0\n"),
        old.replace("line 499\n", "LINE 499\n"),
        "x\n".repeat(9000),
    ] {
        let error = check(&new).unwrap_err().to_string();
        assert!(
            error.contains("is not the one that was read up to byte 4390"),
            "{error}"
        );
    }
}

/// A file that is cut while it is read is not taken for one that has ended.
#[test]
fn cut_while_it_is_read() {
    let lines: String = (0..50_000).map(|n| format!("line {n}\n")).collect();
    let (_directory, path) = file(lines.as_bytes());
    let mut file = FileSource::new(&path)
        .open(path.to_str().unwrap(), None)
        .unwrap();
    let _ = file.next_batch().unwrap();
    fs::write(&path, "short\n").unwrap();
    let error = loop {
        match file.next_batch() {
            Ok(batch) => assert!(!batch.is_end(), "the file ended"),
            Err(error) => break error.to_string(),
        }
    };
    assert!(
        error.contains("is 6 bytes long, but was read up to byte"),
        "{error}"
    );
}

#[test]
fn a_compressed_file_without_the_feature() {
    let (_directory, path) = file(b"one\n");
    let zipped = path.with_extension("gz");
    fs::copy(&path, &zipped).unwrap();
    let plain = FileSource::new(&zipped).compression(Compression::None);
    assert_eq!(run(plain).unwrap(), ["one"]);
    #[cfg(not(feature = "gzip"))]
    check_failure(
        &zipped,
        FileSource::new(&zipped),
        "the file `PATH` is compressed; enable the feature `gzip` of `bytewax`, or set \
         `.compression(Compression::None)` if its name is misleading",
    );
}

/// Files of several parts, each read whole and from behind each line on.
#[cfg(all(feature = "gzip", feature = "zstd", feature = "bzip2", feature = "xz"))]
#[test]
fn compressed() {
    use std::io::Read;

    type Encode = fn(&[u8]) -> Vec<u8>;
    let encoders: [(&str, Encode); 4] = [
        ("gz", |text| {
            let mut bytes = Vec::new();
            let mut encoder = flate2::read::GzEncoder::new(text, flate2::Compression::fast());
            encoder.read_to_end(&mut bytes).unwrap();
            bytes
        }),
        ("zst", |text| zstd::encode_all(text, 1).unwrap()),
        ("bz2", |text| {
            let mut bytes = Vec::new();
            let mut encoder = bzip2::read::BzEncoder::new(text, bzip2::Compression::fast());
            encoder.read_to_end(&mut bytes).unwrap();
            bytes
        }),
        ("xz", |text| {
            let mut bytes = Vec::new();
            let mut encoder = liblzma::read::XzEncoder::new(text, 1);
            encoder.read_to_end(&mut bytes).unwrap();
            bytes
        }),
    ];
    let directory = tempfile::tempdir().unwrap();
    for (ending, encode) in encoders {
        let path = directory.path().join("lines").with_extension(ending);
        fs::write(&path, [encode(b"a\nb\n"), encode(b"c\nd\n")].concat()).unwrap();
        let source = FileSource::new(&path).batch_lines(1);
        let mut file = source.open(path.to_str().unwrap(), None).unwrap();
        let lines = ["a", "b", "c", "d"];
        for (index, line) in lines.iter().enumerate() {
            assert_eq!(file.next_batch().unwrap().items(), [*line], "{ending}");
            let rest = read(&source, &path, Some(file.snapshot())).0;
            assert_eq!(rest, lines[index + 1..], "{ending}");
        }
        let other = FileSource::new(&path).range_bytes(2).partitions();
        assert!(
            other
                .unwrap_err()
                .to_string()
                .contains("cannot be read in ranges")
        );
    }
}

/// More files than may be open at once.
#[test]
fn many_files() {
    let directory = tempfile::tempdir().unwrap();
    for number in 0..300 {
        fs::write(
            directory.path().join(format!("{number:03}.txt")),
            format!("{number}\n"),
        )
        .unwrap();
    }
    let mut lines: Vec<u32> = run(FileSource::new(directory.path()))
        .unwrap()
        .iter()
        .map(|line| line.parse().unwrap())
        .collect();
    lines.sort_unstable();
    assert!(lines.into_iter().eq(0..300));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    /// The lines of all ranges are those of the file, each stopped after any batch.
    #[test]
    fn ranges(
        lines in prop::collection::vec("[ab]{0,5}(\n|\r\n|\r)", 0..20),
        bytes in 1..40_u64,
        batch in 1..4_usize,
    ) {
        let (_directory, path) = file(lines.concat().as_bytes());
        let source = FileSource::new(&path).range_bytes(bytes).batch_lines(batch);
        let mut read = Vec::new();
        for partition in source.partitions().unwrap() {
            let mut position = None;
            loop {
                let mut file = source.open(&partition, position).unwrap();
                let batch = file.next_batch().unwrap();
                read.extend_from_slice(batch.items());
                position = Some(file.snapshot());
                if batch.is_end() {
                    break;
                }
            }
        }
        prop_assert_eq!(read, run(FileSource::new(&path)).unwrap());
    }
}

#[test]
fn row_116_a_file_of_one_machine() {
    let (_directory, path) = file(b"one\ntwo\n");
    let source = FileSource::new(&path).fs_id("host-1").batch_lines(1);
    let name = format!("host-1::{}", path.display());
    assert_eq!(source.partitions().unwrap(), [name.as_str()]);
    let mut file = source.open(&name, Some(FilePosition::at_byte(4))).unwrap();
    assert_eq!(file.next_batch().unwrap().items(), ["two"]);
    assert!(source.open(path.to_str().unwrap(), None).is_err());
    assert!(FileSource::new(&path).fs_id("a::b").partitions().is_err());
}
