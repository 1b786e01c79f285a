//! The rows of the Parquet files are those of a model: with one worker and with two, when the changes arrive in two
//! parts, and under kills.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use cli_tests::{command, kill_until_done, run};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};

/// The changes that ship with it, and the rows that are expected of them.
fn shipped() -> (String, Vec<String>) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path| fs::read_to_string(here.join(path)).unwrap();
    let changes = read("../sample_data/customer_changes.jsonl");
    let expected = read("tests/expected.txt");
    let mut expected: Vec<_> = expected.lines().map(str::to_owned).collect();
    expected.sort_unstable();
    (changes, expected)
}

/// A place for changes, files and a store.
fn place() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("store")).unwrap();
    place
}

fn program(place: &Path, args: &str) -> Command {
    let mut command = command(env!("CARGO_BIN_EXE_cdc-to-parquet"), args);
    command.args([place.join("changes.jsonl"), place.join("customers")]);
    command.arg("-r").arg(place.join("store"));
    command
}

/// A row of a Parquet file as a line: the id, the position, and the columns of the customer or `deleted`.
fn row(row: &Row) -> String {
    let text = |field: &Field| match field {
        Field::Long(n) => n.to_string(),
        Field::Str(text) => text.clone(),
        Field::Null => "-".to_owned(),
        Field::Bool(true) => "deleted".to_owned(),
        Field::Bool(false) => String::new(),
        other => panic!("there is no column of this type: {other:?}"),
    };
    let fields: Vec<_> = row
        .get_column_iter()
        .map(|(_, field)| text(field))
        .collect();
    let [id, lsn, deleted, customer @ ..] = &fields[..] else {
        panic!("too few columns: {row:?}");
    };
    if deleted.is_empty() {
        return format!("{id} {lsn} {}", customer.join(" "));
    }
    assert_eq!(customer, ["-", "-", "-"]);
    format!("{id} {lsn} {deleted}")
}

/// The rows of all Parquet files that were written.
fn rows(place: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    for entry in fs::read_dir(place.join("customers")).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(path.extension().unwrap(), "parquet", "{}", path.display());
        let file = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
        lines.extend(file.get_row_iter(None).unwrap().map(|at| row(&at.unwrap())));
    }
    lines.sort_unstable();
    lines
}

#[test]
fn one_worker_and_two() {
    let (changes, expected) = shipped();
    for way in ["-w 1", "-w 2"] {
        let place = place();
        fs::write(place.path().join("changes.jsonl"), &changes).unwrap();
        run(program(place.path(), way)).code(0);
        assert_eq!(rows(place.path()), expected, "{way}");
    }
}

/// A first run reads a part of the changes. The rest is added, and a second run continues, with other workers.
#[test]
fn changes_in_two_parts() {
    let (changes, expected) = shipped();
    let place = place();
    let path = place.path().join("changes.jsonl");
    let bytes = changes.split_inclusive('\n').take(75).map(str::len).sum();
    fs::write(&path, &changes[..bytes]).unwrap();
    run(program(place.path(), "-w 1")).code(0);
    assert!(rows(place.path()).len() < expected.len());
    let mut file = File::options().append(true).open(path).unwrap();
    file.write_all(&changes.as_bytes()[bytes..]).unwrap();
    run(program(place.path(), "-w 2")).code(0);
    assert_eq!(rows(place.path()), expected);
}

/// Killed again and again, each time with other workers, it writes the rows of one run, each once.
#[test]
fn runs_that_are_killed() {
    let place = place();
    let place = place.path();
    let (mut changes, mut expected) = (String::new(), Vec::new());
    for lsn in 0..60_000 {
        let id = lsn % 700;
        if id != lsn && lsn % 11 == 10 {
            let _ = writeln!(
                changes,
                r#"{{"op":"d","before":{{"id":{id},"name":"n","city":null,"credit_cents":1}},"after":null,"source":{{"lsn":{lsn}}}}}"#
            );
            expected.push(format!("{id} {lsn} deleted"));
        } else {
            let _ = writeln!(
                changes,
                r#"{{"op":"u","before":null,"after":{{"id":{id},"name":"n","city":null,"credit_cents":{lsn}}},"source":{{"lsn":{lsn}}}}}"#
            );
            expected.push(format!("{id} {lsn} n - {lsn}"));
        }
    }
    fs::write(place.join("changes.jsonl"), changes).unwrap();
    expected.sort_unstable();
    let _ = kill_until_done(&["-w 2", "-p 2", "-w 1"], |way| {
        program(place, &format!("-s 0 {way}"))
    });
    assert!(rows(place) == expected);
}
