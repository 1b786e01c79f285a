//! `try_map`, `split_result`, and the ways to handle errors.

use std::fmt::{Debug, Display};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::brief::brief;
use crate::error::{RunError, StepError};
use crate::flow::{OutputSpec, StepKind, Stream, Terminal};
use crate::ids::{Epoch, StepIndex, WorkerIndex};
use crate::kit::{Cx, Flush, Next, Plan, Push, StagePlan};

/// The two streams of a step that can fail for single items.
#[derive(Debug)]
#[must_use]
pub struct TryOut<T, E> {
    /// The results.
    pub oks: Stream<T>,
    /// The errors. This stream must be used: [`Stream::fail`] stops the run at an error, and
    /// [`Stream::skip_counted`] drops errors.
    pub errs: Stream<E>,
}

impl<T: 'static, E: 'static> TryOut<T, E> {
    /// Names the step; see [`Stream::named`].
    pub fn named(self, name: &str) -> Self {
        Self {
            oks: self.oks.named(name),
            errs: self.errs,
        }
    }
}

/// An item for which a step's function returned an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Errored<T> {
    /// The item.
    pub item: T,
    /// The text of the error.
    pub error: String,
    /// The id of the step.
    pub step: String,
    /// The worker on which the error occurred.
    pub worker: WorkerIndex,
    /// The epoch of the item.
    pub epoch: Epoch,
}

impl<T: 'static> Errored<T> {
    /// An error of the step that is running.
    pub(super) fn new(item: T, error: &impl Display, cx: &Cx) -> Self {
        let error = error.to_string();
        cx.note_error(&item, &error);
        Self {
            item,
            error,
            step: cx.running().to_string(),
            worker: cx.worker.index,
            epoch: cx.epoch,
        }
    }
}

/// The fix for unread errors.
pub(super) const ERRS_HELP: &str = "handle them: `.errs.fail()`, `.errs.skip_counted()`, or \
                                    send them to a sink with `.errs.output(sink)`";

/// The output of errors.
pub(super) const fn errs(help: &'static str) -> OutputSpec {
    OutputSpec {
        field: "errs",
        must_read: Some(help),
    }
}

impl<T: 'static> Stream<T> {
    /// Turns each item into one other item, or into an error in a separate stream.
    ///
    /// Errors do not stop the run, but a flow must handle them: [`fail`](Stream::fail) stops the run at the
    /// first error, [`skip_counted`](Stream::skip_counted) drops errors, and any other use of `errs` handles
    /// them. A flow that does not use `errs` cannot run.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::testing::run_items;
    ///
    /// let mut out = run_items(["1", "x", "3"], |texts| {
    ///     let parsed = texts.try_map(|text| text.parse::<u32>());
    ///     let bad = parsed.errs.map(|bad| format!("{}: {}", bad.item, bad.error));
    ///     parsed.oks.map(|n| format!("{n}")).merge(bad)
    /// });
    /// out.sort_unstable();
    /// assert_eq!(out, ["1", "3", "x: invalid digit found in string"]);
    /// ```
    #[track_caller]
    pub fn try_map<U, E, F>(self, f: F) -> TryOut<U, Errored<T>>
    where
        U: 'static,
        E: Display,
        F: Fn(&T) -> Result<U, E> + Send + Sync + 'static,
    {
        self.split("try_map", ERRS_HELP, move |item, oks, errs, cx| {
            match f(&item) {
                Ok(value) => oks.buffer.push(value),
                Err(error) => errs.push(Errored::new(item, &error, cx)),
            }
            Ok(())
        })
    }

    /// Adds a step that sends some items to one stream and some to another. `f` takes each item, and
    /// adds to the first stream or to the list of errors.
    #[track_caller]
    pub(super) fn split<U: 'static, E: 'static>(
        self,
        operator: &'static str,
        errs_help: &'static str,
        f: impl Fn(T, &mut Next<U>, &mut Vec<E>, &mut Cx) -> Result<(), RunError>
        + Send
        + Sync
        + 'static,
    ) -> TryOut<U, E> {
        let f = Arc::new(f);
        let plan = StagePlan::new::<T, _>(move |build, outputs| {
            Ok(Split {
                step: build.step,
                f: Arc::clone(&f),
                oks: outputs.next(0),
                errs: outputs.next(1),
                items: std::marker::PhantomData,
            })
        });
        let outputs = vec![OutputSpec::field("oks"), errs(errs_help)];
        let (flow, step) = self.then(operator, StepKind::Stateless, outputs, Plan::Stage(plan));
        TryOut {
            oks: Stream::from_port(&flow, step, 0),
            errs: Stream::from_port(&flow, step, 1),
        }
    }
}

