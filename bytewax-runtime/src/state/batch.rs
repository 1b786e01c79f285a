//! The changes of one step in one epoch, on their way into runs.

use crate::key::Slot;

use super::run::{Entry, Run, RunWriter};

/// A key in [`Batch::bytes`]: the key's bytes, then those of its state.
#[derive(Clone, Copy)]
struct Item {
    /// The hash, turned so that the slot's bits are the top ones: items in order of this number are
    /// in order of slot, then of hash.
    turned: u64,
    start: usize,
    key: u32,
    /// The length of the state, one more; 0 for a removed key.
    state: u32,
}

/// Collects changed keys in any order and hands them out as one [`Run`] a slot.
///
/// When a key comes twice, the later state counts.
#[derive(Default)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    items: Vec<Item>,
}

/// A key or a state of 4 GiB or more, which the store does not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key or a state of 4 GiB or more cannot be saved")]
pub(crate) struct TooLong;

impl Batch {
    /// Adds a key with its state, or with none when it was removed.
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

    /// Like [`push`](Self::push), for what can append itself: nothing is copied twice.
    ///
    /// After an error the batch is as it was before.
    #[inline]
    pub(crate) fn push_with<E: From<TooLong>>(
        &mut self,
        hash: u64,
        key: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
        state: Option<impl FnOnce(&mut Vec<u8>) -> Result<(), E>>,
    ) -> Result<(), E> {
        let start = self.bytes.len();
        let pushed = self.append(start, hash, key, state);
        if pushed.is_err() {
            self.bytes.truncate(start);
        }
        pushed
    }

    fn append<E: From<TooLong>>(
        &mut self,
        start: usize,
        hash: u64,
        key: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
        state: Option<impl FnOnce(&mut Vec<u8>) -> Result<(), E>>,
    ) -> Result<(), E> {
        key(&mut self.bytes)?;
        let middle = self.bytes.len();
        let state = match state {
            None => 0,
            Some(write) => {
                write(&mut self.bytes)?;
                u32::try_from(self.bytes.len() - middle + 1).map_err(|_| TooLong)?
            }
        };
        self.items.push(Item {
            turned: hash.rotate_right(12),
            start,
            key: u32::try_from(middle - start).map_err(|_| TooLong)?,
            state,
        });
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Hands out one run a slot, in ascending order of slots, and empties the batch.
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
        let sizes = items
            .iter()
            .map(|item| item.key as usize + item.state as usize + 16);
        let mut writer = RunWriter::with_capacity(sizes.sum::<usize>() + 16);
        for same_hash in items.chunk_by_mut(|a, b| a.turned == b.turned) {
            if same_hash.len() > 1 {
                // Stable: of one key, the item added last stays last.
                same_hash.sort_by(|a, b| self.entry(a).key.cmp(self.entry(b).key));
            }
            for same_key in same_hash.chunk_by(|a, b| self.entry(a).key == self.entry(b).key) {
                if let Some(newest) = same_key.last() {
                    writer.push(self.entry(newest));
                }
            }
        }
        writer.finish()
    }

    #[inline]
    fn entry(&self, item: &Item) -> Entry<'_> {
        let (key, rest) = self.bytes[item.start..].split_at(item.key as usize);
        Entry {
            hash: item.turned.rotate_left(12),
            key,
            state: item
                .state
                .checked_sub(1)
                .map(|length| &rest[..length as usize]),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_key_lands_in_its_slot_with_its_last_state(
            changes in prop::collection::vec(
                (prop::sample::select(vec![0_u64, 1, 4096, 4097, u64::MAX]), 0_u8..4, prop::option::of(any::<u8>())),
                0..60,
            ),
        ) {
            let mut batch = Batch::default();
            let mut model = BTreeMap::new();
            for (hash, key, state) in changes {
                batch.push(hash, &[key], state.as_ref().map(std::slice::from_ref)).unwrap();
                model.insert((Slot::of(hash), hash, vec![key]), state.map(|state| vec![state]));
            }
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
