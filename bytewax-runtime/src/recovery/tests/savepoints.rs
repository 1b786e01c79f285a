//! Savepoints of two processes with directories of their own, which are killed at each step.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;

use super::*;

/// The place of the machines, for the part of the test that is killed.
const PLACE: &str = "BYTEWAX_TEST_MACHINES";

/// Two machines: each has two of the four partitions of a store.
struct Machines {
    place: tempfile::TempDir,
    /// The states at the end of the last complete epoch.
    states: Vec<(u64, Vec<u8>)>,
}

fn dirs(place: &Path) -> [PathBuf; 2] {
    ["a", "b"].map(|name| place.join(name))
}

impl Machines {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let [a, b] = dirs(place.path());
        fs::create_dir(&a).unwrap();
        fs::create_dir(&b).unwrap();
        init(&a, 4, "orders").unwrap();
        let (mut writers, _) = start(&a);
        let states = |byte: u8| (0..40).map(move |key| (key, vec![byte; 9]));
        for epoch in 1..=3 {
            let all: Vec<_> = states(epoch as u8).collect();
            let all: Vec<_> = all
                .iter()
                .map(|(key, state)| (*key, Some(&**state)))
                .collect();
            write(&mut writers, epoch, &all);
            // The last epoch is complete in some partitions only.
            let complete = if epoch == 3 { 2 } else { 4 };
            commit(&mut writers[..complete], epoch);
        }
        drop(writers);
        for index in [1, 3] {
            let name = format!("part-{index}.sqlite3");
            fs::rename(a.join(&name), b.join(&name)).unwrap();
        }
        let states = states(2).collect();
        Self { place, states }
    }

    fn dirs(&self) -> [PathBuf; 2] {
        dirs(self.place.path())
    }

    /// The partitions of a savepoint on both machines.
    fn partitions(&self, name: &str) -> Vec<PartitionFile> {
        let dirs = self.dirs().map(|dir| dir.join("savepoints").join(name));
        let dirs = dirs.into_iter().filter(|dir| dir.exists());
        discover(&dirs.collect::<Vec<_>>()).unwrap()
    }

    /// Whether all of a savepoint is there; what is there is right.
    #[track_caller]
    fn is_whole(&self, name: &str) -> bool {
        let parts = self.partitions(name);
        if check_complete(&parts, "orders").is_err() {
            return false;
        }
        let states: Vec<_> = parts.iter().map(|part| part.state().unwrap()).collect();
        let resume = resume(&states).unwrap();
        assert_eq!((resume.execution.0, resume.epoch), (1, Epoch(3)));
        assert_eq!(load_files(&parts, resume.epoch), self.states);
        let dirs = self.dirs().map(|dir| dir.join("savepoints").join(name));
        assert!(verify(&dirs).unwrap().problems.is_empty());
        true
    }

    /// What is left of unfinished savepoints.
    fn drafts(&self) -> Vec<PathBuf> {
        let dirs = self.dirs().into_iter().map(|dir| dir.join("savepoints"));
        let entries = dirs.filter_map(|dir| fs::read_dir(dir).ok()).flatten();
        let names = entries.map(|entry| entry.unwrap());
        let drafts = names.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"."));
        drafts.map(|entry| entry.path()).collect()
    }
}

/// The second process.
struct Other {
    dir: PathBuf,
    own: Mutex<Option<Own>>,
}

impl Other {
    fn take(&self, step: &SavepointStep) -> Reply {
        let mut own = self.own.lock().unwrap();
        match (step, &mut *own) {
            (SavepointStep::Hold { name }, _) => match Own::hold(&[&self.dir], name, 1) {
                Ok((held, found)) => {
                    *own = Some(held);
                    Reply::Held(found)
                }
                Err(error) => Reply::failed(error),
            },
            (step, Some(own)) => own.take(step),
            (_, None) => Reply::Done,
        }
    }
}

/// A savepoint that the first process coordinates.
fn make(place: &Path, name: &str) -> Result<Savepoint, Error> {
    let [first, dir] = dirs(place);
    let other = Other {
        dir,
        own: Mutex::default(),
    };
    savepoint(&[first], name, 0, &|step| Ok(vec![(1, other.take(step))]))
}

