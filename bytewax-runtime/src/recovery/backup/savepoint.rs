//! Copies the objects of a backup to a backup within it, while a run continues.
//!
//! The savepoint `one` of the flow `orders` is the backup at `orders/savepoints/one`: all its names begin with that. It
//! holds the logs of all partitions as they are now; what is complete is determined as after a crash. The objects of a
//! log never change, so an interrupted copy is continued by the next one of the same name. The description of the
//! store is written last: without it, there is no savepoint, and a run on such a backup is refused.

use std::io;
use std::path::PathBuf;

use super::super::error::{Error, ResumeError};
use super::super::parts::{Execution, Meta, PartitionState, Progress};
use super::super::resume::resume;
use super::super::tools::{LOOKS, Savepoint};
use super::begin::read_store;
use super::log::{Log, Names};
use super::object::LogHeader;
use super::restore::{get_all, open_in_log, running};
use super::term::newest_term;
use super::{Backup, BackupError, get, put_once};
use crate::ids::Epoch;

/// The number of objects that are copied at once.
const AT_ONCE: usize = 8;

/// Copies the backup of a flow to a savepoint of this name.
pub(crate) fn savepoint_in_backup(
    backup: &dyn Backup,
    flow: &str,
    name: &str,
) -> Result<Savepoint, Error> {
    let names = Names::new(flow);
    let place = format!("{flow}/savepoints/{name}");
    let copy = Copy {
        backup,
        names: &names,
        place: &place,
    };
    let store = copy.place(&names.store());
    match backup.get(&store) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(cause) => return Err(BackupError::io("reading", &store, cause).into()),
        Ok(_) => return Err(Error::SavepointExists { place }),
    }
    let header = read_store(backup, &names)?;
    let metas: Vec<Meta> = header
        .count
        .indices()
        .map(|index| header.meta(index))
        .collect();
    let mut looks = 1..LOOKS;
    let epoch = loop {
        match copy.logs(&metas) {
            Ok(epoch) => break epoch,
            // A base that was begun before has replaced some objects.
            Err(Error::Backup(BackupError::Missing { .. }))
            | Err(Error::Resume(ResumeError::Inconsistent { .. }))
                if looks.next().is_some() => {}
            Err(error) => return Err(error),
        }
    };
    // A run on the savepoint takes a later term than any in its names.
    let term = newest_term(backup, &names)?;
    copy.object(&term, &get(backup, &term)?)?;
    copy.object(&names.store(), &get(backup, &names.store())?)?;
    Ok(Savepoint {
        place: format!("the backup as `{place}`"),
        epoch,
        partitions: metas.len(),
    })
}

struct Copy<'a> {
    backup: &'a dyn Backup,
    names: &'a Names,
    place: &'a str,
}

impl Copy<'_> {
    fn place(&self, name: &str) -> String {
        format!("{}/{name}", self.place)
    }

    fn object(&self, name: &str, bytes: &[u8]) -> Result<(), BackupError> {
        put_once(self.backup, &self.place(name), bytes)
    }

    /// Copies the logs; returns the last epoch that is complete in all of them.
    fn logs(&self, metas: &[Meta]) -> Result<Epoch, Error> {
        // All are listed before the first is copied, so that they are of about one time.
        let logs = metas
            .iter()
            .map(|meta| Log::read(self.backup, self.names, meta.index));
        let logs = logs.collect::<Result<Vec<_>, _>>()?;
        let heads = metas.iter().zip(&logs).map(|(meta, log)| {
            let head = log.head().map(|name| self.header(meta, name)).transpose()?;
            let base = log.live.first().filter(|_| log.pieces > 0);
            let base = base.map(|name| self.header(meta, name)).transpose()?;
            state(meta, self.names, head, base)
        });
        let states: Vec<PartitionState> = heads.collect::<Result<_, Error>>()?;
        let before = resume(&states)?.epoch;
        if before <= Epoch::FIRST {
            return Err(Error::NothingComplete);
        }
        for (meta, log) in metas.iter().zip(&logs) {
            for names in log.live.chunks(AT_ONCE) {
                for (name, bytes) in names.iter().zip(get_all(self.backup, names)?) {
                    open_in_log(meta, name, &bytes)?;
                    self.object(name, &bytes)?;
                }
            }
        }
        Ok(Epoch(before.0 - 1))
    }

    fn header(&self, meta: &Meta, name: &str) -> Result<LogHeader, Error> {
        let bytes = get(self.backup, name)?;
        Ok(open_in_log(meta, name, &bytes)?.0)
    }
}

/// What a partition would be that is restored from a log with this head and this base.
fn state(
    meta: &Meta,
    names: &Names,
    head: Option<LogHeader>,
    base: Option<LogHeader>,
) -> Result<PartitionState, Error> {
    let log = names.log(meta.index);
    let mut progress = Progress {
        execution: None,
        durable: Epoch(0),
        oldest: base.as_ref().map_or(Epoch::FIRST, |base| base.oldest),
        saved_at: None,
    };
    let mut executions: Vec<Execution> = base.map_or_else(Vec::new, |base| base.executions);
    if let Some(head) = head {
        let last = running(&log, &head)?;
        progress.execution = Some(last.number);
        progress.durable = head.epoch;
        progress.saved_at = head.saved_at;
        if !executions.contains(last) {
            executions.push(last.clone());
        }
    }
    Ok(PartitionState {
        file: PathBuf::from(log),
        meta: meta.clone(),
        progress,
        executions,
    })
}
