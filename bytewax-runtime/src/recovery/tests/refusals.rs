//! What is refused, and in which words.

use std::fs;
use std::path::{Path, PathBuf};

use super::sql::tamper;
use super::*;

fn store(partitions: u32) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    init(dir.path(), partitions, "orders").unwrap();
    let path = dir.path().canonicalize().unwrap();
    (dir, path)
}

/// The text of an error, with the directory left out of it.
#[track_caller]
fn check<T>(result: Result<T, Error>, dir: &Path, expected: &str) {
    let text = result.err().unwrap().to_string();
    assert_eq!(text.replace(&format!("{}/", dir.display()), ""), expected);
}

#[test]
fn a_store_is_made_with_the_files_it_names() {
    let (_dir, path) = store(2);
    let files: Vec<_> = discover(&[&path])
        .unwrap()
        .into_iter()
        .map(|part| part.file)
        .collect();
    assert_eq!(
        files,
        [path.join("part-0.sqlite3"), path.join("part-1.sqlite3")]
    );
}

#[test]
fn a_store_is_not_made_twice() {
    let (_dir, path) = store(2);
    let before = fs::read(path.join("part-0.sqlite3")).unwrap();
    check(
        init(&path, 3, "orders"),
        &path,
        "`part-0.sqlite3` is already a recovery partition, nothing was changed; run the flow on \
         it, or use an empty directory",
    );
    assert_eq!(fs::read(path.join("part-0.sqlite3")).unwrap(), before);
    init_on_first_use(&[&path], 3, "orders").unwrap();
    assert_eq!(discover(&[&path]).unwrap().len(), 2);
    start(&path);
}

#[test]
fn a_directory_is_made_on_first_use_only() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("a/b");
    let text = "the recovery directory `a/b` does not exist; create it, or name the right one";
    check(init(&missing, 1, "orders"), dir.path(), text);
    check(discover(&[&missing]), dir.path(), text);
    init_on_first_use(&[&missing], 1, "orders").unwrap();
    assert_eq!(discover(&[&missing]).unwrap().len(), 1);
}

#[test]
fn the_number_of_partitions_has_limits() {
    let dir = tempfile::tempdir().unwrap();
    check(
        init(dir.path(), 0, "orders"),
        dir.path(),
        "a store has from 1 to 4096 partitions, not 0; take the most workers that will ever run, \
         or more",
    );
    assert!(init(dir.path(), 4097, "orders").is_err());
}

#[test]
fn names_of_partitions_do_not_matter_but_for_the_extension() {
    let (_dir, path) = store(2);
    fs::rename(path.join("part-0.sqlite3"), path.join("z.sqlite3")).unwrap();
    fs::write(path.join("notes.txt"), "mine").unwrap();
    let parts = discover(&[&path, &path]).unwrap();
    assert_eq!(parts[0].file, path.join("z.sqlite3"));
    start(&path);
}

#[test]
fn two_files_of_one_index_are_both_named() {
    let (_dir, path) = store(2);
    fs::copy(path.join("part-1.sqlite3"), path.join("copy.sqlite3")).unwrap();
    check(
        discover(&[&path]),
        &path,
        "`copy.sqlite3` and `part-1.sqlite3` are both partition 1; remove the one that is a stale \
         copy",
    );
}

#[test]
fn other_files_with_the_extension_are_foreign() {
    let text = "`x.sqlite3` is not a recovery partition; move it out of the recovery directory, or \
                name the right directory";
    let (_dir, path) = store(1);
    let file = path.join("x.sqlite3");
    fs::write(&file, "text ".repeat(1000)).unwrap();
    check(discover(&[&path]), &path, text);
    fs::write(&file, "").unwrap();
    check(discover(&[&path]), &path, text);
    fs::remove_file(&file).unwrap();
    tamper(&file, "CREATE TABLE t (x)");
    check(discover(&[&path]), &path, text);
}

#[test]
fn a_newer_format_is_left_alone() {
    let (_dir, path) = store(1);
    tamper(&path.join("part-0.sqlite3"), "PRAGMA user_version = 4");
    check(
        discover(&[&path]),
        &path,
        "`part-0.sqlite3` has store format 4, this program knows up to 3; it was written by a \
         newer release. Run that release, or start a fresh recovery store",
    );
}

#[test]
fn a_second_writer_is_refused_until_the_first_is_gone() {
    let (_dir, path) = store(1);
    let file = path.join("part-0.sqlite3");
    let first = open_writer(&file).unwrap();
    check(
        open_writer(&file),
        &path,
        "`part-0.sqlite3` is in use by another process; stop that run of the flow first",
    );
    drop(first);
    open_writer(&file).unwrap();
}

