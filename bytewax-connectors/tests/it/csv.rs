//! CSV files: their rows, where reading goes on, and what is said of them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use bytewax_connectors::csv::{CsvRow, CsvSource};
use bytewax_connectors::files::InvalidUtf8;
use bytewax_runtime::RunError;
use bytewax_runtime::prelude::*;
use bytewax_runtime::source::{FixedPartitionedSource, StatefulSourcePartition};
use bytewax_runtime::testing::{RunConfig, TestingSink, cluster_main, run_main};
use proptest::prelude::*;
use serde::Deserialize;
use tempfile::TempDir;

fn file(content: impl AsRef<[u8]>) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rows.csv");
    fs::write(&path, content).unwrap();
    (directory, path)
}

fn run(source: CsvSource, workers: usize) -> Result<Vec<CsvRow>, RunError> {
    let out = TestingSink::new();
    let flow = Dataflow::build("rows", |flow| {
        let rows = flow.input(source).named("rows");
        rows.redistribute().output(out.clone()).named("out");
    });
    cluster_main(flow, RunConfig::new().workers(workers))?;
    Ok(out.take())
}

fn rows(content: &str) -> Vec<CsvRow> {
    let (_directory, path) = file(content);
    run(CsvSource::new(path), 1).unwrap()
}

/// The cells of rows, those of surplus behind the others; `-` where there is none.
fn cells(rows: &[CsvRow]) -> Vec<Vec<&str>> {
    rows.iter()
        .map(|row| {
            let cells = row.cells().map(|(_, cell)| cell.unwrap_or("-"));
            cells.chain(row.surplus()).collect()
        })
        .collect()
}

#[track_caller]
fn check_failure(path: &Path, source: CsvSource, expect: &str) {
    let error = run(source, 1).unwrap_err();
    assert_eq!(error.step_id().unwrap().as_str(), "rows.rows");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    let cause = cause.replace(path.to_str().unwrap(), "PATH");
    // Without the mend that is said of all records.
    let mend = "; to receive such records as items and go on, use `.results()`";
    assert_eq!(cause.strip_suffix(mend).unwrap_or(&cause), expect);
}

#[test]
fn row_117_cells_by_their_columns() {
    let numbers: String = (0..8).map(|n| format!("{n},name {n}\n")).collect();
    let rows = rows(&format!("number,name\n{numbers}"));
    assert_eq!(rows.len(), 8);
    for (n, row) in rows.iter().enumerate() {
        assert_eq!(row.get("number"), Some(n.to_string().as_str()));
        assert_eq!(row.get("name"), Some(format!("name {n}").as_str()));
        assert_eq!(row.get("other"), None);
        assert_eq!(row.line(), n as u64 + 2);
    }
}

#[test]
fn row_118_short_and_long_rows() {
    let rows = rows("a,b\n1\n1,2,3,4\n");
    assert_eq!(cells(&rows), [vec!["1", "-"], vec!["1", "2", "3", "4"]]);
    assert!(rows[1].surplus().eq(["3", "4"]));
}

#[test]
fn quotes_blank_lines_and_ends() {
    let check = |content: &str, expect: &[&[&str]]| {
        assert_eq!(cells(&rows(content)), expect, "{content:?}");
    };
    check("a,b\n\"x,\ny\",\"a \"\"b\"\"\"\n", &[&["x,\ny", "a \"b\""]]);
    check(
        "a,b\r\n\r\n1,2\r\n\n3,4\r5,6",
        &[&["1", "2"], &["3", "4"], &["5", "6"]],
    );
    check("a,b\n", &[]);
    check("", &[]);
    check("\u{feff}a\nx\n", &[&["x"]]);
    assert_eq!(rows("\u{feff}a\nx\n")[0].get("a"), Some("x"));
}

