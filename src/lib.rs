//! Stateful stream processing as a library.
//!
//! A *flow* is a graph of *steps* between *sources* and *sinks*. You describe it in plain Rust, and
//! this crate runs it on one thread, on many, on several processes, or on several machines:
//!
//! ```
//! use bytewax::prelude::*;
//! use bytewax::testing::{TestingSink, TestingSource, run_main};
//!
//! let out = TestingSink::new();
//! let flow = dataflow!("sums", |flow| {
//!     let numbers = flow.input(TestingSource::new(0..10_u64));
//!     let by_parity = numbers.filter(|n| *n > 2).key_on(|n| n % 2);
//!     let sums = by_parity.stateful_map(|sum: &mut u64, n| {
//!         *sum += n;
//!         *sum
//!     });
//!     sums.output(out.clone());
//! });
//! run_main(flow).unwrap();
//! assert_eq!(out.items()[5..], [(0, 18), (1, 24)]);
//! ```
//!
//! A program gives its flow to [`run`], or to [`RunArgs::execute`] when it has arguments of its own:
//! then `-w 4` runs it on four threads, `-p 2` on two processes, and `graph` draws it.
//!
//! # The first ten minutes
//!
//! 1. **Describe.** [`dataflow!`] takes a name and a closure. Inside, `flow.input(source)` begins a
//!    stream, its methods are the operators, and `.output(sink)` ends it. A stream is moved by use;
//!    `.clone()` gives it to a second reader. Functions, loops and lists of streams work as they do
//!    everywhere in Rust.
//! 2. **Name.** `let` names the steps: the operator `map` in `let prices = ..` is the step
//!    `prices.map`. State belongs to its step's id, so the rules of names are worth a look; they are
//!    at [`dataflow!`].
//! 3. **Key.** [`key_on`](flow::Stream::key_on) splits a stream by key. The steps behind it that keep
//!    state see one key at a time, and all items of a key meet on one worker. Every type can be a key
//!    by [`#[derive(Key)]`](macro@Key).
//! 4. **Test.** [`testing`] has a source over a list, a sink into a list, and ways to run a flow in a
//!    test, on any number of workers, with a clock that the test moves.
//! 5. **Run.** An error or a panic on any worker stops the whole run; its text names the step, the
//!    partition and the cause. Ctrl-C and SIGTERM stop a run cleanly.
//! 6. **Keep.** With `-r DIR` the state is saved, and the next run goes on where this one ended or was
//!    killed, with any number of workers: see [`RecoveryConfig`].
//! 7. **Lock.** `cargo run -- lock` writes the names that state is saved under to `dataflow.lock`. Commit
//!    it, and a change of the flow that would lose state does not compile: see [`dataflow!`].
//!
//! # Where to look
//!
//! | | |
//! | --- | --- |
//! | [`flow::Stream`] | the operators |
//! | [`from_python`] | how the operators of Bytewax for Python are called here |
//! | [`flow::Flow`] | `input`, `merge`, `scope` |
//! | [`connectors`] | files and standard output |
//! | [`source`](mod@source), [`sink`](mod@sink) | connectors of your own: the traits, and the macros [`#[source]`](macro@source), [`#[sink]`](macro@sink) |
//! | [`client`] | retries, rate limits and batches for connectors to systems elsewhere |
//! | [`testing::connector`] | checks that a connector keeps its promises |
//! | [`key`] | what can be a key, and its stable hash |
//! | [`state`] | what can be kept per key |
//! | [`windowing`] | clocks, windows, and what is late |
//! | [`RunArgs`] | the command line |
//!
//! # Features
//!
//! | Feature | Default | What it costs |
//! | --- | --- | --- |
//! | `macros` | yes | `dataflow!`, the attributes and the derive; a compile of `syn` |
//! | `stdio` | yes | nothing |
//! | `files` | yes | `memchr`, `glob` |
//! | `csv` | no | `csv` |
//! | `json` | no | `serde_json` |
//! | `gzip`, `bzip2` | no | compressed files; a crate each |
//! | `zstd`, `xz` | no | compressed files; a crate each, and compiles of C libraries |
//! | `demo` | no | nothing |
//! | `async` | no | `map_async`; a compile of `tokio`, and a thread for each such step |
//! | `object-store` | no | backups in object stores; compiles of `object_store` and `tokio` |

// So that paths written by the macros, `::bytewax::..`, hold inside this crate too.
extern crate self as bytewax;

#[doc = include_str!("docs/dataflow.md")]
#[cfg(feature = "macros")]
pub use bytewax_macros::dataflow;
// The derive and the trait share their name, as serde's do.
#[doc = include_str!("docs/key.md")]
#[cfg(feature = "macros")]
pub use bytewax_macros::Key;
#[doc = include_str!("docs/operator.md")]
#[cfg(feature = "macros")]
pub use bytewax_macros::operator;
#[doc = include_str!("docs/sink.md")]
#[cfg(feature = "macros")]
pub use bytewax_macros::sink;
#[doc = include_str!("docs/source.md")]
#[cfg(feature = "macros")]
pub use bytewax_macros::source;
#[doc = include_str!("docs/stateful.md")]
#[cfg(feature = "macros")]
pub use bytewax_macros::stateful;
pub use bytewax_runtime::flow::Dataflow;
pub use bytewax_runtime::key::Key;
pub use bytewax_runtime::{
    Epoch, Exchange, GraphFormat, ResumePolicy, RunConfig, RunError, RunErrorKind, SnapshotMode,
    StepError, StepId, WorkerIndex,
};
#[cfg(feature = "recovery")]
pub use bytewax_runtime::{RecoveryConfig, backup};
#[cfg(feature = "cli")]
pub use bytewax_runtime::{RunArgs, run, run_from};
pub use bytewax_runtime::{
    client, clock, flow, key, operators, sink, source, state, testing, windowing,
};

#[doc = include_str!("docs/python.md")]
pub mod from_python {}

/// What [`run`] and its kin give back to `main`: the exit code of the process.
#[cfg(feature = "cli")]
pub use std::process::ExitCode;

/// Connectors: where items come from and go to.
pub mod connectors {
    #[cfg(any(
        feature = "stdio",
        feature = "files",
        feature = "csv",
        feature = "json",
        feature = "demo"
    ))]
    pub use bytewax_connectors::*;
}

/// Times and spans of time, as they appear in the signatures of this crate.
pub use chrono;

/// The words of the first page.
pub mod prelude {
    #[cfg(feature = "macros")]
    pub use bytewax_macros::{Key, dataflow, operator, sink, source, stateful};
    pub use bytewax_runtime::prelude::*;
}

#[doc(hidden)]
pub use bytewax_runtime::__private;
