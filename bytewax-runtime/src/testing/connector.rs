//! Checks that a source or a sink keeps its promises.
//!
//! Whoever writes a connector runs these in its tests. They stop it behind every batch, as a crash
//! would, and go on from what was saved, alone and inside of flows with several workers.

use std::collections::BTreeSet;
use std::fmt::Debug;

use crate::error::StepError;
use crate::sink::{FixedPartitionedSink, StatefulSinkPartition};
use crate::source::{FixedPartitionedSource, StatefulSourcePartition};
use crate::state;

/// How many polls in a row may give nothing. A source that gives nothing for longer is waiting for
/// what does not come.
const IDLE_POLLS: usize = 100_000;

/// Why a connector does not keep its promises; the text says what was done, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BrokenPromise(String);

/// The names of partitions, each with its items in order.
pub type ByPartition<T> = Vec<(String, Vec<T>)>;

fn broken<T>(text: impl Into<String>) -> Result<T, BrokenPromise> {
    Err(BrokenPromise(text.into()))
}

fn failed<'a>(what: impl Into<String> + 'a) -> impl FnOnce(StepError) -> BrokenPromise + 'a {
    move |error| BrokenPromise(format!("{}: {error}", what.into()))
}

/// Checks a source whose input ends, and gives its items by partition.
///
/// `make` gives a source of the same input each time. This is what is checked:
///
/// - The names of partitions are different from each other, and the same each time.
/// - A partition gives the same items each time.
/// - A position can be saved, and what is loaded of it is as good as what was saved.
/// - A partition that is closed behind any batch, and opened at the position there, gives the rest: no item
///   twice, and none less. So it is also when it is closed again at once.
///
/// # Examples
///
/// ```
/// use bytewax_runtime::testing::{TestingSource, connector};
///
/// let items = connector::check_source(|| TestingSource::new(0..5).batch_size(2))?;
/// assert_eq!(items, [("iterable".to_owned(), vec![0, 1, 2, 3, 4])]);
/// # Ok::<(), connector::BrokenPromise>(())
/// ```
///
/// # Errors
///
/// The first promise that is not kept.
pub fn check_source<S>(make: impl Fn() -> S) -> Result<ByPartition<S::Item>, BrokenPromise>
where
    S: FixedPartitionedSource,
    S::Item: Debug + PartialEq,
{
    let names = partitions(&make())?;
    if names != partitions(&make())? {
        return broken("the names of the partitions are others the second time");
    }
    let mut all = Vec::new();
    for name in names {
        let whole = Pass::read(&make(), &name, None, usize::MAX)?;
        let again = Pass::read(&make(), &name, None, usize::MAX)?;
        same(&name, "read twice", &whole.items, &again.items)?;
        for stop in 0..=whole.batches {
            let first = Pass::read(&make(), &name, None, stop)?;
            // Closed again before anything is read.
            let at_once = Pass::read(&make(), &name, Some(first.saved.clone()), 0)?;
            let rest = Pass::read(&make(), &name, Some(at_once.saved), usize::MAX)?;
            let mut joined = first.items;
            joined.extend(rest.items);
            let what = format!("closed behind batch {stop} and opened there");
            same(&name, &what, &whole.items, &joined)?;
        }
        all.push((name, whole.items));
    }
    Ok(all)
}

fn partitions(source: &impl FixedPartitionedSource) -> Result<Vec<String>, BrokenPromise> {
    let names = source.partitions().map_err(failed("partitions"))?;
    let mut seen = BTreeSet::new();
    match names.iter().find(|name| !seen.insert(name.as_str())) {
        Some(twice) => broken(format!("two partitions have the name `{twice}`")),
        None => Ok(names),
    }
}

fn same<T: Debug + PartialEq>(
    partition: &str,
    what: &str,
    expect: &[T],
    items: &[T],
) -> Result<(), BrokenPromise> {
    let differ = expect.iter().zip(items).position(|(a, b)| a != b);
    let at = differ.unwrap_or(expect.len().min(items.len()));
    if at == expect.len() && at == items.len() {
        return Ok(());
    }
    broken(format!(
        "partition `{partition}`, {what}: item {at} is {:?} and should be {:?}",
        items.get(at),
        expect.get(at),
    ))
}

/// What came of reading a partition.
struct Pass<T> {
    items: Vec<T>,
    /// How many batches had items.
    batches: usize,
    /// The position behind them, as it is saved.
    saved: Vec<u8>,
}

