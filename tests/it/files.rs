//! Files that are read by several runs, which go on from a recovery store.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use bytewax::connectors::csv::{CsvRow, CsvSource};
use bytewax::connectors::files::{FileSource, Unended};
use bytewax::prelude::*;
use bytewax::source::FixedPartitionedSource;
use bytewax::testing::{RunConfig, TestingSink, cluster_main};
use bytewax::{RecoveryConfig, RunError};
use tempfile::TempDir;

/// A directory with a recovery store, in which files are read.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::create_dir(place.path("store")).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// What a run reads that goes on where the last one ended.
    fn run<S>(&self, source: S) -> Result<Vec<S::Item>, RunError>
    where
        S: FixedPartitionedSource,
        S::Item: Clone + Send + Sync + bytewax::Exchange,
    {
        let out = TestingSink::new();
        let flow = Dataflow::build("files", |flow| {
            let items = flow.input(source).named("items");
            items.output(out.clone()).named("out");
        });
        let config = RunConfig::new()
            .epoch_interval(Duration::ZERO)
            .recovery(RecoveryConfig::new(self.path("store")));
        cluster_main(flow, config)?;
        Ok(out.take())
    }
}

fn cell(rows: &[CsvRow], column: &str) -> Vec<String> {
    let cells = rows.iter().map(|row| row.get(column).unwrap_or("-"));
    cells.map(str::to_owned).collect()
}

#[track_caller]
fn check_refused<T: std::fmt::Debug>(run: Result<T, RunError>, expect: &str) {
    let error = run.unwrap_err().report();
    assert!(error.contains(expect), "{error}");
}

/// A row that is still being written is one row, and none before it is whole.
#[test]
fn a_last_row_waits_for_its_end_if_there_will_be_another_run() {
    let place = Place::new();
    let path = place.write("torn.csv", "id,what\n1,cap\n2,ha");
    let source = || CsvSource::new(&path);
    assert_eq!(cell(&place.run(source()).unwrap(), "what"), ["cap"]);
    assert_eq!(place.run(source()).unwrap(), []);
    fs::write(&path, "id,what\n1,cap\n2,hat\n").unwrap();
    assert_eq!(cell(&place.run(source()).unwrap(), "what"), ["hat"]);
}

#[test]
fn a_last_line_is_read_at_once_if_it_is_asked_for() {
    let place = Place::new();
    let path = place.write("lines.txt", "one\ntw");
    let source = || FileSource::new(&path).unended(Unended::Emit);
    assert_eq!(place.run(source()).unwrap(), ["one", "tw"]);
    fs::write(&path, "one\ntwo\n").unwrap();
    check_refused(
        place.run(source()),
        "had no end when it was read, up to byte 6",
    );
    fs::write(&path, "one\ntw\nthree\n").unwrap();
    assert_eq!(place.run(source()).unwrap(), ["three"]);
}

/// A file that was read to its end may be tidied away, and one that was not may not.
#[test]
fn finished_files_that_are_tidied_away() {
    let place = Place::new();
    for (name, text) in [("a", "1\n"), ("b", "2\n"), ("c", "3\nan end to co")] {
        place.write(&format!("inbox/{name}"), text);
    }
    let source = || FileSource::new(place.path("inbox"));
    assert_eq!(place.run(source()).unwrap().len(), 3);
    fs::remove_file(place.path("inbox/a")).unwrap();
    place.write("inbox/d", "4\n");
    assert_eq!(place.run(source()).unwrap(), ["4"]);
    fs::remove_file(place.path("inbox/c")).unwrap();
    check_refused(
        place.run(source()),
        "partitions that the source does not list any more: `c`",
    );
}

#[test]
fn ranges_of_finished_files_that_are_tidied_away() {
    let place = Place::new();
    place.write("inbox/a", "1\n22\n333\n4444\n");
    place.write("inbox/b", "5\n");
    let source = || FileSource::new(place.path("inbox")).range_bytes(3);
    assert_eq!(place.run(source()).unwrap().len(), 5);
    fs::remove_file(place.path("inbox/a")).unwrap();
    assert_eq!(place.run(source()).unwrap(), [""; 0]);
}

/// Many files, of which not all can be open at once, in two runs.
#[test]
fn a_thousand_files() {
    let place = Place::new();
    for number in 0..1100 {
        place.write(&format!("inbox/{number}"), format!("{number}\n"));
    }
    let source = || FileSource::new(place.path("inbox"));
    let mut read = place.run(source()).unwrap();
    read.sort_unstable_by_key(|line| line.parse::<u32>().unwrap());
    assert!(
        read.iter()
            .map(|line| line.parse::<u32>().unwrap())
            .eq(0..1100)
    );
    assert!(place.run(source()).unwrap().is_empty());
}

/// A file whose columns are others than in the last run.
#[test]
fn a_header_that_has_changed() {
    let place = Place::new();
    let path = place.write("rows.csv", "id,name\n1,ann\n");
    let source = || CsvSource::new(&path);
    assert_eq!(cell(&place.run(source()).unwrap(), "name"), ["ann"]);
    fs::write(&path, "name,city,id\nann,Graz,1\nbob,Linz,2\n").unwrap();
    check_refused(place.run(source()), "are `name`, `city`, `id` now");
}

/// Cut, or replaced by one that is longer.
#[test]
fn another_file_of_the_same_name() {
    for new in ["x\n", "another\nfile\nwhich is longer\n"] {
        let place = Place::new();
        let path = place.write("lines.txt", "one\ntwo\n");
        let source = || FileSource::new(&path);
        assert_eq!(place.run(source()).unwrap().len(), 2);
        fs::write(&path, new).unwrap();
        check_refused(place.run(source()), "put the old file back");
    }
}

/// A line that cannot be read stops each run at the same place, or is an item beside the others.
#[test]
fn lines_that_cannot_be_read() {
    let place = Place::new();
    let long = "x".repeat(100);
    let path = place.write(
        "lines.txt",
        [b"caf\xe9\n".as_slice(), long.as_bytes(), b"\nplain\n"].concat(),
    );
    let source = || FileSource::new(&path).max_line_bytes(20);
    for _ in 0..2 {
        check_refused(place.run(source()), "byte 3 of the file is not UTF-8");
    }
    let read = place.run(source().results()).unwrap();
    let bad: Vec<_> = read.iter().filter_map(|line| line.as_ref().err()).collect();
    assert_eq!((bad[0].line(), bad[0].raw()), (1, b"caf\xe9".as_slice()));
    assert_eq!((bad[1].line(), bad[1].raw().len()), (2, 20));
    assert_eq!(read[2], Ok("plain".to_owned()));
}

/// A directory whose files are watched, by several runs.
#[test]
fn a_watched_directory() {
    let place = Place::new();
    place.write("inbox/a", "1\n2\n");
    place.write("inbox/end", "");
    let source = || {
        FileSource::new(place.path("inbox"))
            .batch_lines(1)
            .watch()
            .end_by("end")
    };
    assert_eq!(place.run(source()).unwrap(), ["1", "2"]);
    place.write("inbox/b", "3");
    assert_eq!(place.run(source()).unwrap(), ["3"]);
    fs::remove_file(place.path("inbox/a")).unwrap();
    assert!(place.run(source()).unwrap().is_empty());
}
