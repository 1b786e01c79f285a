//! `raises`.

use std::fmt::Debug;

use crate::error::{RunError, RunErrorKind};
use crate::flow::{StepKind, Stream, Terminal};

impl<T: 'static> Stream<T> {
    /// Fails the run on the first item: for streams that must stay empty. Counts as an output.
    #[track_caller]
    pub fn raises(self) -> Terminal
    where
        T: Debug,
    {
        let raises = self.stage_of_kind::<()>("raises", StepKind::Sink, |batch, _, _| {
            match batch.first() {
                Some(item) => Err(RunError::new(
                    RunErrorKind::Step,
                    format!("an item came where none may: `{item:?}`"),
                )),
                None => Ok(()),
            }
        });
        Terminal::new(raises.flow(), raises.port().step)
    }
}
