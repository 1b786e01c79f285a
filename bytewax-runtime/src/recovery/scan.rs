//! Reads all slots of a step in order, each block once.

use std::collections::VecDeque;

use super::block::Block;
use super::error::Error;
use super::rows::{Place, Row};
use super::sql::Db;
use crate::key::Slot;
use crate::state::run::Run;

/// Iterates over the slots of some rows in ascending order.
#[derive(Debug)]
pub(super) struct Scan {
    place: Place,
    /// The rows that were not reached, in order of their first slots.
    ahead: VecDeque<Row>,
    /// The rows that cover the next slot, and some before it, from the oldest to the newest.
    open: Vec<(Row, Block)>,
    /// The next slot, unless the last was reached.
    from: Option<Slot>,
}

impl Scan {
    pub(super) fn new(place: Place, rows: impl IntoIterator<Item = Row>) -> Self {
        let mut ahead: Vec<Row> = rows.into_iter().collect();
        ahead.sort_unstable_by_key(|row| (row.first, row.epoch, row.id));
        Self {
            place,
            ahead: ahead.into(),
            open: Vec::new(),
            from: Some(Slot::of(0)),
        }
    }

    /// The next slot with runs, and its valid runs, from the oldest to the newest.
    pub(super) fn next(&mut self, db: &Db) -> Result<Option<(Slot, Vec<Run>)>, Error> {
        while let Some(from) = self.from {
            self.open.retain(|(row, _)| row.last >= from);
            let Some(slot) = self.next_slot(from, db)? else {
                self.from = None;
                break;
            };
            self.from = slot.next();
            let runs = self.runs(slot, db)?;
            if !runs.is_empty() {
                return Ok(Some((slot, runs)));
            }
        }
        Ok(None)
    }

    /// The next slot in a block, after opening all rows that may have it.
    fn next_slot(&mut self, from: Slot, db: &Db) -> Result<Option<Slot>, Error> {
        loop {
            let blocks = self.open.iter();
            let least = blocks.filter_map(|(_, block)| block.next_slot(from)).min();
            let comes = |row: &&Row| least.is_none_or(|slot| row.first <= slot);
            let Some(row) = self.ahead.front().filter(comes).copied() else {
                return Ok(least);
            };
            self.ahead.pop_front();
            let block = db.block(self.place, &row)?;
            let order = |row: &Row| (row.epoch, row.id);
            let at = self
                .open
                .partition_point(|(other, _)| order(other) < order(&row));
            self.open.insert(at, (row, block));
        }
    }

    fn runs(&self, slot: Slot, db: &Db) -> Result<Vec<Run>, Error> {
        let mut runs = Vec::new();
        for row in Row::counting(self.open.iter().map(|(row, _)| row), slot) {
            let opened = self.open.iter().find(|(other, _)| other.id == row.id);
            let Some((_, block)) = opened else { continue };
            let run = block.run(slot);
            let run = run.map_err(|cause| db.damaged_row(self.place, row, &cause.to_string()))?;
            runs.extend(run);
        }
        Ok(runs)
    }
}
