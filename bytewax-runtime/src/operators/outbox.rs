//! The step of a sink with transactions, and its outbox in the recovery store.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use crate::error::{RunError, RunErrorKind, StepError};
use crate::ids::{Epoch, StepIndex};
use crate::kit::{BuildCx, Cx, Flush, Listener, Push, WorkerCx};
use crate::sink::{Marker, TransactionalSink, TransactionalWriter, WriterPlace};
use crate::state::{self, State};

/// The number of writers of a worker: that of the epochs that may be in progress.
const WRITERS: usize = 2;

/// The approximate bytes of items in one row.
const ROW_BYTES: usize = 64 << 10;

/// A row of the outbox: the epoch, then each item after its length.
struct Row<'a> {
    epoch: Epoch,
    items: &'a [u8],
}

impl<'a> Row<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (epoch, items) = bytes.split_first_chunk()?;
        Some(Self {
            epoch: Epoch(u64::from_le_bytes(*epoch)),
            items,
        })
    }

    /// The bytes of each item.
    fn each(&self) -> Result<Vec<&'a [u8]>, StepError> {
        let cut = || StepError::msg("a row of the outbox is cut off");
        let mut items = Vec::new();
        let mut rest = self.items;
        while !rest.is_empty() {
            let (length, behind) = rest.split_first_chunk().ok_or_else(cut)?;
            let length = u32::from_le_bytes(*length) as usize;
            let (item, behind) = behind.split_at_checked(length).ok_or_else(cut)?;
            items.push(item);
            rest = behind;
        }
        Ok(items)
    }

    fn items<T: State>(&self) -> Result<Vec<T>, StepError> {
        let items = self.each()?.into_iter();
        items.map(|item| Ok(state::open(item)?)).collect()
    }
}

/// Rewrites the items of a row in the newest version; the data of a writer has none.
pub(super) fn rewrite<T: State>(name: &str, bytes: &[u8]) -> Result<Option<Vec<u8>>, StepError> {
    if !name.starts_with(ROWS) || bytes.is_empty() {
        return Ok(None);
    }
    let row = Row::parse(bytes).ok_or_else(|| StepError::msg("a row of the outbox is cut off"))?;
    let mut newest = row.epoch.0.to_le_bytes().to_vec();
    let mut is_changed = false;
    for item in row.each()? {
        let rewritten = state::rewrite::<T>(item)?;
        is_changed |= rewritten.is_some();
        put_with(&mut newest, |bytes| {
            bytes.extend_from_slice(rewritten.as_deref().unwrap_or(item));
            Ok(())
        })?;
    }
    Ok(is_changed.then_some(newest))
}

/// Appends an item to the bytes of a row.
fn put<T: State>(item: &T, bytes: &mut Vec<u8>) -> Result<(), StepError> {
    put_with(bytes, |bytes| Ok(state::seal(item, bytes)?))
}

/// Appends what a function appends, after its length.
fn put_with(
    bytes: &mut Vec<u8>,
    append: impl FnOnce(&mut Vec<u8>) -> Result<(), StepError>,
) -> Result<(), StepError> {
    let start = bytes.len();
    bytes.extend_from_slice(&[0; 4]);
    append(bytes)?;
    let length = u32::try_from(bytes.len() - start - 4)?;
    bytes[start..start + 4].copy_from_slice(&length.to_le_bytes());
    Ok(())
}

/// The beginning of the names of rows.
const ROWS: &str = "outbox/";

fn row_name(writer: usize, row: usize) -> String {
    format!("{ROWS}{writer}/{row}")
}

fn writer_name(writer: usize) -> String {
    format!("writer/{writer}")
}

/// The saved data of one writer.
#[derive(Default)]
struct Saved<'a> {
    store: Option<u64>,
    rows: BTreeMap<usize, Row<'a>>,
}

