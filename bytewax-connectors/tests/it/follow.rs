//! Files that are followed as they grow, are rotated and are cut, each stopped after every poll.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bytewax_connectors::files::{FileSource, FollowPosition};
use bytewax_runtime::StepError;
use bytewax_runtime::source::{FixedPartitionedSource, StatefulSourcePartition};
use bytewax_runtime::state;
use tempfile::TempDir;

/// Polls a file that is open: the lines that came, and where it is behind them.
type Poll = dyn FnMut() -> Result<(Vec<String>, FollowPosition), StepError>;

/// A log file, and a reader that follows it.
struct Log {
    directory: TempDir,
    path: PathBuf,
    /// How often the file was rotated.
    time: u64,
    lines: Vec<String>,
    position: Option<FollowPosition>,
    /// Whether the reader is stopped after each poll, and begun anew at its position.
    stops: bool,
    open: Option<Box<Poll>>,
}

impl Log {
    fn new(stops: bool) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("app.log");
        Self {
            directory,
            path,
            time: 0,
            lines: Vec::new(),
            position: None,
            stops,
            open: None,
        }
    }

    fn other(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Adds text, at a time that goes on with each addition.
    fn add_to(&mut self, path: &Path, text: &str) {
        let mut options = File::options();
        let mut file = options.append(true).create(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        self.time += 1;
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + self.time);
        file.set_modified(time).unwrap();
    }

    fn add(&mut self, text: &str) {
        self.add_to(&self.path.clone(), text);
    }

    fn rename(&self, name: &str) {
        fs::rename(&self.path, self.other(name)).unwrap();
    }

    fn open(&mut self) -> Result<(), StepError> {
        let source = FileSource::new(&self.path).batch_lines(1).follow();
        let mut file = source.open(self.path.to_str().unwrap(), self.position)?;
        self.open = Some(Box::new(move || {
            let lines = file.next_batch()?.into_items();
            Ok((lines, file.snapshot()))
        }));
        Ok(())
    }

    fn poll(&mut self) -> Result<bool, StepError> {
        if self.open.is_none() {
            self.open()?;
        }
        let (lines, position) = self.open.as_mut().unwrap()()?;
        let mut bytes = Vec::new();
        state::seal(&position, &mut bytes).unwrap();
        self.position = Some(state::open(&bytes).unwrap());
        let has_come = !lines.is_empty();
        self.lines.extend(lines);
        if self.stops && has_come {
            self.stop();
        }
        Ok(has_come)
    }

    fn stop(&mut self) {
        self.open = None;
    }

    /// Reads until a few polls give nothing.
    fn read(&mut self) {
        let mut idle = 0;
        while idle < 4 {
            idle = if self.poll().unwrap() { 0 } else { idle + 1 };
        }
    }

    #[track_caller]
    fn has(&mut self, expect: &[&str]) {
        self.read();
        assert_eq!(self.lines, expect);
    }
}

/// Runs a case with a reader that goes on, and with one that is stopped whenever lines have come.
fn both(case: impl Fn(Log)) {
    case(Log::new(false));
    case(Log::new(true));
}

#[test]
fn a_file_that_grows() {
    both(|mut log| {
        log.add("one\ntw");
        log.has(&["one"]);
        log.add("o\n");
        log.has(&["one", "two"]);
        log.add("\nthree\r");
        log.has(&["one", "two", "", "three"]);
        log.add("\nfour\n");
        log.has(&["one", "two", "", "three", "four"]);
    });
}

#[test]
fn a_file_that_is_not_there_yet() {
    both(|mut log| {
        log.has(&[]);
        log.add("one\n");
        log.has(&["one"]);
    });
}

/// What a writer still writes to a renamed file is read, and what was in it when another took its name.
#[test]
fn rotation_by_rename() {
    both(|mut log| {
        log.add("one\n");
        log.has(&["one"]);
        log.add("two\n");
        log.rename("app.log.1");
        let renamed = log.other("app.log.1");
        log.add_to(&renamed, "three\n");
        log.has(&["one", "two", "three"]);
        log.add("four\n");
        assert!(
            !log.poll().unwrap(),
            "the writer may still have the old one open"
        );
        log.add_to(&renamed, "late\n");
        log.has(&["one", "two", "three", "late", "four"]);
        log.add("five\n");
        log.has(&["one", "two", "three", "late", "four", "five"]);
    });
}