/// Where each row begins, in files of all sorts of line ends.
#[test]
fn rows_are_numbered_by_the_lines_at_which_they_begin() {
    let check = |content: &str, expect: &[u64]| {
        let lines: Vec<u64> = rows(content).iter().map(CsvRow::line).collect();
        assert_eq!(lines, expect, "{content:?}");
    };
    check("id,name\r\n1,ann\r\n2,\"b\r\nb\"\r\n3,cid\r\n", &[2, 3, 5]);
    check("id,name\n\n\n1,ann\n\n2,bob\n", &[4, 6]);
    check("\r\n\r\nid\r\n\r\n1\r\n2", &[5, 6]);
    // Many chunks of the file, with rows across their ends.
    let row = format!("\"{}\r\n\"\r\n\r\n", "x".repeat(1000));
    let expect: Vec<u64> = (0..500).map(|n| 2 + 3 * n).collect();
    check(&format!("id\r\n{}", row.repeat(500)), &expect);
}

#[test]
fn cells_in_quotes_keep_their_ends_of_lines() {
    let rows = rows("id,name\r\n2,\"b\r\nb\"\r\n");
    assert_eq!(rows[0].get("name"), Some("b\r\nb"));
}

/// As a spreadsheet writes it: with a mark in front, `;` between cells, and commas in numbers.
#[test]
fn the_file_of_a_spreadsheet() {
    let text = "\u{feff}id;amount;name\r\n1;1,50;\"M\u{fc}ller; Co\"\r\n2;2,00;Ott\r\n";
    let (_directory, path) = file(text);
    let rows = run(CsvSource::new(path).delimiter(b';'), 1).unwrap();
    let expect = [["1", "1,50", "M\u{fc}ller; Co"], ["2", "2,00", "Ott"]];
    assert_eq!(cells(&rows), expect);
    assert_eq!(rows[0].get("id"), Some("1"));
    assert_eq!((rows[0].line(), rows[1].line()), (2, 3));
}

#[test]
fn a_quote_that_is_left_open_is_told() {
    let check = |content: &str, before: &[[&str; 2]], line: u64, place: &str| {
        let (_directory, path) = file(content);
        let source = CsvSource::new(&path);
        let mut file = source.open(path.to_str().unwrap(), None).unwrap();
        if !before.is_empty() {
            assert_eq!(cells(file.next_batch().unwrap().items()), before);
        }
        let saved = file.snapshot();
        let error = file.next_batch().unwrap_err().to_string();
        let expect = format!("line {line} of the file `PATH`: the quote {place} is never closed; ");
        let error = error.replace(path.to_str().unwrap(), "PATH");
        assert!(error.starts_with(&expect), "{error}");
        // It goes on there once the file is mended.
        fs::write(&path, content.replace("never", "never\"")).unwrap();
        let mut file = source.open(path.to_str().unwrap(), Some(saved)).unwrap();
        assert!(!file.next_batch().unwrap().items().is_empty());
    };
    let rows = "id,note\n1,\"fine\"\n2,\"never closed\n3,x\n4,y\n";
    check(rows, &[["1", "fine"]], 3, "in cell 2");
    check(rows.trim_end(), &[["1", "fine"]], 3, "in cell 2");
    check(
        "id,note\r\n\r\n\"a\r\nb\",\"never",
        &[],
        3,
        "in cell 2, on line 2 of the row,",
    );
    check("id,note\n1,\"never\"\"\n", &[], 2, "in cell 2");

    let (_directory, path) = file("id,\"note\n1,x\n");
    check_failure(
        &path,
        CsvSource::new(&path),
        "the row that names the columns cannot be read: line 1 of the file `PATH`: the quote in cell 2 is never \
         closed; close it, or write it twice if it belongs to the text",
    );
}

#[test]
fn quotes_that_are_closed_last_are_no_fault() {
    for end in ["", "\n", "\r\n", "\r"] {
        let rows = rows(&format!("a,b\n1,\"x\n\"{end}"));
        assert_eq!(cells(&rows), [["1", "x\n"]], "{end:?}");
    }
}

#[test]
fn other_forms() {
    let (_directory, path) = file("a;b\n'x;y';2\n");
    let source = CsvSource::new(path).delimiter(b';').quote(b'\'');
    assert_eq!(cells(&run(source, 1).unwrap()), [["x;y", "2"]]);
}

