//! Stores with a backup.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::model::Model;
use super::*;

/// A backup in memory that can be cut off.
#[derive(Debug)]
struct Memory {
    objects: Mutex<BTreeMap<String, Vec<u8>>>,
    /// How many objects can still be written.
    left: AtomicI64,
}

impl Memory {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            objects: Mutex::default(),
            left: AtomicI64::new(i64::MAX),
        })
    }

    fn names(&self) -> Vec<String> {
        self.list("").unwrap()
    }

    fn spend(&self, puts: i64) -> io::Result<()> {
        if self.left.fetch_sub(puts, Ordering::Relaxed) < puts {
            return Err(io::Error::other("the backup is cut off"));
        }
        Ok(())
    }
}

impl Backup for Memory {
    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.spend(1)?;
        let mut objects = self.objects.lock().unwrap();
        if objects.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        objects.insert(name.to_owned(), bytes.to_vec());
        Ok(())
    }

    fn get(&self, name: &str) -> io::Result<Vec<u8>> {
        let objects = self.objects.lock().unwrap();
        let object = objects.get(name).cloned();
        object.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<String>> {
        let objects = self.objects.lock().unwrap();
        let names = objects.keys().filter(|name| name.starts_with(prefix));
        Ok(names.cloned().collect())
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        self.spend(0)?;
        self.objects.lock().unwrap().remove(name);
        Ok(())
    }
}

/// What changes in an epoch.
#[derive(Clone, Debug)]
enum Change {
    /// A key gets a state, or is removed.
    State(u64, Option<Vec<u8>>),
    /// A key waits for a second of 1970, or for nothing any more.
    Timer(u64, Option<i64>),
    /// A partition of the source moves on.
    Position(u8, u8),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let state = prop::option::weighted(0.7, prop::collection::vec(any::<u8>(), 0..20));
    let change = prop_oneof![
        4 => (0_u64..20, state).prop_map(|(key, state)| Change::State(key, state)),
        1 => (0_u64..9, prop::option::of(0_i64..9)).prop_map(|(key, due)| Change::Timer(key, due)),
        1 => (0_u8..3, any::<u8>()).prop_map(|(part, at)| Change::Position(part, at)),
    ];
    prop::collection::vec(change, 0..6)
}

#[derive(Clone, Debug)]
enum Op {
    Epoch(Vec<Change>),
    /// The same, but the epoch is committed with the next.
    Unreported(Vec<Change>),
    /// Epochs are given up, but for so many.
    Collect(u64),
    /// All processes are killed when so many objects more were written, in an epoch with these
    /// changes. Then so many processes start; those of `lost` have lost their directory.
    Kill {
        changes: Vec<Change>,
        objects: i64,
        processes: usize,
        lost: [bool; MACHINES],
    },
}

const MACHINES: usize = 3;

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let kill = (
        changes(),
        0_i64..12,
        1..=MACHINES,
        any::<[bool; MACHINES]>(),
    );
    let op = prop_oneof![
        12 => changes().prop_map(Op::Epoch),
        3 => changes().prop_map(Op::Unreported),
        4 => (0_u64..3).prop_map(Op::Collect),
        2 => kill.prop_map(|(changes, objects, processes, lost)| Op::Kill {
            changes, objects, processes, lost
        }),
    ];
    prop::collection::vec(op, 1..50)
}

/// One process of a cluster.
struct Process {
    thread: WriterThread,
    events: Receiver<WriterEvent>,
    share: Share,
}

/// A cluster that runs on up to three machines, one process on each.
struct Cluster {
    backup: Arc<Memory>,
    dirs: Vec<tempfile::TempDir>,
    partitions: u32,
    processes: Vec<Process>,
    /// What is saved at the end of each epoch; the first entry is that of no epoch.
    history: Vec<Model>,
    /// The last epoch that was reported as committed.
    committed: u64,
    model: Model,
}

