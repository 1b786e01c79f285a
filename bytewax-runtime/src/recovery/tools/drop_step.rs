//! Removing all that a store holds for a step.

use std::path::Path;

use super::Parts;
use crate::recovery::error::Error;
use crate::recovery::writer::PartitionWriter;

/// Removes a step with its states, timers and positions from all partitions.
///
/// When it is interrupted, it can be called again.
pub(crate) fn drop_step(dirs: &[impl AsRef<Path>], step: &str) -> Result<(), Error> {
    let parts = Parts::open(dirs)?;
    let step = parts.step(step)?.id;
    let opened = parts
        .states
        .iter()
        .map(|state| PartitionWriter::open(&state.file));
    // All of them before the first is changed: a running flow holds the locks of its partitions.
    let writers = opened.collect::<Result<Vec<_>, _>>()?;
    for (reader, mut writer) in parts.readers.into_iter().zip(writers) {
        if let Some(number) = reader.number(&step) {
            drop(reader);
            writer.drop_step(number)?;
        }
    }
    Ok(())
}
