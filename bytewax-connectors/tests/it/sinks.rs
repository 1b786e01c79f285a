//! Flows that write files, what is left after crashes, and what they say when they cannot.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use bytewax_connectors::files::{DirSink, FileSink, FileSinkPartition};
use bytewax_runtime::delivery::Transactional;
use bytewax_runtime::operators::Sink;
use bytewax_runtime::prelude::*;
use bytewax_runtime::sink::{FixedPartitionedSink, StatefulSinkPartition};
use bytewax_runtime::testing::{RunConfig, TestingItem, TestingSource, cluster_main, run_main};
use bytewax_runtime::{Epoch, RunError, StepError};
use proptest::prelude::*;

type Pair = (u8, String);

fn open<S>(sink: &S, partition: &str, resume: Option<u64>) -> Result<FileSinkPartition, StepError>
where
    S: FixedPartitionedSink<
            u8,
            String,
            Transactional,
            Position = u64,
            Partition = FileSinkPartition,
        >,
{
    sink.open(partition, resume)
}

fn file_at(path: &Path, resume: Option<u64>) -> Result<FileSinkPartition, StepError> {
    open(&FileSink::new(path), path.to_str().unwrap(), resume)
}

fn write(file: &mut FileSinkPartition, values: &[&'static str]) {
    file.write_batch(values.to_vec()).unwrap();
}

fn snapshot(file: &mut FileSinkPartition) -> u64 {
    StatefulSinkPartition::<&str>::snapshot(file).unwrap()
}

fn run<K>(items: &[(u8, &str)], sink: impl Sink<Pair, K>) -> Result<(), RunError> {
    let items: Vec<Pair> = items
        .iter()
        .map(|(key, text)| (*key, (*text).to_owned()))
        .collect();
    run_main(Dataflow::build("lines", |flow| {
        let items = flow.input(TestingSource::new(items)).named("items");
        items.output(sink).named("out");
    }))
}

/// What is said of the file or directory at `path`, which becomes `PATH`.
#[track_caller]
fn check_text<T>(path: &Path, result: Result<T, StepError>, expect: &str) {
    let text = result.err().unwrap().to_string();
    assert_eq!(text.replace(path.to_str().unwrap(), "PATH"), expect);
}

fn partitions<S: FixedPartitionedSink<u8, String, Transactional>>(
    sink: &S,
) -> Result<Vec<String>, StepError> {
    sink.partitions()
}

#[test]
fn row_119_lines_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out.txt");
    run(&[(1, "a"), (2, "b"), (3, "c")], FileSink::new(&path)).unwrap();
    assert_eq!(fs::read_to_string(path).unwrap(), "a\nb\nc\n");
}

#[test]
fn row_120_a_file_for_each_number() {
    let directory = tempfile::tempdir().unwrap();
    let sink = DirSink::new(directory.path(), 3).assign(|key: &u8| usize::from(*key));
    run(&[(1, "b"), (0, "a"), (2, "c"), (4, "d")], sink).unwrap();
    for (name, expect) in [("part_0", "a\n"), ("part_1", "b\nd\n"), ("part_2", "c\n")] {
        let text = fs::read_to_string(directory.path().join(name)).unwrap();
        assert_eq!(text, expect, "{name}");
    }
}

/// The order of more than ten names is that of their numbers.
#[test]
fn numbers_are_those_of_the_list() {
    let directory = tempfile::tempdir().unwrap();
    let sink = DirSink::new(directory.path(), 12)
        .names(|index| format!("{index}.txt"))
        .assign(|key: &u8| usize::from(*key));
    run(&[(2, "two"), (10, "ten")], sink).unwrap();
    let read = |name| fs::read_to_string(directory.path().join(name)).unwrap();
    assert_eq!(
        (read("2.txt").as_str(), read("10.txt").as_str()),
        ("two\n", "ten\n")
    );
    assert_eq!(
        fs::read_dir(directory.path()).unwrap().count(),
        2,
        "others are not made"
    );
}

#[test]
fn keys_are_spread_by_hash() {
    let directory = tempfile::tempdir().unwrap();
    let items: Vec<_> = (0..64).map(|key| (key, "x")).collect();
    run(&items, DirSink::new(directory.path(), 4)).unwrap();
    let files = fs::read_dir(directory.path()).unwrap();
    let sizes: Vec<u64> = files
        .map(|file| file.unwrap().metadata().unwrap().len())
        .collect();
    assert_eq!(sizes.iter().sum::<u64>(), 128);
    assert_eq!(sizes.len(), 4, "{sizes:?}");
}

