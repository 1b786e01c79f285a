//! What has changed in a table since its last snapshot, and the snapshot under way.
//!
//! A snapshot is taken in parts while items go on: [`begin`](Changes::begin) fixes what it is to hold,
//! and parts of it are encoded one after the other. A key that is touched before its part comes is
//! encoded as it was, just before it changes. So each touch costs a comparison, and the first of a key
//! in an epoch a note of eight bytes.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::batch::{Batch, TooLong};
use super::run::Run;
use super::slots::{PARTS, Slots, part_of};
use super::table::{Cell, Slot};
use super::timer::push_timer;
use super::{StateError, seal};
use crate::brief::brief;
use crate::codec::{self, CodecError};
use crate::key::{Key, Slot as KeySlot};

fn part_of_hash(hash: u64) -> usize {
    part_of(KeySlot::of(hash))
}

/// What the notes need to know of a key.
///
/// The lower bits hold the round in which it was last touched: rounds count snapshots. 0 stands for a
/// key that has not changed since it was saved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct KeyMark(u32);

/// The store may hold a state of the key.
const STORED: u32 = 1 << 31;
/// The store may hold a time of the key.
const TIMER: u32 = 1 << 30;
const ROUND: u32 = TIMER - 1;

impl KeyMark {
    fn round(self) -> u32 {
        self.0 & ROUND
    }

    fn touched(self, round: u32) -> Self {
        Self(self.0 & !ROUND | round)
    }

    /// Of a key that has just been saved or loaded.
    fn stored(timer: bool) -> Self {
        Self(STORED | if timer { TIMER } else { 0 })
    }

    fn is_stored(self) -> bool {
        self.0 & STORED != 0
    }

    fn has_timer(self) -> bool {
        self.0 & TIMER != 0
    }
}

