//! Sinks with transactions: each item is there once, wherever a run is killed and with however many workers the next one
//! goes on.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytewax_runtime::prelude::*;
use bytewax_runtime::sink::{Marker, TransactionalSink, TransactionalWriter, WriterPlace};
use bytewax_runtime::testing::TestingSource;
use bytewax_runtime::testing::connector::check_sink_in_flows;
use bytewax_runtime::{Epoch, RecoveryConfig, RunConfig, RunError, RunErrorKind, StepError};

/// A place in the life of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Begin,
    Write,
    Prepare,
    Prepared,
    Commit,
    Committed,
}

const PLACES: [Place; 6] = [
    Place::Begin,
    Place::Write,
    Place::Prepare,
    Place::Prepared,
    Place::Commit,
    Place::Committed,
];

/// A database that outlives runs.
#[derive(Default)]
struct Database {
    committed: Vec<u64>,
    markers: BTreeMap<usize, Marker>,
    /// The open transactions, by writer: what is in them, and the generation of the writer.
    open: BTreeMap<usize, (Vec<u64>, Option<Marker>)>,
    generations: BTreeMap<usize, u64>,
    /// Where the run is killed, and how often it passes that place before.
    kill: Option<(Place, usize)>,
}

#[derive(Clone, Default)]
struct Table(Arc<Mutex<Database>>);

impl Table {
    fn get(&self) -> MutexGuard<'_, Database> {
        self.0.lock().unwrap()
    }

    fn pass(&self, place: Place) -> Result<(), StepError> {
        match &mut self.get().kill {
            Some((at, left)) if *at == place => match left.checked_sub(1) {
                Some(fewer) => *left = fewer,
                None => return Err(StepError::abort()),
            },
            _ => {}
        }
        Ok(())
    }

    fn sorted(&self) -> Vec<u64> {
        let mut all = self.get().committed.clone();
        all.sort_unstable();
        all
    }
}

struct Writer {
    table: Table,
    number: usize,
    generation: u64,
}

impl Writer {
    fn check(&self, database: &Database) -> Result<(), StepError> {
        match database.generations[&self.number] == self.generation {
            true => Ok(()),
            false => Err(StepError::msg("the writer was fenced")),
        }
    }
}

impl TransactionalSink<u64> for Table {
    type Writer = Writer;

    fn open(&self, place: &WriterPlace<'_>) -> Result<Writer, StepError> {
        let number = place.number;
        let generation = {
            let mut database = self.get();
            let generation = database.generations.entry(number).or_default();
            *generation += 1;
            *generation
        };
        Ok(Writer {
            table: self.clone(),
            number,
            generation,
        })
    }
}

impl TransactionalWriter<u64> for Writer {
    fn recover(&mut self) -> Result<Option<Marker>, StepError> {
        let mut database = self.table.get();
        database.open.remove(&self.number);
        Ok(database.markers.get(&self.number).copied())
    }

    fn begin(&mut self, _: Epoch) -> Result<(), StepError> {
        self.table.pass(Place::Begin)?;
        let mut database = self.table.get();
        self.check(&database)?;
        let before = database.open.insert(self.number, Default::default());
        assert!(before.is_none(), "a transaction is open already");
        Ok(())
    }

    fn write_batch(&mut self, items: Vec<u64>) -> Result<(), StepError> {
        self.table.pass(Place::Write)?;
        let mut database = self.table.get();
        self.check(&database)?;
        let open = database.open.get_mut(&self.number).expect("it is open");
        open.0.extend(items);
        Ok(())
    }

    fn prepare(&mut self, marker: Marker) -> Result<(), StepError> {
        self.table.pass(Place::Prepare)?;
        {
            let mut database = self.table.get();
            self.check(&database)?;
            let open = database.open.get_mut(&self.number).expect("it is open");
            open.1 = Some(marker);
        }
        self.table.pass(Place::Prepared)
    }

    fn commit(&mut self, epoch: Epoch) -> Result<(), StepError> {
        self.table.pass(Place::Commit)?;
        {
            let mut database = self.table.get();
            self.check(&database)?;
            let (items, marker) = database.open.remove(&self.number).expect("it is open");
            let marker = marker.expect("it is prepared");
            assert_eq!(marker.epoch, epoch);
            database.committed.extend(items);
            database.markers.insert(self.number, marker);
        }
        self.table.pass(Place::Committed)
    }
}

const ITEMS: u64 = 24;

fn run(table: &Table, store: &Path, workers: usize) -> Result<(), RunError> {
    let flow = Dataflow::build("orders", |flow| {
        let source = TestingSource::new(0..ITEMS).batch_size(2);
        let numbers = flow.input(source).named("numbers").redistribute();
        numbers.output(table.clone()).named("table");
    });
    RunConfig::new()
        .workers(workers)
        .epoch_interval(Duration::ZERO)
        .recovery(RecoveryConfig::new(store))
        .run(flow)
}

fn all() -> Vec<u64> {
    (0..ITEMS).collect()
}