#[test]
fn row_121_resumed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out.txt");
    let mut file = file_at(&path, None).unwrap();
    write(&mut file, &["one", "two"]);
    write(&mut file, &["three"]);
    let saved = snapshot(&mut file);
    write(&mut file, &["four"]);
    drop(file);

    let mut file = file_at(&path, Some(saved)).unwrap();
    assert_eq!(snapshot(&mut file), saved);
    write(&mut file, &["five", "six"]);
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        "one\ntwo\nthree\nfive\nsix\n"
    );
}

#[test]
fn row_122_replaced_by_the_first_item() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out.txt");
    fs::write(&path, "old and long\n").unwrap();
    run(&[], FileSink::new(&path)).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "old and long\n");
    run(&[(1, "new")], FileSink::new(&path)).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "new\n");
}

#[test]
fn row_78_missing_directory() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing");
    let path = missing.join("out.txt");
    let expect =
        "cannot write in the directory `PATH`; it must be there for each process of the run";
    check_text(&missing, partitions(&FileSink::new(&path)), expect);
    check_text(&missing, partitions(&DirSink::new(&missing, 2)), expect);
    let error = run(&[(1, "a")], FileSink::new(&path)).unwrap_err();
    assert_eq!(error.step_id().unwrap().as_str(), "lines.out");
    assert!(
        error.report().contains("No such file"),
        "{}",
        error.report()
    );

    let no_directory = directory.path().join("file");
    fs::write(&no_directory, "").unwrap();
    check_text(
        &no_directory,
        partitions(&DirSink::new(&no_directory, 2)),
        expect,
    );
}

#[test]
fn a_name_alone_is_in_the_working_directory() {
    assert_eq!(partitions(&FileSink::new("out.txt")).unwrap(), ["out.txt"]);
}

#[test]
fn wrong_lists_of_files() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let none = DirSink::new(path, 0);
    let expect = "the sink of the directory `PATH` cannot have these files: their number is 0; give at least 1";
    check_text(path, partitions(&none), expect);
    let twice = DirSink::new(path, 2).names(|_| "same".to_owned());
    let expect = "the sink of the directory `PATH` cannot have these files: two have the name `same`; give each a name of its own";
    check_text(path, partitions(&twice), expect);
}

#[test]
fn other_partitions() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out.txt");
    let expect = "the source or sink of `PATH` has no partition `other.txt`";
    check_text(
        &path,
        open(&FileSink::new(&path), "other.txt", None),
        expect,
    );
    let path = directory.path();
    check_text(
        path,
        open(&DirSink::new(path, 2), "other.txt", None),
        expect,
    );
}

#[test]
fn gone_or_cut_short() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out.txt");
    let gone = "cannot open the file `PATH`, which was written up to byte 5 before; \
                put it back, or start with a fresh recovery store";
    check_text(&path, file_at(&path, Some(5)), gone);
    fs::write(&path, "four").unwrap();
    let cut = "the file `PATH` is 4 bytes long, but was written up to byte 5 before, so it was cut \
               or replaced; put the old file back, or start with a fresh recovery store";
    check_text(&path, file_at(&path, Some(5)), cut);
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        "four",
        "it is left as it was"
    );
}

/// No position is saved that the file does not have.
#[test]
fn cut_short_while_it_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out.txt");
    let mut file = file_at(&path, None).unwrap();
    write(&mut file, &["one"]);
    fs::write(&path, "").unwrap();
    let saved = StatefulSinkPartition::<&str>::snapshot(&mut file);
    let expect = "the file `PATH` is 0 bytes long, but was written up to byte 4 before, so it was cut \
                  or replaced; put the old file back, or start with a fresh recovery store";
    check_text(&path, saved, expect);
}

