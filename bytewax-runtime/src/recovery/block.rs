//! Blocks: the runs of several slots, the bytes of one row of the store.
//!
//! ```text
//! block := version:u8 = 1, count:u16, count * (slot:u16, length(run):u32), count * run
//! ```
//!
//! Integers are little endian. Slots ascend strictly. Many slots with small changes share a block, and with
//! it the cost of a row; a large slot has its own.

use std::ops::Range;

use crate::key::{SLOTS, Slot};
use crate::state::run::{Run, RunError};

/// The approximate size of a block, unless one slot is larger.
pub(super) const BLOCK_BYTES: usize = if cfg!(test) { 300 } else { 32 << 10 };

/// The only version of the format of a block.
const VERSION: u8 = 1;
const HEADER: usize = 3;
/// The bytes of an entry of the directory.
const PLACE: usize = 6;

/// The reason why bytes are not a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BlockError {
    #[error("the block has format {0}, known is {VERSION}")]
    Version(u8),
    #[error("the block ends too early")]
    Truncated,
    #[error("the slots of the block are not in order")]
    Unsorted,
    #[error("bytes follow the last run of the block")]
    Trailing,
    #[error("there is no slot {0}")]
    Slot(u16),
    #[error(transparent)]
    Run(#[from] RunError),
}

/// A block with a checked directory; its runs are checked when they are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Block {
    bytes: Vec<u8>,
    runs: Vec<(Slot, Range<usize>)>,
}

impl Block {
    pub(super) fn decode(bytes: Vec<u8>) -> Result<Self, BlockError> {
        let (&version, rest) = bytes.split_first().ok_or(BlockError::Truncated)?;
        if version != VERSION {
            return Err(BlockError::Version(version));
        }
        let (count, rest) = rest.split_first_chunk().ok_or(BlockError::Truncated)?;
        let count = usize::from(u16::from_le_bytes(*count));
        let directory = rest.get(..count * PLACE).ok_or(BlockError::Truncated)?;
        let mut runs: Vec<(Slot, Range<usize>)> = Vec::with_capacity(count);
        let mut start = HEADER + count * PLACE;
        for place in directory.chunks_exact(PLACE) {
            let number = u16::from_le_bytes([place[0], place[1]]);
            if usize::from(number) >= SLOTS {
                return Err(BlockError::Slot(number));
            }
            let slot = Slot::of(number.into());
            if runs.last().is_some_and(|(last, _)| *last >= slot) {
                return Err(BlockError::Unsorted);
            }
            let length = u32::from_le_bytes([place[2], place[3], place[4], place[5]]) as usize;
            let end = start.checked_add(length).ok_or(BlockError::Truncated)?;
            runs.push((slot, start..end));
            start = end;
        }
        if start > bytes.len() {
            return Err(BlockError::Truncated);
        }
        if start < bytes.len() {
            return Err(BlockError::Trailing);
        }
        Ok(Self { bytes, runs })
    }

    /// Creates the block of one run, without extra bytes: a row of older formats.
    pub(super) fn of_one(slot: Slot, run: Vec<u8>) -> Self {
        let whole = 0..run.len();
        Self {
            bytes: run,
            runs: vec![(slot, whole)],
        }
    }

    /// The slots with runs, ascending.
    pub(super) fn slots(&self) -> impl Iterator<Item = Slot> + '_ {
        self.runs.iter().map(|(slot, _)| *slot)
    }

    /// The first of its slots that is not before this one.
    pub(super) fn next_slot(&self, from: Slot) -> Option<Slot> {
        let place = self.runs.partition_point(|(slot, _)| *slot < from);
        self.runs.get(place).map(|(slot, _)| *slot)
    }

    /// The run of a slot, if it has one.
    pub(super) fn run(&self, slot: Slot) -> Result<Option<Run>, RunError> {
        let found = self.runs.binary_search_by_key(&slot, |(slot, _)| *slot);
        let Ok(place) = found else { return Ok(None) };
        let bytes = self.bytes[self.runs[place].1.clone()].to_vec();
        Run::decode(bytes, slot).map(Some)
    }

    /// The number of its bytes.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }
}

/// The contents of a finished block.
pub(super) struct Written {
    pub(super) bytes: Vec<u8>,
    pub(super) first: Slot,
    pub(super) last: Slot,
    pub(super) kept: u64,
    pub(super) removed: u64,
}

/// Gathers the runs of a block.
#[derive(Debug, Default)]
pub(super) struct BlockWriter {
    slots: Vec<(Slot, u32)>,
    runs: Vec<u8>,
    kept: u64,
    removed: u64,
}

impl BlockWriter {
    /// Whether the run of a slot can be added: no run of a greater one may be there.
    pub(super) fn accepts(&self, slot: Slot) -> bool {
        self.slots.last().is_none_or(|(last, _)| *last < slot)
    }

    /// Adds the run of the next slot.
    pub(super) fn push(&mut self, slot: Slot, run: &Run) {
        debug_assert!(self.accepts(slot), "the slots of a block ascend");
        let length = u32::try_from(run.len()).unwrap_or(u32::MAX);
        self.slots.push((slot, length));
        self.runs.extend_from_slice(run.as_bytes());
        self.kept += u64::from(run.kept());
        self.removed += u64::from(run.removed());
    }

