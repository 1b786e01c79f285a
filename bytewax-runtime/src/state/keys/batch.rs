//! Collects the changes of one step in one epoch, for conversion into runs.

use crate::key::Slot;

use super::run::{Run, RunError, RunWriter, key_of, read_entry, set_length};

/// An entry in [`Batch::bytes`], in the format of a run.
#[derive(Clone, Copy)]
struct Item {
    /// The hash, rotated so that the slot's bits are the top ones: this number orders items by slot, then by
    /// hash.
    turned: u64,
    start: usize,
    length: u32,
    is_kept: bool,
}

/// A batch of this many bytes grows by a quarter instead of doubling, because there are hundreds of them: keys that are
/// encoded before their part of a snapshot is due stay here for long.
const LARGE: usize = 16 << 10;

/// Collects changed keys in any order and returns them as one [`Run`] per slot.
///
/// If a key comes twice, the later state counts.
#[derive(Default)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    items: Vec<Item>,
}

/// A key or a state of 4 GiB or more, which the store refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key or a state of 4 GiB or more cannot be saved")]
pub(crate) struct TooLong;

impl Batch {
    /// Adds a key with its state, or with `None` if it was removed.
    pub(crate) fn push(
        &mut self,
        hash: u64,
        key: &[u8],
        state: Option<&[u8]>,
    ) -> Result<(), TooLong> {
        self.push_with(
            hash,
            |bytes| {
                bytes.extend_from_slice(key);
                Ok(())
            },
            state.map(|state| {
                |bytes: &mut Vec<u8>| {
                    bytes.extend_from_slice(state);
                    Ok(())
                }
            }),
        )
    }

    /// Like [`push`](Self::push), for a value that appends itself: this avoids a copy.
    ///
    /// An error leaves the batch unchanged.
    #[inline]
    pub(crate) fn push_with<E: From<TooLong>>(
        &mut self,
        hash: u64,
        key: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
        state: Option<impl FnOnce(&mut Vec<u8>) -> Result<(), E>>,
    ) -> Result<(), E> {
        let start = self.bytes.len();
        self.make_room(start);
        let pushed = self.push_at(start, hash, key, state);
        if pushed.is_err() {
            self.bytes.truncate(start);
        }
        pushed
    }

    /// Reserves room for an entry like the last one.
    #[inline]
    fn make_room(&mut self, start: usize) {
        let usual = self.items.last().map_or(0, |item| item.length as usize);
        if start >= LARGE && self.bytes.capacity() - start < usual + usual / 4 {
            self.bytes.reserve_exact(start / 4 + usual);
        }
    }

    #[inline]
    fn push_at<E: From<TooLong>>(
        &mut self,
        start: usize,
        hash: u64,
        key: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
        state: Option<impl FnOnce(&mut Vec<u8>) -> Result<(), E>>,
    ) -> Result<(), E> {
        self.bytes.extend_from_slice(&hash.to_le_bytes());
        self.with_length(0, key)?;
        let is_kept = state.is_some();
        match state {
            None => self.bytes.push(0),
            Some(state) => self.with_length(1, state)?,
        }
        let length = u32::try_from(self.bytes.len() - start).map_err(|_| TooLong)?;
        self.items.push(Item {
            turned: hash.rotate_right(12),
            start,
            length,
            is_kept,
        });
        Ok(())
    }

    /// Appends the written bytes, after their length and a little more.
    #[inline]
    fn with_length<E: From<TooLong>>(
        &mut self,
        more: u64,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let at = self.bytes.len();
        self.bytes.push(0);
        write(&mut self.bytes)?;
        let length = (self.bytes.len() - at - 1) as u64 + more;
        if length > u64::from(u32::MAX) {
            return Err(TooLong.into());
        }
        set_length(&mut self.bytes, at, length);
        Ok(())
    }

    /// Adds the entries of a batch that were encoded later.
    pub(super) fn append(&mut self, newer: &Self) {
        let before = self.bytes.len();
        self.bytes.extend_from_slice(&newer.bytes);
        self.items.extend(newer.items.iter().map(|item| Item {
            start: before + item.start,
            ..*item
        }));
    }

