//! `inspect`, `inspect_debug`, `inspect_debug_with`.

use std::fmt::Debug;
use std::io::Write;

use crate::error::RunError;
use crate::flow::{StepKind, Stream};
use crate::ids::{Epoch, StepId, WorkerIndex};

/// Where an item was when [`Stream::inspect_debug_with`] saw it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Inspected<'a> {
    /// The id of the inspecting step.
    pub step: &'a StepId,
    /// The epoch of the item.
    pub epoch: Epoch,
    /// The worker that has the item.
    pub worker: WorkerIndex,
}

impl<T: 'static> Stream<T> {
    /// Shows each item to `see`, and passes it on. Counts as an output of the flow.
    #[track_caller]
    pub fn inspect<F>(self, see: F) -> Stream<T>
    where
        F: Fn(&T) + Send + Sync + 'static,
    {
        self.stage_of_kind("inspect", StepKind::Observer, move |batch, next, cx| {
            batch.iter().for_each(&see);
            next.pass(batch, cx)
        })
    }

    /// Prints each item as `step W<worker> @<epoch>: item`, and passes it on. Counts as an output
    /// of the flow.
    #[track_caller]
    pub fn inspect_debug(self) -> Stream<T>
    where
        T: Debug,
    {
        self.stage_of_kind("inspect_debug", StepKind::Observer, move |batch, next, cx| {
            let mut out = std::io::stdout().lock();
            for item in batch.iter() {
                let (step, worker) = (cx.running(), cx.worker.index);
                writeln!(out, "{step} W{worker} @{}: {item:?}", cx.epoch).map_err(|error| {
                    RunError::step("cannot write to standard output", error.into())
                })?;
            }
            drop(out);
            next.pass(batch, cx)
        })
    }

    /// Shows each item to `see` with its place, and passes it on. Counts as an output of the flow.
    #[track_caller]
    pub fn inspect_debug_with<F>(self, see: F) -> Stream<T>
    where
        F: Fn(Inspected<'_>, &T) + Send + Sync + 'static,
    {
        let kind = StepKind::Observer;
        self.stage_of_kind("inspect_debug_with", kind, move |batch, next, cx| {
            let place = Inspected {
                step: cx.running(),
                epoch: cx.epoch,
                worker: cx.worker.index,
            };
            batch.iter().for_each(|item| see(place, item));
            next.pass(batch, cx)
        })
    }
}
