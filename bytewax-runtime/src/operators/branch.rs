//! `branch`.

use std::sync::Arc;

use crate::error::RunError;
use crate::flow::{OutputSpec, StepKind, Stream};
use crate::ids::StepIndex;
use crate::kit::{Cx, Flush, Next, Plan, Push, StagePlan};

/// The two streams of [`Stream::branch`].
#[derive(Debug)]
#[must_use]
pub struct BranchOut<T> {
    /// The items for which the predicate was true.
    pub trues: Stream<T>,
    /// The items for which the predicate was false.
    pub falses: Stream<T>,
}

impl<T: 'static> BranchOut<T> {
    /// Names the step; see [`Stream::named`].
    pub fn named(self, name: &str) -> Self {
        Self {
            trues: self.trues.named(name),
            falses: self.falses,
        }
    }
}

impl<T: 'static> Stream<T> {
    /// Sends each item to one of two streams.
    ///
    /// Items keep their order within each stream; the order between the streams is undefined. The items of an
    /// unused stream are dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::testing::run_items;
    ///
    /// let mut out = run_items([1, 2, 3], |numbers| {
    ///     let parity = numbers.branch(|n| n % 2 == 0);
    ///     let even = parity.trues.map(|n| (n, "even"));
    ///     let odd = parity.falses.map(|n| (n, "odd"));
    ///     even.merge(odd)
    /// });
    /// out.sort_unstable();
    /// assert_eq!(out, [(1, "odd"), (2, "even"), (3, "odd")]);
    /// ```
    #[track_caller]
    pub fn branch<F>(self, predicate: F) -> BranchOut<T>
    where
        F: Fn(&T) -> bool + Send + Sync + 'static,
    {
        let predicate = Arc::new(predicate);
        let plan = StagePlan::new::<T, _>(move |build, outputs| {
            Ok(Branch {
                step: build.step,
                predicate: Arc::clone(&predicate),
                trues: outputs.next(0),
                falses: outputs.next(1),
            })
        });
        let outputs = vec![OutputSpec::field("trues"), OutputSpec::field("falses")];
        let (flow, step) = self.then("branch", StepKind::Stateless, outputs, Plan::Stage(plan));
        BranchOut {
            trues: Stream::from_port(&flow, step, 0),
            falses: Stream::from_port(&flow, step, 1),
        }
    }
}

struct Branch<T, F> {
    step: StepIndex,
    predicate: Arc<F>,
    trues: Next<T>,
    falses: Next<T>,
}

impl<T: 'static, F: Fn(&T) -> bool + 'static> Push<T> for Branch<T, F> {
    fn push(&mut self, batch: &mut Vec<T>, cx: &mut Cx) -> Result<(), RunError> {
        cx.enter(self.step);
        let numbers = cx.numbers(batch.len());
        for (index, item) in batch.drain(..).enumerate() {
            let side = if numbers.at(index, || (self.predicate)(&item)) {
                &mut self.trues
            } else {
                &mut self.falses
            };
            side.buffer.push(item);
        }
        self.trues.send(cx)?;
        self.falses.send(cx)
    }

    fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError> {
        self.trues.flush(what, cx)?;
        self.falses.flush(what, cx)
    }
}
