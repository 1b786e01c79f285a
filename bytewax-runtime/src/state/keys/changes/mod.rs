//! Tracks the changes of a table since its last snapshot, and the snapshot in progress.
//!
//! A snapshot is taken in parts while items go on: [`begin`](Changes::begin) fixes its contents, and the
//! keys of one part after the other are encoded, a few at a time. A key that is touched before that is encoded
//! just before it changes. Each touch therefore costs a comparison, and the first of a key in an epoch a record of eight
//! bytes.

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::hint::black_box;

use chrono::{DateTime, Utc};

use super::batch::Batch;
use super::cold::{Cold, ColdError, Evicted, Record, Spill, Spilled};
use super::mark::{KeyMark, Round};
use super::memory::Heap;
use super::run::Run;
use super::slots::{PARTS, Slots, part_of};
use super::stored::{self, SaveError, Unsaved};
use super::timer::push_timer;
use super::{Cell, Slot};
use crate::key::{Key, Slot as KeySlot};
use crate::state::peek;

/// This many hashes of keys that are not in memory are never worth a clean-up.
const SPARE_HASHES: usize = if cfg!(test) { 4 } else { 1 << 16 };

/// If memory is limited, this many bytes of encoded keys wait in memory for a part of a snapshot.
const WAITING: usize = if cfg!(test) { 0 } else { 16 << 10 };

/// This many keys are found before they are encoded.
const TOGETHER: usize = 32;

fn part_of_hash(hash: u64) -> usize {
    part_of(KeySlot::of(hash))
}

/// The content of a part of a snapshot for one slot.
pub(crate) enum Changed {
    States(Run),
    Timers(Run),
}

/// The keys of a part that are still to be encoded, and the encoded ones.
#[derive(Default)]
struct SnapshotPart {
    /// The hashes of those in memory; some keys may be gone, and some hashes may occur twice. The last are
    /// encoded first.
    touched: Vec<u64>,
    /// The number of these hashes when the first were encoded, after they were sorted.
    sorted: Option<usize>,
    states: Batch,
    timers: Batch,
    /// Earlier contents of `states` that do not stay in memory, in order.
    spilled: Vec<Spilled>,
}

struct Snapshot {
    number: u64,
    round: Round,
    parts: Vec<SnapshotPart>,
    unsaved: Option<Unsaved>,
}

impl Snapshot {
    /// The parts that were not taken, in reverse order: they are taken from the end.
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
    /// The number of the present round (rounds count snapshots); 0 while touches are not recorded.
    number: u64,
    /// The present round in the form that marks use.
    round: Round,
    /// The hashes of the keys in memory that were touched in this round, by part; some keys may be gone, and
    /// some hashes may occur twice.
    touched: Vec<Vec<u64>>,
    /// Removed keys that the store may contain.
    removed: Vec<Removed<K>>,
    snapshot: Option<Snapshot>,
    /// The memory of the keys outside the table.
    pub(super) heap: Heap,
}

impl<K> Default for Changes<K> {
    fn default() -> Self {
        Self {
            number: 0,
            round: Round::default(),
            touched: Vec::new(),
            removed: Vec::new(),
            snapshot: None,
            heap: Heap::default(),
        }
    }
}

impl<K: Key> Changes<K> {
    /// Starts to record touches.
    fn start(&mut self) {
        self.begin_round(1);
        self.touched.resize_with(PARTS, Vec::new);
    }

    fn begin_round(&mut self, number: u64) {
        self.number = number;
        self.round = Round::of(number);
    }

    pub(super) fn are_noted(&self) -> bool {
        self.round != Round::default()
    }

    /// Records a touch of a key; call it before the key changes.
    #[inline]
    pub(super) fn touch<C: Cell>(&mut self, hash: u64, slot: &mut Slot<K, C>) {
        if !slot.mark.is_noted(self.round) {
            self.touch_first(hash, slot);
        }
    }