/// Several rotations that nobody has seen.
#[test]
fn several_rotations_at_once() {
    both(|mut log| {
        log.add("one\n");
        log.has(&["one"]);
        log.stop();
        log.add("two\n");
        log.rename("app.log.3");
        log.add("three\n");
        log.rename("app.log.2");
        log.add("four");
        log.rename("app.log.1");
        log.add("five\n");
        // Not of this log.
        fs::write(log.other("app.log.lock"), "no\n").unwrap();
        log.has(&["one", "two", "three", "four", "five"]);
    });
}

#[cfg(feature = "gzip")]
#[test]
fn a_rotated_file_that_is_compressed_meanwhile() {
    both(|mut log| {
        log.add("one\ntwo\n");
        assert!(log.poll().unwrap());
        log.stop();
        let text = fs::read(&log.path).unwrap();
        let zipped = File::create(log.other("app.log.1.gz")).unwrap();
        let mut encoder = flate2::write::GzEncoder::new(zipped, flate2::Compression::fast());
        encoder.write_all(&text).unwrap();
        encoder.finish().unwrap();
        fs::remove_file(&log.path).unwrap();
        log.add("three\n");
        log.has(&["one", "two", "three"]);
    });
}

#[test]
fn rotation_by_copy_and_truncation() {
    for stopped in [false, true] {
        both(|mut log| {
            log.add("one\n");
            log.has(&["one"]);
            if stopped {
                log.stop();
            }
            log.add("two\nthr");
            fs::copy(&log.path, log.other("app.log.1")).unwrap();
            File::options()
                .write(true)
                .open(&log.path)
                .unwrap()
                .set_len(0)
                .unwrap();
            log.add("four is longer than what was there before\n");
            // The copy is all there will be of its last line.
            let expect = [
                "one",
                "two",
                "thr",
                "four is longer than what was there before",
            ];
            log.has(&expect);
        });
    }
}

/// Cut without a copy, to less and to more than what was read of it.
#[test]
fn truncation() {
    for stopped in [false, true] {
        for new in ["1\n", "another first line\nand a second\n"] {
            both(|mut log| {
                log.add("one\ntwo\n");
                log.has(&["one", "two"]);
                if stopped {
                    log.stop();
                }
                File::options()
                    .write(true)
                    .open(&log.path)
                    .unwrap()
                    .set_len(0)
                    .unwrap();
                log.add(new);
                let expect: Vec<&str> = ["one", "two"].into_iter().chain(new.lines()).collect();
                log.has(&expect);
            });
        }
    }
}

/// Files that begin alike are not taken for each other: each has the same first line.
#[test]
fn files_that_begin_alike() {
    both(|mut log| {
        log.add("begun\n");
        log.has(&["begun"]);
        log.stop();
        log.add("one\n");
        log.rename("app-20240131.log");
        log.add("begun\ntwo\n");
        log.has(&["begun", "one", "begun", "two"]);
    });
}

#[test]
fn a_file_that_is_gone_for_good() {
    let mut log = Log::new(true);
    log.add("one\n");
    log.has(&["one"]);
    log.stop();
    fs::remove_file(&log.path).unwrap();
    // Another file keeps its number from being given to the new one.
    log.add_to(&log.other("other"), "");
    log.add("two\n");
    let error = log.poll().unwrap_err().to_string();
    assert!(
        error.contains("was read up to byte 4, and is not there any more"),
        "{error}"
    );
}

#[test]
fn what_cannot_be_followed() {
    let log = Log::new(false);
    let check = |path: &Path| {
        let source = FileSource::new(path).follow();
        let name = source.partitions().unwrap().remove(0);
        let polled = source
            .open(&name, None)
            .and_then(|mut file| file.next_batch());
        let error = polled.unwrap_err().to_string();
        assert!(error.contains("cannot be followed"), "{error}");
    };
    check(log.directory.path());
    let zipped = log.other("log.gz");
    fs::write(&zipped, "").unwrap();
    check(&zipped);
}

