//! `try_map_with`.

use std::marker::PhantomData;
use std::sync::Arc;

use super::try_map::{ERRS_HELP, Errored, TryOut, errs};
use crate::error::{RunError, StepError};
use crate::flow::{OutputSpec, StepKind, Stream};
use crate::ids::StepIndex;
use crate::kit::{Cx, Flush, Next, Plan, Push, StagePlan};

/// The reason why an item has no result.
#[derive(Debug)]
pub enum TryError<T> {
    /// The item is invalid: it goes to `errs`, with the text of the error.
    Item(T, String),
    /// The step cannot continue: the run fails. The position of the source stays before the item.
    Run(StepError),
}

impl<T> From<StepError> for TryError<T> {
    fn from(error: StepError) -> Self {
        Self::Run(error)
    }
}

impl<T: 'static> Stream<T> {
    /// Turns each item into one other item or into an error in a separate stream, or stops the run; with a
    /// resource that each worker creates for itself.
    ///
    /// Use it for work that depends on an external system. An invalid item goes to `errs`. If the external
    /// system fails, the run stops before it loses items.
    ///
    /// `init` runs once on every worker, when the worker builds the flow. The resource is not saved. As with
    /// [`try_map`](Stream::try_map), `errs` must be used.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::collections::HashMap;
    /// use bytewax_runtime::operators::TryError;
    /// use bytewax_runtime::testing::run_items;
    ///
    /// // A real one would ask a service for names that it does not know, and the run would fail if it did not answer.
    /// let names = || Ok(HashMap::from([(7, "seven")]));
    /// let out = run_items([7, 8], move |numbers| {
    ///     let named = numbers.try_map_with(names, |names, n| match names.get(&n) {
    ///         Some(name) => Ok((*name).to_owned()),
    ///         None => Err(TryError::Item(n, "it has no name".to_owned())),
    ///     });
    ///     named.oks.merge(named.errs.map(|bad| format!("{}: {}", bad.item, bad.error)))
    /// });
    /// assert!(out.contains(&"seven".to_owned()));
    /// assert!(out.contains(&"8: it has no name".to_owned()));
    /// ```
    ///
    /// # Errors
    ///
    /// The run fails with an error of `init`, before the first item, or with a [`TryError::Run`] of `f`.
    #[track_caller]
    pub fn try_map_with<R, U, I, F>(self, init: I, f: F) -> TryOut<U, Errored<T>>
    where
        R: 'static,
        U: 'static,
        I: Fn() -> Result<R, StepError> + Send + Sync + 'static,
        F: Fn(&mut R, T) -> Result<U, TryError<T>> + Send + Sync + 'static,
    {
        let f = Arc::new(f);
        let plan = StagePlan::new::<T, _>(move |build, outputs| {
            let made = init();
            Ok(TryMapWith {
                step: build.step,
                resource: made.map_err(|error| RunError::step("it cannot begin", error))?,
                f: Arc::clone(&f),
                oks: outputs.next(0),
                errs: outputs.next(1),
                items: PhantomData,
            })
        });
        let outputs = vec![OutputSpec::field("oks"), errs(ERRS_HELP)];
        let kind = StepKind::Stateless;
        let (flow, step) = self.then("try_map_with", kind, outputs, Plan::Stage(plan));
        TryOut {
            oks: Stream::from_port(&flow, step, 0),
            errs: Stream::from_port(&flow, step, 1),
        }
    }
}

struct TryMapWith<R, T, U, F> {
    step: StepIndex,
    resource: R,
    f: Arc<F>,
    oks: Next<U>,
    errs: Next<Errored<T>>,
    items: PhantomData<fn(T)>,
}

impl<R, T, U, F> Push<T> for TryMapWith<R, T, U, F>
where
    R: 'static,
    T: 'static,
    U: 'static,
    F: Fn(&mut R, T) -> Result<U, TryError<T>> + 'static,
{
    fn push(&mut self, batch: &mut Vec<T>, cx: &mut Cx) -> Result<(), RunError> {
        cx.enter(self.step);
        let numbers = cx.numbers(batch.len());
        for (index, item) in batch.drain(..).enumerate() {
            match numbers.at(index, || (self.f)(&mut self.resource, item)) {
                Ok(result) => self.oks.buffer.push(result),
                Err(TryError::Item(item, error)) => {
                    self.errs.buffer.push(Errored::new(item, &error, cx));
                }
                Err(TryError::Run(error)) => return Err(RunError::step("it cannot go on", error)),
            }
        }
        self.oks.send(cx)?;
        self.errs.send(cx)
    }

    fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError> {
        self.oks.flush(what, cx)?;
        self.errs.flush(what, cx)
    }
}