    #[cold]
    fn touch_first<C: Cell>(&mut self, hash: u64, slot: &mut Slot<K, C>) {
        self.save_before(hash, slot);
        if !slot.mark.is_of(self.round) {
            self.touched[part_of_hash(hash)].push(hash);
        }
        slot.mark.touch(self.round);
    }

    /// The mark of a new key.
    #[inline]
    pub(super) fn mark_new(&mut self, hash: u64) -> KeyMark {
        if self.are_noted() {
            self.touched[part_of_hash(hash)].push(hash);
        }
        KeyMark::new(self.round, self.heap.add_new())
    }

    /// Records the removal of a key; call it while the key still exists.
    #[inline]
    pub(super) fn remove_ref<C: Cell>(&mut self, hash: u64, slot: &mut Slot<K, C>) {
        if self.are_noted() {
            self.remove_noted(hash, slot);
        }
    }

    fn remove_noted<C: Cell>(&mut self, hash: u64, slot: &mut Slot<K, C>) {
        self.save_before(hash, slot);
        self.heap.remove(slot.mark);
        if slot.mark.is_stored() {
            self.removed.push(Removed {
                hash,
                key: slot.key.clone(),
                timer: slot.mark.has_timer(),
            });
        }
    }

    /// Encodes a key for the snapshot in progress, if its part was not encoded yet.
    fn save_before<C: Cell>(&mut self, hash: u64, slot: &mut Slot<K, C>) {
        let Some(snapshot) = &mut self.snapshot else {
            return;
        };
        if !slot.mark.is_of(snapshot.round) {
            return;
        }
        if let Some(part) = snapshot.part(part_of_hash(hash))
            && let Err(error) = part.encode(hash, slot)
        {
            let unsaved = || Unsaved::new(&slot.key, error);
            snapshot.unsaved.get_or_insert_with(unsaved);
        }
    }

    /// The metadata of a key that is evicted.
    pub(super) fn evicted(&self, hash: u64, mark: KeyMark, due: Option<DateTime<Utc>>) -> Evicted {
        let touched = if mark.is_of(Round::default()) {
            0
        } else if mark.is_of(self.round) {
            self.number
        } else {
            // The snapshot in progress has not reached it.
            self.number - 1
        };
        Evicted {
            hash,
            touched,
            stored: mark.is_stored(),
            timer: mark.has_timer(),
            due,
        }
    }

    /// The mark of a key that was evicted.
    pub(super) fn mark_restored<C: Cell>(&mut self, evicted: &Evicted) -> KeyMark {
        let Evicted {
            hash,
            touched,
            stored,
            timer,
            due,
        } = *evicted;
        let part = part_of_hash(hash);
        let list = if touched == self.number {
            self.touched.get_mut(part)
        } else {
            let snapshot = self.snapshot.as_mut().filter(|one| one.number == touched);
            let part = snapshot.and_then(|snapshot| snapshot.part(part));
            part.map(|part| &mut part.touched)
        };
        match list {
            _ if touched == 0 => KeyMark::restored(stored, timer, Round::default()),
            Some(list) => {
                list.push(hash);
                KeyMark::restored(stored, timer, Round::of(touched))
            }
            // A snapshot has saved it in its evicted form.
            None => KeyMark::restored(true, C::due_in_store(due).is_some(), Round::default()),
        }
    }

    /// Drops the hashes of keys that are no longer in memory, when they are the majority.
    pub(super) fn clean_touched<C: Cell>(&mut self, slots: &mut Slots<K, C>) {
        let listed: usize = self.touched.iter().map(Vec::len).sum();
        if listed <= 2 * slots.len() + SPARE_HASHES {
            return;
        }
        for hashes in &mut self.touched {
            hashes.sort_unstable();
            hashes.dedup();
            let round = self.round;
            hashes.retain(|&hash| slots.of_hash(hash).any(|slot| slot.mark.is_of(round)));
            hashes.shrink_to(2 * hashes.len());
        }
    }

