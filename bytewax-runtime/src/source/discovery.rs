//! Partitions that appear while a flow runs.

use std::fmt;

use super::Poll;
use crate::error::StepError;

/// Finds partitions that appear while a flow runs; see
/// [`FixedPartitionedSource::discover`](super::FixedPartitionedSource::discover).
///
/// The worker polls it like a partition, and it must not block. Its items are names of partitions; known
/// names are ignored. Every worker has a discovery, and all must eventually find the same names. One worker
/// opens each new partition at its beginning; its position is saved from then on.
///
/// The source does not end before its discovery ends, even without partitions.
///
/// # Examples
///
/// A source that adds a partition each millisecond:
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
    /// Creates a discovery that polls this function for names.
    #[must_use]
    pub fn new(poll: impl FnMut() -> Result<Poll<String>, StepError> + 'static) -> Self {
        Self(Box::new(poll))
    }

    /// Returns the next names.
    pub(crate) fn poll(&mut self) -> Result<Poll<String>, StepError> {
        (self.0)()
    }
}

impl fmt::Debug for Discovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Discovery")
    }
}