/// The saved data of all possible writers, by number.
fn saved(build: &BuildCx) -> Result<BTreeMap<usize, Saved<'_>>, RunError> {
    let mut writers: BTreeMap<usize, Saved<'_>> = BTreeMap::new();
    let Some(store) = build.worker.store.get() else {
        return Ok(writers);
    };
    // Writers that were killed before anything was saved may have left transactions open. The writers of this
    // run are opened together with them.
    for number in 0..WRITERS * store.most_workers().max(build.worker.count) {
        writers.entry(number).or_default();
    }
    for name in store.positions_of(build.id()) {
        let bytes = store.position(build.id(), name).unwrap_or_default();
        let mut parts = name.split('/');
        let number = |part: Option<&str>| part.and_then(|part| part.parse::<usize>().ok());
        let strange = || {
            let text = format!("the store has `{name}` of the step, which is not of an outbox");
            RunError::new(RunErrorKind::Recovery, text)
        };
        match parts.next() {
            _ if bytes.is_empty() => {}
            Some("writer") => {
                let writer = number(parts.next()).ok_or_else(strange)?;
                let (store, _) = bytes.split_first_chunk().ok_or_else(strange)?;
                writers.entry(writer).or_default().store = Some(u64::from_le_bytes(*store));
            }
            Some("outbox") => {
                let writer = number(parts.next()).ok_or_else(strange)?;
                let row = number(parts.next()).ok_or_else(strange)?;
                let read = Row::parse(bytes).ok_or_else(strange)?;
                writers.entry(writer).or_default().rows.insert(row, read);
            }
            _ => return Err(strange()),
        }
    }
    Ok(writers)
}

/// A random number.
fn random() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish()
}

/// The state of a writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    Open(Epoch),
    Prepared(Epoch),
}

/// One writer and its data in the store.
struct Writing<W> {
    writer: W,
    number: usize,
    store: u64,
    /// Whether the store contains it.
    is_known: bool,
    phase: Phase,
    /// The number of rows in the store for a committed transaction.
    stored: usize,
    /// The number of rows for the open transaction.
    rows: usize,
    /// The row that is being filled.
    bytes: Vec<u8>,
}

impl<W> Writing<W> {
    fn commit<T>(&mut self) -> Result<(), StepError>
    where
        W: TransactionalWriter<T>,
    {
        if let Phase::Prepared(epoch) = self.phase {
            self.writer.commit(epoch)?;
            self.phase = Phase::Idle;
            self.stored = self.stored.max(std::mem::take(&mut self.rows));
        }
        Ok(())
    }
}

fn failed(doing: &str) -> impl FnOnce(StepError) -> RunError + '_ {
    move |error| RunError::step(doing, error)
}

const WRITE: &str = "the sink cannot write";
const SAVE: &str = "the items of the sink cannot be saved";
const PREPARE: &str = "the sink cannot end the epoch";
const RECOVER: &str = "the sink cannot be opened";

/// The writers of a worker, which are notified of complete epochs.
struct Writers<T, S: TransactionalSink<T>>
where
    T: State,
{
    all: [Option<Writing<S::Writer>>; WRITERS],
}

impl<T: State, S: TransactionalSink<T>> Listener for Writers<T, S> {
    fn completed(&mut self, epoch: Epoch) -> Result<(), StepError> {
        for writing in self.all.iter_mut().flatten() {
            if matches!(writing.phase, Phase::Prepared(prepared) if prepared <= epoch) {
                writing.commit()?;
            }
        }
        Ok(())
    }
}

/// Writes the items of one worker.
pub(super) struct Outbox<T: State, S: TransactionalSink<T>> {
    step: StepIndex,
    sink: Arc<S>,
    writers: Rc<RefCell<Writers<T, S>>>,
    is_saved: bool,
    /// The obsolete rows of writers of a larger cluster, whose items were written.
    left: Vec<String>,
}

