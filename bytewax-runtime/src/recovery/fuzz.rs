//! Feeds arbitrary bytes to the readers of the store.

use std::path::Path;

use super::backup::check_object;
use super::tools::{Wanted, dump, show, verify};
use crate::key::Slot;
use crate::state::run::{Entry, Removed, Run};

/// Checks that a readable run is sorted, and that merging it with itself does not change it.
pub(crate) fn run(bytes: &[u8]) {
    let Some((slot, bytes)) = bytes.split_first_chunk() else {
        return;
    };
    let slot = Slot::of(u16::from_le_bytes(*slot).into());
    let Ok(run) = Run::decode(bytes.to_vec(), slot) else {
        return;
    };
    let entries: Vec<Entry<'_>> = run.iter().collect();
    assert_eq!(entries.len() as u32, run.kept() + run.removed());
    assert!(entries.iter().all(|entry| Slot::of(entry.hash) == slot));
    let twice = Run::merge(&[run.clone(), run.clone()], Removed::Keep);
    assert_eq!(twice.iter().collect::<Vec<_>>(), entries);
    let kept = Run::merge(std::slice::from_ref(&run), Removed::Forget);
    assert_eq!((kept.kept(), kept.removed()), (run.kept(), 0));
}

/// Reads bytes as an object of a backup: as they are, and with the checksum that they would need.
pub(crate) fn object(bytes: &[u8]) {
    check_object(bytes);
}

/// Reads all of a directory with partitions.
pub(crate) fn store(dir: &Path) {
    let dirs = [dir];
    let _ = verify(&dirs);
    let Ok(info) = show(&dirs) else { return };
    for step in info.steps {
        let _ = dump(
            &dirs,
            step.meta.id.as_str(),
            &Wanted::Text("ann".to_owned()),
        );
        let _ = dump(&dirs, step.meta.id.as_str(), &Wanted::Bytes(vec![1]));
    }
}
