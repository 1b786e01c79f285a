//! Positions of watched directories that earlier releases have saved.

use std::fs;

use bytewax_runtime::state;

use super::super::reading::Strict;
use super::super::text::Text;
use super::super::window::Traces;
use super::super::{FilePosition, Files};
use super::*;

/// What was saved before the numbers of files were.
mod old {
    use super::*;

    #[derive(Serialize, Deserialize)]
    pub(super) struct FilePosition {
        pub(super) byte: u64,
        pub(super) line: u64,
        pub(super) traces: Option<(u64, u64)>,
        pub(super) columns: u64,
        pub(super) ended: bool,
    }

    impl State for FilePosition {
        const SCHEMA: Schema = Schema::new(
            "FilePosition",
            3,
            &[
                Field::of::<u64>("byte"),
                Field::of::<u64>("line"),
                Field::of::<Option<(u64, u64)>>("traces"),
                Field::of::<u64>("columns"),
                Field::of::<bool>("ended"),
            ],
        );
    }

    #[derive(Serialize, Deserialize)]
    pub(super) struct WatchPosition {
        pub(super) done: BTreeMap<u64, (u64, u64)>,
        pub(super) current: Option<(String, FilePosition)>,
    }

    impl State for WatchPosition {
        const SCHEMA: Schema = Schema::new(
            "WatchPosition",
            1,
            &[
                Field::of::<BTreeMap<u64, (u64, u64)>>("done"),
                Field::of::<Option<(String, FilePosition)>>("current"),
            ],
        );
    }
}

/// A position of the first version, as it stands in a store.
const FIRST: &str = "b10101002f9e9bff4b33f19201fdc44f9dc0bb5c1ef008fd00002a36fe9c97170105622e74787406020101020000f86a2c0d";

fn sealed(position: &impl State) -> Vec<u8> {
    let mut bytes = Vec::new();
    state::seal(position, &mut bytes).unwrap();
    bytes
}

#[test]
fn a_position_of_the_first_version() {
    let position = old::WatchPosition {
        done: BTreeMap::from([(hash("a.txt"), (8, 1_700_000_000_000_000_000))]),
        current: Some((
            "b.txt".to_owned(),
            old::FilePosition {
                byte: 6,
                line: 2,
                traces: Some((1, 2)),
                columns: 0,
                ended: false,
            },
        )),
    };
    let bytes = sealed(&position);
    let shown: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(shown, FIRST, "what was saved then");
    let position: WatchPosition = state::open(&bytes).unwrap();
    assert_eq!(
        position.done,
        BTreeMap::from([(hash("a.txt"), (8, 1_700_000_000_000_000_000))])
    );
    let traces = Traces { head: 1, tail: 2 };
    let expect = FilePosition::new(6, Some(2), traces, 0);
    assert_eq!(position.current(), Some(("b.txt", expect)));
    assert!(position.numbers.is_empty());
    assert_eq!(
        state::open::<WatchPosition>(&sealed(&position)).unwrap(),
        position
    );
}

/// A directory of which the position of the first version was saved is read on: what was done is not read again, and what
/// has changed is refused.
#[test]
fn a_directory_is_read_on_from_a_position_of_the_first_version() {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in [("a", "a1\na2\n"), ("b", "b1\nb2\n"), ("c", "c1\n")] {
        fs::write(directory.path().join(name), text).unwrap();
    }
    let files = Files::new(directory.path().to_owned(), Text);
    let rules = Rules {
        every: Duration::ZERO,
        quiet: None,
        marker: None,
        end: None,
    };
    let partition = files.single().unwrap().remove(0);
    let open = |position| {
        let opened = files.watch::<Strict>(&partition, &rules, position);
        opened.unwrap()
    };
    let lines = |resume: Option<WatchPosition>| {
        let mut opened = open(resume);
        let mut lines: Vec<String> = Vec::new();
        loop {
            let batch = opened.next_batch()?;
            if batch.items().is_empty() {
                return Ok::<_, StepError>((lines, opened.snapshot()));
            }
            lines.extend(batch.into_items());
        }
    };
    // As of today it knows all of `a`, and `b` from its beginning.
    let mut whole = open(None);
    assert_eq!(whole.next_batch().unwrap().items(), ["a1", "a2"]);
    assert_eq!(whole.next_batch().unwrap().items(), ["b1", "b2"]);
    let today = whole.snapshot();
    let first = old::WatchPosition {
        done: today.done.clone(),
        current: Some((
            "b".to_owned(),
            old::FilePosition {
                byte: 0,
                line: 1,
                traces: None,
                columns: 0,
                ended: false,
            },
        )),
    };
    let resume = || state::open::<WatchPosition>(&sealed(&first)).unwrap();
    let (read, position) = lines(Some(resume())).unwrap();
    assert_eq!(read, ["b1", "b2", "c1"]);
    // By then, all numbers are known.
    assert_eq!((position.files_done(), position.numbers.len()), (3, 3));
    assert!(lines(Some(position)).unwrap().0.is_empty());

    fs::write(directory.path().join("a"), "a1\na2\na3\n").unwrap();
    let error = lines(Some(resume())).unwrap_err().to_string();
    assert!(
        error.contains("has changed since it was taken for complete"),
        "{error}"
    );
}
