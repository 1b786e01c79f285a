//! Of two runs on one backup, the one that began last goes on; and backups that are lost.

use std::sync::mpsc;

use super::*;

/// Does epochs that change some keys, and compacts as often as possible.
fn go_on(cluster: &mut Cluster, epochs: u64) {
    for _ in 0..epochs {
        let epoch = cluster.history.len() as u8;
        let changes = (0..9).map(|key| state(key, epoch)).collect();
        cluster.apply(Op::Epoch(changes));
        cluster.apply(Op::Collect(0));
    }
}

/// The error of the first process; that it was reported before does not matter.
fn failure(cluster: &Cluster) -> String {
    for event in &cluster.processes[0].events {
        if let WriterEvent::Failed(error) = event {
            return error.to_string();
        }
    }
    panic!("the run did not fail");
}

/// Sends an epoch, which must not be reported.
fn try_epoch(cluster: &Cluster) {
    let epoch = Epoch(cluster.history.len() as u64);
    let _ = cluster.processes[0].thread.send(Message::Commit(epoch));
}

/// What the run that took over has saved is there again, on a machine that has never seen it.
fn check_goes_on(mut cluster: Cluster) {
    go_on(&mut cluster, 20);
    cluster.apply(Op::Kill {
        changes: Vec::new(),
        objects: 0,
        processes: 2,
        lost: [true; MACHINES],
    });
    go_on(&mut cluster, 20);
}

fn assert_taken_over(error: &str) {
    assert!(
        error.starts_with("another run of the flow has taken over the backup at ")
            && error.contains(" (`orders/terms/000000000002`), so nothing more"),
        "{error}"
    );
}

#[test]
fn a_run_that_slept_while_another_went_on_is_refused() {
    // It wakes up before the other has done anything, and after it was compacted many times.
    for epochs in [0, 1, 3, 300] {
        let mut first = Cluster::new(2, 1);
        go_on(&mut first, 30);
        let mut second = first.beside();
        second.start(1);
        go_on(&mut second, epochs);
        let before = first.backup.objects.lock().unwrap().clone();
        try_epoch(&first);
        assert_taken_over(&failure(&first));
        // Nothing of the other run was changed. It compacts its own objects meanwhile; that none was removed
        // which it needs is seen when it is restored.
        drop(first);
        let after = second.backup.objects.lock().unwrap().clone();
        let is_same = |name: &String, object| after.get(name).is_none_or(|kept| kept == object);
        let mut seconds = before.iter().filter(|(name, _)| name.contains("-2-"));
        assert!(seconds.all(|(name, object)| is_same(name, object)));
        check_goes_on(second);
    }
}

/// The first run is held up at a call, after it has looked whether it may write; meanwhile another run
/// takes over and does so many epochs.
#[track_caller]
fn check_held_up(call: Call, epochs: u64) {
    let mut first = Cluster::new(1, 1);
    go_on(&mut first, 30);
    let second = Arc::new(Mutex::new(first.beside()));
    let (done, is_done) = mpsc::channel();
    let act = {
        let second = Arc::clone(&second);
        move || {
            let mut second = second.lock().unwrap();
            // What was reported until now, even while the first waited.
            second.start(1);
            go_on(&mut second, epochs);
            done.send(()).unwrap();
        }
    };
    *first.backup.meanwhile.lock().unwrap() = Some((call, Box::new(act)));
    // Until it has been held up, the first does epochs as ever.
    while is_done.try_recv().is_err() {
        let epoch = first.history.len() as u8;
        let mut history = first.history.clone();
        let mut model = first.model.clone();
        model.states.insert(1, vec![epoch]);
        history.push(model);
        // What the other run can find at most.
        if let Ok(mut second) = second.try_lock()
            && second.processes.is_empty()
        {
            second.history = history;
        }
        if !first.epoch(vec![state(1, epoch)]) {
            break;
        }
        let oldest = Epoch(first.committed + 1);
        let _ = first.processes[0].thread.send(Message::Collect(oldest));
    }
    drop(first);
    let second = Arc::into_inner(second).unwrap().into_inner().unwrap();
    assert_eq!(second.processes.len(), 1, "the other run was not there");
    check_goes_on(second);
}

