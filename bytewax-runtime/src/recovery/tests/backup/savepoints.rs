//! Savepoints in a backup, which are backups themselves.

use super::cluster::Change;
use super::memory::Call;
use super::*;

/// A backup with bases and segments.
fn used() -> Cluster {
    let mut cluster = Cluster::new(3, 2);
    for epoch in 0..40 {
        work(&mut cluster, epoch);
    }
    cluster
}

fn work(cluster: &mut Cluster, epoch: u8) {
    let mut changes: Vec<_> = (0..20).map(|key| state(key, epoch)).collect();
    changes.push(Change::Position(epoch % 3, epoch));
    cluster.apply(Op::Epoch(changes));
    cluster.apply(Op::Collect(1));
}

fn make(cluster: &Cluster, name: &str) -> Result<Savepoint, Error> {
    savepoint_in_backup(&*cluster.backup, "orders", name)
}

/// The savepoint as the backup that it is, at other machines.
fn taken(cluster: &Cluster, name: &str, epoch: Epoch) -> Cluster {
    let prefix = format!("orders/savepoints/{name}/");
    let backup = Memory::new();
    for (name, bytes) in &*cluster.backup.objects.lock().unwrap() {
        if let Some(own) = name.strip_prefix(&prefix) {
            backup.put(own, bytes).unwrap();
        }
    }
    let mut taken = cluster.beside();
    taken.backup = backup;
    taken.committed = epoch.0;
    taken.history.truncate(epoch.0 as usize + 1);
    taken
}

/// Runs on a savepoint, and on it again; each start compares the states.
#[track_caller]
fn check(cluster: &Cluster, name: &str, epoch: Epoch) {
    let mut taken = taken(cluster, name, epoch);
    taken.start(3);
    assert_eq!(taken.history.len() as u64, epoch.0 + 1);
    for epoch in 100..110 {
        work(&mut taken, epoch);
    }
    taken.apply(Op::Kill {
        changes: Vec::new(),
        objects: 1,
        processes: 2,
        lost: [true; MACHINES],
    });
}

#[test]
fn a_run_goes_on_from_a_savepoint_in_a_backup() {
    let mut cluster = used();
    let made = make(&cluster, "one").unwrap();
    assert_eq!((made.epoch.0, made.partitions), (cluster.committed, 3));
    assert_eq!(made.place, "the backup as `orders/savepoints/one`");
    let names = cluster.backup.names();
    assert!(
        names
            .iter()
            .any(|name| name.starts_with("orders/savepoints/one/") && name.contains(".base-"))
    );
    let again = make(&cluster, "one");
    assert!(matches!(again, Err(Error::SavepointExists { .. })));
    // The run goes on, and is not changed by it.
    for epoch in 50..60 {
        work(&mut cluster, epoch);
    }
    let other = make(&cluster, "two").unwrap();
    assert_eq!(other.epoch.0, made.epoch.0 + 10);
    check(&cluster, "one", made.epoch);
    check(&cluster, "two", other.epoch);
    cluster.apply(Op::Kill {
        changes: Vec::new(),
        objects: 99,
        processes: 1,
        lost: [true; MACHINES],
    });
}

#[test]
fn before_an_epoch_is_complete_there_is_none_in_the_backup() {
    let cluster = Cluster::new(2, 1);
    assert!(matches!(make(&cluster, "one"), Err(Error::NothingComplete)));
    assert!(
        !cluster
            .backup
            .names()
            .iter()
            .any(|name| name.contains("savepoints"))
    );
}

#[test]
fn a_savepoint_that_is_cut_off_anywhere_is_refused_and_made_again() {
    let mut cluster = used();
    let mut objects = 0;
    loop {
        let name = format!("s{objects}");
        // The run, which may write a base, is not cut off.
        let cut = Memory::new();
        cut.objects
            .lock()
            .unwrap()
            .clone_from(&cluster.backup.objects.lock().unwrap());
        cut.left.store(objects, Ordering::Relaxed);
        let cut_off = savepoint_in_backup(&*cut, "orders", &name);
        let Err(error) = cut_off else { break };
        let written = cut.objects.lock().unwrap().clone();
        let written = written.into_iter().filter(|(it, _)| it.contains(&name));
        cluster.backup.objects.lock().unwrap().extend(written);
        assert!(matches!(error, Error::Backup(BackupError::Io { .. })));
        let partial = taken(&cluster, &name, Epoch(1));
        let began = begin(&*partial.backup, partial.dirs[0].path(), "orders", Allow, 3);
        match objects {
            // It is a new backup.
            0 => began.unwrap(),
            _ => assert!(matches!(
                began,
                Err(Error::Backup(BackupError::Missing { .. }))
            )),
        }
        work(&mut cluster, objects as u8);
        let made = make(&cluster, &name).unwrap();
        assert_eq!(made.epoch.0, cluster.committed);
        check(&cluster, &name, made.epoch);
        objects += 1;
    }
    assert!(objects > 10, "{objects}");
}

/// A base that was begun before the savepoint replaces what is being copied.
#[test]
fn what_is_replaced_meanwhile_is_copied_in_its_new_form() {
    let mut cluster = used();
    let before = cluster.backup.objects.lock().unwrap().clone();
    for epoch in 60..80 {
        work(&mut cluster, epoch);
    }
    let (later, backup) = (
        cluster.backup.objects.lock().unwrap().clone(),
        Arc::clone(&cluster.backup),
    );
    let is_gone = |name: &&String| !later.contains_key(*name);
    assert!(before.keys().filter(is_gone).count() > 5);
    *cluster.backup.objects.lock().unwrap() = before;
    let replace = Box::new(move || {
        let mut objects = backup.objects.lock().unwrap();
        objects.retain(|name, _| name.contains("savepoints"));
        objects.extend(later);
    });
    *cluster.backup.meanwhile.lock().unwrap() = Some((Call::Put("savepoints"), replace));
    let made = make(&cluster, "one").unwrap();
    assert_eq!(made.epoch.0, cluster.committed);
    check(&cluster, "one", made.epoch);
}