impl<T: State, S: TransactionalSink<T>> Outbox<T, S> {
    /// Opens the writers in the store, and writes their uncommitted items.
    pub(super) fn new(build: &BuildCx, sink: Arc<S>) -> Result<Self, RunError> {
        let WorkerCx { index, count, .. } = &*build.worker;
        let is_saved = build.worker.store.get().is_some();
        let mut writers = Writers { all: [None, None] };
        let mut opened = Vec::new();
        for (number, saved) in saved(build)? {
            if number / WRITERS % count == index.0 {
                let place = WriterPlace::new(build.id(), number, true);
                let writer = sink.open(&place).map_err(failed(RECOVER))?;
                opened.push((number, saved, writer));
            }
        }
        let mut left = Vec::new();
        for (number, saved, writer) in opened {
            let writing = recover(build, writer, number, &saved)?;
            if number / WRITERS == index.0 {
                writers.all[number % WRITERS] = Some(writing);
            } else {
                // Those of a larger cluster have no further work.
                let rows = saved.rows.keys();
                left.extend(rows.map(|row| row_name(number, *row)));
            }
        }
        let writers = Rc::new(RefCell::new(writers));
        let epochs = &build.worker.epochs;
        let listening: Rc<RefCell<dyn Listener>> = Rc::clone(&writers) as _;
        epochs
            .listeners
            .add(build.step, None, epochs.first(), listening);
        Ok(Self {
            step: build.step,
            sink,
            writers,
            is_saved,
            left,
        })
    }
}

/// Makes a writer write its uncommitted items.
fn recover<T: State, W: TransactionalWriter<T>>(
    build: &BuildCx,
    mut writer: W,
    number: usize,
    saved: &Saved<'_>,
) -> Result<Writing<W>, RunError> {
    let found = writer.recover().map_err(failed(RECOVER))?;
    let store = saved.store.unwrap_or_else(random);
    let done = found.filter(|marker| marker.store == store);
    let first = build.worker.epochs.first();
    if let Some(marker) = done
        && marker.epoch >= first
    {
        let text = format!(
            "the sink has already written epoch {} of this recovery store, which resumes at epoch {first}: the \
             store was rolled back, so later items would be written twice. Resume from a newer state, or give the \
             step another name",
            marker.epoch
        );
        return Err(RunError::new(RunErrorKind::Recovery, text));
    }
    let mut left: BTreeMap<Epoch, Vec<&Row<'_>>> = BTreeMap::new();
    for row in saved.rows.values() {
        if done.is_none_or(|marker| row.epoch > marker.epoch) {
            left.entry(row.epoch).or_default().push(row);
        }
    }
    for (epoch, rows) in left {
        writer.begin(epoch).map_err(failed(RECOVER))?;
        for row in rows {
            let items = row.items().map_err(failed("the outbox cannot be read"))?;
            writer.write_batch(items).map_err(failed(WRITE))?;
        }
        let prepared = writer.prepare(Marker { store, epoch });
        prepared.map_err(failed(PREPARE))?;
        writer.commit(epoch).map_err(failed(RECOVER))?;
    }
    let last = saved.rows.keys().next_back();
    Ok(Writing {
        writer,
        number,
        store,
        is_known: saved.store.is_some(),
        phase: Phase::Idle,
        stored: last.map_or(0, |last| last + 1),
        rows: 0,
        bytes: Vec::new(),
    })
}

impl<T: State, S: TransactionalSink<T>> Push<T> for Outbox<T, S> {
    fn push(&mut self, batch: &mut Vec<T>, cx: &mut Cx) -> Result<(), RunError> {
        cx.enter(self.step);
        if batch.is_empty() {
            return Ok(());
        }
        let parity = (cx.epoch.0 % WRITERS as u64) as usize;
        let writing = &mut self.writers.borrow_mut().all[parity];
        if writing.is_none() {
            let number = cx.worker.index.0 * WRITERS + parity;
            let place = WriterPlace::new(cx.step_id(self.step), number, self.is_saved);
            let mut writer = self.sink.open(&place).map_err(failed(RECOVER))?;
            // This store has no data of the writer.
            writer.recover().map_err(failed(RECOVER))?;
            *writing = Some(Writing {
                writer,
                number,
                store: random(),
                is_known: false,
                phase: Phase::Idle,
                stored: 0,
                rows: 0,
                bytes: Vec::new(),
            });
        }
        let Some(writing) = writing else {
            return Ok(());
        };
        if writing.phase != Phase::Open(cx.epoch) {
            // The start of an epoch means that the one before the last is complete.
            writing.commit().map_err(failed(WRITE))?;
            writing.writer.begin(cx.epoch).map_err(failed(WRITE))?;
            writing.phase = Phase::Open(cx.epoch);
        }
        if self.is_saved {
            for item in batch.iter() {
                put(item, &mut writing.bytes).map_err(failed(SAVE))?;
                if writing.bytes.len() >= ROW_BYTES {
                    save_row(self.step, writing, cx);
                }
            }
        }
        let items = std::mem::take(batch);
        writing.writer.write_batch(items).map_err(failed(WRITE))
    }

    fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError> {
        if what != Flush::Epoch {
            return Ok(());
        }
        cx.enter(self.step);
        for row in std::mem::take(&mut self.left) {
            cx.save_position(self.step, &row, Vec::new());
        }
        for writing in self.writers.borrow_mut().all.iter_mut().flatten() {
            match writing.phase {
                Phase::Open(epoch) if epoch == cx.epoch => {
                    if !writing.bytes.is_empty() {
                        save_row(self.step, writing, cx);
                    }
                    if self.is_saved && !std::mem::replace(&mut writing.is_known, true) {
                        let store = writing.store.to_le_bytes().to_vec();
                        cx.save_position(self.step, &writer_name(writing.number), store);
                    }
                    let marker = Marker {
                        store: writing.store,
                        epoch,
                    };
                    writing.writer.prepare(marker).map_err(failed(PREPARE))?;
                    writing.phase = Phase::Prepared(epoch);
                }
                Phase::Idle => {}
                // Its items are still needed.
                Phase::Open(_) | Phase::Prepared(_) => continue,
            }
            // Earlier commits are no longer needed.
            for row in writing.rows..std::mem::take(&mut writing.stored) {
                cx.save_position(self.step, &row_name(writing.number, row), Vec::new());
            }
        }
        Ok(())
    }
}

/// Saves the row that is being filled with the present epoch.
fn save_row<W>(step: StepIndex, writing: &mut Writing<W>, cx: &mut Cx) {
    let mut bytes = Vec::with_capacity(8 + writing.bytes.len());
    bytes.extend_from_slice(&cx.epoch.0.to_le_bytes());
    bytes.append(&mut writing.bytes);
    cx.save_position(step, &row_name(writing.number, writing.rows), bytes);
    writing.rows += 1;
}

#[cfg(test)]
mod tests {
    use bytewax_macros::stateful;

    use super::*;

    #[stateful(crate = "crate")]
    struct Cents(u64);

    #[stateful(crate = "crate", version = 2, from(Cents))]
    #[derive(Debug, PartialEq)]
    struct Euros {
        cents: u64,
    }

    impl From<Cents> for Euros {
        fn from(Cents(cents): Cents) -> Self {
            Self { cents }
        }
    }

    fn row<T: State>(items: &[T]) -> Vec<u8> {
        let mut bytes = 7_u64.to_le_bytes().to_vec();
        for item in items {
            put(item, &mut bytes).unwrap();
        }
        bytes
    }

    #[test]
    fn items_of_rows_are_rewritten() {
        let old = row(&[Cents(1), Cents(300)]);
        let new = rewrite::<Euros>("outbox/0/1", &old).unwrap().unwrap();
        let found = Row::parse(&new).unwrap();
        assert_eq!(found.epoch, Epoch(7));
        let items = [1, 300].map(|cents| Euros { cents });
        assert_eq!(found.items::<Euros>().unwrap(), items);
        assert_eq!(rewrite::<Euros>("outbox/0/1", &new).unwrap(), None);
        // What has become nothing, and what a writer has saved.
        assert_eq!(rewrite::<Euros>("outbox/0/1", &[]).unwrap(), None);
        assert_eq!(rewrite::<Euros>("writer/0", &[7; 8]).unwrap(), None);
        let cut = rewrite::<Euros>("outbox/0/1", &old[..old.len() - 1]);
        assert!(cut.unwrap_err().to_string().contains("is cut off"));
    }
}
