//! What happens to files while a flow reads them, or between two runs, at every batch: no line is lost, torn or
//! written twice, or the run is refused, and goes on when all is as it was.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use bytewax::connectors::csv::{CsvRow, CsvSource};
use bytewax::connectors::files::{BadRecord, FileSink, FileSource, Unended};
use bytewax::prelude::*;
use bytewax::source::FixedPartitionedSource;
use bytewax::testing::{AtPoll, RunConfig, cluster_main};
use bytewax::{RecoveryConfig, RunError};
use tempfile::TempDir;

/// A directory with files to read, a recovery store, and what is written.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        for name in ["store", "in"] {
            fs::create_dir(place.0.path().join(name)).unwrap();
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join("in").join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    /// Runs a flow that writes the items of a source, with something done at a poll. The answer is whether that
    /// poll came.
    fn run_at<S>(
        &self,
        source: S,
        workers: usize,
        poll: usize,
        act: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Result<bool, RunError>
    where
        S: FixedPartitionedSource,
        S::Item: Shown,
    {
        let source = AtPoll::new(source, poll, act);
        let came = source.came();
        let flow = Dataflow::build("faults", |flow| {
            let items = flow.input(source).named("items");
            let lines = items.map(|item| item.shown());
            lines
                .output(FileSink::new(self.0.path().join("out.txt")))
                .named("out");
        });
        let config = RunConfig::new()
            .workers(workers)
            .epoch_interval(Duration::ZERO)
            .recovery(RecoveryConfig::new(self.0.path().join("store")));
        cluster_main(flow, config)?;
        Ok(came.get())
    }

    /// The same, killed at a poll.
    fn kill_at<S>(&self, source: S, poll: usize) -> bool
    where
        S: FixedPartitionedSource,
        S::Item: Shown,
    {
        self.run_at(source, 1, poll, || true).unwrap()
    }

    /// Goes on to the end, with two workers.
    fn finish<S>(&self, source: S) -> Result<(), RunError>
    where
        S: FixedPartitionedSource,
        S::Item: Shown,
    {
        self.run_at(source, 2, usize::MAX, || false).map(|_| ())
    }

    /// What was written, in order of the lines.
    fn written(&self) -> Vec<String> {
        let text = fs::read_to_string(self.0.path().join("out.txt")).unwrap_or_default();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    }
}

/// An item as it is written.
trait Shown: Clone + Send + Sync + 'static {
    fn shown(self) -> String;
}

impl Shown for String {
    fn shown(self) -> String {
        self
    }
}

impl Shown for CsvRow {
    fn shown(self) -> String {
        let cells: Vec<&str> = self.cells().map(|(_, cell)| cell.unwrap_or("-")).collect();
        format!("{} {}", self.line(), cells.join(","))
    }
}

impl<T: Shown> Shown for Result<T, BadRecord> {
    fn shown(self) -> String {
        match self {
            Ok(item) => item.shown(),
            Err(bad) => format!("{} bad {}", bad.line(), bad.raw().escape_ascii()),
        }
    }
}

#[track_caller]
fn check_refused(run: Result<(), RunError>, expect: &str) {
    let error = run.unwrap_err().report();
    assert!(error.contains(expect), "{error}");
}

/// Tries a case with each poll, until a run has none of that number.
fn at_every_poll(case: impl Fn(usize) -> bool) {
    let last = (0..).find(|poll| !case(*poll)).unwrap();
    assert!(last > 3, "there were {last} polls");
}

const LINES: &str = "one\ntwo\nthree\nfour\nfive\nsix\n";

fn sorted(lines: impl IntoIterator<Item = impl Into<String>>) -> Vec<String> {
    let mut lines: Vec<String> = lines.into_iter().map(Into::into).collect();
    lines.sort_unstable();
    lines
}

/// Cut between two runs, to each length: whole lines from what is left, or refused.
#[test]
fn a_file_that_is_cut() {
    at_every_poll(|poll| {
        let mut came = false;
        for length in [0, 5, 8, 16, LINES.len()] {
            let place = Place::new();
            let path = place.write("lines.txt", LINES);
            let source = || FileSource::new(&path).batch_lines(1);
            came = place.kill_at(source(), poll);
            let before = place.written();
            fs::write(&path, &LINES[..length]).unwrap();
            if let Err(error) = place.finish(source()) {
                assert!(error.report().contains("so it was cut or replaced"));
                assert_eq!(place.written(), before);
            }
            let lines: Vec<&str> = LINES.lines().collect();
            assert!(
                place
                    .written()
                    .iter()
                    .all(|line| lines.contains(&line.as_str()))
            );
            fs::write(&path, LINES).unwrap();
            place.finish(source()).unwrap();
            assert_eq!(place.written(), sorted(LINES.lines()), "{poll}, {length}");
        }
        came
    });
}