    /// Moves encoded states whose part of the snapshot is not due yet to a file, where they are many. Timers stay, because
    /// they are short.
    pub(super) fn spill(&mut self, into: &mut Spill) -> Result<(), ColdError> {
        let parts = self.snapshot.iter_mut().flat_map(|one| &mut one.parts);
        for part in parts.filter(|part| part.states.bytes().len() > WAITING) {
            let states = std::mem::take(&mut part.states);
            part.spilled.push(into.put(states.bytes())?);
        }
        Ok(())
    }

    /// Ends a round: its touches must be saved.
    fn begin(&mut self) -> Result<(), Unsaved> {
        debug_assert!(self.snapshot.is_none(), "one snapshot follows the other");
        let touched = self.touched.iter_mut().map(|hashes| SnapshotPart {
            touched: std::mem::take(hashes),
            ..SnapshotPart::default()
        });
        let mut parts: Vec<SnapshotPart> = touched.collect();
        parts.resize_with(PARTS, SnapshotPart::default);
        // Most epochs remove few keys, and one in which many expire must not keep their memory.
        for removed in std::mem::take(&mut self.removed) {
            let part = &mut parts[part_of_hash(removed.hash)];
            let encoded = part.encode_removed(&removed);
            encoded.map_err(|error| Unsaved::new(&removed.key, error))?;
        }
        parts.reverse();
        self.snapshot = Some(Snapshot {
            number: self.number,
            round: self.round,
            parts,
            unsaved: None,
        });
        self.begin_round(self.number + 1);
        Ok(())
    }
}

impl SnapshotPart {
    /// Encodes touched keys: those with at most this many hashes. Returns the number of these hashes.
    fn encode_touched<K: Key, C: Cell>(
        &mut self,
        slots: &mut Slots<K, C>,
        round: Round,
        most: usize,
    ) -> Result<usize, Unsaved> {
        let mut touched = std::mem::take(&mut self.touched);
        if self.sorted.is_none() {
            // The last hash is that of the first slot.
            touched.sort_unstable_by_key(|hash| Reverse(hash.rotate_right(12)));
            self.sorted = Some(touched.len());
        }
        let mut encoded = 0;
        while encoded < most && !touched.is_empty() {
            let count = touched.len().min(TOGETHER).min(most - encoded);
            let few = touched.len() - count..;
            // The first loop only reads, so its cache misses overlap.
            let marks = touched[few.clone()].iter();
            let of_round = marks.flat_map(|&hash| slots.of_hash_ref(hash));
            black_box(of_round.filter(|slot| slot.mark.is_of(round)).count());
            for hash in touched.drain(few).rev() {
                for slot in slots.of_hash(hash) {
                    if slot.mark.is_of(round) && slot.key.stable_hash() == hash {
                        let encoded = self.encode(hash, slot);
                        encoded.map_err(|error| Unsaved::new(&slot.key, error))?;
                    }
                }
            }
            encoded += count;
        }
        self.touched = touched;
        Ok(encoded)
    }

    /// Brings back what was moved to a file, before what was encoded since.
    fn collect(&mut self, from: &mut Spill) -> Result<(), ColdError> {
        if self.spilled.is_empty() {
            return Ok(());
        }
        let newer = std::mem::take(&mut self.states);
        for spilled in self.spilled.drain(..) {
            from.take(spilled, |bytes| self.states.push_all(bytes).is_ok())?;
        }
        self.states.append(&newer);
        Ok(())
    }

    fn encode<K: Key, C: Cell>(
        &mut self,
        hash: u64,
        slot: &mut Slot<K, C>,
    ) -> Result<(), SaveError> {
        self.states.push_with(
            hash,
            |bytes| stored::encode_key(&slot.key, bytes),
            Some(|bytes: &mut Vec<u8>| stored::encode_state(slot.cell.saved(), bytes)),
        )?;
        let due = C::due_in_store(slot.cell.due());
        if C::TIMED && (due.is_some() || slot.mark.has_timer()) {
            push_timer(&mut self.timers, hash, self.states.last_key(), due)?;
        }
        slot.mark.save(due.is_some());
        Ok(())
    }

