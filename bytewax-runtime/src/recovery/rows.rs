//! The metadata of the rows of a partition, without their blocks.
//!
//! A partition has few rows, so all of their metadata is in memory, and nothing depends on an index of the
//! database. The seal of the partition contains their sum.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_64;

use super::block::Written;
use super::checksum::Checksum;
use super::error::Error;
use super::parts::StepNumber;
use super::sql::{Db, checksum};
use crate::ids::Epoch;
use crate::key::Slot;
pub(crate) use crate::state::run::Table;

/// The table and the step of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    pub(super) table: Table,
    pub(super) step: StepNumber,
}

/// The number of a row. Later rows have greater numbers, as long as the earlier ones exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct RowId(pub(super) i64);

/// One row: changes in some slots of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) id: RowId,
    /// All slots of its block are from this one ..
    pub(super) first: Slot,
    /// .. to this one.
    pub(super) last: Slot,
    /// For a merged row: it contains all changes of its slots in the epochs from this one on, and replaces
    /// older rows with these changes.
    pub(super) since: Option<Epoch>,
    /// The epoch of the changes; for a merged row, the last one.
    pub(super) epoch: Epoch,
    /// The number of keys with a state, and of removed keys.
    pub(super) kept: u64,
    pub(super) removed: u64,
    pub(super) bytes: u64,
    pub(super) checksum: Checksum,
}

impl Row {
    pub(super) fn covers(&self, slot: Slot) -> bool {
        self.first <= slot && slot <= self.last
    }

    /// The first epoch of its changes.
    pub(super) fn begins(&self) -> Epoch {
        self.since.unwrap_or(self.epoch)
    }

    /// Whether it replaces a row, in the slots that it covers.
    pub(super) fn replaces(&self, other: &Self) -> bool {
        let merged = |since| since <= other.begins() && other.epoch <= self.epoch;
        other.id < self.id && self.since.is_some_and(merged)
    }

    /// The given rows that are valid for a slot.
    pub(super) fn counting<'a>(
        rows: impl Iterator<Item = &'a Self> + Clone,
        slot: Slot,
    ) -> impl Iterator<Item = &'a Self> {
        let covering = rows.filter(move |row| row.covers(slot));
        let all = covering.clone();
        covering.filter(move |row| !all.clone().any(|other| other.replaces(row)))
    }

    /// A hash of all its metadata.
    pub(super) fn digest(&self, place: Place) -> u64 {
        let since = self.since.map_or(u64::MAX, |since| since.0);
        let fields = [
            self.id.0.cast_unsigned(),
            place.table.number().into(),
            place.step.0.into(),
            self.first.index() as u64,
            self.last.index() as u64,
            since,
            self.epoch.0,
            self.kept,
            self.removed,
            self.bytes,
            self.checksum.0.cast_unsigned(),
        ];
        let mut bytes = [0; 88];
        for (to, from) in bytes.chunks_exact_mut(8).zip(fields) {
            to.copy_from_slice(&from.to_le_bytes());
        }
        xxh3_64(&bytes)
    }
}

/// All rows of a partition; those of one step in order of their epochs.
#[derive(Debug, Default)]
pub(super) struct Rows {
    places: BTreeMap<Place, Vec<Row>>,
    last: i64,
}

impl Rows {
    /// Reads the metadata of a partition.
    pub(super) fn read(db: &Db) -> Result<Self, Error> {
        let mut rows = Self::default();
        for (place, row) in db.rows()? {
            rows.insert(place, row);
        }
        Ok(rows)
    }

    pub(super) fn of(&self, place: Place) -> &[Row] {
        self.places.get(&place).map_or(&[], Vec::as_slice)
    }

    pub(super) fn places(&self) -> impl Iterator<Item = (Place, &[Row])> {
        let places = self.places.iter();
        places.map(|(place, rows)| (*place, rows.as_slice()))
    }

    pub(super) fn insert(&mut self, place: Place, row: Row) {
        let rows = self.places.entry(place).or_default();
        let at = rows.partition_point(|other| (other.epoch, other.id) < (row.epoch, row.id));
        rows.insert(at, row);
        self.last = self.last.max(row.id.0);
    }

    /// Writes a block of changes of one epoch.
    pub(super) fn write(
        &mut self,
        db: &Db,
        place: Place,
        epoch: Epoch,
        written: &Written,
    ) -> Result<(), Error> {
        let span = (written.first, written.last);
        self.write_as(db, place, (None, epoch), span, written)
    }

    /// Writes a block with the contents of some rows in these slots, for the epochs from the first of these
    /// to the last.
    pub(super) fn write_merged(
        &mut self,
        db: &Db,
        place: Place,
        (since, epoch): (Epoch, Epoch),
        span: (Slot, Slot),
        written: &Written,
    ) -> Result<(), Error> {
        self.write_as(db, place, (Some(since), epoch), span, written)
    }

    fn write_as(
        &mut self,
        db: &Db,
        place: Place,
        (since, epoch): (Option<Epoch>, Epoch),
        (first, last): (Slot, Slot),
        written: &Written,
    ) -> Result<(), Error> {
        let id = RowId(self.last + 1);
        let row = Row {
            id,
            first,
            last,
            since,
            epoch,
            kept: written.kept,
            removed: written.removed,
            bytes: written.bytes.len() as u64,
            checksum: checksum(place, id, epoch, &written.bytes),
        };
        db.insert_row(place, &row, &written.bytes)?;
        self.insert(place, row);
        Ok(())
    }

    /// Deletes rows.
    pub(super) fn delete(
        &mut self,
        db: &Db,
        which: impl Fn(Place, &Row) -> bool,
    ) -> Result<(), Error> {
        let all = self.places();
        let all = all.flat_map(|(place, rows)| rows.iter().map(move |row| (place, row)));
        let found = all.filter(|(place, row)| which(*place, row));
        let found: Vec<(Place, RowId)> = found.map(|(place, row)| (place, row.id)).collect();
        let mut found = found.into_iter();
        found.try_for_each(|(place, id)| self.delete_one(db, place, id))
    }

    pub(super) fn delete_one(&mut self, db: &Db, place: Place, id: RowId) -> Result<(), Error> {
        if let Some(rows) = self.places.get_mut(&place)
            && let Some(at) = rows.iter().position(|row| row.id == id)
        {
            db.delete_row(place, &rows.remove(at))?;
            if rows.is_empty() {
                self.places.remove(&place);
            }
        }
        Ok(())
    }
}
