//! Runs: sorted sequences of entries, the bytes of one row of the store.
//!
//! ```text
//! run   := version:u8 = 1, count:u32 (little endian), count * entry
//! entry := hash:u64 (little endian), length(key), key, 0                        a removed key
//!        | hash:u64 (little endian), length(key), key, length(state) + 1, state
//! ```
//!
//! Lengths are LEB128 numbers. Entries ascend strictly by hash, then by key bytes; all hashes of a
//! run fall into one slot.

use std::cmp::Ordering;

use crate::key::Slot;

/// The only version of the format of a run.
const VERSION: u8 = 1;
const HEADER: usize = 5;

/// The two sorts of runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Table {
    Snaps,
    Timers,
}

impl Table {
    pub(crate) const ALL: [Self; 2] = [Self::Snaps, Self::Timers];

    /// The word for what they hold.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Snaps => "states",
            Self::Timers => "timers",
        }
    }

    /// The number for it in the store.
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Snaps => 0,
            Self::Timers => 1,
        }
    }
}

/// One key of a run with its state, or with none when the key was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    pub(crate) hash: u64,
    pub(crate) key: &'a [u8],
    pub(crate) state: Option<&'a [u8]>,
}

impl Entry<'_> {
    fn order(&self, other: &Entry<'_>) -> Ordering {
        self.hash
            .cmp(&other.hash)
            .then_with(|| self.key.cmp(other.key))
    }
}

/// Why bytes are not a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RunError {
    #[error("the run has format {0}, known is {VERSION}")]
    Version(u8),
    #[error("the run ends in the middle of an entry")]
    Truncated,
    #[error("the entries of the run are not in order")]
    Unsorted,
    #[error("bytes follow the last entry of the run")]
    Trailing,
    #[error("a length in the run is too large")]
    Length,
    #[error("a key of slot {0} is in the run of another slot")]
    OtherSlot(Slot),
}

/// What becomes of removed keys in a merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Removed {
    /// They are kept, because older runs may hold the key.
    Keep,
    /// They are left out: no older run is there.
    Forget,
}

/// Checked bytes of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    bytes: Vec<u8>,
    kept: u32,
    removed: u32,
}

impl Default for Run {
    fn default() -> Self {
        RunWriter::default().finish()
    }
}

impl Run {
    /// Checks bytes and takes them as a run of this slot.
    pub(crate) fn decode(bytes: Vec<u8>, slot: Slot) -> Result<Self, RunError> {
        let (mut kept, mut removed) = (0, 0);
        let (&version, rest) = bytes.split_first().ok_or(RunError::Truncated)?;
        if version != VERSION {
            return Err(RunError::Version(version));
        }
        let (count, mut rest) = rest.split_first_chunk().ok_or(RunError::Truncated)?;
        let mut last: Option<Entry<'_>> = None;
        for _ in 0..u32::from_le_bytes(*count) {
            let entry = read_entry(&mut rest)?;
            if Slot::of(entry.hash) != slot {
                return Err(RunError::OtherSlot(Slot::of(entry.hash)));
            }
            if last.is_some_and(|last| last.order(&entry) != Ordering::Less) {
                return Err(RunError::Unsorted);
            }
            match entry.state {
                Some(_) => kept += 1,
                None => removed += 1,
            }
            last = Some(entry);
        }
        if !rest.is_empty() {
            return Err(RunError::Trailing);
        }
        Ok(Self {
            bytes,
            kept,
            removed,
        })
    }

    /// The newest entry of each key. `runs` go from the oldest to the newest.
    pub(crate) fn merge(runs: &[Run], removed: Removed) -> Run {
        let mut entries: Vec<Entry<'_>> = runs.iter().flat_map(Run::iter).collect();
        // The sort is stable and finds the sorted runs, so this is a merge, the newest entry last.
        entries.sort_by(Entry::order);
        let mut writer = RunWriter::with_capacity(runs.iter().map(Run::len).sum());
        let mut entries = entries.into_iter().peekable();
        while let Some(entry) = entries.next() {
            let newer = entries.peek();
            let replaced = newer.is_some_and(|next| next.order(&entry) == Ordering::Equal);
            let forgotten = removed == Removed::Forget && entry.state.is_none();
            if !replaced && !forgotten {
                writer.push(entry);
            }
        }
        writer.finish()
    }

