//! The bytes of an object of a backup.
//!
//! ```text
//! object  := "BxwrBack", version:u32 = 2, length(header):u32, header, entry*, checksum:u64
//! entry   := 0 | 1, step:u32, epoch:u64, slot:u16, length(run):u64, run       states | timers
//!          | 2, step:u32, epoch:u64, length(name):u64, name, length(position):u64, position
//! ```
//!
//! The header is JSON. Integers are little endian; a step is its place in the header. The checksum is
//! the xxh3-64 of all bytes before it.

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::super::parts::{Execution, Meta, SavedKind, StepMeta};
use super::super::rows::Table;
use super::BackupError;
use super::log::Place;
use crate::ids::{Epoch, StepId};
use crate::key::{SLOTS, Slot};
use crate::state::run::Run;

const MAGIC: [u8; 8] = *b"BxwrBack";
/// Since version 2, objects have terms.
const VERSION: u32 = 2;
/// Magic, version and the length of the header.
const HEAD: usize = 16;
const CHECKSUM: usize = 8;

const STATES: u8 = 0;
const TIMERS: u8 = 1;
const POSITION: u8 = 2;

/// What an object of the log of a partition says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LogHeader {
    #[serde(flatten)]
    pub(super) meta: Meta,
    /// Its number in the log.
    pub(super) sequence: u64,
    /// The term of the run that wrote it; 0 in format 1.
    #[serde(default)]
    pub(super) term: u64,
    /// When the epoch was completed.
    #[serde(default)]
    pub(super) saved_at: Option<DateTime<Utc>>,
    /// The executions that the partition remembers, at least the one that wrote this: the last.
    pub(super) executions: Vec<Execution>,
    /// After this object the partition holds all changes of this epoch and those before.
    pub(super) epoch: Epoch,
    /// The oldest epoch with which an execution can begin on this partition.
    pub(super) oldest: Epoch,
    /// The steps of the entries.
    pub(super) steps: Vec<StepHeader>,
}

impl LogHeader {
    pub(super) fn place(&self) -> Place {
        Place {
            term: self.term,
            sequence: self.sequence,
        }
    }
}

/// What is known of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StepHeader {
    id: String,
    kind: SavedKind,
    schema: String,
    version: u32,
    fingerprint: u64,
}

impl From<&StepMeta> for StepHeader {
    fn from(step: &StepMeta) -> Self {
        Self {
            id: step.id.as_str().to_owned(),
            kind: step.kind,
            schema: step.schema.clone(),
            version: step.version,
            fingerprint: step.fingerprint,
        }
    }
}

impl From<StepHeader> for StepMeta {
    fn from(step: StepHeader) -> Self {
        Self {
            id: StepId::new(step.id),
            kind: step.kind,
            schema: step.schema,
            version: step.version,
            fingerprint: step.fingerprint,
        }
    }
}

/// Entries in the making.
#[derive(Default)]
pub(super) struct Entries {
    bytes: Vec<u8>,
}

impl Entries {
    pub(super) fn run(&mut self, table: Table, step: u32, epoch: Epoch, slot: Slot, run: &Run) {
        let kind = match table {
            Table::Snaps => STATES,
            Table::Timers => TIMERS,
        };
        self.begin(kind, step, epoch);
        let slot = slot.index() as u16;
        self.bytes.extend_from_slice(&slot.to_le_bytes());
        self.field(run.as_bytes());
    }

    pub(super) fn position(&mut self, step: u32, epoch: Epoch, partition: &str, position: &[u8]) {
        self.begin(POSITION, step, epoch);
        self.field(partition.as_bytes());
        self.field(position);
    }

    fn begin(&mut self, kind: u8, step: u32, epoch: Epoch) {
        self.bytes.push(kind);
        self.bytes.extend_from_slice(&step.to_le_bytes());
        self.bytes.extend_from_slice(&epoch.0.to_le_bytes());
    }

    fn field(&mut self, bytes: &[u8]) {
        let length = bytes.len() as u64;
        self.bytes.extend_from_slice(&length.to_le_bytes());
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The whole object.
    pub(super) fn finish(&self, header: &impl Serialize) -> Vec<u8> {
        let header = serde_json::to_vec(header).expect("a header has texts and numbers only");
        let mut object = Vec::with_capacity(HEAD + header.len() + self.bytes.len() + CHECKSUM);
        object.extend_from_slice(&MAGIC);
        object.extend_from_slice(&VERSION.to_le_bytes());
        object.extend_from_slice(&(header.len() as u32).to_le_bytes());
        object.extend_from_slice(&header);
        object.extend_from_slice(&self.bytes);
        let checksum = xxh3_64(&object);
        object.extend_from_slice(&checksum.to_le_bytes());
        object
    }
}

/// One entry of an object.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry<'a> {
    Run {
        table: Table,
        step: u32,
        epoch: Epoch,
        slot: Slot,
        run: Run,
    },
    Position {
        step: u32,
        epoch: Epoch,
        partition: &'a str,
        position: &'a [u8],
    },
}

