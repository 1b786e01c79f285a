//! What the workers of a cluster agree on before the flow is built, in a program without stores: who
//! reads and writes which partitions, and who keeps which keys.

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

/// Sets what the workers agree on; `Ok(None)` when the run stops meanwhile.
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
