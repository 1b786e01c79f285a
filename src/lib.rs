//! A library for stateful stream processing.
//!
//! A *flow* is a graph of *steps* between *sources* and *sinks*. You describe it in plain Rust, and
//! this crate runs it on one thread, many threads, several processes or several machines:
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
//! A program passes its flow to [`run`], or to [`RunArgs::execute`] if it has arguments of its own.
//! Then `-w 4` runs the flow on four threads, `-p 2` on two processes, and `graph` draws it.
//!
//! This page is the reference. The guide in `docs/guide` of the repository teaches the same step by step and
//! ends with a cookbook.
//!
//! # The first ten minutes
//!
//! 1. **Describe.** [`dataflow!`] takes a name and a closure. In the closure, `flow.input(source)`
//!    creates a stream, the methods of the stream are the operators, and `.output(sink)` ends it. A
//!    method consumes its stream; clone the stream to read it twice. Functions, loops and lists of
//!    streams work as everywhere in Rust.
//! 2. **Name.** `let` names the steps: the operator `map` in `let prices = ..` is the step
//!    `prices.map`. State is saved under the id of its step. [`dataflow!`] lists the rules.
//! 3. **Key.** [`key_on`](flow::Stream::key_on) splits a stream by key. All items of a key go to one worker,
//!    and stateful steps process one key at a time. Any type can be a key with [`#[derive(Key)]`](macro@Key).
//! 4. **Test.** [`testing`] contains a source that emits a list, a sink that collects items, and functions
//!    that run a flow in a test, on any number of workers and with a clock that the test advances.
//! 5. **Run.** An error or a panic on any worker stops the whole run. The message names the step, the
//!    partition and the cause. Ctrl-C and SIGTERM stop a run cleanly.
//! 6. **Save.** With `-r DIR`, the run saves state while it runs. The next run resumes from it, even after a
//!    crash and with any number of workers. See [`RecoveryConfig`].
//! 7. **Lock.** `cargo run -- lock` writes the names and types of saved state to `dataflow.lock`. Commit
//!    the file. A change that would lose state then does not compile. See [`dataflow!`].
//!
//! # Where to look
//!
//! | | |
//! | --- | --- |
//! | [`flow::Stream`] | the operators |
//! | [`flow::Flow`] | `input`, `merge`, `scope` |
//! | [`windowing`] | clocks, windowers and late items |
//! | [`connectors`] | files and standard streams |
//! | [`source`](mod@source), [`sink`](mod@sink) | your own connectors: the traits, and the macros [`#[source]`](macro@source) and [`#[sink]`](macro@sink) |
//! | [`client`] | retries, rate limits and batches for connectors to other systems |
//! | [`testing`] | sources, sinks and functions for tests |
//! | [`testing::connector`] | tests of a connector's contract |
//! | [`key`] | types of keys, and their stable hash |
//! | [`state`] | types of state, and how they are saved |
//! | [`RunArgs`] | the command line |
//! | [`from_python`] | the operators of Python Bytewax and their names here |
//!
//! # Features
//!
//! | Feature | Default | Adds | Cost |
//! | --- | --- | --- | --- |
//! | `macros` | yes | `dataflow!`, the attributes and the derive | compiles `syn` |
//! | `recovery` | yes | saved state | compiles SQLite |
//! | `cli` | yes | the command line | compiles `clap` and `signal-hook` |
//! | `stdio` | yes | standard streams | none |
//! | `files` | yes | text files and directories | compiles `memchr` and `glob` |
//! | `csv` | no | CSV files | compiles `csv` |
//! | `json` | no | JSON Lines files | compiles `serde_json` |
//! | `gzip`, `bzip2` | no | compressed files | compiles a crate each |
//! | `zstd`, `xz` | no | compressed files | compiles a C library each |
//! | `kafka` | no | topics of Kafka | compiles the C library librdkafka |
//! | `kafka-ssl`, `kafka-zstd` | no | TLS; topics compressed by zstd | needs OpenSSL; compiles a C library |
//! | `avro`, `protobuf` | no | keys and values of messages in these formats | compiles `apache-avro`; `prost` and `prost-reflect` |
//! | `schema-registry`, `schema-registry-ssl` | no | schemas in a registry; TLS to it | compiles `ureq`; needs OpenSSL |
//! | `demo` | no | a source of numbers | none |
//! | `async` | no | `map_async` and `async` sources | compiles `tokio`; a thread for each such step |
//! | `object-store` | no | backups in object stores | compiles `object_store` and `tokio` |

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
    Epoch, Exchange, GraphFormat, Monitor, ResumePolicy, Run, RunConfig, RunError, RunErrorKind,
    Secret, SnapshotMode, StepError, StepId, WorkerIndex,
};
#[cfg(feature = "recovery")]
pub use bytewax_runtime::{RecoveryConfig, backup};
#[cfg(feature = "cli")]
pub use bytewax_runtime::{RunArgs, run, run_from};
pub use bytewax_runtime::{
    client, clock, delivery, flow, key, operators, report, sink, source, state, testing, windowing,
};

#[doc = include_str!("docs/python.md")]
pub mod from_python {}

/// The exit code of the process, which [`run`] and [`RunArgs::execute`] return to `main`.
#[cfg(feature = "cli")]
pub use std::process::ExitCode;

/// Sources and sinks: files and standard streams.
pub mod connectors {
    #[cfg(any(
        feature = "stdio",
        feature = "files",
        feature = "csv",
        feature = "json",
        feature = "kafka",
        feature = "avro",
        feature = "protobuf",
        feature = "schema-registry",
        feature = "demo"
    ))]
    pub use bytewax_connectors::*;
}

/// The crate `chrono`, whose times and durations appear in signatures of this crate.
pub use chrono;

/// The names that most programs use.
pub mod prelude {
    #[cfg(feature = "macros")]
    pub use bytewax_macros::{Key, dataflow, operator, sink, source, stateful};
    pub use bytewax_runtime::prelude::*;
}

#[doc(hidden)]
pub use bytewax_runtime::__private;
