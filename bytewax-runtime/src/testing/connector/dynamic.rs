//! Checks of sources of which nothing is saved.

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

/// Checks a source of which nothing is saved and whose input ends, and returns its items as they are shown, in the order
/// in which one worker emits them.
///
/// `make` makes a source of the same input each time. This is what is checked, in flows:
///
/// - With one to three workers, each item is there once, whichever worker emits it.
/// - In a run that is killed at a poll, no item is there twice, and none that is not one of the input. Items may be missing:
///   what was read and not emitted is lost.
/// - A run that goes on from the recovery store of one that was killed begins anew with the input that it finds, and emits
///   each item of that once, with any number of workers.
///
/// That items are emitted again when a run goes on is no promise of such a source, so it is not checked.
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
/// The first promise that is not kept.
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
