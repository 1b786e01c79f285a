//! `try_output`: a sink that can reject items.

use std::marker::PhantomData;
use std::sync::Arc;

use super::try_map::{ERRS_HELP, Errored, errs};
use crate::delivery::SinkPromise;
use crate::error::{RunError, StepError};
use crate::flow::{StepKind, Stream};
use crate::ids::StepIndex;
use crate::kit::{Cx, Flush, Next, Plan, Push, StagePlan};
use crate::sink::{RejectingSink, RejectingWriter};

/// The result of [`Stream::try_output`].
#[derive(Debug)]
#[must_use]
pub struct Written<T> {
    /// The items that the sink rejected, with the reasons. This stream must be used: [`Stream::fail`] stops
    /// the run at a rejected item, and [`Stream::skip_counted`] drops such items.
    pub errs: Stream<Errored<T>>,
}

impl<T: 'static> Written<T> {
    /// Names the step; see [`Stream::named`].
    pub fn named(self, name: &str) -> Self {
        Self {
            errs: self.errs.named(name),
        }
    }
}

impl<T: 'static> Stream<T> {
    /// Writes the stream to a sink. Items that the external system rejects go to a separate stream and do not
    /// stop the run.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::{Arc, Mutex};
    ///
    /// use bytewax_runtime::prelude::*;
    /// use bytewax_runtime::sink::{RejectingSink, RejectingWriter};
    /// use bytewax_runtime::testing::{TestingSink, TestingSource, run_main};
    /// use bytewax_runtime::{Epoch, StepError, StepId, WorkerIndex};
    ///
    /// /// Takes small numbers alone.
    /// #[derive(Clone, Default)]
    /// struct Small(Arc<Mutex<Vec<u32>>>);
    ///
    /// struct Writer(Small, Vec<(u32, StepError)>);
    ///
    /// impl RejectingSink<u32> for Small {
    ///     type Writer = Writer;
    ///
    ///     fn build(&self, _: &StepId, _: WorkerIndex, _: usize) -> Result<Writer, StepError> {
    ///         Ok(Writer(self.clone(), Vec::new()))
    ///     }
    /// }
    ///
    /// impl RejectingWriter<u32> for Writer {
    ///     fn write_batch(&mut self, items: Vec<u32>) -> Result<(), StepError> {
    ///         for n in items {
    ///             match n < 10 {
    ///                 true => self.0.0.lock().unwrap().push(n),
    ///                 false => self.1.push((n, StepError::msg("it is too large"))),
    ///             }
    ///         }
    ///         Ok(())
    ///     }
    ///
    ///     fn end_epoch(&mut self, _: Epoch) -> Result<(), StepError> {
    ///         Ok(())
    ///     }
    ///
    ///     fn take_rejected(&mut self) -> Vec<(u32, StepError)> {
    ///         std::mem::take(&mut self.1)
    ///     }
    /// }
    ///
    /// let (small, bad) = (Small::default(), TestingSink::new());
    /// let flow = Dataflow::build("numbers", |flow| {
    ///     let numbers = flow.input(TestingSource::new([1, 20, 3])).named("numbers");
    ///     let written = numbers.try_output(small.clone()).named("small");
    ///     let bad_ones = written.errs.map(|bad| format!("{}: {}", bad.item, bad.error));
    ///     bad_ones.named("texts").output(bad.clone()).named("bad");
    /// });
    /// run_main(flow).unwrap();
    /// assert_eq!(*small.0.lock().unwrap(), [1, 3]);
    /// assert_eq!(bad.take(), ["20: it is too large"]);
    /// ```
    ///
    /// # Errors
    ///
    /// An error of the sink itself fails the run.
    #[track_caller]
    pub fn try_output<P: SinkPromise, S: RejectingSink<T, P>>(self, sink: S) -> Written<T> {
        let sink = Arc::new(sink);
        let plan = StagePlan::new::<T, _>(move |build, outputs| {
            let built = sink.build(build.id(), build.worker.index, build.worker.count);
            let writer =
                built.map_err(|error| RunError::step("the sink cannot be built", error))?;
            Ok(Writing {
                step: build.step,
                writer,
                errs: outputs.next(0),
            })
        });
        let outputs = vec![errs(ERRS_HELP)];
        let (flow, step) = self.then(
            "try_output",
            StepKind::Stateless,
            outputs,
            Plan::Stage(plan.writing(P::PROMISE)),
        );
        Written {
            errs: Stream::from_port(&flow, step, 0),
        }
    }

    /// [`try_output`](Self::try_output) to a sink whose promise is checked; `dataflow!` uses it in a flow
    /// with a `delivery`.
    #[doc(hidden)]
    #[track_caller]
    pub fn try_output_that<P: SinkPromise, S: RejectingSink<T, P>>(
        self,
        sink: S,
        _promises: fn(PhantomData<P>),
    ) -> Written<T> {
        self.try_output(sink)
    }
}

struct Writing<T, W> {
    step: StepIndex,
    writer: W,
    errs: Next<Errored<T>>,
}

impl<T: 'static, W: RejectingWriter<T>> Writing<T, W> {
    /// Emits rejected items.
    fn reject(&mut self, cx: &mut Cx) -> Result<(), RunError> {
        let rejected = self.writer.take_rejected();
        if rejected.is_empty() {
            return Ok(());
        }
        let rejected = rejected.into_iter();
        let rejected = rejected.map(|(item, error): (T, StepError)| Errored::new(item, &error, cx));
        self.errs.buffer.extend(rejected);
        self.errs.send(cx)
    }
}

impl<T: 'static, W: RejectingWriter<T>> Push<T> for Writing<T, W> {
    fn push(&mut self, batch: &mut Vec<T>, cx: &mut Cx) -> Result<(), RunError> {
        cx.enter(self.step);
        let written = self.writer.write_batch(std::mem::take(batch));
        written.map_err(|error| RunError::step("the sink cannot write", error))?;
        self.reject(cx)
    }

    fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError> {
        if what != Flush::Activation {
            cx.enter(self.step);
            let ended = self.writer.end_epoch(cx.epoch);
            ended.map_err(|error| RunError::step("the sink cannot end the epoch", error))?;
            self.reject(cx)?;
        }
        self.errs.flush(what, cx)
    }
}
