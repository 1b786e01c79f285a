//! A cluster with a backup, and what happens to it.

use std::sync::mpsc::{self, Receiver};

use super::*;
use crate::recovery::tests::model::Model;

/// What changes in an epoch.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// A key gets a state, or is removed.
    State(u64, Option<Vec<u8>>),
    /// A key waits for a second of 1970, or for nothing any more.
    Timer(u64, Option<i64>),
    /// A partition of the source moves on.
    Position(u8, u8),
}

pub(super) fn changes() -> impl Strategy<Value = Vec<Change>> {
    let state = prop::option::weighted(0.7, prop::collection::vec(any::<u8>(), 0..20));
    let change = prop_oneof![
        4 => (0_u64..20, state).prop_map(|(key, state)| Change::State(key, state)),
        1 => (0_u64..9, prop::option::of(0_i64..9)).prop_map(|(key, due)| Change::Timer(key, due)),
        1 => (0_u8..3, any::<u8>()).prop_map(|(part, at)| Change::Position(part, at)),
    ];
    prop::collection::vec(change, 0..6)
}

#[derive(Clone, Debug)]
pub(super) enum Op {
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

pub(super) const MACHINES: usize = 3;

pub(super) fn ops() -> impl Strategy<Value = Vec<Op>> {
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
pub(super) struct Process {
    pub(super) thread: WriterThread,
    pub(super) events: Receiver<WriterEvent>,
    share: Share,
}

/// A cluster that runs on up to three machines, one process on each.
pub(super) struct Cluster {
    pub(super) backup: Arc<Memory>,
    pub(super) dirs: Vec<tempfile::TempDir>,
    pub(super) partitions: u32,
    pub(super) processes: Vec<Process>,
    /// What is saved at the end of each epoch; the first entry is that of no epoch.
    pub(super) history: Vec<Model>,
    /// The last epoch that was reported as committed.
    pub(super) committed: u64,
    pub(super) model: Model,
}

impl Cluster {
    pub(super) fn new(partitions: u32, processes: usize) -> Self {
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

    /// Another cluster on the same backup, on machines of its own, that has not started yet.
    pub(super) fn beside(&self) -> Self {
        Self {
            backup: Arc::clone(&self.backup),
            dirs: (0..MACHINES)
                .map(|_| tempfile::tempdir().unwrap())
                .collect(),
            partitions: self.partitions,
            processes: Vec::new(),
            history: self.history.clone(),
            committed: self.committed,
            model: Model::default(),
        }
    }

    pub(super) fn start(&mut self, processes: usize) {
        let backup: Arc<dyn Backup> = self.backup.clone();
        let shares = (0..processes).map(|worker| Share {
            worker,
            workers: processes,
        });
        let shares: Vec<_> = shares.collect();
        begin(
            &*backup,
            self.dirs[0].path(),
            "orders",
            Allow,
            self.partitions,
        )
        .unwrap();
        let locked = shares.iter().map(|&share| {
            let dir = self.dirs[share.worker].path();
            let parts = shared_parts(&*backup, dir, "orders", share).unwrap();
            lock_all(parts).unwrap()
        });
        let locked: Vec<_> = locked.collect();
        let term = take_term(&*backup, "orders").unwrap();
        let restored = locked
            .into_iter()
            .map(|parts| restore(&backup, "orders", parts).unwrap());
        let restored: Vec<Restored> = restored.collect();
        let parts = restored.iter().flat_map(|own| &own.parts);
        let states: Vec<_> = parts.map(|part| part.state().unwrap()).collect();
        let files: Vec<_> = states
            .iter()
            .map(|PartitionState { file, meta, .. }| PartitionFile {
                file: file.clone(),
                meta: meta.clone(),
            })
            .collect();
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
            let open = |part: LockedPartition| {
                let mut writer = part.writer().unwrap();
                writer.begin_execution(&execution).unwrap();
                writer
            };
            let writers = own.parts.into_iter().map(open).collect();
            let uploads = own.logs.in_term(term.clone());
            let (report, events) = mpsc::channel();
            let report = move |event| report.send(event).unwrap();
            let steps = [total(), input()];
            let thread = WriterThread::spawn(writers, &steps, 8, Some(uploads), report).unwrap();
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
            let snaps = Message::Changes {
                step,
                table: Table::Snaps,
                epoch,
                runs: vec![(slot, run)],
            };
            self.send(slot, snaps);
            Ok::<_, TooLong>(())
        });
        sent.unwrap();
        let sent = timers.drain(|slot, run| {
            let timers = Message::Changes {
                step,
                table: Table::Timers,
                epoch,
                runs: vec![(slot, run)],
            };
            self.send(slot, timers);
            Ok::<_, TooLong>(())
        });
        sent.unwrap();
        self.history.push(self.model.clone());
    }

    /// Does an epoch; whether it was committed everywhere.
    pub(super) fn epoch(&mut self, changes: Vec<Change>) -> bool {
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

    pub(super) fn apply(&mut self, op: Op) {
        match op {
            Op::Epoch(changes) => assert!(self.epoch(changes)),
            // At most two epochs are in progress.
            Op::Unreported(changes) if self.history.len() as u64 == self.committed + 1 => {
                self.change(changes);
            }
            Op::Unreported(changes) => assert!(self.epoch(changes)),
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

/// A key with a state of one byte.
pub(super) fn state(key: u64, state: u8) -> Change {
    Change::State(key, Some(vec![state]))
}
