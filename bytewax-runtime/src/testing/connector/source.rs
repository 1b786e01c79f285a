//! Checks of sources.

use std::collections::BTreeSet;
use std::fmt::Debug;

#[cfg(feature = "recovery")]
use super::flows::source_in_flows;
use super::{BrokenPromise, ByPartition, FailuresByPartition, broken, failed, load, same, save};
use crate::source::{FixedPartitionedSource, StatefulSourcePartition, opening};

/// The maximum number of consecutive polls without items. A source that is empty for longer waits for input
/// that never arrives.
const IDLE_POLLS: usize = 100_000;

/// Checks a source whose input ends, and returns its items by partition.
///
/// `make` creates a source of the same input each time. The check tests:
///
/// - The names of partitions are unique, and the same each time.
/// - A partition returns the same items each time.
/// - A position survives saving and loading.
/// - A partition that is closed after any batch, and opened at the position there, returns the remaining
///   items exactly once. This also holds if it is closed again immediately.
/// - A partition that has ended and is opened again at its end returns nothing more.
/// - All of this holds while [positions are saved](crate::source::positions_are_saved).
/// - With the feature `recovery`: flows with one to three workers that read the source, are killed at a poll,
///   and run again with another number of workers, write each item once.
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
/// The first broken promise.
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
        let again = Pass::read(&make(), &name, Some(whole.saved), usize::MAX)?;
        same(&name, "opened at its end", &[], &again.items)?;
        all.push((name, whole.items));
    }
    #[cfg(feature = "recovery")]
    source_in_flows(make, &all)?;
    Ok(all)
}

/// Checks a source with an unreadable input. Returns, by partition, the items before the error and its text;
/// the text is empty without an error.
///
/// `make` creates a source of the same input each time. Wherever a partition is stopped before the error and
/// resumed, it returns the same items first, and then the same error.
///
/// # Examples
///
/// ```
/// use bytewax_runtime::StepError;
/// use bytewax_runtime::source::{FixedPartitionedSource, Poll, StatefulSourcePartition};
/// use bytewax_runtime::testing::connector;
///
/// /// Numbers from a list of texts, by their place in it.
/// struct Numbers(&'static [&'static str]);
///
/// struct NumbersPartition(&'static [&'static str], u64);
///
/// impl FixedPartitionedSource for Numbers {
///     type Item = u64;
///     type Position = u64;
///     type Partition = NumbersPartition;
///
///     fn partitions(&self) -> Result<Vec<String>, StepError> {
///         Ok(vec!["list".to_owned()])
///     }
///
///     fn open(&self, _: &str, resume: Option<u64>) -> Result<NumbersPartition, StepError> {
///         Ok(NumbersPartition(self.0, resume.unwrap_or(0)))
///     }
/// }
///
/// impl StatefulSourcePartition for NumbersPartition {
///     type Item = u64;
///     type Position = u64;
///
///     fn next_batch(&mut self) -> Result<Poll<u64>, StepError> {
///         let Some(text) = self.0.get(self.1 as usize) else { return Ok(Poll::end()) };
///         let number = text.parse().map_err(|_| StepError::msg(format!("`{text}` is no number")))?;
///         self.1 += 1;
///         Ok(Poll::item(number))
///     }
///
///     fn snapshot(&self) -> u64 {
///         self.1
///     }
/// }
///
/// let failed = connector::check_failing_source(|| Numbers(&["1", "2", "three", "4"]))?;
/// assert_eq!(failed[0].1, [1, 2]);
/// assert_eq!(failed[0].2, "`three` is no number");
/// # Ok::<(), connector::BrokenPromise>(())
/// ```
///
/// # Errors
///
/// The first broken promise. Also fails if no partition fails.
pub fn check_failing_source<S>(
    make: impl Fn() -> S,
) -> Result<FailuresByPartition<S::Item>, BrokenPromise>
where
    S: FixedPartitionedSource,
    S::Item: Debug + PartialEq,
{
    let mut all = Vec::new();
    for name in partitions(&make())? {
        let whole = Pass::read_to_error(&make(), &name, None, usize::MAX)?;
        for stop in 0..=whole.batches {
            let first = Pass::read_to_error(&make(), &name, None, stop)?;
            let rest = Pass::read_to_error(&make(), &name, Some(first.saved), usize::MAX)?;
            let mut joined = first.items;
            joined.extend(rest.items);
            let what = format!("closed behind batch {stop} and opened there");
            same(&name, &what, &whole.items, &joined)?;
            if rest.error != whole.error {
                return broken(format!(
                    "partition `{name}`, {what}: the error is {:?} and should be {:?}",
                    rest.error, whole.error,
                ));
            }
        }
        all.push((name, whole.items, whole.error.unwrap_or_default()));
    }
    match all.iter().any(|(_, _, error)| !error.is_empty()) {
        true => Ok(all),
        false => broken("no partition fails"),
    }
}

fn partitions(source: &impl FixedPartitionedSource) -> Result<Vec<String>, BrokenPromise> {
    let names = source.partitions().map_err(failed("partitions"))?;
    let mut seen = BTreeSet::new();
    match names.iter().find(|name| !seen.insert(name.as_str())) {
        Some(twice) => broken(format!("two partitions have the name `{twice}`")),
        None => Ok(names),
    }
}

/// The result of reading a partition.
struct Pass<T> {
    items: Vec<T>,
    /// The number of batches with items.
    batches: usize,
    /// The saved position after them.
    saved: Vec<u8>,
    /// The error that stopped it.
    error: Option<String>,
}

impl<T> Pass<T> {
    /// Reads some batches of a partition, from a saved position on; an error is a broken promise.
    fn read<S: FixedPartitionedSource<Item = T>>(
        source: &S,
        partition: &str,
        resume: Option<Vec<u8>>,
        batches: usize,
    ) -> Result<Self, BrokenPromise> {
        let pass = Self::read_to_error(source, partition, resume, batches)?;
        match pass.error {
            Some(error) => broken(format!("next_batch of `{partition}`: {error}")),
            None => Ok(pass),
        }
    }

    /// Reads some batches of a partition, from a saved position on.
    fn read_to_error<S: FixedPartitionedSource<Item = T>>(
        source: &S,
        partition: &str,
        resume: Option<Vec<u8>>,
        batches: usize,
    ) -> Result<Self, BrokenPromise> {
        let resume = resume.map(|bytes| load(partition, &bytes)).transpose()?;
        // What is saved of it is what it goes on from.
        let opened = opening(true, || source.open(partition, resume));
        let mut opened = opened.map_err(failed(format!("open `{partition}`")))?;
        let mut pass = Self {
            items: Vec::new(),
            batches: 0,
            saved: Vec::new(),
            error: None,
        };
        let mut idle = 0;
        while pass.batches < batches {
            let poll = match opened.next_batch() {
                Ok(poll) => poll,
                Err(error) => {
                    pass.error = Some(error.to_string());
                    break;
                }
            };
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
