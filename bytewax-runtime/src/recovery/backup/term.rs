//! The fence of a backup, which determines the run that may write to it.
//!
//! Each run takes the next *term* with an object that is stored if its name is free and is never removed. The
//! names of all objects of a run contain its term, so no other run writes an object of the same name. A term is
//! also greater than all terms in the names of logs, because their objects may outlive those of the terms.
//!
//! Before an epoch counts as saved, the run looks for the object of the next term. If it exists, another run has
//! taken over, and may not have seen the last writes.

use std::io;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::super::parts::StoreId;
use super::super::sql;
use super::log::Names;
use super::object::{self, Entries};
use super::{Backup, BackupError, get};
use crate::recovery::error::Error;

/// The term of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Term {
    number: u64,
    /// The object that the run stored to take it.
    object: Vec<u8>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct TermHeader {
    term: u64,
    /// Random, so that no two runs store the same object.
    run: StoreId,
    begun_at: DateTime<Utc>,
}

/// Takes the next term for a flow, which ends the previous one. One worker of a cluster does this, when all
/// have locked their local partitions, and before any worker reads the logs.
pub(crate) fn take_term(backup: &dyn Backup, flow: &str) -> Result<Term, Error> {
    Term::take(backup, &Names::new(flow))
}

impl Term {
    pub(super) fn take(backup: &dyn Backup, names: &Names) -> Result<Self, Error> {
        let Found { last, in_logs } = Found::list(backup, names)?;
        if in_logs > last && last > 0 {
            // The run of the last term looks for the next one.
            Self::put(backup, names, last + 1)?;
        }
        Self::put(backup, names, last.max(in_logs) + 1)
    }

    fn put(backup: &dyn Backup, names: &Names, number: u64) -> Result<Self, Error> {
        let object = Entries::default().finish(&TermHeader {
            term: number,
            run: sql::random_store_id()?,
            begun_at: Utc::now(),
        });
        let term = Self { number, object };
        let name = names.term(number);
        match backup.put(&name, &term.object) {
            Ok(()) => Ok(term),
            // A response may have been lost.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if get(backup, &name)? == term.object {
                    return Ok(term);
                }
                Err(BackupError::Conflict { name }.into())
            }
            Err(cause) => Err(BackupError::io("writing", &name, cause).into()),
        }
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Makes sure that the backup is the one in which the term was taken.
    pub(super) fn check_present(
        &self,
        backup: &dyn Backup,
        names: &Names,
    ) -> Result<(), BackupError> {
        let name = names.term(self.number);
        match get(backup, &name) {
            Ok(object) if object == self.object => Ok(()),
            Ok(_) | Err(BackupError::Missing { .. }) => Err(BackupError::Lost { name }),
            Err(error) => Err(error),
        }
    }

    /// Makes sure, too, that no other run has taken over: any later run will see what was stored before.
    pub(super) fn check(&self, backup: &dyn Backup, names: &Names) -> Result<(), BackupError> {
        self.check_present(backup, names)?;
        let name = names.term(self.number + 1);
        let object = match get(backup, &name) {
            Err(BackupError::Missing { .. }) => return Ok(()),
            object => object?,
        };
        let (next, _): (TermHeader, _) = object::open(&name, &object)?;
        Err(BackupError::TakenOver {
            name,
            begun_at: next.begun_at,
        })
    }
}

/// Returns the name of the object of the last term.
#[cfg(any(test, feature = "serve"))]
pub(super) fn newest_term(backup: &dyn Backup, names: &Names) -> Result<String, BackupError> {
    Ok(names.term(Found::list(backup, names)?.last))
}

/// The terms in the names of all objects; 0 if there is none.
struct Found {
    /// The last term that was taken.
    last: u64,
    /// The greatest term in a log. It is greater than the last one if objects of terms were removed, or if a run
    /// has written to a backup that was emptied.
    in_logs: u64,
}

impl Found {
    fn list(backup: &dyn Backup, names: &Names) -> Result<Self, BackupError> {
        let prefix = names.all();
        let listed = backup.list(&prefix);
        let listed = listed.map_err(|cause| BackupError::io("listing", &prefix, cause))?;
        let terms = names.terms();
        let (mut last, mut in_logs) = (0, 0);
        for name in listed {
            if let Some(own) = name.strip_prefix(&terms) {
                let number: u64 = own.parse().map_err(|_| BackupError::Foreign {
                    what: "no term has such a name",
                    name: name.clone(),
                })?;
                last = last.max(number);
            } else if let Some(term) = names.greatest_term_in(&name) {
                in_logs = in_logs.max(term);
            }
        }
        Ok(Self { last, in_logs })
    }
}
