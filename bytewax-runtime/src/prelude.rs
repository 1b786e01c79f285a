//! The names that most programs use: import them all.

pub use crate::flow::{Dataflow, Flow, KeyedStream, Stream};
pub use crate::key::Key;
pub use crate::operators::{Emit, JoinAll, Keep, StatefulBatchLogic, StatefulLogic};
pub use crate::windowing::{JoinAllExpiring, JoinAllWindows, WindowLogic};
