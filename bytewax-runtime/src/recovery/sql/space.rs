//! The size of the file, and the return of free space.

use super::Db;
use super::failure::Doing;
use crate::recovery::error::Error;

/// The pages of a partition file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::recovery) struct Pages {
    pub(in crate::recovery) all: u64,
    pub(in crate::recovery) free: u64,
    /// Bytes per page.
    pub(in crate::recovery) size: u64,
}

impl Pages {
    /// The number of free pages to return. Some stay, because the next epoch needs them at once.
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

    /// Returns up to this many free pages to the file system, at the next checkpoint.
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

    /// Moves committed pages from the log into the file, as far as no reader prevents it.
    pub(in crate::recovery) fn checkpoint(&self) -> Result<(), Error> {
        let sql = "PRAGMA wal_checkpoint(PASSIVE)";
        self.select(sql, [], "moving epochs from its log", |_| Ok(()))
            .map(drop)
    }

    /// Stops the growth of the file, as a full disk does.
    #[cfg(test)]
    pub(in crate::recovery) fn limit_pages(&self) {
        let pages = self.pages().unwrap().all;
        self.connection
            .pragma_update(None, "max_page_count", pages)
            .unwrap();
    }
}
