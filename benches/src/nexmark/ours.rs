//! The queries by this library.

use bytewax::RunError;
use bytewax::testing::{RunConfig, cluster_main};

use bytewax_nexmark::{Events, Query, flow};

use crate::check::StreamCheck;
use crate::tally::Tally;

/// Runs a query; the sum over what it puts out.
pub(super) fn run<T: 'static>(
    query: Query<T>,
    events: Events,
    workers: usize,
    add: fn(&mut StreamCheck, &[T]),
) -> Result<StreamCheck, RunError> {
    let tally = Tally::new(add);
    let flow = flow(query, events, events.disorder(), tally.clone());
    cluster_main(flow, RunConfig::new().workers(workers))?;
    Ok(tally.total())
}