impl<T> Pass<T> {
    /// Reads some batches of a partition, from a saved position on.
    fn read<S: FixedPartitionedSource<Item = T>>(
        source: &S,
        partition: &str,
        resume: Option<Vec<u8>>,
        batches: usize,
    ) -> Result<Self, BrokenPromise> {
        let resume = resume.map(|bytes| load(partition, &bytes)).transpose()?;
        let opened = source.open(partition, resume);
        let mut opened = opened.map_err(failed(format!("open `{partition}`")))?;
        let mut pass = Self {
            items: Vec::new(),
            batches: 0,
            saved: Vec::new(),
        };
        let mut idle = 0;
        while pass.batches < batches {
            let poll = opened.next_batch();
            let poll = poll.map_err(failed(format!("next_batch of `{partition}`")))?;
            if poll.is_end() || poll.is_abort() {
                break;
            }
            let items = poll.into_items();
            if items.is_empty() {
                idle += 1;
                if idle > IDLE_POLLS {
                    return broken(format!(
                        "partition `{partition}` gave nothing in {IDLE_POLLS} polls, and no end"
                    ));
                }
                std::thread::yield_now();
                continue;
            }
            idle = 0;
            pass.items.extend(items);
            pass.batches += 1;
        }
        pass.saved = save(partition, &opened.snapshot())?;
        Ok(pass)
    }
}

fn save(partition: &str, position: &impl state::State) -> Result<Vec<u8>, BrokenPromise> {
    let mut bytes = Vec::new();
    let sealed = state::seal(position, &mut bytes);
    match sealed {
        Ok(()) => Ok(bytes),
        Err(error) => broken(format!(
            "a position of `{partition}` cannot be saved: {error}"
        )),
    }
}

fn load<P: state::State>(partition: &str, bytes: &[u8]) -> Result<P, BrokenPromise> {
    state::open(bytes).or_else(|error| {
        broken(format!(
            "a position of `{partition}` cannot be loaded: {error}"
        ))
    })
}

/// Checks a sink that is to write each value exactly once.
///
/// `make` gives a sink that writes to a new and empty place, and what reads all of that place. This is
/// what is checked, for each partition, with `batches` of values:
///
/// - What was written before the sink is closed can be read.
/// - A partition that a crash closed behind any batch, and that is opened at any position saved before, then
///   gets the values behind that position again: each is there once, in order.
///
/// # Examples
///
/// ```
/// use std::sync::{Arc, Mutex};
///
/// use bytewax_runtime::StepError;
/// use bytewax_runtime::sink::{FixedPartitionedSink, StatefulSinkPartition};
/// use bytewax_runtime::testing::connector;
///
/// /// A list that is cut back to a saved length.
/// struct List(Arc<Mutex<Vec<u64>>>);
///
/// impl FixedPartitionedSink<String, u64> for List {
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
/// The first promise that is not kept.
pub fn check_sink<K, V, S, R>(
    make: impl Fn() -> (S, R),
    batches: &[Vec<V>],
) -> Result<(), BrokenPromise>
where
    K: crate::key::Key,
    V: Clone + Debug + PartialEq,
    S: FixedPartitionedSink<K, V>,
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

fn names_of<K, V, S>(sink: &S) -> Result<Vec<String>, BrokenPromise>
where
    K: crate::key::Key,
    S: FixedPartitionedSink<K, V>,
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
    K: crate::key::Key,
    V: Clone,
    S: FixedPartitionedSink<K, V>,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Poll;

    /// Counts up to 6, two at a time, and is wrong in one way.
    #[derive(Clone, Copy)]
    struct Wrong {
        /// How far behind the saved position it goes on.
        off: u64,
        names: [&'static str; 2],
        ends: bool,
    }

    struct Counter {
        next: u64,
        ends: bool,
    }

    impl FixedPartitionedSource for Wrong {
        type Item = u64;
        type Position = u64;
        type Partition = Counter;

        fn partitions(&self) -> Result<Vec<String>, StepError> {
            Ok(self.names.map(str::to_owned).to_vec())
        }

        fn open(&self, _: &str, resume: Option<u64>) -> Result<Counter, StepError> {
            Ok(Counter {
                next: resume.map_or(0, |next| next + self.off),
                ends: self.ends,
            })
        }
    }

    impl StatefulSourcePartition for Counter {
        type Item = u64;
        type Position = u64;

        fn next_batch(&mut self) -> Result<Poll<u64>, StepError> {
            if self.next >= 6 {
                return Ok(match self.ends {
                    true => Poll::end(),
                    false => Poll::batch(vec![]),
                });
            }
            self.next += 2;
            Ok(Poll::batch(vec![self.next - 2, self.next - 1]))
        }

        fn snapshot(&self) -> u64 {
            self.next
        }
    }

    #[track_caller]
    fn check(source: Wrong, expect: &str) {
        assert_eq!(check_source(|| source).unwrap_err().to_string(), expect);
    }

    #[test]
    fn sources_that_break_their_promises() {
        let right = Wrong {
            off: 0,
            names: ["a", "b"],
            ends: true,
        };
        assert_eq!(check_source(|| right).unwrap()[1].1, [0, 1, 2, 3, 4, 5]);
        check(
            Wrong { off: 2, ..right },
            "partition `a`, closed behind batch 0 and opened there: item 0 is Some(4) and should be \
             Some(0)",
        );
        check(
            Wrong {
                names: ["a", "a"],
                ..right
            },
            "two partitions have the name `a`",
        );
        check(
            Wrong {
                ends: false,
                ..right
            },
            "partition `a` gave nothing in 100000 polls, and no end",
        );
    }
}