#[test]
fn a_run_that_writes_too_late_changes_nothing() {
    for epochs in [0, 1, 2, 100] {
        check_held_up(Call::Put(".segment-1-"), epochs);
        check_held_up(Call::Put(".base-1-00000"), epochs);
        check_held_up(Call::Put("-last"), epochs);
        check_held_up(Call::Delete(".segment-1-"), epochs);
    }
}

#[test]
fn a_term_is_taken_once() {
    let backup = Memory::new();
    let take = || take_term(&*backup, "orders");
    take().unwrap();
    // Two runs look for the next term at once.
    let other: Arc<dyn Backup> = backup.clone();
    let act = move || other.put("orders/terms/000000000002", b"other").unwrap();
    *backup.meanwhile.lock().unwrap() = Some((Call::Put("terms"), Box::new(act)));
    assert_eq!(
        take().unwrap_err().to_string(),
        "`orders/terms/000000000002` was written to the backup by another run of the flow; stop \
         that run, then run this one again"
    );
    take().unwrap();
}

#[test]
fn a_backup_that_is_emptied_stops_the_run_and_is_copied_whole_again() {
    for processes in [1, 2] {
        let mut cluster = Cluster::new(3, processes);
        go_on(&mut cluster, 10);
        cluster.backup.objects.lock().unwrap().clear();
        try_epoch(&cluster);
        let error = failure(&cluster);
        assert!(
            error.starts_with(
                "`orders/terms/000000000001`, which this run has stored, is gone: the backup was \
                 removed, emptied or replaced while the flow ran"
            ),
            "{error}"
        );
        cluster.processes.clear();
        assert!(
            cluster.backup.names().is_empty(),
            "nothing is put where it was"
        );
        if processes == 1 {
            // What the machine has is all there is.
            cluster.history.push(cluster.model.clone());
            cluster.start(1);
            check_goes_on(cluster);
        } else {
            let dir = cluster.dirs[0].path();
            let refused = begin(&*cluster.backup, dir, "orders", Allow, 3).unwrap_err();
            assert_eq!(
                refused.to_string(),
                format!(
                    "the backup holds nothing of flow `orders`, and of 3 partitions only 2 are in \
                     `{}`; bring the backup back, or bring the partitions in the local directories \
                     of all machines together in this one",
                    dir.display()
                )
            );
        }
    }
}

/// Ends the run, and begins another one on the same machine.
fn begin_again(cluster: &mut Cluster) {
    cluster.processes.clear();
    cluster.start(1);
}

/// It is emptied between the look at it and the last segment, so that it is not empty in the end.
#[test]
fn what_a_run_leaves_in_a_lost_backup_is_in_nobodys_way() {
    // In the first term, and in later ones than those that the next runs would take in an empty backup.
    for runs_before in [0, 1, 4] {
        let mut cluster = Cluster::new(2, 1);
        go_on(&mut cluster, 10);
        for _ in 0..runs_before {
            begin_again(&mut cluster);
            go_on(&mut cluster, 2);
        }
        let backup = Arc::clone(&cluster.backup);
        let act = move || backup.objects.lock().unwrap().clear();
        *cluster.backup.meanwhile.lock().unwrap() = Some((Call::Put("part-0001"), Box::new(act)));
        try_epoch(&cluster);
        assert!(failure(&cluster).contains("is gone: the backup was removed, emptied or replaced"));
        cluster.processes.clear();
        assert!(!cluster.backup.names().is_empty());
        cluster.history.push(cluster.model.clone());
        cluster.start(1);
        check_goes_on(cluster);
    }
}

/// Partitions that no run has used are not those of the run that has left objects.
#[test]
fn what_another_machine_leaves_in_a_lost_backup_is_not_taken_for_new() {
    let mut cluster = Cluster::new(2, 1);
    go_on(&mut cluster, 10);
    cluster.processes.clear();
    cluster
        .backup
        .objects
        .lock()
        .unwrap()
        .retain(|name, _| name.contains("part-0001"));
    let unused = tempfile::tempdir().unwrap();
    init(unused.path(), 2, "orders").unwrap();
    let refused = begin(&*cluster.backup, unused.path(), "orders", Allow, 2).unwrap_err();
    assert!(
        refused
            .to_string()
            .starts_with("`orders/store` is missing in the backup; bring it back"),
        "{refused}"
    );
}

