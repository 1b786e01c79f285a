//! Slots: the fixed number of parts of all keys, and their owners.

use std::array;
use std::fmt;

use crate::ids::StepId;

/// The number of slots. It is part of the stable format and never changes.
///
/// ```
/// use bytewax_runtime::key::{SLOTS, Slot};
///
/// assert_eq!(Slot::all().count(), SLOTS);
/// ```
pub const SLOTS: usize = 4096;

/// One of [`SLOTS`] parts of all keys, by hash.
///
/// All items of a slot go to the same worker, and their state is saved in the same partition.
///
/// ```
/// use bytewax_runtime::key::{Key, Slot};
///
/// let slot = Slot::of("ada".to_owned().stable_hash());
/// assert_eq!(slot.index(), 0x02f);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(u16);

impl Slot {
    /// Returns the slot of a key with this hash: the hash modulo [`SLOTS`].
    ///
    /// ```
    /// use bytewax_runtime::key::Slot;
    ///
    /// assert_eq!(Slot::of(4097).index(), 1);
    /// ```
    #[inline]
    #[must_use]
    pub const fn of(hash: u64) -> Self {
        Self((hash % SLOTS as u64) as u16)
    }

    /// Returns the slot's number, below [`SLOTS`].
    ///
    /// ```
    /// use bytewax_runtime::key::Slot;
    ///
    /// assert_eq!(Slot::of(u64::MAX).index(), 4095);
    /// ```
    #[inline]
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// The slot after this one, unless it is the last.
    pub(crate) const fn next(self) -> Option<Self> {
        if self.index() + 1 < SLOTS {
            Some(Self(self.0 + 1))
        } else {
            None
        }
    }

    /// Returns all slots, in order.
    ///
    /// ```
    /// use bytewax_runtime::key::Slot;
    ///
    /// assert_eq!(Slot::all().next(), Some(Slot::of(0)));
    /// assert_eq!(Slot::all().last(), Some(Slot::of(4095)));
    /// ```
    pub fn all() -> impl ExactSizeIterator<Item = Slot> + DoubleEndedIterator {
        (0..SLOTS as u16).map(Self)
    }
}

/// The slot's number.
///
/// ```
/// use bytewax_runtime::key::Slot;
///
/// assert_eq!(Slot::of(4097).to_string(), "1");
/// ```
impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which worker owns each slot.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SlotOwners {
    owners: Box<[u32; SLOTS]>,
}

impl SlotOwners {
    /// Slot `s` belongs to worker `s % workers`.
    ///
    /// # Panics
    ///
    /// If there are no workers.
    pub(crate) fn spread(workers: usize) -> Self {
        assert!(workers > 0, "slots cannot be spread over no workers");
        Self::from_fn(|slot| slot.index() % workers)
    }

    /// Every slot belongs to the worker that `owner` names.
    ///
    /// # Panics
    ///
    /// If a worker's number does not fit in 32 bits.
    pub(crate) fn from_fn(mut owner: impl FnMut(Slot) -> usize) -> Self {
        let owners = array::from_fn(|slot| {
            u32::try_from(owner(Slot(slot as u16))).expect("a worker's number fits in 32 bits")
        });
        Self {
            owners: Box::new(owners),
        }
    }

    /// The worker that owns the key with this hash.
    #[inline]
    pub(crate) fn owner(&self, hash: u64) -> usize {
        self.owner_of(Slot::of(hash))
    }

    /// The worker that owns this slot.
    #[inline]
    pub(crate) fn owner_of(&self, slot: Slot) -> usize {
        // The remainder lets the compiler drop the bounds check; it costs one `and`.
        self.owners[slot.index() % SLOTS] as usize
    }
}

impl fmt::Debug for SlotOwners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let workers = self
            .owners
            .iter()
            .max()
            .map_or(0, |&last| last as usize + 1);
        let mut slots = vec![0_usize; workers];
        for &owner in self.owners.iter() {
            slots[owner as usize] += 1;
        }
        f.debug_struct("SlotOwners")
            .field("slots_by_worker", &slots)
            .finish()
    }
}

/// The hash to give to a table that lives on one worker.
///
/// A worker only sees keys of its own slots, so the low 12 bits of their hashes are far from random:
/// with two workers, the lowest bit is the same for all. A `hashbrown` table takes the bucket from
/// the low bits and a 7-bit tag from the top ones. Rotating right by 19 moves the slot's bits to
/// 45..57, between the two: the tag is then made of bits 12..19 of the hash and the bucket of the
/// bits from 19 on, all of them free, whichever slots the worker owns. (Rotating by 12 would put
/// the slot into the tag.)
///
/// Not part of the stable format: tables are in memory only.
#[inline]
pub(crate) const fn table_hash(hash: u64) -> u64 {
    hash.rotate_right(19)
}

/// The slot whose recovery partition keeps the positions of this partition of a source or a sink.
///
/// Part of the stable format: xxh3-64 of the step id, a zero byte and the partition's name.
pub(crate) fn position_slot(step: &StepId, partition: &str) -> Slot {
    let bytes = [step.as_str().as_bytes(), &[0], partition.as_bytes()].concat();
    Slot::of(xxhash_rust::xxh3::xxh3_64(&bytes))
}