impl<T: 'static, E: 'static> Stream<Result<T, E>> {
    /// Sends `Ok` values to one stream and `Err` values to another.
    ///
    /// As with [`try_map`](Stream::try_map), `errs` must be used.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::testing::run_items;
    ///
    /// let mut out = run_items([Ok(1), Err("two"), Ok(3)], |results| {
    ///     let split = results.split_result();
    ///     split.oks.map(|n| format!("{n}")).merge(split.errs.map(str::to_uppercase))
    /// });
    /// out.sort_unstable();
    /// assert_eq!(out, ["1", "3", "TWO"]);
    /// ```
    #[track_caller]
    pub fn split_result(self) -> TryOut<T, E> {
        let help = "handle them: `.errs.raises()` to fail on the first, or send them to a sink \
                    with `.errs.output(sink)`";
        self.split("split_result", help, |item, oks, errs, _| {
            match item {
                Ok(value) => oks.buffer.push(value),
                Err(error) => errs.push(error),
            }
            Ok(())
        })
    }
}

impl<T: 'static> Stream<Errored<T>> {
    /// Stops the run at the first error.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::prelude::*;
    /// use bytewax_runtime::testing::{TestingSink, TestingSource, run_main};
    ///
    /// let flow = Dataflow::build("parse", |flow| {
    ///     let texts = flow.input(TestingSource::new(["1", "x"])).named("texts");
    ///     let parsed = texts.try_map(|text| text.parse::<u32>()).named("parsed");
    ///     parsed.oks.output(TestingSink::new()).named("out");
    ///     parsed.errs.fail().named("fail");
    /// });
    /// assert_eq!(
    ///     run_main(flow).unwrap_err().report(),
    ///     "step `parse.fail`, worker 0: step `parse.parsed` failed for the item `\"x\"`\n  \
    ///      caused by: invalid digit found in string",
    /// );
    /// ```
    ///
    /// # Errors
    ///
    /// The run fails with the text of the first error on any worker, its item and its step.
    #[track_caller]
    pub fn fail(self) -> Terminal
    where
        T: Debug,
    {
        let failed =
            self.stage_of_kind::<()>("fail", StepKind::Observer, |batch, _, _| {
                match batch.drain(..).next() {
                    Some(bad) => Err(RunError::step(
                        format!(
                            "step `{}` failed for the item `{}`",
                            bad.step,
                            brief(&bad.item)
                        ),
                        StepError::msg(bad.error),
                    )),
                    None => Ok(()),
                }
            });
        Terminal::new(failed.flow(), failed.port().step)
    }

    /// Drops the errors and logs their number when the input ends.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::testing::run_items;
    ///
    /// let out = run_items(["1", "x", "3"], |texts| {
    ///     let parsed = texts.try_map(|text| text.parse::<u32>()).named("parsed");
    ///     parsed.errs.skip_counted().named("skip");
    ///     parsed.oks
    /// });
    /// assert_eq!(out, [1, 3]);
    /// ```
    #[track_caller]
    pub fn skip_counted(self) -> Terminal {
        let plan = StagePlan::new::<Errored<T>, _>(|build, _| {
            Ok(SkipCounted {
                step: build.step,
                skipped: 0,
            })
        });
        let (flow, step) = self.then(
            "skip_counted",
            StepKind::Observer,
            vec![],
            Plan::Stage(plan),
        );
        Terminal::new(flow, step)
    }
}

struct Split<T, U, E, F> {
    step: StepIndex,
    f: Arc<F>,
    oks: Next<U>,
    errs: Next<E>,
    items: std::marker::PhantomData<fn(T)>,
}

impl<T, U, E, F> Push<T> for Split<T, U, E, F>
where
    T: 'static,
    U: 'static,
    E: 'static,
    F: Fn(T, &mut Next<U>, &mut Vec<E>, &mut Cx) -> Result<(), RunError> + 'static,
{
    fn push(&mut self, batch: &mut Vec<T>, cx: &mut Cx) -> Result<(), RunError> {
        cx.enter(self.step);
        let numbers = cx.numbers(batch.len());
        for (index, item) in batch.drain(..).enumerate() {
            numbers.at(index, || {
                (self.f)(item, &mut self.oks, &mut self.errs.buffer, cx)
            })?;
        }
        self.oks.send(cx)?;
        self.errs.send(cx)
    }

    fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError> {
        self.oks.flush(what, cx)?;
        self.errs.flush(what, cx)
    }
}

struct SkipCounted {
    step: StepIndex,
    skipped: u64,
}

impl<T: 'static> Push<Errored<T>> for SkipCounted {
    fn push(&mut self, batch: &mut Vec<Errored<T>>, _: &mut Cx) -> Result<(), RunError> {
        self.skipped += batch.len() as u64;
        batch.clear();
        Ok(())
    }

    fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError> {
        if what == Flush::End && self.skipped > 0 {
            let (step, worker) = (cx.step_id(self.step), cx.worker.index);
            let skipped = self.skipped;
            tracing::warn!(
                %step,
                worker = worker.0,
                skipped,
                "step `{step}`, worker {worker}: {skipped} errors were skipped"
            );
        }
        Ok(())
    }
}