#[test]
fn it_is_exactly_once_in_flows_that_are_killed() {
    let make = || {
        let table = Table::default();
        let read = table.clone();
        (move || table.clone(), move || read.sorted())
    };
    check_sink_in_flows(make, &[1, 2, 3, 4, 5], &[1, 2, 3, 4, 5]).unwrap();
}

#[test]
fn each_item_is_there_once_wherever_it_is_killed() {
    for place in PLACES {
        for passes in [0, 3] {
            for (first, second) in [(3, 1), (1, 2)] {
                let (table, store) = (Table::default(), tempfile::tempdir().unwrap());
                table.get().kill = Some((place, passes));
                run(&table, store.path(), first).unwrap();
                // The system does not keep what a dead client has left open.
                table.get().open.clear();
                table.get().kill = None;
                run(&table, store.path(), second).unwrap();
                let what = format!("{place:?} after {passes}, {first} and {second} workers");
                assert_eq!(table.sorted(), all(), "{what}");
                assert!(table.get().open.is_empty(), "{what}: a transaction is open");
            }
        }
    }
}

#[test]
fn a_run_that_is_killed_while_it_recovers() {
    for (place, first, second, third) in [
        (Place::Write, 3, 1, 2),
        (Place::Commit, 1, 2, 1),
        (Place::Committed, 2, 3, 1),
    ] {
        let (table, store) = (Table::default(), tempfile::tempdir().unwrap());
        table.get().kill = Some((Place::Commit, 2));
        run(&table, store.path(), first).unwrap();
        table.get().kill = Some((place, 0));
        // What aborts before anything runs is told as an error.
        let _ = run(&table, store.path(), second);
        table.get().kill = None;
        run(&table, store.path(), third).unwrap();
        assert_eq!(table.sorted(), all(), "{place:?}");
    }
}

#[test]
fn what_a_larger_cluster_has_left_open_is_ended() {
    let (table, store) = (Table::default(), tempfile::tempdir().unwrap());
    table.get().kill = Some((Place::Commit, 6));
    run(&table, store.path(), 4).unwrap();
    table.get().kill = None;
    // The system has kept everything.
    run(&table, store.path(), 1).unwrap();
    assert_eq!(table.sorted(), all());
    assert!(table.get().open.is_empty());
}

#[test]
fn what_a_larger_cluster_has_left_does_not_stay_in_the_store() {
    let (table, store) = (Table::default(), tempfile::tempdir().unwrap());
    // All four have something that is prepared and not committed.
    table.get().kill = Some((Place::Commit, 6));
    run(&table, store.path(), 4).unwrap();
    table.get().kill = None;
    run(&table, store.path(), 1).unwrap();
    assert_eq!(table.sorted(), all());
    // A row that were still there would be written again, as nothing says that it was.
    table.get().markers.clear();
    run(&table, store.path(), 4).unwrap();
    assert_eq!(table.sorted(), all());
}

#[test]
fn what_is_committed_does_not_stay_in_the_store() {
    let (table, store) = (Table::default(), tempfile::tempdir().unwrap());
    run(&table, store.path(), 1).unwrap();
    // It goes on, and writes nothing new.
    run(&table, store.path(), 1).unwrap();
    assert_eq!(table.sorted(), all());
    assert_eq!(table.get().generations, BTreeMap::from([(0, 2), (1, 2)]));
}

#[test]
fn a_store_that_was_set_back_is_refused() {
    let (table, store) = (Table::default(), tempfile::tempdir().unwrap());
    run(&table, store.path(), 1).unwrap();
    for marker in table.get().markers.values_mut() {
        marker.epoch = Epoch(marker.epoch.0 + 1000);
    }
    let error = run(&table, store.path(), 1).unwrap_err();
    assert_eq!(error.kind(), RunErrorKind::Recovery);
    let text = error.to_string();
    assert!(text.starts_with("step `orders.table`"), "{text}");
    assert!(text.contains("the store was rolled back"), "{text}");
}

#[test]
fn without_a_store_transactions_are_committed_all_the_same() {
    let table = Table::default();
    let flow = Dataflow::build("orders", |flow| {
        let numbers = flow.input(TestingSource::new(0..ITEMS)).named("numbers");
        numbers.output(table.clone()).named("table");
    });
    RunConfig::new().run(flow).unwrap();
    assert_eq!(table.sorted(), all());
}

#[test]
fn a_larger_cluster_that_was_killed_before_it_saved_anything() {
    let (table, store) = (Table::default(), tempfile::tempdir().unwrap());
    table.get().kill = Some((Place::Prepare, 0));
    run(&table, store.path(), 4).unwrap();
    // Killed once more before anything is saved.
    table.get().kill = Some((Place::Prepare, 0));
    run(&table, store.path(), 2).unwrap();
    table.get().kill = None;
    run(&table, store.path(), 1).unwrap();
    assert_eq!(table.sorted(), all());
    assert!(table.get().open.is_empty(), "a transaction is open");
}