/// No position is saved of a file that nobody finds again, whether something was written since or not.
#[cfg(unix)]
#[test]
fn renamed_or_removed_while_it_is_written() {
    type Change<'a> = &'a dyn Fn(&Path);

    let gone = "it is not there any more";
    let other = "another file is in its place";
    let changes: [(Change<'_>, _); 4] = [
        (&|path| fs::remove_file(path).unwrap(), gone),
        (
            &|path| fs::rename(path, path.with_extension("1")).unwrap(),
            gone,
        ),
        (
            &|path| fs::remove_dir_all(path.parent().unwrap()).unwrap(),
            gone,
        ),
        (
            &|path| {
                fs::rename(path, path.with_extension("1")).unwrap();
                fs::write(path, "one\ntwo\n").unwrap();
            },
            other,
        ),
    ];
    for (change, how) in changes {
        for more in [&["two"][..], &[]] {
            let place = tempfile::tempdir().unwrap();
            let path = place.path().join("out").join("out.txt");
            fs::create_dir(path.parent().unwrap()).unwrap();
            let mut file = file_at(&path, None).unwrap();
            write(&mut file, &["one"]);
            assert_eq!(snapshot(&mut file), 4);
            change(&path);
            write(&mut file, more);
            let expect = format!(
                "the file `PATH` was lost while it was written, up to byte {}: {how}; put the file \
                 back under this name and run the flow again with its recovery store, or start with \
                 a fresh one; to begin a new file now and then, stop the flow before the old one is \
                 moved",
                4 + 4 * more.len()
            );
            // Also in an epoch without values, of which no position is saved.
            let ended = StatefulSinkPartition::<&str>::end_epoch(&mut file, Epoch(2));
            check_text(&path, ended, &expect);
            let saved = StatefulSinkPartition::<&str>::snapshot(&mut file);
            check_text(&path, saved, &expect);
            let closed = StatefulSinkPartition::<&str>::close(&mut file);
            check_text(&path, closed, &expect);
        }
    }
}

#[test]
fn in_use() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out.txt");
    let mut file = file_at(&path, None).unwrap();
    write(&mut file, &["one"]);
    let expect = "the file `PATH` is being written by another step or run; \
                  write to another file, or wait until that run has ended";
    check_text(&path, file_at(&path, None), expect);
    assert_eq!(fs::read_to_string(&path).unwrap(), "one\n");
    drop(file);
    file_at(&path, None).unwrap();
}

#[cfg(unix)]
#[test]
fn devices() {
    let null = Path::new("/dev/null");
    let mut file = file_at(null, None).unwrap();
    write(&mut file, &["one"]);
    assert_eq!(snapshot(&mut file), 4);
    let expect = "`PATH` is not a regular file, so writing cannot go on at the saved byte 4; \
                  write to a file, or start with a fresh recovery store";
    check_text(null, file_at(null, Some(4)), expect);
}

#[cfg(target_os = "linux")]
#[test]
fn disk_full() {
    let full = Path::new("/dev/full");
    let error = file_at(full, None).unwrap().write_batch(vec!["one"]);
    check_text(full, error, "cannot write the file `PATH` after byte 0");
}

#[test]
fn a_value_that_cannot_be_written() {
    struct Mute;
    impl std::fmt::Display for Mute {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            Err(std::fmt::Error)
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out.txt");
    let written = file_at(&path, None).unwrap().write_batch(vec![Mute]);
    let expect = "a value cannot be written to the file `PATH` after byte 0: \
                  its `Display` returned an error";
    check_text(&path, written, expect);
}

/// What happens to a file between two snapshots.
#[derive(Clone, Debug)]
enum Stop {
    /// Nothing: it is written on.
    No,
    /// The partition is opened anew at its last position.
    Clean,
    /// So, with this torn tail at its end.
    Torn(Vec<u8>),
}

fn stop() -> impl Strategy<Value = Stop> {
    prop_oneof![
        3 => Just(Stop::No),
        1 => Just(Stop::Clean),
        2 => prop::collection::vec(any::<u8>(), 0..9).prop_map(Stop::Torn),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// The law of recovery for a sink: values of epochs whose position was saved are there once, be
    /// it after any number of crashes; after a crash the values of its epoch are written again.
    #[test]
    fn stopped_anywhere(
        epochs in prop::collection::vec((prop::collection::vec("[a-zé\n]{0,5}", 0..6), 0..7_usize, stop()), 0..12),
        end in prop_oneof![Just("\n"), Just(""), Just("\r\n")],
    ) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out.txt");
        let sink = FileSink::new(&path).line_end(end);
        let open = |resume| {
            FixedPartitionedSink::<u8, String, Transactional>::open(&sink, path.to_str().unwrap(), resume).unwrap()
        };
        let (mut file, mut saved) = (open(None), None);
        let mut expect = String::new();
        for (values, lost, stop) in epochs {
            if !matches!(stop, Stop::No) {
                // Some of the epoch's values, and then a crash.
                file.write_batch(values.iter().take(lost).cloned().collect()).unwrap();
                drop(file);
                if let Stop::Torn(tail) = stop {
                    let mut bytes = fs::read(&path).unwrap();
                    bytes.extend(tail);
                    fs::write(&path, bytes).unwrap();
                }
                file = open(saved);
            }
            expect.extend(values.iter().map(|value| format!("{value}{end}")));
            file.write_batch(values).unwrap();
            saved = Some(StatefulSinkPartition::<String>::snapshot(&mut file).unwrap());
            prop_assert_eq!(fs::read_to_string(&path).unwrap(), expect.as_str());
            prop_assert_eq!(saved, Some(expect.len() as u64));
        }
    }
}

/// Files are written by several workers, and stay whole when a run is stopped.
#[test]
fn several_workers() {
    let directory = tempfile::tempdir().unwrap();
    let items = (0..4000_u64).map(|n| TestingItem::Item((n % 97, n)));
    let flow = Dataflow::build("lines", |flow| {
        let items = flow
            .input(TestingSource::with_marks(items).batch_size(50))
            .named("items");
        items.output(DirSink::new(directory.path(), 5)).named("out");
    });
    cluster_main(flow, RunConfig::new().workers(3)).unwrap();
    let mut numbers = Vec::new();
    for entry in fs::read_dir(directory.path()).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        let of_file: Vec<u64> = text.lines().map(|line| line.parse().unwrap()).collect();
        assert!(of_file.is_sorted(), "one source, so one order");
        numbers.extend(of_file);
    }
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..4000));
}