impl Entry<'_> {
    pub(super) fn epoch(&self) -> Epoch {
        match self {
            Self::Run { epoch, .. } | Self::Position { epoch, .. } => *epoch,
        }
    }
}

/// Checks an object, and gives its header and the bytes of its entries.
pub(super) fn open<'a, H: DeserializeOwned>(
    name: &str,
    bytes: &'a [u8],
) -> Result<(H, &'a [u8]), BackupError> {
    let foreign = || BackupError::Foreign {
        name: name.to_owned(),
        what: "it begins otherwise",
    };
    let rest = bytes.strip_prefix(&MAGIC).ok_or_else(foreign)?;
    let damaged = |what: &str| BackupError::damaged(name, what);
    let cut = || damaged("it is cut off");
    let (version, rest) = rest.split_first_chunk().ok_or_else(cut)?;
    let version = u32::from_le_bytes(*version);
    if version > VERSION {
        return Err(BackupError::NewerFormat {
            name: name.to_owned(),
            found: version,
            known: VERSION,
        });
    }
    if version == 0 {
        return Err(damaged("it has no version"));
    }
    let (rest, checksum) = rest.split_last_chunk().ok_or_else(cut)?;
    let checked = &bytes[..bytes.len() - CHECKSUM];
    if xxh3_64(checked) != u64::from_le_bytes(*checksum) {
        return Err(damaged("its checksum does not fit"));
    }
    let (length, rest) = rest.split_first_chunk().ok_or_else(cut)?;
    let length = u32::from_le_bytes(*length) as usize;
    let (header, entries) = rest.split_at_checked(length).ok_or_else(cut)?;
    let header = serde_json::from_slice(header)
        .map_err(|cause| damaged(&format!("its header cannot be read: {cause}")))?;
    Ok((header, entries))
}

/// Reads the entries one after the other.
pub(super) fn entries<'a>(
    name: &'a str,
    mut rest: &'a [u8],
) -> impl Iterator<Item = Result<Entry<'a>, BackupError>> {
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let entry = read_entry(&mut rest).map_err(|what| {
            rest = &[];
            BackupError::damaged(name, what)
        });
        Some(entry)
    })
}

fn read_entry<'a>(rest: &mut &'a [u8]) -> Result<Entry<'a>, String> {
    let [kind] = take(rest)?;
    let step = u32::from_le_bytes(take(rest)?);
    let epoch = Epoch(u64::from_le_bytes(take(rest)?));
    let table = match kind {
        STATES => Table::Snaps,
        TIMERS => Table::Timers,
        POSITION => {
            let partition = str::from_utf8(field(rest)?).map_err(|cause| cause.to_string())?;
            let position = field(rest)?;
            return Ok(Entry::Position {
                step,
                epoch,
                partition,
                position,
            });
        }
        kind => return Err(format!("it has an entry of the unknown kind {kind}")),
    };
    let slot = u16::from_le_bytes(take(rest)?);
    if usize::from(slot) >= SLOTS {
        return Err(format!("it has a slot {slot}"));
    }
    let slot = Slot::of(slot.into());
    let run = Run::decode(field(rest)?.to_vec(), slot).map_err(|cause| cause.to_string())?;
    Ok(Entry::Run {
        table,
        step,
        epoch,
        slot,
        run,
    })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], String> {
    let (bytes, tail) = rest.split_first_chunk().ok_or("an entry is cut off")?;
    *rest = tail;
    Ok(*bytes)
}

fn field<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], String> {
    let length = usize::try_from(u64::from_le_bytes(take(rest)?)).ok();
    let split = length.and_then(|length| rest.split_at_checked(length));
    let (bytes, tail) = split.ok_or("an entry is cut off")?;
    *rest = tail;
    Ok(bytes)
}

/// Reads bytes as an object of a log, as they are and with the checksum that they would need, for the
/// fuzz targets.
pub(in crate::recovery) fn check(bytes: &[u8]) {
    let read = |bytes: &[u8]| {
        if let Ok((header, rest)) = open::<LogHeader>("object", bytes) {
            let read = entries("object", rest).count();
            assert!(read <= rest.len(), "{header:?}");
        }
    };
    read(bytes);
    let mut whole = [MAGIC.as_slice(), &VERSION.to_le_bytes(), bytes].concat();
    whole.extend_from_slice(&xxh3_64(&whole).to_le_bytes());
    read(&whole);
}