/// Why a key cannot be saved.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SaveError {
    #[error(transparent)]
    State(#[from] StateError),
    #[error("the key cannot be saved")]
    Key(#[from] CodecError),
    #[error(transparent)]
    TooLong(#[from] TooLong),
}

/// A key that cannot be saved, and why.
#[derive(Debug)]
pub(crate) struct Unsaved {
    pub(crate) key: String,
    pub(crate) error: SaveError,
}

/// What a part of a snapshot holds of one slot.
pub(crate) enum Changed {
    States(Run),
    Timers(Run),
}

/// The keys of a part that are still to be encoded, and those that are.
#[derive(Default)]
struct SnapshotPart {
    touched: Vec<u64>,
    states: Batch,
    timers: Batch,
}

struct Snapshot {
    round: u32,
    parts: Vec<SnapshotPart>,
    unsaved: Option<Unsaved>,
}

impl Snapshot {
    /// A part, if it was not taken. The first is the last in the list: they are taken from there.
    fn part(&mut self, part: usize) -> Option<&mut SnapshotPart> {
        self.parts.get_mut(PARTS - 1 - part)
    }
}

struct Removed<K> {
    hash: u64,
    key: K,
    timer: bool,
}

pub(super) struct Changes<K> {
    /// The number that keys touched now are marked with; 0 when nothing is noted.
    round: u32,
    /// The hashes of the keys touched in this round, by part; some may be gone.
    touched: Vec<Vec<u64>>,
    /// Keys that are gone, and of which the store may hold something.
    removed: Vec<Removed<K>>,
    snapshot: Option<Snapshot>,
}

impl<K> Default for Changes<K> {
    fn default() -> Self {
        Self {
            round: 0,
            touched: Vec::new(),
            removed: Vec::new(),
            snapshot: None,
        }
    }
}

impl<K: Key> Changes<K> {
    /// Notes from now on what is touched.
    fn start(&mut self) {
        self.round = 1;
        self.touched.resize_with(PARTS, Vec::new);
    }

    pub(super) fn are_noted(&self) -> bool {
        self.round != 0
    }

    /// Notes that a key is touched; to be called before it changes.
    #[inline]
    pub(super) fn touch<C: Cell>(&mut self, hash: u64, slot: &mut Slot<K, C>) {
        if slot.mark.round() != self.round {
            self.touch_first(hash, slot);
        }
    }

    #[cold]
    fn touch_first<C: Cell>(&mut self, hash: u64, slot: &mut Slot<K, C>) {
        self.save_before(hash, slot);
        slot.mark = slot.mark.touched(self.round);
        self.touched[part_of_hash(hash)].push(hash);
    }

    /// The mark of a key that is new.
    #[inline]
    pub(super) fn mark_new(&mut self, hash: u64) -> KeyMark {
        if self.are_noted() {
            self.touched[part_of_hash(hash)].push(hash);
        }
        KeyMark(self.round)
    }

    /// Notes that a key is removed; to be called while it is still there.
    #[inline]
    pub(super) fn remove_ref<C: Cell>(&mut self, hash: u64, slot: &mut Slot<K, C>) {
        if self.are_noted() {
            self.remove_noted(hash, slot);
        }
    }

    fn remove_noted<C: Cell>(&mut self, hash: u64, slot: &mut Slot<K, C>) {
        self.save_before(hash, slot);
        if slot.mark.is_stored() {
            self.removed.push(Removed {
                hash,
                key: slot.key.clone(),
                timer: slot.mark.has_timer(),
            });
        }
    }

    /// Encodes a key for the snapshot under way, if that has not come to it yet.
    fn save_before<C: Cell>(&mut self, hash: u64, slot: &mut Slot<K, C>) {
        let Some(snapshot) = &mut self.snapshot else {
            return;
        };
        if slot.mark.round() != snapshot.round {
            return;
        }
        if let Some(part) = snapshot.part(part_of_hash(hash))
            && let Err(error) = part.encode(hash, slot)
        {
            let key = brief(&slot.key);
            snapshot.unsaved.get_or_insert(Unsaved { key, error });
        }
    }

    /// Ends a round: what it touched is to be saved.
    fn begin(&mut self) -> Result<(), Unsaved> {
        debug_assert!(self.snapshot.is_none(), "one snapshot follows the other");
        let touched = self.touched.iter_mut().map(|hashes| SnapshotPart {
            touched: std::mem::take(hashes),
            ..SnapshotPart::default()
        });
        let mut parts: Vec<SnapshotPart> = touched.collect();
        parts.resize_with(PARTS, SnapshotPart::default);
        for removed in self.removed.drain(..) {
            let part = &mut parts[part_of_hash(removed.hash)];
            part.encode_removed(&removed).map_err(|error| Unsaved {
                key: brief(&removed.key),
                error,
            })?;
        }
        parts.reverse();
        self.snapshot = Some(Snapshot {
            round: self.round,
            parts,
            unsaved: None,
        });
        // Numbers can be used again: what an old round touched was saved long ago.
        self.round = self.round % ROUND + 1;
        Ok(())
    }
}

impl SnapshotPart {
    fn is_empty(&self) -> bool {
        self.touched.is_empty() && self.states.is_empty() && self.timers.is_empty()
    }

    fn encode<K: Key, C: Cell>(
        &mut self,
        hash: u64,
        slot: &mut Slot<K, C>,
    ) -> Result<(), SaveError> {
        self.states.push_with(
            hash,
            |bytes| codec::encode_stored(&slot.key, bytes).map_err(SaveError::Key),
            Some(|bytes: &mut Vec<u8>| seal(slot.cell.saved(), bytes).map_err(SaveError::State)),
        )?;
        let due = slot.cell.due();
        if C::TIMED && (due.is_some() || slot.mark.has_timer()) {
            push_timer(&mut self.timers, hash, self.states.last_key(), due)?;
        }
        slot.mark = KeyMark::stored(due.is_some());
        Ok(())
    }

    fn encode_removed<K: Key>(&mut self, removed: &Removed<K>) -> Result<(), SaveError> {
        self.states.push_with(
            removed.hash,
            |bytes| codec::encode_stored(&removed.key, bytes).map_err(SaveError::Key),
            None::<fn(&mut Vec<u8>) -> Result<(), SaveError>>,
        )?;
        if removed.timer {
            push_timer(&mut self.timers, removed.hash, self.states.last_key(), None)?;
        }
        Ok(())
    }
}

/// Snapshots of a table, and what is read back of them.
impl<K: Key, C: Cell> super::KeyTable<K, C> {
    /// Has the table note what is touched, for snapshots.
    pub(crate) fn note_changes(&mut self) {
        self.parts().1.start();
    }

    /// Begins a snapshot of all that was touched since the last began. That must be done.
    pub(crate) fn begin_snapshot(&mut self) -> Result<(), Unsaved> {
        self.parts().1.begin()
    }

    /// Whether a snapshot is under way.
    pub(crate) fn is_snapshotting(&self) -> bool {
        self.changes().snapshot.is_some()
    }

    /// Encodes parts of the snapshot until they hold about this many keys, and hands them out.
    pub(crate) fn snapshot_some<E: From<Unsaved>>(
        &mut self,
        keys: usize,
        mut take: impl FnMut(KeySlot, Changed) -> Result<(), E>,
    ) -> Result<(), E> {
        let (slots, changes) = self.parts();
        let mut encoded = 0;
        while let Some(snapshot) = &mut changes.snapshot {
            if let Some(unsaved) = snapshot.unsaved.take() {
                return Err(unsaved.into());
            }
            if encoded >= keys {
                return Ok(());
            }
            let Some(mut part) = snapshot.parts.pop() else {
                changes.snapshot = None;
                return Ok(());
            };
            if part.is_empty() {
                continue;
            }
            let index = PARTS - 1 - snapshot.parts.len();
            let mut touched = std::mem::take(&mut part.touched);
            // In the order in which they are handed out.
            touched.sort_unstable_by_key(|hash| hash.rotate_right(12));
            encoded += touched.len();
            encode_touched(slots, &touched, snapshot.round, &mut part)?;
            part.states
                .drain(|slot, run| take(slot, Changed::States(run)))?;
            part.timers
                .drain(|slot, run| take(slot, Changed::Timers(run)))?;
            // The room is used again in the next round.
            let mut room = touched;
            room.clear();
            if changes.touched[index].is_empty() {
                changes.touched[index] = room;
            }
        }
        Ok(())
    }

    /// About how many bytes a key takes in the table, without what its parts point to.
    pub(crate) const SLOT_BYTES: usize = (size_of::<Slot<K, C>>() + 1) * 8 / 7;

    /// Removes the keys of those of the slots in which all is saved, and gives for each of these the
    /// first time that a key waits for.
    pub(crate) fn leave(
        &mut self,
        leaving: &[KeySlot],
    ) -> impl Iterator<Item = (KeySlot, Option<DateTime<Utc>>)> {
        let mut left: BTreeMap<KeySlot, Option<DateTime<Utc>>> =
            leaving.iter().map(|slot| (*slot, None)).collect();
        if !left.is_empty() {
            let (slots, changes) = self.parts();
            // Until it is saved that a key is gone, it would come back with its slot.
            for removed in &changes.removed {
                left.remove(&KeySlot::of(removed.hash));
            }
            let of = |slot: &Slot<K, C>| KeySlot::of(slot.key.stable_hash());
            let mut parts: Vec<usize> = left.keys().map(|slot| slots.part_with(*slot)).collect();
            parts.dedup();
            for part in parts {
                let touched = slots.of_part(part).iter();
                for slot in touched.filter(|slot| slot.mark.round() != 0) {
                    left.remove(&of(slot));
                }
                slots.retain_in(part, |slot| {
                    let Some(first) = left.get_mut(&of(slot)) else {
                        return true;
                    };
                    *first = [*first, slot.cell.due()].into_iter().flatten().min();
                    false
                });
            }
        }
        left.into_iter()
    }

    /// Takes in a key that was saved; the time it waits for must be known.
    pub(crate) fn restore(&mut self, hash: u64, key: K, cell: C) {
        let mark = KeyMark::stored(cell.due().is_some());
        self.parts().0.insert(hash, Slot { key, cell, mark });
    }
}

fn unsaved(key: &impl Key, error: SaveError) -> Unsaved {
    Unsaved {
        key: brief(key),
        error,
    }
}

/// Encodes those of the keys with these hashes that were last touched in this round.
fn encode_touched<K: Key, C: Cell>(
    slots: &mut Slots<K, C>,
    hashes: &[u64],
    round: u32,
    part: &mut SnapshotPart,
) -> Result<(), Unsaved> {
    for &hash in hashes {
        for slot in slots.of_hash(hash) {
            if slot.mark.round() == round && slot.key.stable_hash() == hash {
                let encoded = part.encode(hash, slot);
                encoded.map_err(|error| unsaved(&slot.key, error))?;
            }
        }
    }
    Ok(())
}
