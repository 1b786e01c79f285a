//! Checks of sinks, partition by partition.

use std::fmt::Debug;

use super::{BrokenPromise, broken, failed, load, same, save};
use crate::delivery::Transactional;
use crate::error::StepError;
use crate::key::Key;
use crate::sink::{FixedPartitionedSink, SinglePartitionSink, StatefulSinkPartition};

/// Checks a sink that is declared [`Transactional`]: it writes each value exactly once.
///
/// `make` returns a sink that writes to a new and empty place, and a function that reads all of that place.
/// The check tests, for each partition, with `batches` of values:
///
/// - Values that were written before the sink closes can be read.
/// - If a crash closes a partition after any batch, and it is opened at any position saved before, it gets
///   the values after that position again: each exists once, in order.
///
/// # Examples
///
/// ```
/// use std::sync::{Arc, Mutex};
///
/// use bytewax_runtime::StepError;
/// use bytewax_runtime::delivery::Transactional;
/// use bytewax_runtime::sink::{FixedPartitionedSink, StatefulSinkPartition};
/// use bytewax_runtime::testing::connector;
///
/// /// A list that is cut back to a saved length.
/// struct List(Arc<Mutex<Vec<u64>>>);
///
/// impl FixedPartitionedSink<String, u64, Transactional> for List {
///     type Position = u64;
///     type Partition = Self;
///
///     fn partitions(&self) -> Result<Vec<String>, StepError> {
///         Ok(vec!["list".to_owned()])
///     }
///
///     fn open(&self, _: &str, resume: Option<u64>) -> Result<Self, StepError> {
///         self.0.lock().unwrap().truncate(resume.unwrap_or(0) as usize);
///         Ok(List(Arc::clone(&self.0)))
///     }
/// }
///
/// impl StatefulSinkPartition<u64> for List {
///     type Position = u64;
///
///     fn write_batch(&mut self, values: Vec<u64>) -> Result<(), StepError> {
///         self.0.lock().unwrap().extend(values);
///         Ok(())
///     }
///
///     fn snapshot(&mut self) -> Result<u64, StepError> {
///         Ok(self.0.lock().unwrap().len() as u64)
///     }
/// }
///
/// let make = || {
///     let list = Arc::new(Mutex::new(Vec::new()));
///     let read = Arc::clone(&list);
///     (List(list), move |_: &str| read.lock().unwrap().clone())
/// };
/// connector::check_sink::<String, _, _, _>(make, &[vec![1, 2], vec![3], vec![4, 5]])?;
/// # Ok::<(), connector::BrokenPromise>(())
/// ```
///
/// # Errors
///
/// The first broken promise.
pub fn check_sink<K, V, S, R>(
    make: impl Fn() -> (S, R),
    batches: &[Vec<V>],
) -> Result<(), BrokenPromise>
where
    K: Key,
    V: Clone + Debug + PartialEq,
    S: FixedPartitionedSink<K, V, Transactional>,
    R: Fn(&str) -> Vec<V>,
{
    let count = names_of(&make().0)?.len();
    for index in 0..count {
        for crash in 0..=batches.len() {
            for saved in 0..=crash {
                let (sink, read) = make();
                let names = names_of(&sink)?;
                let Some(name) = names.get(index) else {
                    return broken("there are fewer partitions than before");
                };
                write_with_a_crash(&sink, name, batches, saved, crash)?;
                let what =
                    format!("saved behind batch {saved}, closed by a crash behind batch {crash}");
                same(name, &what, &batches.concat(), &read(name))?;
            }
        }
    }
    Ok(())
}