#[test]
fn rows_that_are_given_to_other_workers() {
    let numbers: String = (0..500).map(|n| format!("{n}\n")).collect();
    let (_directory, path) = file(format!("number\n{numbers}"));
    let rows = run(CsvSource::new(path).batch_rows(7), 3).unwrap();
    let mut numbers: Vec<u32> = rows
        .iter()
        .map(|row| row.get("number").unwrap().parse().unwrap())
        .collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..500));
}

#[derive(Debug, PartialEq, Deserialize)]
struct Person {
    name: String,
    age: Option<u8>,
}

#[test]
fn parsed() {
    let rows = rows("age,name,city\n36,Ada,London\n,Bob\nold,Eve,Graz\n7\n1,Kim,Wien,surplus\n");
    let person = |name: &str, age| Person {
        name: name.to_owned(),
        age,
    };
    let parsed: Vec<_> = rows.iter().map(|row| row.parse::<Person>()).collect();
    assert_eq!(*parsed[0].as_ref().unwrap(), person("Ada", Some(36)));
    assert_eq!(*parsed[1].as_ref().unwrap(), person("Bob", None));
    assert_eq!(*parsed[4].as_ref().unwrap(), person("Kim", Some(1)));
    let wrong = parsed[2].as_ref().unwrap_err();
    assert_eq!(
        wrong.to_string(),
        "line 4, column `age`: invalid digit found in string"
    );
    assert_eq!((wrong.line(), wrong.column()), (4, Some("age")));
    let short = parsed[3].as_ref().unwrap_err();
    assert_eq!(short.to_string(), "line 5: missing field `name`");
}

#[test]
fn faults() {
    let (_directory, path) = file(b"a,b\n1,2\n3,\xff\n");
    let expect = "line 3 of the file `PATH`, column `b`: byte 10 of the file is not UTF-8; convert the \
                  file to UTF-8, or have such bytes replaced by `.invalid_utf8(InvalidUtf8::Replace)`";
    check_failure(&path, CsvSource::new(&path), expect);
    let replaced = CsvSource::new(&path).invalid_utf8(InvalidUtf8::Replace);
    assert_eq!(cells(&run(replaced, 1).unwrap())[1], ["3", "\u{fffd}"]);

    let open_quote = format!("a\n1\n\"{}", "x".repeat(200_000));
    let (_directory, path) = file(open_quote);
    let expect = "line 3 of the file `PATH`: the quote in cell 1 is never closed; close it, or write it \
                  twice if it belongs to the text";
    check_failure(&path, CsvSource::new(&path).max_row_bytes(1000), expect);
    check_failure(&path, CsvSource::new(&path), expect);

    let (_directory, path) = file(format!("a\n1\n{}\n", "x".repeat(2000)));
    let expect = "line 3 of the file `PATH`: the row is longer than 1000 bytes; if this is a file of \
                  rows, raise `max_row_bytes`";
    check_failure(&path, CsvSource::new(&path).max_row_bytes(1000), expect);

    let missing = path.with_extension("missing");
    let expect = "cannot open the file `PATH`; \
                  it must be there, and readable, for each process of the run";
    check_failure(&missing, CsvSource::new(&missing), expect);
}

/// What comes of each row: its line and cells, or the line, the raw text and the reason.
fn results(path: &Path, source: CsvSource) -> Vec<String> {
    let out = TestingSink::new();
    let flow = Dataflow::build("rows", |flow| {
        let rows = flow.input(source.results()).named("rows");
        let shown = rows.map(|row| match row {
            Ok(row) => format!("{}: {}", row.line(), cells(&[row])[0].join("|")),
            Err(bad) => format!("{}! {} {}", bad.line(), bad.raw_text(), bad.why()),
        });
        shown.output(out.clone()).named("out");
    });
    run_main(flow).unwrap();
    let out = out.take();
    out.iter()
        .map(|row| row.replace(path.to_str().unwrap(), "PATH"))
        .collect()
}

fn check_results(content: impl AsRef<[u8]>, form: fn(CsvSource) -> CsvSource, expect: &[&str]) {
    let (_directory, path) = file(content);
    assert_eq!(results(&path, form(CsvSource::new(&path))), expect);
}

