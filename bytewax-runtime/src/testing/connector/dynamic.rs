//! Checks of sources that save no position.

use std::fmt::Debug;

use super::flows::{Store, WORKERS, check_all, polls, ran, what};
use super::{BrokenPromise, broken};
use crate::delivery::Delivery;
use crate::error::RunError;
use crate::execution::{RunConfig, cluster_main};
use crate::flow::Dataflow;
use crate::recovery::RecoveryConfig;
use crate::source::DynamicSource;
use crate::testing::{AtPoll, TestingSink};

/// Checks a source that saves no position and whose input ends. Returns its items in debug form, in the order
/// in which one worker emits them.
///
/// `make` creates a source of the same input each time. The check tests in flows:
///
/// - With one to three workers, each item is emitted once, by any worker.
/// - A run that is killed at a poll emits no item twice, and only items of the input. Items may be missing:
///   items that were read and not emitted are lost.
/// - A run that resumes from the recovery store of a killed run starts again with its input, and emits each
///   item of it once, with any number of workers.
///
/// Such a source does not promise to emit items again after a resume, so this is not checked.
///
/// # Examples
///
/// ```
/// use bytewax_runtime::source::{DynamicSource, Poll, StatelessSourcePartition};
/// use bytewax_runtime::testing::connector;
/// use bytewax_runtime::{StepError, StepId, WorkerIndex};
///
/// /// Numbers, of which each worker emits a share.
/// struct Shares(u64);
///
/// struct Share(std::iter::StepBy<std::ops::Range<u64>>);
///
/// impl DynamicSource for Shares {
///     type Item = u64;
///     type Partition = Share;
///
///     fn build(&self, _: &StepId, worker: WorkerIndex, workers: usize) -> Result<Share, StepError> {
///         Ok(Share((worker.0 as u64..self.0).step_by(workers)))
///     }
/// }
///
/// impl StatelessSourcePartition for Share {
///     type Item = u64;
///
///     fn next_batch(&mut self) -> Result<Poll<u64>, StepError> {
///         Ok(self.0.next().map_or(Poll::end(), Poll::item))
///     }
/// }
///
/// assert_eq!(connector::check_dynamic_source(|| Shares(4))?, ["0", "1", "2", "3"]);
/// # Ok::<(), connector::BrokenPromise>(())
/// ```
///
/// # Errors
///
/// The first broken promise.
pub fn check_dynamic_source<S>(make: impl Fn() -> S) -> Result<Vec<String>, BrokenPromise>
where
    S: DynamicSource,
    S::Item: Debug,
{
    let read = |what: &str, store: Option<&Store>, workers, poll| {
        let out = TestingSink::new();
        ran(what, run(make(), store, workers, poll, out.clone()))?;
        Ok(out.take())
    };
    let expect = read("in a flow of one worker", None, 1, usize::MAX)?;
    for workers in [1, 2, 3] {
        let what = format!("in a flow of {workers} workers");
        let items = read(&what, None, workers, usize::MAX)?;
        check_all(&what, Delivery::ExactlyOnce, &expect, &items)?;
        if workers == 1 && items != expect {
            return broken(format!(
                "{what}: the items come in another order the second time"
            ));
        }
    }
    for (poll, workers) in polls(expect.len() + 1).zip(WORKERS.into_iter().cycle()) {
        let store = Store::new()?;
        let what = what(poll, workers);
        let items = read(&what, Some(&store), workers.0, poll)?;
        check_all(&what, Delivery::AtMostOnce, &expect, &items)?;
        let items = read(&what, Some(&store), workers.1, usize::MAX)?;
        check_all(&what, Delivery::ExactlyOnce, &expect, &items)?;
    }
    Ok(expect)
}

/// Runs a flow whose source is killed at a poll.
fn run<S>(
    source: S,
    store: Option<&Store>,
    workers: usize,
    poll: usize,
    out: TestingSink<String>,
) -> Result<(), RunError>
where
    S: DynamicSource,
    S::Item: Debug,
{
    let flow = Dataflow::build(super::flows::FLOW, |flow| {
        let items = flow.input(AtPoll::killed(source, poll)).named("items");
        let shown = items.map(|item| format!("{item:?}"));
        shown.output(out).named("out");
    });
    let config = RunConfig::new().workers(workers);
    cluster_main(
        flow,
        match store {
            Some(store) => config.recovery(RecoveryConfig::new(store.path())),
            None => config,
        },
    )
}
