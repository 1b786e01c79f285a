//! `inspect`, `inspect_debug`, `inspect_debug_with`.

use std::fmt::Debug;
use std::io::Write;

use crate::error::RunError;
use crate::flow::{StepKind, Stream};
use crate::ids::{Epoch, StepId, WorkerIndex};

/// The location of an item that [`Stream::inspect_debug_with`] sees.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Inspected<'a> {
    /// The id of the inspecting step.
    pub step: &'a StepId,
    /// The epoch of the item.
    pub epoch: Epoch,
    /// The worker that processes the item.
    pub worker: WorkerIndex,
}

impl<T: 'static> Stream<T> {
    /// Calls `see` with each item and passes the item on. Counts as an output of the flow.
    ///
    /// `see` runs for all items of a batch before the batch moves on.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::testing::run_items;
    ///
    /// let (sender, seen) = std::sync::mpsc::channel();
    /// let out = run_items([1, 2], |numbers| {
    ///     numbers.inspect(move |n| sender.send(*n).unwrap()).map(|n| n * 10)
    /// });
    /// assert_eq!(seen.iter().collect::<Vec<_>>(), [1, 2]);
    /// assert_eq!(out, [10, 20]);
    /// ```
    #[track_caller]
    pub fn inspect<F>(self, see: F) -> Stream<T>
    where
        F: Fn(&T) + Send + Sync + 'static,
    {
        self.stage_of_kind("inspect", StepKind::Observer, move |batch, next, cx| {
            let numbers = cx.numbers(batch.len());
            for (index, item) in batch.iter().enumerate() {
                numbers.at(index, || see(item));
            }
            next.pass(batch, cx)
        })
    }

    /// Prints each item as `step W<worker> @<epoch>: item`, and passes it on. Counts as an output
    /// of the flow.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::testing::run_items;
    ///
    /// // Prints `example.seen W0 @1: "a"`.
    /// let out = run_items(["a"], |texts| texts.inspect_debug().named("seen"));
    /// assert_eq!(out, ["a"]);
    /// ```
    ///
    /// # Errors
    ///
    /// If writing to standard output fails, the run fails.
    #[track_caller]
    pub fn inspect_debug(self) -> Stream<T>
    where
        T: Debug,
    {
        self.stage_of_kind(
            "inspect_debug",
            StepKind::Observer,
            move |batch, next, cx| {
                let mut out = std::io::stdout().lock();
                let numbers = cx.numbers(batch.len());
                let (step, worker) = (cx.running(), cx.worker.index);
                for (index, item) in batch.iter().enumerate() {
                    let mut write = || writeln!(out, "{step} W{worker} @{}: {item:?}", cx.epoch);
                    numbers.at(index, &mut write).map_err(|error| {
                        RunError::step("cannot write to standard output", error.into())
                    })?;
                }
                drop(out);
                next.pass(batch, cx)
            },
        )
    }

    /// Calls `see` with each item and its location, and passes the item on. Counts as an output of the flow.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::testing::run_items;
    ///
    /// let (sender, seen) = std::sync::mpsc::channel();
    /// run_items(['a', 'b'], |letters| {
    ///     letters
    ///         .inspect_debug_with(move |at, letter| {
    ///             sender.send(format!("{} {} {}: {letter}", at.step, at.worker, at.epoch)).unwrap();
    ///         })
    ///         .named("seen")
    /// });
    /// assert_eq!(seen.iter().collect::<Vec<_>>(), ["example.seen 0 1: a", "example.seen 0 1: b"]);
    /// ```
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
            let numbers = cx.numbers(batch.len());
            for (index, item) in batch.iter().enumerate() {
                numbers.at(index, || see(place, item));
            }
            next.pass(batch, cx)
        })
    }
}