#[test]
fn lines_of_rows() {
    let same = |source| source;
    let crlf = "id,name\r\n1,ann\r\n2,\"b\r\nb\"\r\n3,cid\r\n";
    check_results(crlf, same, &["2: 1|ann", "3: 2|b\r\nb", "5: 3|cid"]);
    check_results(
        "id,name\n\n\n1,ann\n\n2,bob\n",
        same,
        &["4: 1|ann", "6: 2|bob"],
    );
    let comments = "# exported\n# by \"tool 7\n\nid,name\n1,ann\n";
    check_results(comments, |source| source.comment(b'#'), &["5: 1|ann"]);
    check_results("x\ny\nid\n1\n", |source| source.skip_lines(2), &["4: 1"]);
}

#[test]
fn an_open_quote_swallows_nothing() {
    let why = "the quote in cell 2 is never closed; close it, or write it twice if it belongs to the text";
    let bad = format!("3! 2,\"never closed {why}");
    let content = "id,note\n1,\"fine\"\n2,\"never closed\n3,x\n4,y\n";
    check_results(
        content,
        |source| source,
        &["2: 1|fine", &bad, "4: 3|x", "5: 4|y"],
    );
}

#[test]
fn forms_that_other_programs_write() {
    let excel = "\u{feff}id;amount;name\r\n1;1,50;\"Müller; Co\"\r\n2;2,00;Ott\r\n";
    check_results(
        excel,
        |source| source.delimiter(b';'),
        &["2: 1|1,50|Müller; Co", "3: 2|2,00|Ott"],
    );
    let escaped = "a,b\n\"x \\\"y\\\" z\",\"\\\\\"\n";
    check_results(escaped, |source| source.escape(b'\\'), &["2: x \"y\" z|\\"]);
    check_results("a , b\n 1 ,\" 2 \"\n", |source| source.trim(), &["2: 1|2"]);
    check_results(
        "1,2\n3,4\n",
        |source| source.columns(["a", "b"]),
        &["1: 1|2", "2: 3|4"],
    );
    check_results("1,2\n", |source| source.no_header(), &["1: 1|2"]);
}

#[test]
fn typed() {
    let (_directory, path) =
        file("age,name,city\n36,Ada,London\n,Bob\nold,Eve,Graz\n7\n1,Kim,Wien,surplus\n");
    let source = CsvSource::<Person>::typed(&path).results();
    let partition = path.to_str().unwrap();
    let mut rows = source.open(partition, None).unwrap();
    let rows = rows.next_batch().unwrap().into_items();
    let shown: Vec<String> = rows
        .iter()
        .map(|row| match row {
            Ok(person) => format!("{} {:?}", person.name, person.age),
            Err(bad) => bad.to_string().replace(partition, "PATH"),
        })
        .collect();
    let expect = [
        "Ada Some(36)",
        "Bob None",
        "line 4 of the file `PATH`, column `age`: invalid digit found in string",
        "line 5 of the file `PATH`: missing field `name`",
        "Kim Some(1)",
    ];
    assert_eq!(shown, expect);
}

#[test]
fn other_columns_than_before() {
    let (_directory, path) = file("id,name\n1,ann\n2,bob\n");
    let source = CsvSource::new(&path).batch_rows(1);
    let open = |resume| source.open(path.to_str().unwrap(), resume).unwrap();
    let mut rows = open(None);
    assert_eq!(rows.next_batch().unwrap().items().len(), 1);
    let saved = rows.snapshot();
    fs::write(&path, "name,city,id\nann,Graz,1\nbob,Linz,2\ncid,Wien,3\n").unwrap();
    let error = open(Some(saved)).next_batch().unwrap_err().to_string();
    assert!(
        error.contains("are `name`, `city`, `id` now, and were others"),
        "{error}"
    );
}

#[test]
fn quotes_in_the_wrong_place_are_not_cut_wrong() {
    let mut content = "a,b\n".to_owned();
    content += &"1,a quote \" here\n2,\"x\ny\"\n".repeat(30);
    let (_directory, path) = file(content);
    assert_eq!(run(CsvSource::new(&path), 1).unwrap().len(), 60);
    let ranged = run(CsvSource::new(&path).range_bytes(20), 2);
    let error = std::error::Error::source(&ranged.unwrap_err())
        .unwrap()
        .to_string();
    assert!(
        error.contains("stands elsewhere than around a cell"),
        "{error}"
    );
}

