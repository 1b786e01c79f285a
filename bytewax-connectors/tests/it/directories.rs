//! Flows that read the files of a directory.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use bytewax_connectors::files::{DirSource, FilePosition};
use bytewax_runtime::prelude::*;
use bytewax_runtime::source::{FixedPartitionedSource, StatefulSourcePartition};
use bytewax_runtime::testing::{RunConfig, TestingSink, cluster_main};
use bytewax_runtime::{RunError, StepError};
use tempfile::TempDir;

/// A directory with files, of these paths and contents.
fn directory(files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    directory
}

fn run(source: DirSource, workers: usize) -> Result<Vec<String>, RunError> {
    let out = TestingSink::new();
    let flow = Dataflow::build("lines", |flow| {
        let lines = flow.input(source).named("lines");
        lines.output(out.clone()).named("out");
    });
    cluster_main(flow, RunConfig::new().workers(workers))?;
    Ok(out.sorted())
}

#[track_caller]
fn check_text(path: &Path, listed: Result<Vec<String>, StepError>, expect: &str) {
    let text = listed.unwrap_err().to_string();
    assert_eq!(text.replace(path.to_str().unwrap(), "PATH"), expect);
}

#[test]
fn row_109_lines_of_all_files() {
    let names: Vec<String> = (0..5).map(|n| format!("part_{n}")).collect();
    let contents: Vec<String> = (0..5).map(|n| format!("{n}a\n{n}b\n")).collect();
    let files: Vec<_> = names
        .iter()
        .zip(&contents)
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    let directory = directory(&files);
    for workers in 1..4 {
        let lines = run(DirSource::new(directory.path()), workers).unwrap();
        assert_eq!(
            lines,
            ["0a", "0b", "1a", "1b", "2a", "2b", "3a", "3b", "4a", "4b"]
        );
    }
}

#[test]
fn row_110_checks() {
    let directory = directory(&[]);
    let expect =
        "cannot open the file `PATH`; it must be there, and readable, for each process of the run";
    let path = directory.path().join("missing");
    check_text(&path, DirSource::new(&path).partitions(), expect);
    let error = run(DirSource::new(&path), 1).unwrap_err();
    assert_eq!(error.step_id().unwrap().as_str(), "lines.lines");
}

#[test]
fn patterns() {
    let directory = directory(&[
        ("a.txt", ""),
        ("b.log", ""),
        (".hidden", ""),
        ("sub/c.txt", ""),
        ("sub/deep/d.txt", ""),
    ]);
    let check = |pattern: &str, expect: &[&str]| {
        let listed = DirSource::new(directory.path())
            .pattern(pattern)
            .partitions();
        assert_eq!(listed.unwrap(), expect, "{pattern}");
    };
    check("*", &[".hidden", "a.txt", "b.log"]);
    check("*.txt", &["a.txt"]);
    check("[ab].*", &["a.txt", "b.log"]);
    check("?.log", &["b.log"]);
    check("sub/*", &["sub/c.txt"]);
    check("*/*.txt", &["sub/c.txt"]);
    check("**/*.txt", &["a.txt", "sub/c.txt", "sub/deep/d.txt"]);
    check("nothing", &[]);
    assert!(
        run(DirSource::new(directory.path()).pattern("nothing"), 2)
            .unwrap()
            .is_empty()
    );

    let wrong = DirSource::new(directory.path()).pattern("a[b").partitions();
    let expect =
        "the pattern `a[b` for the files of `PATH` is wrong at character 1: invalid range pattern";
    check_text(directory.path(), wrong, expect);
}

#[cfg(unix)]
#[test]
fn links() {
    let directory = directory(&[("a.txt", ""), ("sub/b.txt", "")]);
    let link = |to: &str, name: &str| {
        std::os::unix::fs::symlink(directory.path().join(to), directory.path().join(name)).unwrap();
    };
    link("a.txt", "link.txt");
    link("missing", "broken.txt");
    // Looking into it would have no end.
    link("", "sub/loop");
    let listed = DirSource::new(directory.path())
        .pattern("**/*.txt")
        .partitions();
    assert_eq!(listed.unwrap(), ["a.txt", "link.txt", "sub/b.txt"]);
}

#[cfg(target_os = "linux")]
#[test]
fn names_that_are_no_text() {
    use std::os::unix::ffi::OsStrExt;
    let directory = directory(&[("a.txt", "")]);
    let name = std::ffi::OsStr::from_bytes(b"b\xff.txt");
    fs::write(directory.path().join(name), "").unwrap();
    let listed = DirSource::new(directory.path()).partitions();
    let expect = "the name of the file `PATH/b\u{fffd}.txt` is not UTF-8; rename it, or leave it out by the pattern";
    check_text(directory.path(), listed, expect);
    let listed = DirSource::new(directory.path()).pattern("a*").partitions();
    assert_eq!(listed.unwrap(), ["a.txt"]);
}

#[test]
fn resumed() {
    let directory = directory(&[("a.txt", "one\ntwo\nthree\n")]);
    let source = DirSource::new(directory.path()).batch_lines(2);
    let mut file = source.open("a.txt", None).unwrap();
    assert_eq!(file.next_batch().unwrap().items(), ["one", "two"]);
    let mut file = source.open("a.txt", Some(file.snapshot())).unwrap();
    assert_eq!(file.next_batch().unwrap().items(), ["three"]);
    assert!(file.next_batch().unwrap().is_end());
}

#[test]
fn a_file_that_is_gone() {
    let directory = directory(&[]);
    let opened = DirSource::new(directory.path()).open("a.txt", Some(FilePosition::at_byte(3)));
    let text = opened.unwrap_err().to_string();
    assert!(text.contains("a.txt`; it must be there"), "{text}");
}

#[test]
fn row_116_files_of_one_machine() {
    let directory = directory(&[("a.txt", "one\ntwo\n")]);
    let source = DirSource::new(directory.path()).fs_id("host-1");
    assert_eq!(source.partitions().unwrap(), ["host-1::a.txt"]);
    assert_eq!(run(source.clone(), 2).unwrap(), ["one", "two"]);
    let elsewhere = source.open("host-2::a.txt", None).unwrap_err();
    assert!(
        elsewhere
            .to_string()
            .ends_with("has no partition `host-2::a.txt`")
    );

    let wrong = DirSource::new(directory.path()).fs_id("a::b").partitions();
    let expect =
        "`a::b` cannot be the id of a file system, because it has `::` in it; take another";
    check_text(directory.path(), wrong, expect);
}

/// Two machines, each with a file of its own, and of the same name.
#[test]
fn files_of_two_machines() {
    use std::net::TcpListener;
    let machines = [
        directory(&[("a.txt", "one\n")]),
        directory(&[("a.txt", "two\n")]),
    ];
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let addresses = listeners
        .each_ref()
        .map(|listener| listener.local_addr().unwrap().to_string());
    let out = TestingSink::new();
    std::thread::scope(|scope| {
        for (index, listener) in listeners.into_iter().enumerate() {
            let source = DirSource::new(machines[index].path()).fs_id(format!("host-{index}"));
            let flow = Dataflow::build("lines", |flow| {
                let lines = flow.input(source).named("lines");
                lines.output(out.clone()).named("out");
            });
            let config = RunConfig::new()
                .process(index, addresses.clone())
                .listener(listener);
            scope.spawn(|| cluster_main(flow, config).unwrap());
        }
    });
    assert_eq!(out.sorted(), ["one", "two"]);
}