impl Cluster {
    fn new(partitions: u32, processes: usize) -> Self {
        let mut cluster = Self {
            backup: Memory::new(),
            dirs: (0..MACHINES)
                .map(|_| tempfile::tempdir().unwrap())
                .collect(),
            partitions,
            processes: Vec::new(),
            history: vec![Model::default()],
            committed: 0,
            model: Model::default(),
        };
        cluster.start(processes);
        cluster
    }

    fn start(&mut self, processes: usize) {
        let backup: Arc<dyn Backup> = self.backup.clone();
        let shares = (0..processes).map(|worker| Share {
            worker,
            workers: processes,
        });
        let shares: Vec<_> = shares.collect();
        begin(&*backup, self.dirs[0].path(), "orders", self.partitions).unwrap();
        let restored: Vec<Restored> = shares
            .iter()
            .map(|&share| {
                let dir = self.dirs[share.worker].path();
                restore(&backup, dir, "orders", share).unwrap()
            })
            .collect();
        let files: Vec<_> = restored.iter().flat_map(|own| own.parts.clone()).collect();
        let states: Vec<_> = files.iter().map(|part| part.state().unwrap()).collect();
        check_complete(&states, "orders").unwrap();
        let resume = resume(&states).unwrap();
        assert!(
            resume.epoch.0 > self.committed,
            "an epoch that was reported is lost"
        );
        self.history.truncate(resume.epoch.0 as usize);
        assert_eq!(self.history.len() as u64, resume.epoch.0);
        self.model = self.history.last().unwrap().clone();
        assert_eq!(Model::load_files(&files, resume.epoch), self.model);
        let execution = Execution {
            number: resume.execution,
            resume: resume.epoch,
            workers: 1,
            processes: processes as u32,
            started_at: chrono::Utc::now(),
        };
        for (own, share) in restored.into_iter().zip(shares) {
            let open = |part: &PartitionFile| {
                let mut writer = PartitionWriter::open(&part.file).unwrap();
                writer.begin_execution(&execution).unwrap();
                writer
            };
            let writers = own.parts.iter().map(open).collect();
            let (report, events) = mpsc::channel();
            let report = move |event| report.send(event).unwrap();
            let steps = [total(), input()];
            let thread =
                WriterThread::spawn(writers, &steps, 8, Some(own.uploads), report).unwrap();
            self.processes.push(Process {
                thread,
                events,
                share,
            });
        }
    }

    fn send(&self, slot: Slot, message: Message) {
        let index = PartitionCount::new(self.partitions)
            .unwrap()
            .partition_of(slot);
        let process = self
            .processes
            .iter()
            .find(|process| process.share.has(index));
        // It may have failed.
        let _ = process.unwrap().thread.send(message);
    }

    /// Changes what an epoch changes.
    fn change(&mut self, changes: Vec<Change>) {
        let epoch = Epoch(self.history.len() as u64);
        let (mut states, mut timers) = (Batch::default(), Batch::default());
        for change in changes {
            match change {
                Change::State(key, state) => {
                    let bytes = key.to_le_bytes();
                    states.push(hash(key), &bytes, state.as_deref()).unwrap();
                    match state {
                        Some(state) => self.model.states.insert(key, state),
                        None => self.model.states.remove(&key),
                    };
                }
                Change::Timer(key, due) => {
                    let time = due.map(|due| DateTime::from_timestamp(due, 0).unwrap());
                    push_timer(&mut timers, hash(key), &key.to_le_bytes(), time).unwrap();
                    match due {
                        Some(due) => self.model.timers.insert(key, due),
                        None => self.model.timers.remove(&key),
                    };
                }
                Change::Position(partition, at) => {
                    let partition = format!("p{partition}");
                    let bytes = vec![at];
                    self.model
                        .positions
                        .insert(partition.clone(), bytes.clone());
                    let slot = position_slot(&input().id, &partition);
                    let step = StepPlace(1);
                    let position = Message::Position {
                        step,
                        partition,
                        epoch,
                        bytes,
                    };
                    self.send(slot, position);
                }
            }
        }
        let step = StepPlace(0);
        let sent = states.drain(|slot, run| {
            let snaps = Message::Snaps {
                step,
                slot,
                epoch,
                run,
            };
            self.send(slot, snaps);
            Ok::<_, TooLong>(())
        });
        sent.unwrap();
        let sent = timers.drain(|slot, run| {
            let timers = Message::Timers {
                step,
                slot,
                epoch,
                run,
            };
            self.send(slot, timers);
            Ok::<_, TooLong>(())
        });
        sent.unwrap();
        self.history.push(self.model.clone());
    }