#[test]
fn incomplete_stores_are_refused() {
    let (_dir, path) = store(3);
    fs::remove_file(path.join("part-0.sqlite3")).unwrap();
    let refused = check_complete(&states(&path), "orders").unwrap_err();
    assert!(matches!(refused, ResumeError::Missing { .. }));
    let (_other, other) = store(2);
    fs::copy(other.join("part-0.sqlite3"), path.join("part-0.sqlite3")).unwrap();
    let refused = check_complete(&states(&path), "orders").unwrap_err();
    assert!(matches!(refused, ResumeError::CountsDisagree { .. }));
    let (_other, other) = store(3);
    fs::copy(other.join("part-0.sqlite3"), path.join("part-0.sqlite3")).unwrap();
    let refused = check_complete(&states(&path), "orders").unwrap_err();
    assert!(matches!(refused, ResumeError::MixedStores { .. }));
}

#[test]
fn a_pristine_partition_beside_used_ones_is_refused() {
    let (_dir, path) = store(3);
    let file = path.join("part-0.sqlite3");
    let pristine = fs::read(&file).unwrap();
    let (mut writers, _) = start(&path);
    for epoch in 1..4 {
        commit(&mut writers, epoch);
        writers
            .iter_mut()
            .for_each(|writer| writer.collect(Epoch(epoch + 1)).unwrap());
    }
    drop(writers);
    fs::write(&file, pristine).unwrap();
    let refused = resume(&states(&path)).unwrap_err();
    assert!(
        matches!(refused, ResumeError::Inconsistent { .. }),
        "{refused}"
    );
}

#[test]
fn an_unknown_step_is_told_with_those_that_are_known() {
    let (_dir, path) = store(2);
    let (mut writers, _) = start(&path);
    for writer in &mut writers {
        writer.step(&total()).unwrap();
        writer.step(&input()).unwrap();
    }
    commit(&mut writers, 1);
    drop(writers);
    check(
        drop_step(&[&path], "orders.sum"),
        &path,
        "the store has no step `orders.sum`; the steps with saved state are orders.input, \
         orders.total",
    );
}

#[test]
fn a_file_is_no_directory() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("notes.txt");
    fs::write(&file, "mine").unwrap();
    let text = "`notes.txt` is not a directory; name the right recovery directory";
    check(discover(&[&file]), dir.path(), text);
    check(init(&file, 1, "orders"), dir.path(), text);
}

/// Writes three epochs to two partitions, keeping one resumable; partition 0 is then that of after
/// the first.
fn with_an_older_partition(oldest: u64) -> (tempfile::TempDir, Result<Resume, ResumeError>) {
    let (dir, path) = store(2);
    let file = path.join("part-0.sqlite3");
    let (mut writers, _) = start(&path);
    write(&mut writers, 1, &[(0, Some(b"one")), (1, Some(b"one"))]);
    commit(&mut writers, 1);
    writers[0].checkpoint().unwrap();
    let older = fs::read(&file).unwrap();
    for epoch in 2..4 {
        write(&mut writers, epoch, &[(0, Some(b"new")), (1, Some(b"new"))]);
        commit(&mut writers, epoch);
    }
    for writer in &mut writers {
        writer.collect(Epoch(oldest)).unwrap();
    }
    drop(writers);
    fs::write(&file, older).unwrap();
    let resumed = resume(&states(&path));
    (dir, resumed)
}

#[test]
fn an_older_copy_of_a_partition_is_replayed_from_or_refused() {
    let (dir, resumed) = with_an_older_partition(2);
    assert_eq!(resumed.map(|resume| resume.epoch), Ok(Epoch(2)));
    let (_writers, _) = start(dir.path());
    let one = |key| (key, b"one".to_vec());
    assert_eq!(load(dir.path(), Epoch(2)), [one(0), one(1)]);

    let (_dir, resumed) = with_an_older_partition(3);
    let refused = resumed.unwrap_err().to_string();
    assert!(
        refused.contains("part-0.sqlite3` would resume at epoch 2, but `")
            && refused
                .contains("part-1.sqlite3` can no longer resume before epoch 3; restore newer"),
        "{refused}"
    );
}

#[test]
fn a_limit_of_open_files_is_told() {
    let dir = Path::new("/store");
    for number in [23, 24] {
        let cause = std::io::Error::from_raw_os_error(number);
        check::<()>(
            Err(Error::io(&dir.join("part-7.lock"), "opening its lock")(
                cause,
            )),
            dir,
            "`part-7.lock`: this process may not open more files while opening its lock; raise its limit \
             (`ulimit -n`) to ten for each recovery partition and more for all else, or use more \
             processes",
        );
    }
}

#[test]
fn what_may_not_be_written_is_told() {
    let dir = Path::new("/store");
    for kind in [
        std::io::ErrorKind::PermissionDenied,
        std::io::ErrorKind::ReadOnlyFilesystem,
    ] {
        check::<()>(
            Err(Error::io(&dir.join("part-0.lock"), "opening its lock")(
                kind.into(),
            )),
            dir,
            "`part-0.lock`: no access while opening its lock; make the file, its directory and its \
             disk writable for this user",
        );
    }
}
