//! Partitions that are added while a flow runs.

use std::fmt;

use super::Poll;
use crate::error::StepError;

/// Finds partitions that are added while a flow runs; see
/// [`FixedPartitionedSource::discover`](super::FixedPartitionedSource::discover).
///
/// It is polled as a partition is, and must not block. Its items are names of partitions: those that are known already
/// are ignored. Every worker has a discovery, and all of them have to find the same names in the end. Each new
/// partition is opened by one worker, at its beginning, and saves its position from then on.
///
/// While a discovery has not ended, the source does not end, even if it has no partition.
///
/// # Examples
///
/// A source that has one partition more each millisecond:
///
/// ```
/// use std::time::Duration;
///
/// use bytewax_runtime::StepError;
/// use bytewax_runtime::prelude::*;
/// use bytewax_runtime::source::{Discovery, FixedPartitionedSource, Poll, StatefulSourcePartition};
/// use bytewax_runtime::testing::{TestingSink, run_main};
///
/// struct Shards;
///
/// struct Shard(Option<String>);
///
/// impl FixedPartitionedSource for Shards {
///     type Item = String;
///     type Position = bool;
///     type Partition = Shard;
///
///     fn partitions(&self) -> Result<Vec<String>, StepError> {
///         Ok(vec!["shard-0".to_owned()])
///     }
///
///     fn open(&self, partition: &str, resume: Option<bool>) -> Result<Shard, StepError> {
///         let is_read = resume.unwrap_or(false);
///         Ok(Shard((!is_read).then(|| partition.to_owned())))
///     }
///
///     fn discover(&self) -> Result<Option<Discovery>, StepError> {
///         let mut count = 1;
///         Ok(Some(Discovery::new(move || {
///             if count == 3 {
///                 return Ok(Poll::end());
///             }
///             count += 1;
///             Ok(Poll::item(format!("shard-{}", count - 1)).wait(Duration::from_millis(1)))
///         })))
///     }
/// }
///
/// impl StatefulSourcePartition for Shard {
///     type Item = String;
///     type Position = bool;
///
///     fn next_batch(&mut self) -> Result<Poll<String>, StepError> {
///         Ok(self.0.take().map_or(Poll::end(), Poll::item))
///     }
///
///     fn snapshot(&self) -> bool {
///         self.0.is_none()
///     }
/// }
///
/// let out = TestingSink::new();
/// let flow = Dataflow::build("shards", |flow| {
///     flow.input(Shards).named("shards").output(out.clone()).named("out");
/// });
/// run_main(flow).unwrap();
/// assert_eq!(out.take(), ["shard-0", "shard-1", "shard-2"]);
/// ```
pub struct Discovery(Box<Ask>);

type Ask = dyn FnMut() -> Result<Poll<String>, StepError>;

impl Discovery {
    /// A discovery that asks this for names.
    #[must_use]
    pub fn new(poll: impl FnMut() -> Result<Poll<String>, StepError> + 'static) -> Self {
        Self(Box::new(poll))
    }

    /// The next names.
    pub(crate) fn poll(&mut self) -> Result<Poll<String>, StepError> {
        (self.0)()
    }
}

impl fmt::Debug for Discovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Discovery")
    }
}
