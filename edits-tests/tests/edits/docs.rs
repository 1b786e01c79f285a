//! `docs/edits.md` is written from the rows.

use std::fmt::Write as _;

use super::table::{Compiler, Resume, Row, Section};

const HEADER: &str = "\
# What happens when I ..

You edit a program and resume it from its saved state. Each row is one kind of edit and one test in `edits-tests`. The test
runs a program, edits it, resumes it, applies each fix of the message literally, and compares the state. These tests generate
this file: `UPDATE_EDITS=1 cargo test -p edits-tests docs`.

- **Compiler**: the result of `dataflow!` if the package has a lock file. The macro sees the text of the flow and the constants
  of types. \"-\" means no error: `lock --check` then shows the edit, and `recovery try DIR` reports whether a store can be
  resumed. In the test, the macro checks the text of the edited flow against the lock file of the original; an exception states
  its reason in parentheses.
- **Resume**: \"continues\" means that each step keeps its state. \"refused\" means that the run fails before the first item and
  leaves the store unchanged. \"continues; ..\" adds what only you can know.
- **Fix**: the suggestions of the message. You can always undo the edit.
";

/// All sections, in the order of the documentation.
fn sections() -> Vec<Section> {
    vec![
        super::names::section(),
        super::loops::section(),
        super::off::section(),
        super::keys::section(),
        super::states::section(),
        super::by_hand::section(),
        super::wrappers::section(),
        super::versions::section(),
        super::operators::section(),
        super::windows::section(),
        super::sources::section(),
    ]
}

fn document() -> String {
    let mut text = HEADER.to_owned();
    for Section {
        title,
        about,
        module,
        rows,
    } in sections()
    {
        let module = module.rsplit("::").next().unwrap_or_default();
        let _ = write!(
            text,
            "\n## {title}\n\n{about}\n\n\
             | Edit | Compiler | Resume | Fix | Test |\n|---|---|---|---|---|\n"
        );
        for (test, edit, row) in rows {
            let _ = writeln!(text, "| {edit} | {} | `{module}::{test}` |", cells(&row));
        }
    }
    text
}

/// What compiler and resume say, and the mend.
fn cells(row: &Row) -> String {
    let compiler = match row.compiler {
        Compiler::Fine => "-".to_owned(),
        Compiler::Refused(_) => "refused".to_owned(),
        Compiler::Unasked(why) => format!("({why})"),
    };
    let (resume, mend) = match &row.resume {
        Resume::GoesOn => ("continues".to_owned(), String::new()),
        Resume::Asks { note, .. } => (format!("continues; {note}"), String::new()),
        Resume::Refused { mends, .. } => {
            let mut mends: Vec<&str> = mends.iter().map(|mend| mend.words()).collect();
            mends.dedup();
            ("refused".to_owned(), mends.join("; or "))
        }
        Resume::Shown { verdict, mend, .. } => ((*verdict).to_owned(), (*mend).to_owned()),
    };
    format!("{compiler} | {resume} | {mend}")
}

#[test]
fn the_document_says_what_the_tests_show() {
    const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/edits.md");
    let document = document();
    if std::env::var_os("UPDATE_EDITS").is_some() {
        std::fs::write(FILE, &document).unwrap();
    }
    let written = std::fs::read_to_string(FILE).unwrap();
    assert!(
        written == document,
        "docs/edits.md is not what the tests show; write it anew by \
         `UPDATE_EDITS=1 cargo test -p edits-tests docs`"
    );
}

#[test]
fn no_edit_stands_twice() {
    let sections = sections();
    let rows = sections.iter().flat_map(|section| {
        let rows = section.rows.iter();
        rows.map(move |(_, edit, _)| (section.title, *edit))
    });
    let mut rows: Vec<_> = rows.collect();
    rows.sort_unstable();
    let count = rows.len();
    rows.dedup();
    assert_eq!(rows.len(), count);
}