/// Checks a sink of one partition that is declared [`Transactional`], like [`check_sink`].
///
/// # Examples
///
/// ```
/// use std::sync::{Arc, Mutex};
///
/// use bytewax_runtime::StepError;
/// use bytewax_runtime::delivery::Transactional;
/// use bytewax_runtime::sink::{SinglePartitionSink, StatefulSinkPartition};
/// use bytewax_runtime::testing::connector;
///
/// /// A list that is cut back to a saved length.
/// struct List(Arc<Mutex<Vec<u64>>>);
///
/// impl SinglePartitionSink<u64, Transactional> for List {
///     type Position = u64;
///     type Partition = Self;
///
///     fn partition(&self) -> Result<String, StepError> {
///         Ok("list".to_owned())
///     }
///
///     fn open(&self, resume: Option<u64>) -> Result<Self, StepError> {
///         self.0.lock().unwrap().truncate(resume.unwrap_or(0) as usize);
///         Ok(List(Arc::clone(&self.0)))
///     }
/// }
///
/// impl StatefulSinkPartition<u64> for List {
///     type Position = u64;
///
///     fn write_batch(&mut self, values: Vec<u64>) -> Result<(), StepError> {
///         self.0.lock().unwrap().extend(values);
///         Ok(())
///     }
///
///     fn snapshot(&mut self) -> Result<u64, StepError> {
///         Ok(self.0.lock().unwrap().len() as u64)
///     }
/// }
///
/// let make = || {
///     let list = Arc::new(Mutex::new(Vec::new()));
///     let read = Arc::clone(&list);
///     (List(list), move || read.lock().unwrap().clone())
/// };
/// connector::check_single_sink(make, &[vec![1, 2], vec![3], vec![4, 5]])?;
/// # Ok::<(), connector::BrokenPromise>(())
/// ```
///
/// # Errors
///
/// The first broken promise.
pub fn check_single_sink<V, S, R>(
    make: impl Fn() -> (S, R),
    batches: &[Vec<V>],
) -> Result<(), BrokenPromise>
where
    V: Clone + Debug + PartialEq + 'static,
    S: SinglePartitionSink<V, Transactional>,
    R: Fn() -> Vec<V>,
{
    check_sink::<(), V, _, _>(
        || {
            let (sink, read) = make();
            (Alone(sink), move |_: &str| read())
        },
        batches,
    )
}

/// A sink of one partition, as one that could have more.
struct Alone<S>(S);

impl<V, S> FixedPartitionedSink<(), V, Transactional> for Alone<S>
where
    S: SinglePartitionSink<V, Transactional>,
{
    type Position = S::Position;
    type Partition = S::Partition;

    fn partitions(&self) -> Result<Vec<String>, StepError> {
        Ok(vec![self.0.partition()?])
    }

    fn open(&self, _: &str, resume: Option<S::Position>) -> Result<S::Partition, StepError> {
        self.0.open(resume)
    }
}

fn names_of<K, V, S>(sink: &S) -> Result<Vec<String>, BrokenPromise>
where
    K: Key,
    S: FixedPartitionedSink<K, V, Transactional>,
{
    sink.partitions().map_err(failed("partitions"))
}

/// Writes batches up to a crash, and again from the position that was saved before it.
fn write_with_a_crash<K, V, S>(
    sink: &S,
    partition: &str,
    batches: &[Vec<V>],
    saved: usize,
    crash: usize,
) -> Result<(), BrokenPromise>
where
    K: Key,
    V: Clone,
    S: FixedPartitionedSink<K, V, Transactional>,
{
    let open = |resume| {
        let opened = sink.open(partition, resume);
        opened.map_err(failed(format!("open `{partition}`")))
    };
    let write = |opened: &mut S::Partition, values: &[V]| match values.is_empty() {
        true => Ok(()),
        false => opened
            .write_batch(values.to_vec())
            .map_err(failed(format!("write_batch of `{partition}`"))),
    };
    let mut position = None;
    if crash > 0 {
        let mut opened = open(None)?;
        for (index, values) in batches[..crash].iter().enumerate() {
            write(&mut opened, values)?;
            if index + 1 == saved {
                let snapshot = opened.snapshot();
                let snapshot = snapshot.map_err(failed(format!("snapshot of `{partition}`")))?;
                position = Some(load(partition, &save(partition, &snapshot)?)?);
            }
        }
    }
    let mut opened = open(position)?;
    for values in &batches[saved..] {
        write(&mut opened, values)?;
    }
    let closed = opened.snapshot().and_then(|_| opened.close());
    closed.map_err(failed(format!("close `{partition}`")))
}
