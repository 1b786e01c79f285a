//! Iterates over all keys in ascending order when not all fit into memory.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::cold::ColdError;
use super::evict::decoded;
use super::slots::PARTS;
use super::stored::{self, RestoreError, Restored, Unsaved};
use super::{Cell, KeyTable};
use crate::key::Key;

/// The number of keys of each run that are read at once.
const AHEAD: usize = 16;

/// The number of keys that are returned at once.
const AT_ONCE: usize = 1 << 12;

/// Sorted evicted keys: in *runs*, each with the places of its keys in their order.
pub(crate) struct Sorted<K, S> {
    runs: Vec<Run<K, S>>,
    /// The first key of each non-empty run.
    first: BinaryHeap<Reverse<(K, usize)>>,
}

struct Run<K, S> {
    places: std::vec::IntoIter<u64>,
    ahead: VecDeque<Restored<K, S>>,
}

impl<K: Key, C: Cell> KeyTable<K, C> {
    /// Evicts all keys and sorts them. Afterwards only restored keys may be evicted.
    pub(crate) fn sort_evicted<E>(&mut self) -> Result<Sorted<K, C::Saved>, E>
    where
        E: From<Unsaved> + From<RestoreError> + From<ColdError>,
    {
        self.evict_all::<E>()?;
        let mut sorted = Sorted {
            runs: Vec::new(),
            first: BinaryHeap::new(),
        };
        let Some(eviction) = &mut self.eviction else {
            return Ok(sorted);
        };
        eviction.cold.keep_places();
        let mut keys: Vec<(K, u64)> = Vec::new();
        for part in 0..PARTS {
            eviction.cold.look_at_part(part, |at, record| {
                keys.push((stored::decode_key(record.key)?, at));
                Ok::<_, E>(())
            })?;
            keys.sort_unstable();
            let places: Vec<u64> = keys.drain(..).map(|(_, at)| at).collect();
            sorted.runs.push(Run {
                places: places.into_iter(),
                ahead: VecDeque::new(),
            });
        }
        for run in 0..sorted.runs.len() {
            self.read_ahead::<E>(&mut sorted, run)?;
        }
        Ok(sorted)
    }

    /// Returns the next keys through a buffer; false if none are left.
    pub(crate) fn take_sorted<E>(
        &mut self,
        sorted: &mut Sorted<K, C::Saved>,
        into: &mut Vec<Restored<K, C::Saved>>,
    ) -> Result<bool, E>
    where
        E: From<RestoreError> + From<ColdError>,
    {
        let mut taken = 0;
        while taken < AT_ONCE
            && let Some(Reverse((_, run))) = sorted.first.pop()
        {
            into.extend(sorted.runs[run].ahead.pop_front());
            taken += 1;
            self.read_ahead::<E>(sorted, run)?;
        }
        Ok(taken > 0)
    }

    /// Reads keys of a run if its buffer is empty, and records the first.
    fn read_ahead<E>(&mut self, sorted: &mut Sorted<K, C::Saved>, number: usize) -> Result<(), E>
    where
        E: From<RestoreError> + From<ColdError>,
    {
        let Self {
            changes,
            eviction: Some(eviction),
            ..
        } = self
        else {
            return Ok(());
        };
        let run = &mut sorted.runs[number];
        if run.ahead.is_empty() {
            let mut read = Vec::with_capacity(AHEAD);
            let places = run.places.by_ref().take(AHEAD);
            eviction.cold.take_at(places, |record| {
                let mark = changes.mark_restored::<C>(&record.evicted);
                read.push(decoded(&record, mark)?);
                Ok::<_, E>(())
            })?;
            read.sort_unstable_by(|a: &Restored<K, _>, b| a.key.cmp(&b.key));
            run.ahead.extend(read);
        }
        if let Some(next) = run.ahead.front() {
            sorted.first.push(Reverse((next.key.clone(), number)));
        }
        Ok(())
    }
}
