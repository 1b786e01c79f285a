//! Items on their way between workers, and how they are written for another process.

use std::io::Write;

use timely::container::Accountable;
use timely::dataflow::channels::ContainerBytes;

use super::edge::{EventMark, Exchange};
use crate::codec;

/// Items on their way from one worker to one worker.
pub(crate) struct Batch<I> {
    pub(super) origin: u32,
    pub(super) target: u32,
    /// What the sender says of the items to come.
    pub(super) mark: EventMark,
    /// What counts as under way until the items are taken.
    pub(super) load: u64,
    pub(super) items: Vec<I>,
}

impl<I> Default for Batch<I> {
    fn default() -> Self {
        Self {
            origin: 0,
            target: 0,
            mark: EventMark::NONE,
            load: 0,
            items: Vec::new(),
        }
    }
}

impl<I> Accountable for Batch<I> {
    fn record_count(&self) -> i64 {
        // A mark without items counts too, so that no epoch ends before it has arrived.
        let is_mark = self.items.is_empty() && self.mark != EventMark::NONE;
        self.items.len() as i64 + i64::from(is_mark)
    }
}

const BATCH_HEADER: usize = 24;

fn padded(length: usize) -> usize {
    length.next_multiple_of(8)
}

// These three cannot return an error. A panic here is caught around the operator that sends or
// receives, and reported with its step.
impl<I: Exchange> ContainerBytes for Batch<I> {
    fn from_bytes(bytes: timely::bytes::arc::Bytes) -> Self {
        fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
            let field = bytes
                .get(at..at + N)
                .and_then(|field| field.try_into().ok());
            field.unwrap_or_else(|| panic!("a batch arrived cut off"))
        }
        let items = codec::decode_wire(bytes.get(BATCH_HEADER..).unwrap_or_default());
        Self {
            origin: u32::from_le_bytes(field(&bytes, 0)),
            target: u32::from_le_bytes(field(&bytes, 4)),
            mark: EventMark(i64::from_le_bytes(field(&bytes, 8))),
            load: u64::from_le_bytes(field(&bytes, 16)),
            items: items.unwrap_or_else(|error| {
                let name = std::any::type_name::<I>();
                panic!(
                    "items `{name}` from another process cannot be read: {}",
                    full(&error)
                )
            }),
        }
    }

    fn length_in_bytes(&self) -> usize {
        match codec::wire_len(&self.items) {
            Ok(length) => padded(BATCH_HEADER + length),
            Err(error) => {
                let name = std::any::type_name::<I>();
                panic!(
                    "items `{name}` cannot be sent to another process: {}",
                    full(&error)
                )
            }
        }
    }

    fn into_bytes<W: Write>(&self, writer: &mut W) {
        let mut write = || -> Result<(), Box<dyn std::error::Error>> {
            writer.write_all(&self.origin.to_le_bytes())?;
            writer.write_all(&self.target.to_le_bytes())?;
            writer.write_all(&self.mark.0.to_le_bytes())?;
            writer.write_all(&self.load.to_le_bytes())?;
            let length = BATCH_HEADER + codec::encode_wire(&self.items, writer)?;
            writer.write_all(&[0; 8][..padded(length) - length])?;
            Ok(())
        };
        if let Err(error) = write() {
            let name = std::any::type_name::<I>();
            panic!("items `{name}` cannot be sent to another process: {error}");
        }
    }
}

fn full(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
