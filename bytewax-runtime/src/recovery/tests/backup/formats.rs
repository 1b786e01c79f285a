//! Stores and backups of format 1 are brought to the newest, and gone on from.

use std::fs;
use std::sync::mpsc;

use super::*;

const STORES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/stores");

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn a_store_of_format_1_is_sealed_when_it_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    copy(&Path::new(STORES).join("v1"), dir.path());
    let before = show(&[dir.path()]).unwrap();
    for part in lock_all(discover_to_use(&[dir.path()]).unwrap()).unwrap() {
        drop(part.writer().unwrap());
    }
    let after = show(&[dir.path()]).unwrap();
    assert_eq!(after.resume, before.resume);
    assert_eq!(after.executions, before.executions);
    let counts = |info: &StoreInfo| {
        let steps = info.steps.iter().map(|step| (step.keys, step.positions));
        steps.collect::<Vec<_>>()
    };
    assert_eq!(counts(&after), counts(&before));
    assert!(verify(&[dir.path()]).unwrap().problems.is_empty());
    // From now on, what is lost is noticed.
    let file = dir.path().join("part-0.sqlite3");
    crate::recovery::sql::tamper(&file, "DELETE FROM executions");
    assert!(!verify(&[dir.path()]).unwrap().problems.is_empty());
}

#[test]
fn a_backup_of_format_1_is_gone_on_from() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("backup");
    copy(&Path::new(STORES).join("backup-v1"), &root);
    let backup: Arc<dyn Backup> = Arc::new(FileSystemBackup::new(&root));
    let mut last = None;
    for run in 0..3 {
        // Each on a machine that has never seen it.
        let local = place.path().join(format!("local-{run}"));
        begin(&*backup, &local, "kept", Allow, 9).unwrap();
        let parts = shared_parts(&*backup, &local, "kept", Share::ALL).unwrap();
        let parts = lock_all(parts).unwrap();
        let term = take_term(&*backup, "kept").unwrap();
        let Restored { parts, logs } = restore(&backup, "kept", parts).unwrap();
        let states: Vec<_> = parts.iter().map(|part| part.state().unwrap()).collect();
        check_complete(&states, "kept").unwrap();
        let resume = resume(&states).unwrap();
        if let Some((execution, epoch)) = last {
            assert_eq!(
                (resume.execution.0, resume.epoch.0),
                (execution + 1, epoch + 70)
            );
        }
        last = Some((resume.execution.0, resume.epoch.0));
        assert!(verify(&[&local]).unwrap().problems.is_empty());
        let execution = Execution {
            number: resume.execution,
            resume: resume.epoch,
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
        // So many that what is there is compacted.
        for epoch in resume.epoch.0..resume.epoch.0 + 70 {
            thread.send(Message::Commit(Epoch(epoch))).unwrap();
            thread.send(Message::Collect(Epoch(epoch + 1))).unwrap();
        }
        drop(thread);
        let told: Vec<_> = events.iter().collect();
        assert!(
            told.iter()
                .all(|event| matches!(event, WriterEvent::Committed(_))),
            "{told:?}"
        );
    }
    let names = backup.list("kept/part-0000/").unwrap();
    assert!(
        names.iter().all(|name| !name.ends_with(".segment")),
        "{names:?}"
    );
}
