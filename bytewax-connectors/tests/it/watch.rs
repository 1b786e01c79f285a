//! Directories that are watched for new files.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use bytewax_connectors::files::{FileSource, WatchPosition, Watched};
use bytewax_runtime::StepError;
use bytewax_runtime::source::{FixedPartitionedSource, StatefulSourcePartition};
use bytewax_runtime::testing::connector::check_source;
use tempfile::TempDir;

fn directory(files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    add(directory.path(), files);
    directory
}

fn add(directory: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        fs::write(directory.join(name), text).unwrap();
    }
}

/// What a run reads until it finds nothing new, and where it is then.
fn read(
    source: &Watched<FileSource>,
    resume: Option<WatchPosition>,
) -> Result<(Vec<String>, WatchPosition), StepError> {
    let name = source.partitions()?.remove(0);
    let mut watched = source.open(&name, resume)?;
    let mut lines = Vec::new();
    let mut idle = 0;
    while idle < 3 {
        let batch = watched.next_batch()?;
        if batch.is_end() {
            break;
        }
        idle = if batch.items().is_empty() {
            idle + 1
        } else {
            0
        };
        lines.extend(batch.into_items());
    }
    Ok((lines, watched.snapshot()))
}

#[test]
fn new_files_are_read_in_order_and_once() {
    let inbox = directory(&[("b.txt", "3\n"), ("a.txt", "1\n2"), (".c.txt.tmp", "no")]);
    let source = FileSource::new(inbox.path()).pattern("[a-z]*.txt").watch();
    let (lines, position) = read(&source, None).unwrap();
    assert_eq!(lines, ["1", "2", "3"]);
    assert_eq!((position.files_done(), position.current()), (2, None));
    add(inbox.path(), &[("0.txt", "no\n"), ("aa.txt", "4\n")]);
    let (lines, position) = read(&source, Some(position)).unwrap();
    assert_eq!((lines, position.files_done()), (vec!["4".to_owned()], 3));
    assert_eq!(
        read(&source, Some(position.clone())).unwrap(),
        (vec![], position)
    );
}

/// A file that was tidied away is forgotten, and blocks nothing.
#[test]
fn finished_files_that_are_gone_are_forgotten() {
    let inbox = directory(&[("a", "1\n"), ("b", "2\n")]);
    let source = FileSource::new(inbox.path()).watch();
    let (_, position) = read(&source, None).unwrap();
    fs::remove_file(inbox.path().join("a")).unwrap();
    let (lines, position) = read(&source, Some(position)).unwrap();
    assert_eq!((lines.len(), position.files_done()), (0, 1));
    add(inbox.path(), &[("a", "3\n")]);
    assert_eq!(read(&source, Some(position)).unwrap().0, ["3"]);
}

#[test]
fn stopped_behind_each_batch() {
    let inbox = directory(&[("a", "1\n2\n\n"), ("b", ""), ("c", "3\n4"), ("end", "")]);
    let source = || {
        FileSource::new(inbox.path())
            .batch_lines(1)
            .watch()
            .end_by("end")
    };
    let lines = check_source(source).unwrap();
    assert_eq!(lines[0].1, ["1", "2", "", "3", "4"]);
}

#[test]
fn complete_by_a_file_beside_it() {
    let inbox = directory(&[("a", "1\n"), ("b", "2\n"), ("b.ok", "")]);
    let source = FileSource::new(inbox.path()).watch().complete_by(".ok");
    let (lines, position) = read(&source, None).unwrap();
    assert_eq!(lines, ["2"]);
    add(inbox.path(), &[("a.ok", "")]);
    assert_eq!(read(&source, Some(position)).unwrap().0, ["1"]);
}

#[test]
fn complete_after_a_while() {
    let inbox = directory(&[("a", "1\n"), ("end", "")]);
    let source = |time| FileSource::new(inbox.path()).watch().complete_after(time);
    // It is never quiet for so long, and the input does not end before it is read.
    let long = source(Duration::from_secs(3600)).end_by("end");
    let mut watched = long.open(inbox.path().to_str().unwrap(), None).unwrap();
    for _ in 0..3 {
        let batch = watched.next_batch().unwrap();
        assert!(batch.items().is_empty() && !batch.is_end());
    }
    let short = source(Duration::ZERO).end_by("end");
    let mut watched = short.open(inbox.path().to_str().unwrap(), None).unwrap();
    assert!(watched.next_batch().unwrap().items().is_empty());
    add(inbox.path(), &[("a", "1\n2\n")]);
    assert!(
        watched.next_batch().unwrap().items().is_empty(),
        "it has changed"
    );
    assert_eq!(watched.next_batch().unwrap().items(), ["1", "2"]);
    assert!(watched.next_batch().unwrap().is_end());
}

#[test]
fn a_file_that_changes_after_it_was_read() {
    let inbox = directory(&[("a", "1\n")]);
    let source = FileSource::new(inbox.path()).watch();
    let (_, position) = read(&source, None).unwrap();
    add(inbox.path(), &[("a", "1\n2\n")]);
    let error = read(&source, Some(position)).unwrap_err().to_string();
    assert!(
        error.contains("has changed since it was taken for complete"),
        "{error}"
    );
    assert!(
        error.contains("move the file out of the directory"),
        "{error}"
    );
}

/// The disk that it is on was unmounted, say: then all its files would seem new.
#[test]
fn another_directory_in_its_place() {
    let place = directory(&[]);
    let inbox = place.path().join("inbox");
    fs::create_dir(&inbox).unwrap();
    let source = FileSource::new(&inbox).watch();
    let mut watched = source.open(inbox.to_str().unwrap(), None).unwrap();
    assert!(watched.next_batch().unwrap().items().is_empty());
    fs::rename(&inbox, place.path().join("old")).unwrap();
    fs::create_dir(&inbox).unwrap();
    let error = watched.next_batch().unwrap_err().to_string();
    assert!(
        error.contains("is another directory than when the run began"),
        "{error}"
    );
    let file = place.path().join("file");
    fs::write(&file, "").unwrap();
    let source = FileSource::new(&file).watch();
    assert!(source.open(file.to_str().unwrap(), None).is_err());
}