#[test]
fn what_is_written_after_terms_are_lost_counts() {
    let mut cluster = Cluster::new(2, 1);
    go_on(&mut cluster, 10);
    for _ in 0..3 {
        begin_again(&mut cluster);
        go_on(&mut cluster, 2);
    }
    cluster.processes.clear();
    let is_kept = |name: &String, _: &mut Vec<u8>| !name.contains("/terms/");
    cluster.backup.objects.lock().unwrap().retain(is_kept);
    cluster.start(1);
    check_goes_on(cluster);
}

#[test]
fn a_run_of_an_older_term_is_refused_after_newer_terms_are_lost() {
    let mut first = Cluster::new(2, 1);
    go_on(&mut first, 10);
    let mut second = first.beside();
    second.start(1);
    go_on(&mut second, 2);
    begin_again(&mut second);
    go_on(&mut second, 2);
    second.processes.clear();
    let is_kept = |name: &String, _: &mut Vec<u8>| {
        !name.contains("/terms/") || name == "orders/terms/000000000001"
    };
    second.backup.objects.lock().unwrap().retain(is_kept);
    second.start(1);
    try_epoch(&first);
    assert_taken_over(&failure(&first));
    drop(first);
    check_goes_on(second);
}

#[test]
fn a_directory_that_is_a_backup_is_not_made_again() {
    let place = tempfile::tempdir().unwrap();
    let (local, root) = (place.path().join("local"), place.path().join("backup"));
    let backup: Arc<dyn Backup> = Arc::new(FileSystemBackup::new(&root));
    begin(&*backup, &local, "orders", Allow, 2).unwrap();
    let term = take_term(&*backup, "orders").unwrap();
    let Restored { parts, logs } = restored(&backup, &local, "orders").unwrap();
    let execution = Execution {
        number: ExecutionNumber(0),
        resume: Epoch(1),
        workers: 1,
        processes: 1,
        started_at: chrono::Utc::now(),
    };
    let open = |part: LockedPartition| {
        let mut writer = part.writer().unwrap();
        writer.begin_execution(&execution).unwrap();
        writer
    };
    let writers = parts.into_iter().map(open).collect();
    let (report, events) = mpsc::channel();
    let report = move |event| report.send(event).unwrap();
    let uploads = Some(logs.in_term(term));
    let thread = WriterThread::spawn(writers, &[total()], 8, uploads, report).unwrap();
    thread.send(Message::Commit(Epoch(1))).unwrap();
    let event = events.recv().unwrap();
    assert!(
        matches!(event, WriterEvent::Committed(Epoch(1))),
        "{event:?}"
    );
    std::fs::remove_dir_all(&root).unwrap();
    thread.send(Message::Commit(Epoch(2))).unwrap();
    let event = events.recv().unwrap();
    let WriterEvent::Failed(error) = event else {
        panic!("{event:?}");
    };
    assert!(
        error
            .to_string()
            .contains("is gone: the backup was removed"),
        "{error}"
    );
    drop(thread);
    assert!(!root.exists());
    begin(&*backup, &local, "orders", Allow, 2).unwrap();
    let again = restored(&backup, &local, "orders").unwrap();
    let states: Vec<_> = again
        .parts
        .iter()
        .map(|part| part.state().unwrap())
        .collect();
    assert_eq!(resume(&states).unwrap().epoch, Epoch(3));
}

/// Of two first runs, one finds the backup begun between two of its looks.
#[test]
fn a_backup_that_another_run_begins_meanwhile_is_used() {
    use crate::recovery::backup::{begin, take_term};

    let begun_meanwhile = || {
        let backup = Memory::new();
        let other = Arc::clone(&backup);
        let act = move || {
            let dir = tempfile::tempdir().unwrap();
            begin(&*other, dir.path(), "orders", Allow, 2).unwrap();
            take_term(&*other, "orders").unwrap();
        };
        *backup.meanwhile.lock().unwrap() = Some((Call::List("orders/"), Box::new(act)));
        backup
    };

    let (backup, dir) = (begun_meanwhile(), tempfile::tempdir().unwrap());
    begin(&*backup, dir.path(), "orders", Allow, 3).unwrap();
    assert_eq!(
        backup.names(),
        ["orders/store", "orders/terms/000000000001"]
    );

    let (backup, dir) = (begun_meanwhile(), tempfile::tempdir().unwrap());
    let backup: Arc<dyn Backup> = backup;
    let restored = restored(&backup, dir.path(), "orders").unwrap();
    assert_eq!(restored.parts.len(), 2);
}