/// Rows as long as the limit are none too long, whatever comes before and behind.
#[test]
fn rows_of_the_greatest_length() {
    for end in ["\n", "\r\n", ""] {
        let long = "x".repeat(3000);
        let (_directory, path) = file(format!("a\n1\n{long}{end}"));
        let source = CsvSource::new(&path).max_row_bytes(3000);
        assert_eq!(cells(&run(source, 1).unwrap()), [["1"], [long.as_str()]]);
    }
}

#[test]
fn rows_before_a_fault_are_given_first() {
    let (_directory, path) = file(b"a\n1\n2\n\xff\n3\n");
    let source = CsvSource::new(&path);
    let mut file = source.open(path.to_str().unwrap(), None).unwrap();
    assert_eq!(cells(file.next_batch().unwrap().items()), [["1"], ["2"]]);
    let saved = file.snapshot();
    assert!(file.next_batch().is_err());
    assert_eq!((saved.byte(), saved.line()), (6, Some(4)));
    let mut file = source.open(path.to_str().unwrap(), Some(saved)).unwrap();
    let error = file.next_batch().unwrap_err().to_string();
    assert!(error.contains("line 4 of the file"), "{error}");
}

#[test]
fn grown_and_cut() {
    // A last line without an end is a row, and goes on behind it.
    let (_directory, path) = file("a,b\n1,2");
    let source = CsvSource::new(&path);
    let open = |resume| source.open(path.to_str().unwrap(), resume);
    let mut file = open(None).unwrap();
    assert_eq!(file.next_batch().unwrap().items().len(), 1);
    assert!(file.next_batch().unwrap().is_end());
    let saved = file.snapshot();
    assert_eq!((saved.byte(), saved.line()), (7, Some(2)));
    fs::write(&path, "a,b\n1,2\n3,4\n").unwrap();
    let mut file = open(Some(saved)).unwrap();
    let batch = file.next_batch().unwrap();
    assert_eq!(cells(batch.items()), [["3", "4"]]);
    assert_eq!(batch.items()[0].line(), 3);
    fs::write(&path, "a,b\n").unwrap();
    let error = open(Some(saved)).unwrap_err().to_string();
    assert!(
        error.contains("is 4 bytes long, but was read up to byte 7"),
        "{error}"
    );
}

fn cell() -> impl Strategy<Value = String> {
    prop_oneof!["[a-c]{0,3}", "\"[a,\n\r]{0,4}\"", "\"(\"\"|b){0,2}\""]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    /// Stopped after any batch and opened again, the rows are the same.
    #[test]
    fn stopped_anywhere(
        rows in prop::collection::vec((prop::collection::vec(cell(), 1..4), "\n|\r\n|\r|\n\n"), 0..12),
        batch in 1..4_usize,
    ) {
        let rows: String = rows.iter().map(|(cells, end)| cells.join(",") + end).collect();
        let (_directory, path) = file(format!("a,b\n{rows}"));
        let source = CsvSource::new(&path).batch_rows(batch);
        let partition = path.to_str().unwrap();
        let whole = run(CsvSource::new(&path), 1).unwrap();
        let (mut joined, mut position) = (Vec::new(), None);
        loop {
            let mut file = source.open(partition, position).unwrap();
            let batch = file.next_batch().unwrap();
            joined.extend_from_slice(batch.items());
            position = Some(file.snapshot());
            if batch.is_end() {
                break;
            }
        }
        prop_assert_eq!(&joined, &whole);

        // In ranges of any length too.
        for bytes in [1, 3, 10, 50] {
            let source = CsvSource::new(&path).range_bytes(bytes);
            let mut ranged = Vec::new();
            for partition in source.partitions().unwrap() {
                let mut file = source.open(&partition, None).unwrap();
                loop {
                    let batch = file.next_batch().unwrap();
                    if batch.is_end() {
                        break;
                    }
                    ranged.extend(batch.into_items());
                }
            }
            prop_assert_eq!(&ranged, &whole, "in ranges of {} bytes", bytes);
        }
    }
}
