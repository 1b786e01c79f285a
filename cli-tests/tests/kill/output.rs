//! What the flow has written.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use cli_tests::run;

use super::program::{kill, prepare};

/// The lines of each key of each file, in order. How keys mix is not fixed.
#[derive(Debug, PartialEq)]
pub(crate) struct Output(BTreeMap<String, BTreeMap<String, Vec<String>>>);

static UNBROKEN: LazyLock<Output> = LazyLock::new(|| {
    let life = tempfile::tempdir().unwrap();
    prepare(life.path());
    run(kill(life.path(), "")).code(0);
    let output = Output::of(&life.path().join("out"));
    let files = [
        "counts", "fives", "greatest", "mixed", "pairs", "thirds", "timed", "windows",
    ];
    assert!(output.0.keys().eq(&files), "{:?}", output.0.keys());
    output
});

impl Output {
    /// What a run gives that nothing breaks off.
    pub(crate) fn unbroken() -> &'static Self {
        &UNBROKEN
    }

    /// What is in the files of a directory.
    pub(crate) fn of(directory: &Path) -> Self {
        let mut files: BTreeMap<String, BTreeMap<String, Vec<String>>> = BTreeMap::new();
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            // The lines of a key are in one of the files of a directory.
            let name = name.split('_').next().unwrap_or_default();
            let keys = files.entry(name.to_owned()).or_default();
            let text = fs::read_to_string(entry.path()).unwrap();
            for line in text.lines() {
                let (key, rest) = line.split_once(' ').unwrap();
                keys.entry(key.to_owned())
                    .or_default()
                    .push(rest.to_owned());
            }
        }
        Self(files)
    }

    /// How many lines there are in a file.
    pub(crate) fn lines(&self, file: &str) -> usize {
        let keys = self.0.get(file).into_iter().flatten();
        keys.map(|(_, lines)| lines.len()).sum()
    }

    /// Tells where two differ, and not all of both.
    #[track_caller]
    pub(crate) fn check(&self, expect: &Self) {
        assert!(self.0.keys().eq(expect.0.keys()), "{:?}", self.0.keys());
        for (file, keys) in &self.0 {
            let expect = &expect.0[file];
            for key in keys.keys().chain(expect.keys()) {
                assert_eq!(keys.get(key), expect.get(key), "key {key} of {file}");
            }
        }
    }
}
