//! The size of the file, and giving space back.

use super::Db;
use super::failure::Doing;
use crate::recovery::error::Error;

/// The pages of a partition file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::recovery) struct Pages {
    pub(in crate::recovery) all: u64,
    pub(in crate::recovery) free: u64,
    /// The bytes of one page.
    pub(in crate::recovery) size: u64,
}

impl Pages {
    /// How many free pages to give back. Some stay: the next epoch needs them at once.
    pub(in crate::recovery) fn surplus(self) -> u64 {
        let used = self.all - self.free.min(self.all);
        if self.free > 64 && self.free > used / 2 {
            self.free - used / 4
        } else {
            0
        }
    }
}

impl Db {
    pub(in crate::recovery) fn pages(&self) -> Result<Pages, Error> {
        let pragma = |sql: &'static str| {
            let read = self.select(sql, [], "reading its size", |row| row.get::<_, u64>(0));
            read.map(|rows| rows.first().copied().unwrap_or(0))
        };
        Ok(Pages {
            all: pragma("PRAGMA page_count")?,
            free: pragma("PRAGMA freelist_count")?,
            size: pragma("PRAGMA page_size")?,
        })
    }

    /// Gives up to this many free pages back to the file system, at the next checkpoint.
    pub(in crate::recovery) fn vacuum(&self, pages: u64) -> Result<(), Error> {
        let doing = "giving space back";
        let sql = format!("PRAGMA incremental_vacuum({pages})");
        let vacuumed = self.connection.prepare(&sql).and_then(|mut statement| {
            // Each step frees one page.
            let mut rows = statement.query([])?;
            while rows.next()?.is_some() {}
            Ok(())
        });
        vacuumed.doing(self, doing)
    }

    /// Moves committed pages from the log into the file, as far as no reader is in the way.
    pub(in crate::recovery) fn checkpoint(&self) -> Result<(), Error> {
        let sql = "PRAGMA wal_checkpoint(PASSIVE)";
        self.select(sql, [], "moving epochs from its log", |_| Ok(()))
            .map(drop)
    }

    /// Lets the file grow no more, as on a full disk.
    #[cfg(test)]
    pub(in crate::recovery) fn limit_pages(&self) {
        let pages = self.pages().unwrap().all;
        self.connection
            .pragma_update(None, "max_page_count", pages)
            .unwrap();
    }
}
