//! Backups that are missing, or that end before the local partitions: their volume was not mounted, or they are
//! old copies.

use super::*;

/// Does epochs that change a key; collects what they replace, if they are not kept.
fn go_on(cluster: &mut Cluster, epochs: u64, collects: bool) {
    for _ in 0..epochs {
        let epoch = cluster.history.len() as u8;
        cluster.apply(Op::Epoch(vec![state(u64::from(epoch % 3), epoch)]));
        if collects {
            cluster.apply(Op::Collect(0));
        }
    }
}

fn compared(cluster: &Cluster) -> Result<Compared, Error> {
    let backup: Arc<dyn Backup> = cluster.backup.clone();
    let parts = shared_parts(&*backup, cluster.dirs[0].path(), "orders", Share::ALL)?;
    compare(&backup, "orders", lock_all(parts)?)
}

fn begun(cluster: &Cluster, policy: ResumePolicy) -> Result<(), Error> {
    let dir = cluster.dirs[0].path();
    begin(&*cluster.backup, dir, "orders", policy, 2)
}

#[test]
fn a_missing_backup_is_not_begun_with_a_used_store_if_a_resume_is_required() {
    let mut cluster = Cluster::new(2, 1);
    go_on(&mut cluster, 5, true);
    cluster.processes.clear();
    cluster.backup = Memory::new();
    let before = states(cluster.dirs[0].path());
    let dir = cluster.dirs[0].path().display().to_string();
    assert_eq!(
        begun(&cluster, ResumePolicy::Require)
            .unwrap_err()
            .to_string(),
        format!(
            "the backup holds nothing of flow `orders`, but the partitions in `{dir}` hold its state, \
             and `--resume=require` begins no backup; mount or name the backup of the flow, or, to \
             begin a new one with these partitions, run once with `--resume=allow`"
        )
    );
    let refused = begun(&cluster, ResumePolicy::Never).unwrap_err();
    assert!(
        matches!(refused, Error::SomethingToResume { .. }),
        "{refused}"
    );
    assert!(
        cluster.backup.names().is_empty(),
        "{:?}",
        cluster.backup.names()
    );
    assert_eq!(states(cluster.dirs[0].path()), before);
    begun(&cluster, Allow).unwrap();
    begun(&cluster, ResumePolicy::Require).unwrap();
    cluster.start(1);
    go_on(&mut cluster, 5, true);
}

#[test]
fn a_missing_backup_is_not_begun_with_an_unused_store_if_a_resume_is_required() {
    let backup = Memory::new();
    let dir = tempfile::tempdir().unwrap();
    init(dir.path(), 2, "orders").unwrap();
    let refused = begin(&*backup, dir.path(), "orders", ResumePolicy::Require, 2).unwrap_err();
    assert!(
        matches!(refused, Error::NothingToResume { .. }),
        "{refused}"
    );
    assert!(backup.names().is_empty());
    begin(&*backup, dir.path(), "orders", ResumePolicy::Never, 2).unwrap();
}

#[test]
fn partitions_are_not_set_back_to_a_backup_that_ends_before_them() {
    // What is kept for copies of files tells less about what was reported.
    for (epochs, collects, told) in [(1, true, 11), (3, false, 11), (9, true, 19), (9, false, 17)] {
        let mut cluster = Cluster::new(2, 1);
        go_on(&mut cluster, 10, collects);
        cluster.processes.clear();
        // Its volume is not mounted, so that another is begun in its place.
        let mounted = std::mem::replace(&mut cluster.backup, Memory::new());
        cluster.start(1);
        go_on(&mut cluster, epochs, collects);
        cluster.processes.clear();
        let before = states(cluster.dirs[0].path());
        let begun = std::mem::replace(&mut cluster.backup, mounted);
        let dir = cluster.dirs[0].path().canonicalize().unwrap();
        assert_eq!(
            compared(&cluster).err().unwrap().to_string(),
            format!(
                "`{}` holds complete epochs up to {told}, but the backup only up to 10, so it is \
                 another backup or an old copy; mount or name the backup that the last run has used. \
                 To go back to epoch 10, remove the local partitions of all processes; to keep the \
                 later epochs, run once with `--resume=allow` on an empty backup",
                dir.join("part-0.sqlite3").display()
            )
        );
        assert_eq!(states(&dir), before);

        // The three ways.
        let mounted = std::mem::replace(&mut cluster.backup, begun);
        drop(compared(&cluster).unwrap());
        cluster.backup = Memory::new();
        cluster.start(1);
        go_on(&mut cluster, 2, collects);
        cluster.processes.clear();
        cluster.backup = mounted;
        cluster.dirs[0] = tempfile::tempdir().unwrap();
        cluster.committed = 10;
        cluster.start(1);
        assert_eq!(cluster.history.len(), 11);
    }
}

#[test]
fn partitions_are_set_back_by_what_was_in_progress() {
    for cut_off in 0..6 {
        let mut cluster = Cluster::new(2, 1);
        go_on(&mut cluster, 5, true);
        cluster.apply(Op::Unreported(vec![state(1, 50)]));
        cluster.apply(Op::Kill {
            changes: vec![state(1, 51)],
            objects: cut_off,
            processes: 1,
            lost: [false; MACHINES],
        });
        go_on(&mut cluster, 5, true);
    }
}

/// Copies of files may be of different epochs within the backup interval.
#[test]
fn a_backup_is_begun_with_partitions_of_different_epochs() {
    let dir = tempfile::tempdir().unwrap();
    init(dir.path(), 2, "orders").unwrap();
    let (mut writers, _) = start(dir.path());
    commit(&mut writers, 1);
    for epoch in 2..20 {
        commit(&mut writers[..1], epoch);
    }
    drop(writers);
    let backup: Arc<dyn Backup> = Memory::new();
    begin(&*backup, dir.path(), "orders", Allow, 2).unwrap();
    let Restored { parts, .. } = restored(&backup, dir.path(), "orders").unwrap();
    let states: Vec<_> = parts.iter().map(|part| part.state().unwrap()).collect();
    assert_eq!(resume(&states).unwrap().epoch, Epoch(2));
}
