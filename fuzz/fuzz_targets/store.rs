#![no_main]

use std::fs;

use bytewax_runtime::fuzz;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let dir = tempfile::tempdir().expect("there is a place for files");
    fs::write(dir.path().join("part-0.sqlite3"), bytes).expect("it can be written");
    fuzz::store(dir.path());
});
