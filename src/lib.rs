//! Stateful stream processing as a library: Bytewax's ideas, typed, on timely dataflow.

// So that paths written by the macros, `::bytewax::..`, hold inside this crate too.
extern crate self as bytewax;

pub use bytewax_runtime::{
    Epoch, Exchange, RunError, RunErrorKind, StepError, StepId, WorkerIndex,
};
pub use bytewax_runtime::{clock, flow, key, operators, run, sink, source, state, testing};
pub use bytewax_runtime::flow::Dataflow;
// The derive and the trait share their name, as serde's do.
pub use bytewax_runtime::key::Key;
#[cfg(feature = "macros")]
pub use bytewax_macros::{Key, dataflow, stateful};

/// Connectors: where items come from and go to.
pub mod connectors {
    pub use bytewax_connectors::*;
}

/// Times and spans of time, as they appear in the signatures of this crate.
pub use chrono;

/// The words of the first page.
pub mod prelude {
    #[cfg(feature = "macros")]
    pub use bytewax_macros::{Key, dataflow, stateful};
    pub use bytewax_runtime::prelude::*;
}

#[doc(hidden)]
pub use bytewax_runtime::__private;