    /// All entries, as [`push_all`](Self::push_all) expects them.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Adds the entries of another batch.
    pub(super) fn push_all(&mut self, mut entries: &[u8]) -> Result<(), RunError> {
        self.bytes.reserve(entries.len());
        while !entries.is_empty() {
            let (whole, start) = (entries, self.bytes.len());
            let entry = read_entry(&mut entries)?;
            let (turned, is_kept) = (entry.hash.rotate_right(12), entry.state.is_some());
            let length = whole.len() - entries.len();
            self.bytes.extend_from_slice(&whole[..length]);
            self.items.push(Item {
                turned,
                start,
                length: u32::try_from(length).map_err(|_| RunError::Length)?,
                is_kept,
            });
        }
        Ok(())
    }

    /// The key that was added last.
    pub(crate) fn last_key(&self) -> &[u8] {
        self.items
            .last()
            .map_or(&[], |item| key_of(self.entry(item)))
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Returns one run per slot, in ascending order of slots, and empties the batch.
    pub(crate) fn drain<E>(
        &mut self,
        mut take: impl FnMut(Slot, Run) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut items = std::mem::take(&mut self.items);
        items.sort_unstable_by_key(|item| (item.turned, item.start));
        let of_one_slot = |a: &Item, b: &Item| a.turned >> 52 == b.turned >> 52;
        let drained = items.chunk_by_mut(of_one_slot).try_for_each(|items| {
            let slot = Slot::of(items[0].turned >> 52);
            take(slot, self.run(items))
        });
        items.clear();
        self.items = items;
        self.bytes.clear();
        drained
    }

    fn run(&self, items: &mut [Item]) -> Run {
        let bytes: usize = items.iter().map(|item| item.length as usize).sum();
        let mut writer = RunWriter::with_capacity(bytes);
        for same_hash in items.chunk_by_mut(|a, b| a.turned == b.turned) {
            if let [item] = same_hash {
                writer.push_encoded(self.entry(item), item.is_kept);
                continue;
            }
            // Stable: of the items of one key, the item added last stays last.
            same_hash.sort_by(|a, b| self.key(a).cmp(self.key(b)));
            for same_key in same_hash.chunk_by(|a, b| self.key(a) == self.key(b)) {
                if let Some(newest) = same_key.last() {
                    writer.push_encoded(self.entry(newest), newest.is_kept);
                }
            }
        }
        writer.finish()
    }

    #[inline]
    fn entry(&self, item: &Item) -> &[u8] {
        &self.bytes[item.start..][..item.length as usize]
    }

    fn key(&self, item: &Item) -> &[u8] {
        key_of(self.entry(item))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;
    use crate::state::run::Entry;

    proptest! {
        #[test]
        fn every_key_lands_in_its_slot_with_its_last_state(
            changes in prop::collection::vec(
                (prop::sample::select(vec![0_u64, 1, 4096, 4097, u64::MAX]), 0_u8..4, prop::option::of(any::<u8>())),
                0..60,
            ),
            moved in 0_usize..60,
        ) {
            let (mut batch, mut older) = (Batch::default(), Batch::default());
            let mut model = BTreeMap::new();
            for (place, (hash, key, state)) in changes.into_iter().enumerate() {
                if place == moved {
                    older = std::mem::take(&mut batch);
                }
                batch.push(hash, &[key], state.as_ref().map(std::slice::from_ref)).unwrap();
                model.insert((Slot::of(hash), hash, vec![key]), state.map(|state| vec![state]));
            }
            // The older entries were in a file, and come back before the later ones.
            let newer = std::mem::take(&mut batch);
            batch.push_all(older.bytes()).unwrap();
            batch.append(&newer);
            let mut drained = Vec::new();
            batch
                .drain(|slot, run| {
                    let run = Run::decode(run.as_bytes().to_vec(), slot).unwrap();
                    let owned = |e: Entry<'_>| ((slot, e.hash, e.key.to_vec()), e.state.map(<[u8]>::to_vec));
                    drained.extend(run.iter().map(owned));
                    Ok::<_, Infallible>(())
                })
                .unwrap();
            prop_assert!(batch.is_empty());
            prop_assert_eq!(drained, model.into_iter().collect::<Vec<_>>());
        }
    }
}
