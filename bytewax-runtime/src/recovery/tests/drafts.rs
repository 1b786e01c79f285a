//! Stores whose making is killed at each of its steps, and what the next command makes of it.

use std::env;
use std::fs;
use std::path::PathBuf;

use super::*;

/// What is made, in the directory `new`; that of `old` has a store with a state.
const MAKING: &str = "BYTEWAX_TEST_MAKING";
const PLACE: &str = "BYTEWAX_TEST_PLACE";

#[derive(Clone, Copy, Debug, PartialEq)]
enum Making {
    Init,
    FirstUse,
    Repartition,
}

impl Making {
    const ALL: [Self; 3] = [Self::Init, Self::FirstUse, Self::Repartition];

    fn name(self) -> String {
        format!("{self:?}")
    }

    fn make(self, place: &Path, partitions: u32) -> Result<(), Error> {
        let new = place.join("new");
        match self {
            Self::Init => init(&new, partitions, "orders").map(drop),
            Self::FirstUse => init_on_first_use(&[new], partitions, "orders"),
            Self::Repartition => repartition(&[place.join("old")], partitions, &new).map(drop),
        }
    }
}

/// The part of the tests that is killed.
#[test]
fn make_and_be_killed() {
    let (Some(name), Some(place)) = (env::var_os(MAKING), env::var_os(PLACE)) else {
        return;
    };
    let making = Making::ALL
        .into_iter()
        .find(|making| *making.name() == *name);
    making.unwrap().make(&PathBuf::from(place), 3).unwrap();
}

/// Makes a store of 3 in another process, which is killed at a step; false if it has fewer steps.
fn is_killed_at(step: usize, making: Making, place: &Path) -> bool {
    let test = "recovery::tests::drafts::make_and_be_killed";
    let making = making.name();
    let environment = [(MAKING, making.as_ref()), (PLACE, place.as_os_str())];
    super::is_killed_at(step, test, &environment)
}

/// A place with a store of 2 that has a state, and room for a new one.
fn place() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    let old = place.path().join("old");
    fs::create_dir(&old).unwrap();
    fs::create_dir(place.path().join("new")).unwrap();
    init(&old, 2, "orders").unwrap();
    let (mut writers, _) = start(&old);
    write(&mut writers, 1, &[(1, Some(b"one")), (2, Some(b"two"))]);
    commit(&mut writers, 1);
    place
}

/// The copy of a directory as it is.
fn copy(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let from = entry.unwrap().path();
        fs::copy(&from, to.path().join(from.file_name().unwrap())).unwrap();
    }
    to
}

/// The names of the files in a directory, but for locks.
fn names(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let names = names.map(|name| name.into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| !name.ends_with(".lock")).collect();
    names.sort();
    names
}

/// A store of so many partitions, and nothing else, is in a directory, with the state of `old` or with
/// none; and a run goes on with it.
#[track_caller]
fn check(dir: &Path, partitions: &[usize], states: &[usize]) {
    let files = discover(&[dir]).unwrap();
    assert!(partitions.contains(&files.len()), "{:?}", names(dir));
    let of_partition = |name: &String| name.contains(".sqlite3");
    assert!(names(dir).iter().all(of_partition), "{:?}", names(dir));
    check_complete(&files, "orders").unwrap();
    assert!(verify(&[dir]).unwrap().problems.is_empty());
    let (mut writers, resume) = start(dir);
    let found = load(dir, resume.epoch);
    assert!(states.contains(&found.len()), "{found:?}");
    assert_eq!(resume.epoch.0, if found.is_empty() { 1 } else { 2 });
    write(&mut writers, resume.epoch.0, &[(3, Some(b"three"))]);
    commit(&mut writers, resume.epoch.0);
    drop(writers);
    assert_eq!(load(dir, resume.epoch.next()).len(), found.len() + 1);
}

/// Kills the making at each step, and then does something with a copy of what is left.
fn at_each_step(making: Making, check: impl Fn(&Path)) {
    let mut steps = 0;
    loop {
        let place = place();
        let killed = is_killed_at(steps, making, place.path());
        check(place.path());
        if !killed {
            break;
        }
        steps += 1;
    }
    // Three drafts, three that become ready, and three names, at the least.
    assert!(steps >= 9, "{steps} steps of {making:?}");
}

#[test]
fn a_run_finishes_or_makes_what_was_being_made() {
    for making in Making::ALL {
        at_each_step(making, |place| {
            let new = copy(&place.join("new"));
            init_on_first_use(&[new.path()], 5, "orders").unwrap();
            // The store that was begun, or one of its own.
            let states: &[usize] = if making == Making::Repartition {
                &[0, 2]
            } else {
                &[0]
            };
            check(new.path(), &[3, 5], states);
            // A run finds it, also when its first worker finds it on another machine.
            let found = copy(&place.join("new"));
            let found = discover_to_use(&[found.path()]).unwrap();
            assert!([0, 3].contains(&found.len()));
        });
    }
}