/// Compressed files are whole after each epoch, however the run is stopped behind it.
#[cfg(all(
    feature = "gzip",
    feature = "zstd",
    feature = "bzip2",
    feature = "xz",
    feature = "csv"
))]
#[test]
fn compressed() {
    use bytewax_connectors::csv::CsvSink;
    use bytewax_connectors::files::FileSource;
    use bytewax_runtime::sink::SinglePartitionSink;
    use bytewax_runtime::source::{FixedPartitionedSource, StatefulSourcePartition};

    #[derive(serde::Serialize)]
    struct Row {
        a: u8,
        b: u8,
    }
    let row = |a| Row { a, b: a + 1 };
    let lines = |path: &Path| {
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
    };
    let directory = tempfile::tempdir().unwrap();
    for ending in ["gz", "zst", "bz2", "xz"] {
        let path = directory.path().join("out").with_extension(ending);
        let mut file = file_at(&path, None).unwrap();
        write(&mut file, &["one"]);
        write(&mut file, &["two"]);
        let saved = snapshot(&mut file);
        assert_eq!(saved, fs::metadata(&path).unwrap().len());
        assert_eq!(lines(&path), ["one", "two"], "{ending}");
        // Torn in the midst of a frame.
        write(&mut file, &["lost"]);
        drop(file);
        let mut bytes = fs::read(&path).unwrap();
        bytes.extend(b"torn");
        fs::write(&path, bytes).unwrap();
        let mut file = file_at(&path, Some(saved)).unwrap();
        write(&mut file, &["three"]);
        StatefulSinkPartition::<&str>::end_epoch(&mut file, bytewax_runtime::Epoch(1)).unwrap();
        assert_eq!(lines(&path), ["one", "two", "three"], "{ending}");
        drop(file);

        // The row that names the columns is there once.
        let path = directory.path().join("rows.csv").with_extension(ending);
        let sink = CsvSink::new(&path);
        let mut rows = SinglePartitionSink::<Row, _>::open(&sink, None).unwrap();
        rows.write_batch(vec![row(1)]).unwrap();
        rows.write_batch(vec![row(3)]).unwrap();
        StatefulSinkPartition::<Row>::snapshot(&mut rows).unwrap();
        rows.write_batch(vec![row(5)]).unwrap();
        StatefulSinkPartition::<Row>::close(&mut rows).unwrap();
        assert_eq!(lines(&path), ["a,b", "1,2", "3,4", "5,6"], "{ending}");
    }
}

#[cfg(not(feature = "gzip"))]
#[test]
fn compressed_without_the_feature() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out.gz");
    let expect = "the file `PATH` is compressed; enable the feature `gzip` of `bytewax`, or set \
    `.compression(Compression::None)` if its name is misleading";
    check_text(&path, file_at(&path, None), expect);
}