    /// Adds an evicted key in its encoded form.
    fn push_evicted<C: Cell>(&mut self, record: &Record<'_>) -> Result<(), SaveError> {
        let Record {
            evicted,
            key,
            state,
        } = record;
        peek(state)?;
        let due = C::due_in_store(evicted.due);
        if C::TIMED && (due.is_some() || evicted.timer) {
            push_timer(&mut self.timers, evicted.hash, key, due)?;
        }
        self.states.push(evicted.hash, key, Some(state))?;
        Ok(())
    }

    fn encode_removed<K: Key>(&mut self, removed: &Removed<K>) -> Result<(), SaveError> {
        self.states.push_with(
            removed.hash,
            |bytes| stored::encode_key(&removed.key, bytes),
            None::<fn(&mut Vec<u8>) -> Result<(), SaveError>>,
        )?;
        if removed.timer {
            push_timer(&mut self.timers, removed.hash, self.states.last_key(), None)?;
        }
        Ok(())
    }
}

/// Snapshots of a table.
impl<K: Key, C: Cell> super::KeyTable<K, C> {
    /// Starts to record touches, for snapshots.
    pub(crate) fn note_changes(&mut self) {
        self.changes.start();
    }

    /// Begins a snapshot of all keys touched since the last one began. That one must be complete.
    pub(crate) fn begin_snapshot(&mut self) -> Result<(), Unsaved> {
        self.changes.begin()
    }

    /// Whether a snapshot is in progress.
    pub(crate) fn is_snapshotting(&self) -> bool {
        self.changes.snapshot.is_some()
    }

    /// Encodes about this many keys of the snapshot, and returns the parts that are complete.
    pub(crate) fn snapshot_some<E: From<Unsaved> + From<ColdError>>(
        &mut self,
        keys: usize,
        mut take: impl FnMut(KeySlot, Changed) -> Result<(), E>,
    ) -> Result<(), E> {
        let Self {
            slots,
            changes,
            eviction,
        } = self;
        let mut left = keys;
        while let Some(snapshot) = &mut changes.snapshot {
            if let Some(unsaved) = snapshot.unsaved.take() {
                return Err(unsaved.into());
            }
            if left == 0 {
                return Ok(());
            }
            let Some(part) = snapshot.parts.last_mut() else {
                changes.snapshot = None;
                return Ok(());
            };
            left -= part.encode_touched(slots, snapshot.round, left)?;
            if !part.touched.is_empty() {
                return Ok(());
            }
            let index = PARTS - snapshot.parts.len();
            let Some(mut part) = snapshot.parts.pop() else {
                unreachable!("there is a last part")
            };
            if let Some(eviction) = eviction {
                let number = snapshot.number;
                part.collect(&mut eviction.spill)?;
                let evicted =
                    save_evicted::<K, C, E>(&mut eviction.cold, index, number, &mut part)?;
                left = left.saturating_sub(evicted);
            }
            part.states
                .drain(|slot, run| take(slot, Changed::States(run)))?;
            part.timers
                .drain(|slot, run| take(slot, Changed::Timers(run)))?;
            // The next round reuses the memory, unless it is that of a peak or memory is short.
            let room = part.touched;
            let was_full = part.sorted.unwrap_or(0) >= room.capacity() / 4;
            if changes.touched[index].is_empty() && was_full && eviction.is_none() {
                changes.touched[index] = room;
            }
        }
        Ok(())
    }
}

/// Adds the evicted keys of a part that were last touched in the round with this number; returns their count.
fn save_evicted<K: Key, C: Cell, E: From<Unsaved> + From<ColdError>>(
    cold: &mut Cold,
    index: usize,
    number: u64,
    part: &mut SnapshotPart,
) -> Result<usize, E> {
    if cold.len() == 0 {
        return Ok(0);
    }
    let mut count = 0;
    cold.look_at_touched(index, number, |record| {
        debug_assert_eq!(
            record.evicted.touched, number,
            "the directory knows the round"
        );
        count += 1;
        let saved = part.push_evicted::<C>(&record);
        saved.map_err(|error| E::from(Unsaved::of_bytes::<K>(record.key, error)))
    })?;
    Ok(count)
}
