//! `raises`.

use std::fmt::Debug;

use crate::brief::brief;
use crate::error::{RunError, RunErrorKind};
use crate::flow::{StepKind, Stream, Terminal};

impl<T: 'static> Stream<T> {
    /// Fails the run on the first item. Use it for streams that must stay empty. Counts as an output.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::prelude::*;
    /// use bytewax_runtime::testing::{TestingSource, run_main};
    ///
    /// let flow = Dataflow::build("positive", |flow| {
    ///     let numbers = flow.input(TestingSource::new([3, -1])).named("numbers");
    ///     numbers.filter(|n| *n < 0).raises().named("none_below_zero");
    /// });
    /// assert_eq!(
    ///     run_main(flow).unwrap_err().to_string(),
    ///     "step `positive.none_below_zero`, worker 0: an item came where none may: `-1`",
    /// );
    /// ```
    ///
    /// # Errors
    ///
    /// The run fails with the debug form of the first item on any worker.
    #[track_caller]
    pub fn raises(self) -> Terminal
    where
        T: Debug,
    {
        let raises = self.stage_of_kind::<()>("raises", StepKind::Observer, |batch, _, _| {
            match batch.first() {
                Some(item) => Err(RunError::new(
                    RunErrorKind::Step,
                    format!("an item came where none may: `{}`", brief(item)),
                )),
                None => Ok(()),
            }
        });
        Terminal::new(raises.flow(), raises.port().step)
    }
}