/// What is asked for is made anew, unless a whole store was there.
#[test]
fn a_command_makes_anew_what_was_being_made() {
    for making in Making::ALL {
        at_each_step(making, |place| {
            let new = place.join("new");
            let whole = names(&new) == ["part-0.sqlite3", "part-1.sqlite3", "part-2.sqlite3"];
            for again in [Making::Init, Making::Repartition] {
                let (place, new) = (copy_of_place(place), "new");
                let made = again.make(place.path(), 4);
                assert_eq!(made.is_ok(), !whole, "{made:?}");
                let states = match (whole, making, again) {
                    (true, Making::Repartition, _) | (false, _, Making::Repartition) => 2,
                    _ => 0,
                };
                let partitions = if whole { 3 } else { 4 };
                check(&place.path().join(new), &[partitions], &[states]);
            }
        });
    }
}

fn copy_of_place(place: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for part in ["old", "new"] {
        fs::rename(copy(&place.join(part)).keep(), to.path().join(part)).unwrap();
    }
    to
}

/// A mend that is killed itself is mended.
#[test]
fn making_anew_is_killed_too() {
    // All is ready, and two have their names.
    let half = place();
    let killed = (0..).find(|&step| {
        let place = half.path().join("new");
        fs::remove_dir_all(&place).unwrap();
        fs::create_dir(&place).unwrap();
        assert!(is_killed_at(step, Making::Repartition, half.path()));
        names(&place)
            .iter()
            .filter(|name| name.ends_with(".sqlite3"))
            .count()
            == 2
    });
    assert!(killed.is_some());
    for again in Making::ALL {
        for step in 0.. {
            let place = copy_of_place(half.path());
            let is_killed = is_killed_at(step, again, place.path());
            let new = place.path().join("new");
            let found = copy(&new);
            init_on_first_use(&[found.path()], 5, "orders").unwrap();
            // Of a new store, or the copy, that was finished.
            check(found.path(), &[3, 5], &[0, 2]);
            let whole = discover(&[&new]).is_ok_and(|found| found.len() == 3);
            let made = Making::Repartition.make(place.path(), 4);
            assert_eq!(made.is_ok(), !whole, "{made:?}");
            if !is_killed {
                assert!(whole);
                break;
            }
        }
    }
}

/// What an earlier release leaves that is killed while it gives names: drafts never became ready.
#[test]
fn a_store_of_an_earlier_release_that_got_no_names_is_mended() {
    let half = |dir: &Path| {
        init(dir, 3, "orders").unwrap();
        let draft = dir.join("part-2.draft");
        fs::rename(dir.join("part-2.sqlite3"), &draft).unwrap();
        draft
    };
    let dir = tempfile::tempdir().unwrap();
    let draft = half(dir.path());
    let refused = show(&[dir.path()]).unwrap_err();
    assert!(matches!(refused, Error::HalfMade { .. }), "{refused}");
    // Nobody has used it, so it does not matter how far its files were written.
    fs::write(&draft, "torn").unwrap();
    init_on_first_use(&[dir.path()], 5, "orders").unwrap();
    check(dir.path(), &[3], &[0]);

    let dir = tempfile::tempdir().unwrap();
    half(dir.path());
    init(dir.path(), 4, "orders").unwrap();
    check(dir.path(), &[4], &[0]);

    // A draft beside partitions that were used is none of theirs.
    let dir = tempfile::tempdir().unwrap();
    half(dir.path());
    let draft = dir.path().join("part-2.draft");
    let kept = dir.path().join("kept");
    fs::rename(&draft, &kept).unwrap();
    for part in discover(&[dir.path()]).unwrap() {
        let mut writer = part.lock().unwrap().writer().unwrap();
        let execution = Execution {
            number: ExecutionNumber(0),
            resume: Epoch(1),
            workers: 1,
            processes: 1,
            started_at: DateTime::UNIX_EPOCH,
        };
        writer.begin_execution(&execution).unwrap();
        writer.commit(Epoch(1)).unwrap();
    }
    fs::rename(&kept, &draft).unwrap();
    let found = discover_to_use(&[dir.path()]).unwrap();
    assert_eq!(found.len(), 2);
    let refused = check_complete(&found, "orders").unwrap_err();
    assert!(matches!(refused, ResumeError::Missing { .. }), "{refused}");
}
