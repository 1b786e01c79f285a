//! The most frequent keys of a keyed step on a worker, counted while somebody looks at them.
//!
//! A *space-saving* sketch keeps a fixed number of keys. A new key takes the place of the rarest one, with its
//! count as the possible error. Every key with more than a `1 / KEPT` share of the items is kept.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::brief::brief;

/// The number of keys in a sketch.
const KEPT: usize = 128;

/// The maximum number of items of a batch that are counted.
const OF_A_BATCH: usize = 16;

#[derive(Debug, Default)]
pub(crate) struct HotKeys {
    is_on: AtomicBool,
    sketch: Mutex<Sketch>,
}

/// A frequent key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HotKey {
    pub(crate) key: String,
    /// The number of items that those counted stand for, and how many of them may be those of other keys.
    pub(crate) count: u64,
    pub(crate) error: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Sketch {
    /// By hash. Keys of the same hash, which are rare, count as one.
    keys: HashMap<u64, HotKey>,
    /// The number of items that those counted stand for.
    total: u64,
    /// The number of items until the next counted one.
    skips: u64,
    /// The state of the random numbers.
    random: u64,
}

#[cfg_attr(
    not(feature = "web"),
    allow(dead_code, reason = "only the page asks for keys")
)]
impl HotKeys {
    /// Whether somebody looks. The only cost while nobody does, once per batch.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    /// Starts to count.
    pub(crate) fn start(&self) {
        self.is_on.store(true, Ordering::Relaxed);
    }

    /// Stops to count, and forgets.
    pub(crate) fn stop(&self) {
        self.is_on.store(false, Ordering::Relaxed);
        *self.sketch() = Sketch::default();
    }

    fn sketch(&self) -> MutexGuard<'_, Sketch> {
        self.sketch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a sample of the items of a batch, by the hash of their keys.
    #[cold]
    #[inline(never)]
    pub(crate) fn note<'a, K: Debug + 'a>(
        &self,
        keys: impl ExactSizeIterator<Item = (u64, &'a K)>,
    ) {
        let mut sketch = self.sketch();
        let every = (keys.len() / OF_A_BATCH + 1) as u64;
        for (hash, key) in keys {
            if sketch.skips > 0 {
                sketch.skips -= 1;
                continue;
            }
            sketch.count(hash, key, every);
            // Keys may come in turn, so the steps must not be even: from 0 to twice the mean.
            sketch.skips = sketch.next_random() % (2 * every - 1);
        }
    }

    /// The number of items that those counted stand for, and the most frequent keys, the first one most.
    pub(crate) fn read(&self, most: usize) -> (u64, Vec<HotKey>) {
        let sketch = self.sketch();
        let mut keys: Vec<HotKey> = sketch.keys.values().cloned().collect();
        keys.sort_by(|one, other| {
            other
                .count
                .cmp(&one.count)
                .then_with(|| one.key.cmp(&other.key))
        });
        keys.truncate(most);
        (sketch.total, keys)
    }
}

impl Sketch {
    /// The output function of SplitMix64.
    fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Counts an item that stands for as many as its weight.
    fn count(&mut self, hash: u64, key: &impl Debug, weight: u64) {
        self.total += weight;
        if let Some(known) = self.keys.get_mut(&hash) {
            known.count += weight;
            return;
        }
        let mut error = 0;
        if self.keys.len() >= KEPT {
            let rarest = self.keys.iter().min_by_key(|(_, known)| known.count);
            let rarest = rarest.map(|(hash, known)| (*hash, known.count));
            if let Some((hash, count)) = rarest {
                self.keys.remove(&hash);
                error = count;
            }
        }
        let (key, count) = (brief(key), error + weight);
        self.keys.insert(hash, HotKey { key, count, error });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(batches: impl IntoIterator<Item = Vec<u64>>) -> (u64, Vec<HotKey>) {
        let hot = HotKeys::default();
        hot.start();
        for batch in batches {
            hot.note(batch.iter().map(|key| (*key, key)));
        }
        hot.read(10)
    }

    #[test]
    fn small_batches_are_counted_whole() {
        let (total, keys) = noted([vec![7, 7, 3], vec![7], vec![]]);
        assert_eq!(total, 4);
        let keys: Vec<(&str, u64, u64)> = keys
            .iter()
            .map(|it| (it.key.as_str(), it.count, it.error))
            .collect();
        assert_eq!(keys, [("7", 3, 0), ("3", 1, 0)]);
    }

    #[test]
    fn frequent_keys_are_found_among_many_rare_ones() {
        // Always at the same places of a batch, key 1 has a tenth of the items and key 2 a twentieth; each other key comes once.
        let batches = (0..2000_u64).map(|batch| {
            let rare = (0..17).map(move |n| 1000 + 100 * batch + n);
            rare.chain([1, 1, 2]).collect()
        });
        let (total, keys) = noted(batches);
        assert!((39_000..=41_000).contains(&total), "{total}");
        let share = |at: usize| keys[at].count as f64 / total as f64;
        assert_eq!((keys[0].key.as_str(), keys[1].key.as_str()), ("1", "2"));
        assert!((0.08..0.12).contains(&share(0)), "{}", share(0));
        assert!((0.04..0.07).contains(&share(1)), "{}", share(1));
        // The sketch never says too little, and its error says how much too much it may say.
        for key in &keys {
            assert!(key.count > key.error, "{key:?}");
            assert!(key.error <= total / KEPT as u64, "{key:?}");
        }
    }

    #[test]
    fn large_and_small_batches_count_alike() {
        // As many of key 1, in large batches, as of key 2, in small ones.
        let large = (0..10).map(|_| vec![1; 1000]);
        let small = (0..1000).map(|_| vec![2; 10]);
        let (total, keys) = noted(large.chain(small));
        let share = |at: usize| keys[at].count as f64 / total as f64;
        assert!((0.45..0.55).contains(&share(0)), "{keys:?} of {total}");
        assert!((0.45..0.55).contains(&share(1)), "{keys:?} of {total}");
    }

    #[test]
    fn what_was_counted_is_forgotten_when_nobody_looks() {
        let hot = HotKeys::default();
        assert!(!hot.is_on());
        hot.start();
        hot.note([(1, &"a")].into_iter());
        assert_eq!(hot.read(10).0, 1);
        hot.stop();
        assert!(!hot.is_on());
        assert_eq!(hot.read(10), (0, Vec::new()));
    }
}