/// Cut, and replaced in place, while it is read: the run stops, with whole lines written, and goes on when
/// the file is as it was.
#[test]
fn a_file_that_is_cut_while_it_is_read() {
    let lines: String = (0..40_000).fold(String::new(), |mut text, n| {
        let _ = writeln!(text, "line {n:05} of the file");
        text
    });
    for new in ["short\nand torn", &lines.replace("line", "LINE").repeat(2)] {
        at_every_poll(|poll| {
            let place = Place::new();
            let path = place.write("lines.txt", &lines);
            let source = || FileSource::new(&path).batch_lines(4000);
            let (cut, new) = (path.clone(), new.to_owned());
            let run = place.run_at(source(), 1, poll, move || {
                fs::write(&cut, &new).unwrap();
                false
            });
            if poll == 0 {
                // It was like that before it was opened.
                return true;
            }
            let came = match run {
                Ok(came) => came,
                Err(error) => {
                    let error = error.report();
                    let is_told = ["was changed while it was read", "so it was cut or replaced"];
                    assert!(is_told.iter().any(|text| error.contains(text)), "{error}");
                    true
                }
            };
            fs::write(&path, &lines).unwrap();
            place.finish(source()).unwrap();
            // What had come of another file before that was seen was not complete, and is gone.
            assert!(place.written() == sorted(lines.lines()), "poll {poll}");
            came
        });
    }
}

/// Replaced by a longer one.
#[test]
fn a_file_that_is_replaced() {
    let new = "eins\nzwei\ndrei\nvier\nfuenf\nsechs\nsieben\n";
    at_every_poll(|poll| {
        let place = Place::new();
        let path = place.write("lines.txt", LINES);
        let source = || FileSource::new(&path).batch_lines(1);
        let came = place.kill_at(source(), poll);
        place.write("new.txt", new);
        place.rename("lines.txt", "old.txt");
        place.rename("new.txt", "lines.txt");
        if place.written().is_empty() {
            place.finish(source()).unwrap();
            assert_eq!(place.written(), sorted(new.lines()));
            return came;
        }
        let before = place.written();
        check_refused(place.finish(source()), "put the old file back");
        assert_eq!(place.written(), before);
        place.rename("old.txt", "lines.txt");
        place.finish(source()).unwrap();
        assert_eq!(place.written(), sorted(LINES.lines()));
        came
    });
}