#[cfg(feature = "csv")]
#[test]
fn rows_are_followed_with_their_columns() {
    use bytewax_connectors::csv::CsvSource;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rows.csv");
    let source = CsvSource::<(u64, String)>::typed(&path).follow();
    let mut rows = source.open(path.to_str().unwrap(), None).unwrap();
    let mut read = move || -> Result<Vec<u64>, StepError> {
        let mut read = Vec::new();
        for _ in 0..6 {
            read.extend(rows.next_batch()?.into_items().into_iter().map(|row| row.0));
        }
        Ok(read)
    };
    fs::write(&path, "id,na").unwrap();
    assert!(read().unwrap().is_empty());
    fs::write(&path, "id,name\n1,ann\n2,b").unwrap();
    assert_eq!(read().unwrap(), [1]);
    fs::write(&path, "id,name\n1,ann\n2,bob\n").unwrap();
    assert_eq!(read().unwrap(), [2]);
    fs::rename(&path, directory.path().join("rows.1.csv")).unwrap();
    fs::write(&path, "id,name\n3,cid\n").unwrap();
    assert_eq!(read().unwrap(), [3]);
    fs::rename(&path, directory.path().join("rows.2.csv")).unwrap();
    fs::write(&path, "name,id\ndan,4\n").unwrap();
    let error = read().unwrap_err().to_string();
    assert!(error.contains("are `name`, `id` now"), "{error}");
}

/// All items of a followed file that grows by a byte between any two polls of one reader.
fn grown_by_bytes<S>(source: &S, path: &Path, text: &str) -> Vec<S::Item>
where
    S: FixedPartitionedSource<Position = FollowPosition>,
    S::Item: Clone,
{
    fs::write(path, "").unwrap();
    let mut file = source.open(path.to_str().unwrap(), None).unwrap();
    let mut items = Vec::new();
    for byte in text.as_bytes() {
        let mut log = File::options().append(true).open(path).unwrap();
        log.write_all(&[*byte]).unwrap();
        for _ in 0..2 {
            items.extend(file.next_batch().unwrap().into_items());
        }
    }
    items
}

/// What has not ended is one record when it has, however much of it was cut off before.
#[test]
fn long_lines_that_grow_are_one_line_each() {
    use bytewax_connectors::files::TooLong;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.log");
    let text = "one\nseventeen and more\r\ntwo\n";
    let source = || FileSource::new(&path).max_line_bytes(5);
    let truncated = source().too_long(TooLong::Truncate).follow();
    let lines = grown_by_bytes(&truncated, &path, text);
    assert_eq!(lines, ["one", "seven…", "two"]);
    let lines = grown_by_bytes(&source().results().follow(), &path, text);
    let shown = lines.into_iter().map(|line| match line {
        Ok(line) => line,
        Err(bad) => format!("line {}, {}", bad.line(), bad.raw_text()),
    });
    assert_eq!(shown.collect::<Vec<_>>(), ["one", "line 2, seven", "two"]);
}

#[cfg(feature = "csv")]
#[test]
fn rows_that_grow_are_one_row_each() {
    use bytewax_connectors::csv::CsvSource;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rows.csv");
    let text = "id,note\n1,\"two\nlines, or\n\"\n# one, two\n2,\"open\n3,c\n4,much_too_long_for_a_row\n5,d\n";
    let source = CsvSource::<(u64, String)>::typed(&path);
    let source = source.comment(b'#').max_row_bytes(20).results();
    let rows = grown_by_bytes(&source.follow(), &path, text);
    let shown = rows.into_iter().map(|row| match row {
        Ok((id, note)) => format!("{id} {note}"),
        Err(bad) => format!("line {}, {}", bad.line(), bad.raw_text()),
    });
    let expect = [
        "1 two\nlines, or\n",
        "line 6, 2,\"open",
        "3 c",
        "line 8, 4,much_too_long_for_",
        "5 d",
    ];
    assert_eq!(shown.collect::<Vec<_>>(), expect);
}