    /// The entries, ascending by hash and key.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
        let mut rest = &self.bytes[HEADER..];
        std::iter::from_fn(move || {
            // The bytes were checked when the run was made: an error is the end.
            read_entry(&mut rest).ok()
        })
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The number of bytes.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The number of keys with a state.
    pub(crate) fn kept(&self) -> u32 {
        self.kept
    }

    /// The number of removed keys.
    pub(crate) fn removed(&self) -> u32 {
        self.removed
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.kept == 0 && self.removed == 0
    }
}

/// Writes entries that come in order.
pub(crate) struct RunWriter {
    bytes: Vec<u8>,
    kept: u32,
    removed: u32,
}

impl Default for RunWriter {
    fn default() -> Self {
        Self::with_capacity(0)
    }
}

impl RunWriter {
    /// With room for entries of so many bytes.
    pub(super) fn with_capacity(bytes: usize) -> Self {
        let mut header = Vec::with_capacity(HEADER + bytes);
        header.extend_from_slice(&[VERSION, 0, 0, 0, 0]);
        Self {
            bytes: header,
            kept: 0,
            removed: 0,
        }
    }

    /// Adds the next entry. Order is up to the caller.
    #[inline]
    pub(crate) fn push(&mut self, entry: Entry<'_>) {
        self.bytes.extend_from_slice(&entry.hash.to_le_bytes());
        write_length(&mut self.bytes, entry.key.len() as u64);
        self.bytes.extend_from_slice(entry.key);
        match entry.state {
            None => {
                self.bytes.push(0);
                self.removed += 1;
            }
            Some(state) => {
                write_length(&mut self.bytes, state.len() as u64 + 1);
                self.bytes.extend_from_slice(state);
                self.kept += 1;
            }
        }
    }

    /// Adds the next entry as it stands in a run.
    #[inline]
    pub(super) fn push_encoded(&mut self, entry: &[u8], is_kept: bool) {
        self.bytes.extend_from_slice(entry);
        self.kept += u32::from(is_kept);
        self.removed += u32::from(!is_kept);
    }

    pub(crate) fn finish(mut self) -> Run {
        let count = self.kept + self.removed;
        self.bytes[1..HEADER].copy_from_slice(&count.to_le_bytes());
        Run {
            bytes: self.bytes,
            kept: self.kept,
            removed: self.removed,
        }
    }
}

#[inline]
fn write_length(bytes: &mut Vec<u8>, mut length: u64) {
    while length >= 0x80 {
        bytes.push(length as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
}

/// Writes the length of what follows where one byte was left for it.
#[inline]
pub(super) fn set_length(bytes: &mut Vec<u8>, at: usize, length: u64) {
    if length < 0x80 {
        bytes[at] = length as u8;
    } else {
        let mut long = Vec::with_capacity(5);
        write_length(&mut long, length);
        bytes.splice(at..=at, long);
    }
}

/// The key of an entry that was encoded here.
pub(super) fn key_of(mut entry: &[u8]) -> &[u8] {
    read_entry(&mut entry).map_or(&[], |entry| entry.key)
}

#[inline]
fn read_length(rest: &mut &[u8]) -> Result<u64, RunError> {
    let mut length = 0;
    // Five groups of seven bits: no key and no state is longer than 2^35 bytes.
    for shift in [0, 7, 14, 21, 28] {
        let (&byte, tail) = rest.split_first().ok_or(RunError::Truncated)?;
        *rest = tail;
        length |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(length);
        }
    }
    Err(RunError::Length)
}

#[inline]
fn read_bytes<'a>(rest: &mut &'a [u8], length: u64) -> Result<&'a [u8], RunError> {
    let length = usize::try_from(length).map_err(|_| RunError::Length)?;
    let (bytes, tail) = rest.split_at_checked(length).ok_or(RunError::Truncated)?;
    *rest = tail;
    Ok(bytes)
}