    /// Does an epoch; whether it was committed everywhere.
    fn epoch(&mut self, changes: Vec<Change>) -> bool {
        let epoch = Epoch(self.history.len() as u64);
        self.change(changes);
        for process in &self.processes {
            let _ = process.thread.send(Message::Commit(epoch));
        }
        let reported = self.processes.iter().map(|process| process.events.recv());
        let all = reported.fold(true, |all, event| match event {
            Ok(WriterEvent::Committed(reported)) => {
                assert_eq!(reported, epoch);
                all
            }
            Ok(WriterEvent::Failed(_)) | Err(_) => false,
        });
        if all {
            self.committed = epoch.0;
        }
        all
    }

    fn apply(&mut self, op: Op) {
        match op {
            Op::Epoch(changes) => assert!(self.epoch(changes)),
            Op::Unreported(changes) => self.change(changes),
            Op::Collect(keep) => {
                let oldest = (self.committed + 1).saturating_sub(keep).max(1);
                for process in &self.processes {
                    process
                        .thread
                        .send(Message::Collect(Epoch(oldest)))
                        .unwrap();
                }
            }
            Op::Kill {
                changes,
                objects,
                processes,
                lost,
            } => {
                self.backup.left.store(objects, Ordering::Relaxed);
                self.epoch(changes);
                self.processes.clear();
                self.backup.left.store(i64::MAX, Ordering::Relaxed);
                for (dir, _) in self.dirs.iter_mut().zip(lost).filter(|(_, lost)| *lost) {
                    *dir = tempfile::tempdir().unwrap();
                }
                self.start(processes);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn what_was_reported_is_restored_anywhere(
        partitions in 1_u32..6,
        processes in 1..=MACHINES,
        ops in ops(),
    ) {
        let mut cluster = Cluster::new(partitions, processes);
        ops.into_iter().for_each(|op| cluster.apply(op));
        for lost in [[false; MACHINES], [true; MACHINES]] {
            cluster.apply(Op::Kill { changes: Vec::new(), objects: 2, processes: 1, lost });
        }
        let report = verify(&[cluster.dirs[0].path()]).unwrap();
        prop_assert!(report.problems.is_empty(), "{:?}", report.problems);
    }
}

fn state(key: u64, state: u8) -> Change {
    Change::State(key, Some(vec![state]))
}

#[test]
fn what_is_replaced_is_removed() {
    let mut cluster = Cluster::new(2, 1);
    for epoch in 0..200_u8 {
        let changes = (0..20).map(|key| state(key, epoch)).collect();
        cluster.apply(Op::Epoch(changes));
        cluster.apply(Op::Collect(0));
    }
    let lost = [true; MACHINES];
    cluster.apply(Op::Kill {
        changes: Vec::new(),
        objects: 99,
        processes: 2,
        lost,
    });
    let names = cluster.backup.names();
    assert!(names.len() < 60, "{names:?}");
    // A base of several pieces.
    assert!(names.iter().any(|name| name.ends_with(".base-00001-last")));
}

/// A cluster of one process that has done three epochs and ended, and its backup.
fn three_epochs(partitions: u32) -> Cluster {
    let mut cluster = Cluster::new(partitions, 1);
    for epoch in 1..4 {
        let changes = (0..20).map(|key| state(key, epoch)).collect();
        cluster.apply(Op::Epoch(changes));
    }
    cluster.processes.clear();
    cluster
}

fn restore_from(backup: &Arc<Memory>, dir: &Path) -> Result<Restored, Error> {
    let backup: Arc<dyn Backup> = backup.clone();
    restore(&backup, dir, "orders", Share::ALL)
}

/// Changes an object behind the back of the store; the error when an empty directory is restored,
/// and nothing must be there then.
#[track_caller]
fn check_refused(change: impl FnOnce(&mut BTreeMap<String, Vec<u8>>), expected: &str) {
    let cluster = three_epochs(1);
    change(&mut cluster.backup.objects.lock().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let error = restore_from(&cluster.backup, dir.path()).err().unwrap();
    assert_eq!(error.to_string(), expected);
    assert!(discover(&[dir.path()]).unwrap().is_empty());
}

const SECOND: &str = "orders/part-0000/000000000002.segment";
const THIRD: &str = "orders/part-0000/000000000003.segment";

#[test]
fn a_damaged_object_is_refused() {
    let text = |what: &str| {
        format!(
            "`{SECOND}` in the backup is damaged: {what}; bring it back from a copy of the backup, \
             or move the backup away and run the flow with its local directory on an empty one"
        )
    };
    let flip = |objects: &mut BTreeMap<String, Vec<u8>>| {
        let object = objects.get_mut(SECOND).unwrap();
        let middle = object.len() / 2;
        object[middle] ^= 1;
    };
    check_refused(flip, &text("its checksum does not fit"));
    let cut =
        |objects: &mut BTreeMap<String, Vec<u8>>| objects.get_mut(SECOND).unwrap().truncate(15);
    check_refused(cut, &text("it is cut off"));
    let swap = |objects: &mut BTreeMap<String, Vec<u8>>| {
        let third = objects[THIRD].clone();
        objects.insert(SECOND.to_owned(), third);
    };
    check_refused(swap, &text("it belongs to another place"));
}

#[test]
fn foreign_and_missing_objects_are_refused() {
    check_refused(
        |objects| {
            objects.insert(SECOND.to_owned(), b"text".to_vec());
        },
        &format!(
            "`{SECOND}` is not an object of a backup: it begins otherwise; move it away, or name \
             the right backup"
        ),
    );
    check_refused(
        |objects| {
            objects.remove(SECOND);
        },
        &format!(
            "`{SECOND}` is missing in the backup; bring it back from a copy of the backup, or, when \
             another run of the flow is using the backup, stop that run first"
        ),
    );
    check_refused(
        |objects| {
            objects.remove("orders/store");
        },
        "`orders/store` is missing in the backup; bring it back from a copy of the backup, or, when \
         another run of the flow is using the backup, stop that run first",
    );
}

#[test]
fn an_object_of_a_newer_release_is_refused() {
    check_refused(
        |objects| objects.get_mut(THIRD).unwrap()[8] = 2,
        &format!(
            "`{THIRD}` in the backup has format 2, this program knows up to 1; it was written by a \
             newer release. Run that release, or use another backup"
        ),
    );
}

#[test]
fn a_local_directory_of_another_store_is_refused() {
    let cluster = three_epochs(1);
    let dir = tempfile::tempdir().unwrap();
    init(dir.path(), 1, "orders").unwrap();
    let error = restore_from(&cluster.backup, dir.path())
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("part-0.sqlite3` is of recovery store "),
        "{error}"
    );
    assert!(
        error.ends_with("; name the backup of this directory, or use an empty directory"),
        "{error}"
    );
    let dir = tempfile::tempdir().unwrap();
    init(dir.path(), 1, "sales").unwrap();
    let error = restore_from(&cluster.backup, dir.path()).err().unwrap();
    assert!(
        error
            .to_string()
            .contains("holds the state of flow `sales`, this is flow `orders`")
    );
}

#[test]
fn nothing_is_begun_by_looking() {
    let backup = Memory::new();
    let dir = tempfile::tempdir().unwrap();
    let empty: Arc<dyn Backup> = backup.clone();
    let error = restore(&empty, dir.path(), "orders", Share::ALL)
        .err()
        .unwrap();
    assert_eq!(
        error.to_string(),
        "the backup holds nothing of flow `orders`; name the backup that does, or give the name of \
         the flow as it is in the program"
    );
    assert!(backup.names().is_empty());
}

#[test]
fn of_two_runs_on_one_backup_one_is_refused() {
    let mut first = Cluster::new(2, 1);
    first.apply(Op::Epoch(vec![state(1, 1)]));
    // On another machine.
    let mut second = Cluster {
        backup: first.backup.clone(),
        dirs: vec![tempfile::tempdir().unwrap()],
        partitions: 2,
        processes: Vec::new(),
        history: first.history.clone(),
        committed: 1,
        model: Model::default(),
    };
    second.start(1);
    second.apply(Op::Epoch(vec![state(2, 2)]));
    let epoch = Epoch(2);
    first.processes[0]
        .thread
        .send(Message::Commit(epoch))
        .unwrap();
    let event = first.processes[0].events.recv().unwrap();
    let WriterEvent::Failed(error) = event else {
        panic!("{event:?}");
    };
    let error = error.to_string();
    assert!(
        error.ends_with(
            "000002.segment` was written to the backup by another run of the flow; stop that run, \
             then run this one again"
        ),
        "{error}"
    );
    // What the second one has written stays.
    second.apply(Op::Kill {
        changes: Vec::new(),
        objects: 9,
        processes: 1,
        lost: [true; MACHINES],
    });
    assert_eq!(second.model.states[&2], [2]);
}

#[test]
fn a_backup_can_be_begun_with_a_store_that_is_there() {
    let mut cluster = three_epochs(3);
    let copy = tempfile::tempdir().unwrap();
    // A store that had no backup, as far as this one knows.
    repartition(&[cluster.dirs[0].path()], 5, copy.path()).unwrap();
    cluster.backup = Memory::new();
    cluster.dirs[0] = copy;
    cluster.partitions = 5;
    let backup: Arc<dyn Backup> = cluster.backup.clone();
    let start = |dir: &Path| begin(&*backup, dir, "orders", 5);
    // The first attempt is cut off.
    cluster.backup.left.store(4, Ordering::Relaxed);
    let error = start(cluster.dirs[0].path()).unwrap_err().to_string();
    assert!(
        error.starts_with("the backup failed while writing"),
        "{error}"
    );
    cluster.backup.left.store(i64::MAX, Ordering::Relaxed);
    let elsewhere = tempfile::tempdir().unwrap();
    let error = start(elsewhere.path()).unwrap_err().to_string();
    assert!(
        error.starts_with("`orders/store` is missing in the backup; bring"),
        "{error}"
    );
    // On three machines, of which the first has the store.
    cluster.committed = 3;
    cluster.start(3);
    cluster.apply(Op::Epoch(vec![state(2, 9)]));
    cluster.apply(Op::Kill {
        changes: Vec::new(),
        objects: 99,
        processes: 2,
        lost: [true; MACHINES],
    });
    assert_eq!(cluster.model.states.len(), 20);
    assert_eq!(cluster.model.states[&2], [9]);
}

#[test]
fn a_backup_that_fails_stops_the_run_with_its_cause() {
    let mut cluster = Cluster::new(1, 1);
    cluster.backup.left.store(0, Ordering::Relaxed);
    cluster.processes[0]
        .thread
        .send(Message::Commit(Epoch(1)))
        .unwrap();
    let event = cluster.processes[0].events.recv().unwrap();
    let WriterEvent::Failed(error) = event else {
        panic!("{event:?}");
    };
    let error = crate::RunError::from(error).report();
    assert_eq!(
        error,
        "the backup failed while writing `orders/part-0000/000000000001.segment`; mend the access \
         to it and run the flow again, it resumes from the last epoch that the backup holds\n  \
         caused by: the backup is cut off"
    );
    cluster.processes.clear();
    cluster.backup.left.store(i64::MAX, Ordering::Relaxed);
    cluster.start(1);
}

/// What every backup does.
fn check_backup(backup: &dyn Backup) {
    assert_eq!(backup.list("orders/").unwrap(), Vec::<String>::new());
    backup.put("orders/part-0000/x", b"1").unwrap();
    backup.put("orders/store", b"2").unwrap();
    backup.put("orders2/store", b"3").unwrap();
    let taken = backup.put("orders/store", b"4").unwrap_err();
    assert_eq!(taken.kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(backup.get("orders/store").unwrap(), b"2");
    let mut names = backup.list("orders/").unwrap();
    names.sort();
    assert_eq!(names, ["orders/part-0000/x", "orders/store"]);
    let names = backup.list("orders/part-0000/").unwrap();
    assert_eq!(names, ["orders/part-0000/x"]);
    backup.delete("orders/store").unwrap();
    backup.delete("orders/store").unwrap();
    let missing = backup.get("orders/store").unwrap_err();
    assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    // Of many at once, one is first.
    let puts: Vec<_> = std::thread::scope(|scope| {
        let put = |byte: u8| scope.spawn(move || backup.put("orders/race", &[byte]).is_ok());
        let threads: Vec<_> = (0..8).map(put).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let first = puts.iter().position(|is_first| *is_first).unwrap();
    assert_eq!(puts.iter().filter(|is_first| **is_first).count(), 1);
    assert_eq!(backup.get("orders/race").unwrap(), [first as u8]);
}

#[test]
fn a_directory_is_a_backup() {
    let root = tempfile::tempdir().unwrap();
    check_backup(&FileSystemBackup::new(root.path().join("a/b")));
    let part = root.path().join("a/b/orders/part-0000");
    assert_eq!(
        fs::read_dir(&part).unwrap().count(),
        1,
        "nothing but the object is left"
    );
    // What a killed process left.
    fs::write(part.join("y.1-0.tmp"), "half").unwrap();
    let names = FileSystemBackup::new(root.path().join("a/b")).list("orders/part-0000/");
    assert_eq!(names.unwrap(), ["orders/part-0000/x"]);
}

#[cfg(feature = "object-store")]
#[test]
fn object_stores_are_backups() {
    use object_store::ObjectStore;
    use object_store::local::LocalFileSystem;
    use object_store::memory::InMemory;
    use object_store::prefix::PrefixStore;

    use crate::recovery::ObjectStoreBackup;

    let dir = tempfile::tempdir().unwrap();
    let local = LocalFileSystem::new_with_prefix(dir.path()).unwrap();
    let stores: [Arc<dyn ObjectStore>; 3] = [
        Arc::new(InMemory::new()),
        Arc::new(local),
        Arc::new(PrefixStore::new(InMemory::new(), "a/b")),
    ];
    for store in stores {
        check_backup(&ObjectStoreBackup::new(Arc::clone(&store)).unwrap());
        // A store in it.
        let backup: Arc<dyn Backup> = Arc::new(ObjectStoreBackup::new(store).unwrap());
        let made = tempfile::tempdir().unwrap();
        begin(&*backup, made.path(), "sales", 3).unwrap();
        let made = restore(&backup, made.path(), "sales", Share::ALL).unwrap();
        let again = tempfile::tempdir().unwrap();
        begin(&*backup, again.path(), "sales", 7).unwrap();
        let again = restore(&backup, again.path(), "sales", Share::ALL).unwrap();
        let metas = |restored: &Restored| -> Vec<_> {
            restored
                .parts
                .iter()
                .map(|part| part.meta.clone())
                .collect()
        };
        assert_eq!(metas(&made), metas(&again));
    }
    assert!(ObjectStoreBackup::at("memory:///a").is_ok());
    let error = ObjectStoreBackup::at("moon://crater").unwrap_err();
    assert!(error.to_string().contains("moon://crater"), "{error}");
}
