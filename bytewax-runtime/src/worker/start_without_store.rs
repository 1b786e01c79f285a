//! The agreement of the workers of a cluster before the flow is built, in a program without stores: the
//! workers of partitions and keys.

use std::rc::Rc;

use timely::worker::Worker;

use super::agreed::begin;
use super::assign::{Reachable, assign, reachable};
use super::gather::exchange;
use super::run::Job;
use super::store::Store;
use crate::error::RunError;
use crate::key::SlotOwners;
use crate::kit::WorkerCx;

/// Applies the agreement of the workers; returns `Ok(None)` if the run stops in the meantime.
pub(super) fn agree(
    worker: &mut Worker,
    cx: &WorkerCx,
    job: &Job,
) -> Result<Option<Option<Rc<Store>>>, RunError> {
    let mine = reachable(cx, &job.graph)?;
    let Some(lists) = exchange::<Vec<Reachable>>(worker, cx, &mine)? else {
        return Ok(None);
    };
    begin(cx, None, SlotOwners::spread(cx.count), assign(&lists));
    Ok(Some(None))
}
