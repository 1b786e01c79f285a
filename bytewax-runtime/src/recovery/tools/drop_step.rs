//! Removes all rows of a step from a store.

use std::path::Path;

use super::Parts;
use crate::recovery::error::Error;
use crate::recovery::lock::LockedPartition;

/// Removes a step with its states, timers and positions from all partitions.
///
/// It can be called again after an interruption.
pub(crate) fn drop_step(dirs: &[impl AsRef<Path>], step: &str) -> Result<(), Error> {
    let (parts, locked) = Parts::lock(dirs)?;
    let step = parts.step(step)?.id;
    let opened = locked.into_iter().map(LockedPartition::writer);
    let writers = opened.collect::<Result<Vec<_>, _>>()?;
    for (reader, mut writer) in parts.readers.into_iter().zip(writers) {
        if let Some(number) = reader.number(&step) {
            drop(reader);
            writer.drop_step(number)?;
        }
    }
    Ok(())
}
