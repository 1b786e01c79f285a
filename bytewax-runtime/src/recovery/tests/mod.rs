//! Tests of the store as a whole.

mod backup;
mod damage;
mod drafts;
mod flows;
mod locks;
mod lost;
mod migrations;
mod model;
mod refusals;
mod savepoints;
mod space;
mod threads;
mod tools;

use std::env;
use std::ffi::OsStr;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

use chrono::DateTime;

use super::*;
use crate::ids::{Epoch, StepId};
use crate::key::{Key, Slot, position_slot};

fn step(id: &str, kind: SavedKind) -> StepMeta {
    StepMeta {
        id: StepId::new(id),
        kind,
        schema: "Total".to_owned(),
        version: 1,
        fingerprint: u64::MAX,
    }
}

fn total() -> StepMeta {
    step("orders.total", SavedKind::Stateful)
}

fn input() -> StepMeta {
    step("orders.input", SavedKind::Source)
}

/// Finds a store and begins an execution on it, as a cluster would.
fn start(dir: &Path) -> (Vec<PartitionWriter>, Resume) {
    let locked = lock_all(discover_to_use(&[dir]).unwrap()).unwrap();
    let states: Vec<_> = locked.iter().map(|part| part.state().unwrap()).collect();
    check_complete(&states, "orders").unwrap();
    let resume = resume(&states).unwrap();
    let execution = Execution {
        number: resume.execution,
        resume: resume.epoch,
        workers: 1,
        processes: 1,
        started_at: DateTime::UNIX_EPOCH,
    };
    let open = |part: LockedPartition| {
        let mut writer = part.writer().unwrap();
        writer.begin_execution(&execution).unwrap();
        writer
    };
    (locked.into_iter().map(open).collect(), resume)
}

/// Runs a test in another process, with these variables, which is killed at a step; false if it has fewer steps.
fn is_killed_at(step: usize, test: &str, environment: &[(&str, &OsStr)]) -> bool {
    let ended = Command::new(env::current_exe().unwrap())
        .args([test, "--exact"])
        .envs(environment.iter().copied())
        .env(cut::AT, step.to_string())
        .output()
        .unwrap();
    let killed = ended.status.signal() == Some(9);
    assert!(
        killed || ended.status.success(),
        "{}",
        String::from_utf8_lossy(&ended.stdout)
    );
    killed
}

/// Opens one partition alone.
fn open_writer(file: &Path) -> Result<PartitionWriter, Error> {
    layout::read(file)?.lock()?.writer()
}

fn states(dir: &Path) -> Vec<PartitionState> {
    discover(&[dir])
        .unwrap()
        .iter()
        .map(|part| part.state().unwrap())
        .collect()
}

/// Hashes of eight slots only, so that slots hold several keys.
fn hash(key: u64) -> u64 {
    key.stable_hash() / 4096 * 4096 + key % 8
}

/// Writes changed states of numbered keys to the partitions they belong to.
fn write(writers: &mut [PartitionWriter], epoch: u64, changes: &[(u64, Option<&[u8]>)]) {
    let mut batch = Batch::default();
    for (key, state) in changes {
        batch.push(hash(*key), &key.to_le_bytes(), *state).unwrap();
    }
    let count = writers.len();
    batch
        .drain(|slot, run| {
            let writer = &mut writers[slot.index() % count];
            let step = writer.step(&total())?;
            writer.write(Table::Snaps, step, slot, Epoch(epoch), run)
        })
        .unwrap();
}

fn commit(writers: &mut [PartitionWriter], epoch: u64) {
    writers
        .iter_mut()
        .for_each(|writer| writer.commit(Epoch(epoch)).unwrap());
}

/// All states at the start of an epoch, by key.
fn load(dir: &Path, before: Epoch) -> Vec<(u64, Vec<u8>)> {
    load_files(&discover(&[dir]).unwrap(), before)
}

fn load_files(parts: &[PartitionFile], before: Epoch) -> Vec<(u64, Vec<u8>)> {
    let mut all = Vec::new();
    for part in parts {
        let reader = PartitionReader::open(&part.file).unwrap();
        for slot in reader.slots(&total().id, before).unwrap() {
            let run = reader.load_slot(&total().id, slot, before).unwrap();
            for entry in run.iter() {
                let key = u64::from_le_bytes(entry.key.try_into().unwrap());
                assert_eq!(entry.hash, hash(key));
                all.push((key, entry.state.unwrap().to_vec()));
            }
        }
    }
    all.sort();
    all
}
