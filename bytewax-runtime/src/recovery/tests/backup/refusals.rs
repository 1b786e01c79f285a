//! What is refused, and in which words.

use std::collections::BTreeMap;

use super::*;

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
    restored(&backup, dir, "orders")
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

const SECOND: &str = "orders/part-0000/000000000002.segment-1-1";
const THIRD: &str = "orders/part-0000/000000000003.segment-1-1";

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
        "`orders/part-0000/000000000002.segment-1` is missing in the backup; bring it back from a copy \
         of the backup, or, when another run of the flow is using the backup, stop that run first",
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
        |objects| objects.get_mut(THIRD).unwrap()[8] = 3,
        &format!(
            "`{THIRD}` in the backup has format 3, this program knows up to 2; it was written by a \
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
    let error = restored(&empty, dir.path(), "orders").err().unwrap();
    assert_eq!(
        error.to_string(),
        "the backup holds nothing of flow `orders`; name the backup that does, or give the name of \
         the flow as it is in the program"
    );
    assert!(backup.names().is_empty());
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
    let start = |dir: &Path| begin(&*backup, dir, "orders", Allow, 5);
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
        "the backup failed while writing `orders/part-0000/000000000001.segment-1-0`; mend the access \
         to it and run the flow again, it resumes from the last epoch that the backup holds\n  \
         caused by: the backup is cut off"
    );
    cluster.processes.clear();
    cluster.backup.left.store(i64::MAX, Ordering::Relaxed);
    cluster.start(1);
}