#[inline]
pub(super) fn read_entry<'a>(rest: &mut &'a [u8]) -> Result<Entry<'a>, RunError> {
    let (hash, tail) = rest.split_first_chunk().ok_or(RunError::Truncated)?;
    *rest = tail;
    let length = read_length(rest)?;
    let key = read_bytes(rest, length)?;
    let state = match read_length(rest)? {
        0 => None,
        length => Some(read_bytes(rest, length - 1)?),
    };
    Ok(Entry {
        hash: u64::from_le_bytes(*hash),
        key,
        state,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    type Model = BTreeMap<(u64, Vec<u8>), Option<Vec<u8>>>;

    fn run_of(model: &Model) -> Run {
        let mut writer = RunWriter::default();
        for ((hash, key), state) in model {
            writer.push(Entry {
                hash: *hash,
                key,
                state: state.as_deref(),
            });
        }
        writer.finish()
    }

    fn model_of(run: &Run) -> Model {
        let owned = |e: Entry<'_>| ((e.hash, e.key.to_vec()), e.state.map(<[u8]>::to_vec));
        run.iter().map(owned).collect()
    }

    /// Hashes of slot 7, few enough to collide.
    fn models() -> impl Strategy<Value = Model> {
        let key = (0_u64..6, prop::collection::vec(any::<u8>(), 0..3));
        let state = prop::option::of(prop::collection::vec(any::<u8>(), 0..200));
        prop::collection::btree_map(key.prop_map(|(n, key)| (n * 4096 + 7, key)), state, 0..20)
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(model in models()) {
            let run = run_of(&model);
            let read = Run::decode(run.as_bytes().to_vec(), Slot::of(7)).unwrap();
            prop_assert_eq!(&read, &run);
            prop_assert_eq!(model_of(&read), model);
        }

        #[test]
        fn a_merge_is_the_union_of_maps(models in prop::collection::vec(models(), 0..5)) {
            let runs: Vec<Run> = models.iter().map(run_of).collect();
            let mut union: Model = models.into_iter().flatten().collect();
            prop_assert_eq!(model_of(&Run::merge(&runs, Removed::Keep)), union.clone());
            union.retain(|_, state| state.is_some());
            prop_assert_eq!(model_of(&Run::merge(&runs, Removed::Forget)), union);
        }

        #[test]
        fn a_part_of_a_run_is_an_error(model in models(), cut in any::<prop::sample::Index>()) {
            let mut bytes = run_of(&model).as_bytes().to_vec();
            bytes.truncate(cut.index(bytes.len()));
            prop_assert!(Run::decode(bytes, Slot::of(7)).is_err());
        }

        #[test]
        fn damaged_bytes_do_not_panic(
            model in models(),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let mut bytes = run_of(&model).as_bytes().to_vec();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let read = Run::decode(bytes.clone(), Slot::of(7));
            if let Ok(run) = read {
                prop_assert_eq!(run.iter().count() as u32, run.kept() + run.removed());
            }
        }

        #[test]
        fn foreign_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = Run::decode(bytes, Slot::of(7));
        }
    }

    #[test]
    fn the_bytes_of_a_run_are_pinned() {
        let model = Model::from([
            ((7, b"a".to_vec()), Some(b"xy".to_vec())),
            ((4103, b"b".to_vec()), None),
        ]);
        let expected = [
            [1, 2, 0, 0, 0].as_slice(),
            &[7, 0, 0, 0, 0, 0, 0, 0, 1, b'a', 3, b'x', b'y'],
            &[7, 16, 0, 0, 0, 0, 0, 0, 1, b'b', 0],
        ];
        assert_eq!(run_of(&model).as_bytes(), expected.concat());
    }

    #[test]
    fn each_sort_of_damage_has_its_error() {
        let whole = run_of(&Model::from([((7, b"a".to_vec()), None)]))
            .as_bytes()
            .to_vec();
        let check = |bytes: Vec<u8>, slot, expected| {
            assert_eq!(Run::decode(bytes, Slot::of(slot)), Err(expected));
        };
        check(
            [vec![9], whole[1..].to_vec()].concat(),
            7,
            RunError::Version(9),
        );
        check([whole.clone(), vec![0]].concat(), 7, RunError::Trailing);
        check(whole.clone(), 8, RunError::OtherSlot(Slot::of(7)));
        check(whole[..6].to_vec(), 7, RunError::Truncated);
        let twice = [&[1, 2, 0, 0, 0], &whole[5..], &whole[5..]].concat();
        check(twice, 7, RunError::Unsorted);
    }
}