    /// Whether it has reached the intended size.
    pub(super) fn is_full(&self) -> bool {
        self.runs.len() >= BLOCK_BYTES
    }

    /// Returns the gathered block, if any, and empties the builder.
    pub(super) fn finish(&mut self) -> Option<Written> {
        let (first, last) = (self.slots.first()?.0, self.slots.last()?.0);
        let mut bytes = Vec::with_capacity(HEADER + self.slots.len() * PLACE + self.runs.len());
        bytes.push(VERSION);
        bytes.extend_from_slice(&(self.slots.len() as u16).to_le_bytes());
        for (slot, length) in self.slots.drain(..) {
            bytes.extend_from_slice(&(slot.index() as u16).to_le_bytes());
            bytes.extend_from_slice(&length.to_le_bytes());
        }
        bytes.append(&mut self.runs);
        Some(Written {
            bytes,
            first,
            last,
            kept: std::mem::take(&mut self.kept),
            removed: std::mem::take(&mut self.removed),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::state::run::{Entry, RunWriter};

    fn run_of(slot: u16, states: &[u8]) -> Run {
        let mut writer = RunWriter::default();
        for (place, state) in states.iter().enumerate() {
            writer.push(Entry {
                hash: place as u64 * 4096 + u64::from(slot),
                key: b"k",
                state: (*state > 9).then_some(std::slice::from_ref(state)),
            });
        }
        writer.finish()
    }

    fn block_of(model: &BTreeMap<u16, Vec<u8>>) -> Option<Written> {
        let mut writer = BlockWriter::default();
        for (slot, states) in model {
            writer.push(Slot::of((*slot).into()), &run_of(*slot, states));
        }
        writer.finish()
    }

    fn models() -> impl Strategy<Value = BTreeMap<u16, Vec<u8>>> {
        prop::collection::btree_map(0_u16..4096, prop::collection::vec(any::<u8>(), 1..5), 1..20)
    }

    proptest! {
        #[test]
        fn every_slot_has_its_run(model in models()) {
            let written = block_of(&model).unwrap();
            let all: Vec<u8> = model.values().flatten().copied().collect();
            let kept = all.iter().filter(|state| **state > 9).count() as u64;
            prop_assert_eq!((written.kept, written.removed), (kept, all.len() as u64 - kept));
            let block = Block::decode(written.bytes).unwrap();
            let slots: Vec<u16> = block.slots().map(|slot| slot.index() as u16).collect();
            prop_assert_eq!(&slots, &model.keys().copied().collect::<Vec<_>>());
            prop_assert_eq!(written.first.index(), usize::from(slots[0]));
            prop_assert_eq!(written.last.index(), usize::from(slots[slots.len() - 1]));
            for slot in Slot::all() {
                let number = slot.index() as u16;
                let expected = model.get(&number).map(|states| run_of(number, states));
                prop_assert_eq!(block.run(slot).unwrap(), expected);
                let next = model.range(number..).next().map(|(slot, _)| Slot::of((*slot).into()));
                prop_assert_eq!(block.next_slot(slot), next);
            }
        }

        #[test]
        fn a_part_of_a_block_is_an_error(model in models(), cut in any::<prop::sample::Index>()) {
            let mut bytes = block_of(&model).unwrap().bytes;
            bytes.truncate(cut.index(bytes.len()));
            prop_assert!(Block::decode(bytes).is_err());
        }

        #[test]
        fn foreign_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(block) = Block::decode(bytes) {
                let _ = block.slots().map(|slot| block.run(slot)).collect::<Vec<_>>();
            }
        }
    }

    #[test]
    fn the_bytes_of_a_block_are_pinned() {
        let model = BTreeMap::from([(7, vec![77]), (300, vec![0])]);
        let written = block_of(&model).unwrap();
        let runs = [run_of(7, &[77]), run_of(300, &[0])];
        let expected = [
            [1, 2, 0].as_slice(),
            &[7, 0, 17, 0, 0, 0],
            &[44, 1, 16, 0, 0, 0],
            runs[0].as_bytes(),
            runs[1].as_bytes(),
        ];
        assert_eq!(written.bytes, expected.concat());
        assert!(BlockWriter::default().finish().is_none());
    }

    #[test]
    fn each_sort_of_damage_has_its_error() {
        let whole = block_of(&BTreeMap::from([(7, vec![77]), (8, vec![88])]))
            .unwrap()
            .bytes;
        let check = |bytes: &[u8], expected| {
            assert_eq!(Block::decode(bytes.to_vec()), Err(expected));
        };
        check(&[&[9], &whole[1..]].concat(), BlockError::Version(9));
        check(&[&whole[..], &[0]].concat(), BlockError::Trailing);
        check(&whole[..9], BlockError::Truncated);
        let mut other = whole.clone();
        other[9..11].copy_from_slice(&7_u16.to_le_bytes());
        check(&other, BlockError::Unsorted);
        other[3..5].copy_from_slice(&4096_u16.to_le_bytes());
        check(&other, BlockError::Slot(4096));
        let mut moved = whole;
        moved[3] = 6;
        let block = Block::decode(moved).unwrap();
        assert_eq!(
            block.run(Slot::of(6)),
            Err(RunError::OtherSlot(Slot::of(7)))
        );
    }
}