fn add(path: PathBuf, text: &str) {
    let mut file = File::options().append(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// Renamed between two runs, whether they were read to their ends or not, and another file in each one's
/// place.
#[test]
fn files_of_a_directory_that_are_renamed() {
    for bytes in [None, Some(6)] {
        at_every_poll(|poll| {
            let place = Place::new();
            place.write("app.log", LINES);
            place.write("app.log.1", "older\nlines\n");
            let source = || {
                let source = FileSource::new(place.path(""))
                    .batch_lines(1)
                    .unended(Unended::Emit);
                match bytes {
                    None => source,
                    Some(bytes) => source.range_bytes(bytes),
                }
            };
            let came = place.kill_at(source(), poll);
            place.rename("app.log.1", "app.log.2");
            place.rename("app.log", "app.log.1");
            if bytes.is_none() {
                add(place.path("app.log.1"), "seven\n");
            }
            if poll % 2 == 0 {
                place.write("app.log", "eight\nnine\nten\neleven\ntwelve\n");
            }
            place.kill_at(source(), 1);
            // Once more, and what was read is tidied away.
            place.rename("app.log.2", "app.log.3");
            place.rename("app.log.1", "app.log.2");
            place.finish(source()).unwrap();
            fs::remove_file(place.path("app.log.3")).unwrap();
            place.finish(source()).unwrap();
            let mut expect = vec!["older", "lines"];
            expect.extend(LINES.lines());
            if bytes.is_none() {
                expect.push("seven");
            }
            if poll % 2 == 0 {
                expect.extend(["eight", "nine", "ten", "eleven", "twelve"]);
            }
            assert_eq!(place.written(), sorted(expect), "{bytes:?}, poll {poll}");
            came
        });
    }
}

/// Renamed while a run goes on, which has not opened all of them: it stops, or reads on what it has open, and
/// the next has the rest.
#[test]
fn files_that_are_renamed_before_their_turn() {
    at_every_poll(|poll| {
        let place = Place::new();
        place.write("app.log", LINES);
        place.write("app.log.1", "older\nlines\n");
        let source = || FileSource::new(place.path("")).batch_lines(1);
        let directory = place.path("");
        let run = place.run_at(source(), 1, poll, move || {
            for (from, to) in [("app.log.1", "app.log.2"), ("app.log", "app.log.1")] {
                fs::rename(directory.join(from), directory.join(to)).unwrap();
            }
            fs::write(directory.join("app.log"), "seven\n").unwrap();
            false
        });
        let came = match run {
            Ok(came) => came,
            Err(error) => {
                let error = error.report();
                assert!(
                    error.contains("is another one than when the run began"),
                    "{error}"
                );
                true
            }
        };
        if came {
            place.finish(source()).unwrap();
            let expect = LINES.lines().chain(["older", "lines", "seven"]);
            assert_eq!(place.written(), sorted(expect), "poll {poll}");
        }
        came
    });
}

/// One file of the same content as another that is gone is not taken for it.
#[test]
fn a_new_file_that_looks_like_one_that_is_gone() {
    let place = Place::new();
    place.write("a", "same\n");
    place.write("b", "other\n");
    let source = || FileSource::new(place.path(""));
    place.finish(source()).unwrap();
    // Its number may be given again only when it is gone.
    place.write("c", "same\n");
    fs::remove_file(place.path("a")).unwrap();
    place.finish(source()).unwrap();
    assert_eq!(place.written(), ["other", "same", "same"]);
}

/// A copy of the directory on another disk, say: no file has its number any more.
#[test]
fn files_that_were_copied() {
    at_every_poll(|poll| {
        let place = Place::new();
        place.write("a", "a1\na2\na3\n");
        place.write("b", "b1\nb2\nb3\n");
        let source = || FileSource::new(place.path("")).batch_lines(1);
        let came = place.kill_at(source(), poll);
        for name in ["a", "b"] {
            fs::copy(place.path(name), place.0.path().join(name)).unwrap();
        }
        // In the other order, so that their numbers are swapped on many file systems.
        for name in ["a", "b"] {
            fs::remove_file(place.path(name)).unwrap();
        }
        for name in ["b", "a"] {
            fs::copy(place.0.path().join(name), place.path(name)).unwrap();
        }
        place.finish(source()).unwrap();
        assert_eq!(place.written(), ["a1", "a2", "a3", "b1", "b2", "b3"]);
        came
    });
}

/// Of a watched directory: renamed while it is read, and when it was.
#[test]
fn files_of_a_watched_directory_that_are_renamed() {
    at_every_poll(|poll| {
        let place = Place::new();
        place.write("a", "a1\na2\na3\n");
        place.write("b", "b1\nb2\nb3\n");
        place.write("end", "");
        let source = || {
            let source = FileSource::new(place.path("")).batch_lines(1);
            source.watch().every(Duration::ZERO).end_by("end")
        };
        let came = place.kill_at(source(), poll);
        place.rename("b", "c");
        place.rename("a", "b");
        if poll % 2 == 0 {
            place.write("a", "new\n");
        }
        let directory = place.path("");
        // And again while the next run goes on.
        let run = place.run_at(source(), 1, 1, move || {
            fs::rename(directory.join("b"), directory.join("d")).unwrap();
            false
        });
        if let Err(error) = run {
            assert!(error.report().contains("cannot open the file"), "{error:?}");
        }
        place.finish(source()).unwrap();
        let mut expect = vec!["a1", "a2", "a3", "b1", "b2", "b3"];
        expect.extend((poll % 2 == 0).then_some("new"));
        assert_eq!(place.written(), sorted(expect), "poll {poll}");
        came
    });
}

#[test]
fn columns_that_have_changed() {
    let old = "id,name\n1,ann\n2,bob\n3,cid\n4,dan\n";
    at_every_poll(|poll| {
        let place = Place::new();
        let path = place.write("rows.csv", old);
        let source = || CsvSource::new(&path).batch_rows(1);
        let came = place.kill_at(source(), poll);
        fs::write(&path, "name,id,city\nann,1,Graz\nbob,2,Linz\ncid,3,Wien\n").unwrap();
        if !place.written().is_empty() {
            check_refused(place.finish(source()), "are `name`, `id`, `city` now");
        }
        fs::write(&path, old).unwrap();
        place.finish(source()).unwrap();
        assert_eq!(
            place.written(),
            ["2 1,ann", "3 2,bob", "4 3,cid", "5 4,dan"]
        );
        came
    });
}

/// Written byte by byte, with a run after each, and the last of them killed.
#[test]
fn a_row_that_is_still_being_written() {
    let text = "id,name\n1,ann\n2,\"hat, ter\"\n3,cid\n";
    let place = Place::new();
    let path = place.path("rows.csv");
    let source = || CsvSource::new(&path).batch_rows(1);
    for length in 1..=text.len() {
        fs::write(&path, &text[..length]).unwrap();
        if length % 3 == 0 {
            place.kill_at(source(), length % 2);
        }
        place.finish(source()).unwrap();
    }
    assert_eq!(place.written(), ["2 1,ann", "3 2,hat, ter", "4 3,cid"]);
}

/// More files than may be open, killed now and then.
#[test]
fn more_files_than_may_be_open() {
    let place = Place::new();
    for number in 0..1100 {
        place.write(&format!("{number:04}"), format!("{number:04}\n"));
    }
    let source = || FileSource::new(place.path(""));
    for poll in [0, 1, 63, 64, 65, 500] {
        place.kill_at(source(), poll);
    }
    place.finish(source()).unwrap();
    let expect: Vec<String> = (0..1100).map(|number| format!("{number:04}")).collect();
    assert_eq!(place.written(), expect);
}

/// All that was read to its end is tidied away after each kill.
#[test]
fn finished_files_that_are_tidied_away() {
    at_every_poll(|poll| {
        let place = Place::new();
        let files = [("a", "a1\na2\n"), ("b", "b1\n"), ("c", "c1\nc2\nc3\n")];
        for (name, text) in files {
            place.write(name, text);
        }
        let source = || FileSource::new(place.path("")).batch_lines(1);
        let came = place.kill_at(source(), poll);
        for (name, _) in files {
            // It is missed if it was not read to its end, and else not.
            place.rename(name, &format!("../{name}"));
            if let Err(error) = place.finish(source()) {
                assert!(
                    error.report().contains("does not list any more"),
                    "{error:?}"
                );
            }
            place.rename(&format!("../{name}"), name);
        }
        place.finish(source()).unwrap();
        assert_eq!(place.written(), ["a1", "a2", "b1", "c1", "c2", "c3"]);
        for (name, _) in files {
            fs::remove_file(place.path(name)).unwrap();
        }
        place.finish(source()).unwrap();
        assert_eq!(place.written().len(), 6);
        came
    });
}

/// A quote that is never closed, a line that is no text and one that is too long stop each run at the same
/// place, or are one item each, wherever a run is killed.
#[test]
fn records_that_cannot_be_read() {
    let long = "x".repeat(100);
    let mut text = format!("id,name\n1,ann\n2,\"bob\n3,cid\n4,{long}\n5,").into_bytes();
    text.extend(b"caf\xe9\n6,eve\n");
    at_every_poll(|poll| {
        let place = Place::new();
        let path = place.write("rows.csv", &text);
        let source = || CsvSource::new(&path).batch_rows(1).max_row_bytes(50);
        let came = place.kill_at(source().results(), poll);
        place.finish(source().results()).unwrap();
        let expect = [
            "2 1,ann".to_owned(),
            "3 bad 2,\\\"bob".to_owned(),
            "4 3,cid".to_owned(),
            format!("5 bad 4,{}", &long[..48]),
            "6 bad 5,caf\\xe9".to_owned(),
            "7 6,eve".to_owned(),
        ];
        assert_eq!(place.written(), expect, "poll {poll}");
        came
    });
    let place = Place::new();
    let path = place.write("rows.csv", &text);
    let source = || CsvSource::new(&path).batch_rows(1).max_row_bytes(50);
    for _ in 0..3 {
        let expect = "line 3 of the file";
        check_refused(place.finish(source()), expect);
        assert_eq!(place.written(), ["2 1,ann"]);
    }
}
