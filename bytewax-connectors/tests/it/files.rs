//! Flows that read files, and what they say when they cannot.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use bytewax_connectors::files::FileSource;
use bytewax_runtime::RunError;
use bytewax_runtime::prelude::*;
use bytewax_runtime::source::{FixedPartitionedSource, StatefulSourcePartition};
use bytewax_runtime::testing::{TestingSink, run_main};
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
fn read(source: &FileSource, path: &Path, resume: Option<u64>) -> (Vec<String>, u64) {
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
    assert_eq!(cause.replace(path.to_str().unwrap(), "PATH"), expect);
}

#[track_caller]
fn check_open(path: &Path, resume: u64, expect: &str) {
    let opened = FileSource::new(path).open(path.to_str().unwrap(), Some(resume));
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
    check("one\ntw", "o\nthree\n", &["one", "tw"], &["o", "three"]);
    check("one\r", "\ntwo\r\n", &["one"], &["two"]);
    check("one\r", "two\n", &["one"], &["two"]);
    check("one\n", "", &["one"], &[]);
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
fn directory() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let expect = "`PATH` is a directory; give the path of one text file in it";
    check_failure(path, FileSource::new(path), expect);
    check_open(path, 0, expect);
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
    let (_directory, path) = file(b"one\ntwo\nth\xffree\n");
    check_failure(
        &path,
        FileSource::new(&path),
        "the file `PATH` is not UTF-8 text at byte 10; \
         convert it to UTF-8, or take out the line with that byte",
    );
}

#[test]
fn too_long() {
    let (_directory, path) = file(b"one\n123456\n");
    check_failure(
        &path,
        FileSource::new(&path).max_line_bytes(5),
        "the line of the file `PATH` that begins at byte 4 is longer than 5 bytes; \
         if this is a file of lines, raise `max_line_bytes`",
    );
}

#[test]
fn row_116_a_file_of_one_machine() {
    let (_directory, path) = file(b"one\ntwo\n");
    let source = FileSource::new(&path).fs_id("host-1").batch_lines(1);
    let name = format!("host-1::{}", path.display());
    assert_eq!(source.partitions().unwrap(), [name.as_str()]);
    let mut file = source.open(&name, Some(4)).unwrap();
    assert_eq!(file.next_batch().unwrap().items(), ["two"]);
    assert!(source.open(path.to_str().unwrap(), None).is_err());
    assert!(FileSource::new(&path).fs_id("a::b").partitions().is_err());
}