#[test]
fn each_process_copies_its_own_partitions() {
    let machines = Machines::new();
    let made = make(machines.place.path(), "one").unwrap();
    assert_eq!((made.epoch, made.partitions), (Epoch(2), 4));
    assert!(made.place.ends_with("` of each of 2 processes"), "{made:?}");
    assert!(machines.is_whole("one"));
    for (dir, indices) in machines.dirs().iter().zip([[0, 2], [1, 3]]) {
        let parts = discover(&[dir.join("savepoints/one")]).unwrap();
        let found: Vec<_> = parts.iter().map(|part| part.meta.index.0).collect();
        assert_eq!(found, indices);
    }
    let again = make(machines.place.path(), "one");
    assert!(matches!(again, Err(Error::SavepointExists { .. })));
    // A name is not the beginning of another.
    make(machines.place.path(), "one.more").unwrap();
    assert!(machines.is_whole("one") && machines.is_whole("one.more"));
    // A part that is lost is not made again in secret.
    fs::remove_dir_all(machines.dirs()[1].join("savepoints/one")).unwrap();
    assert!(!machines.is_whole("one"));
    let again = make(machines.place.path(), "one");
    assert!(matches!(again, Err(Error::SavepointIncomplete { .. })));
    assert_eq!(machines.drafts(), Vec::<PathBuf>::new());
}

#[test]
fn a_process_that_fails_or_is_busy_leaves_no_savepoint() {
    let machines = Machines::new();
    let [first, second] = machines.dirs();
    // There is no room for it.
    fs::write(second.join("savepoints"), "").unwrap();
    let text = match make(machines.place.path(), "one") {
        Err(Error::OfProcess { process: 1, text }) => text,
        other => panic!("{other:?}"),
    };
    assert!(text.contains("savepoints"), "{text}");
    assert!(!machines.is_whole("one"));
    assert_eq!(machines.drafts(), Vec::<PathBuf>::new());
    fs::remove_file(second.join("savepoints")).unwrap();

    let busy = savepoint(&[&first], "one", 0, &|_| Ok(vec![(1, Reply::Busy)]));
    assert!(matches!(busy, Err(Error::SavepointInProgress)));
    let ended = savepoint(&[&first], "one", 0, &|_| Err(Error::RunEnded));
    assert!(matches!(ended, Err(Error::RunEnded)));
    // Without the other process, partitions are missing.
    let alone = savepoint(&[&first], "one", 0, &|_| Ok(Vec::new()));
    assert!(matches!(
        alone,
        Err(Error::Resume(ResumeError::Missing { .. }))
    ));
    make(machines.place.path(), "one").unwrap();
    assert!(machines.is_whole("one"));
}

#[test]
fn of_copies_of_a_partition_the_one_of_the_coordinator_counts() {
    let machines = Machines::new();
    let [first, second] = machines.dirs();
    for index in [0, 2] {
        let name = format!("part-{index}.sqlite3");
        fs::copy(first.join(&name), second.join(&name)).unwrap();
    }
    make(machines.place.path(), "one").unwrap();
    assert!(machines.is_whole("one"));
    assert_eq!(machines.partitions("one").len(), 4);
}

/// The part of the test that is killed.
#[test]
fn save_and_be_killed() {
    if let Some(place) = env::var_os(PLACE) {
        make(&PathBuf::from(place), "one").unwrap();
    }
}

/// Makes a savepoint in another process, which is killed at a step; false if it has fewer steps.
fn is_killed_at(step: usize, place: &Path) -> bool {
    let test = "recovery::tests::savepoints::save_and_be_killed";
    super::is_killed_at(step, test, &[(PLACE, place.as_os_str())])
}

#[test]
fn a_kill_at_any_step_leaves_all_or_nothing_and_the_next_one_makes_it() {
    let (mut made, mut completed, mut whole) = (0, 0, 0);
    let mut step = 0;
    loop {
        let machines = Machines::new();
        if !is_killed_at(step, machines.place.path()) {
            break;
        }
        whole += usize::from(machines.is_whole("one"));
        let again = make(machines.place.path(), "one");
        match again {
            Ok(_) => made += 1,
            // All had copied their part, and some had published it.
            Err(Error::SavepointExists { .. }) => completed += 1,
            Err(error) => panic!("step {step}: {error}"),
        }
        assert!(machines.is_whole("one"), "step {step}");
        assert_eq!(machines.drafts(), Vec::<PathBuf>::new(), "step {step}");
        step += 1;
    }
    assert!(
        made > 8 && completed > 3 && whole > 0,
        "{made} {completed} {whole}"
    );
}
