//! Flows run in this process.
//!
//! Tests that begin with a letter and a number are rows of the conformance tables of Bytewax:
//! `a04` is row A04, and `r44` is row 44 of the table of the runtime. These rows have no test,
//! because the compiler refuses what they try:
//!
//! | Rows | Why |
//! | --- | --- |
//! | A03, A06, A07, A22 | names are text, streams are streams, and arguments are counted |
//! | A08, A14–A17 | a custom operator is a function; its parameters and results have no rules |
//! | B07, B22, B50, C27, row 75 | only streams of pairs have the keyed operators |
//! | B09, B28 | predicates give `bool` |
//! | B16, B24 | `flat_map` and `flatten` take iterators only |
//! | B25 | the elements of text or of a map are what its iterator gives |
//! | J30 | how values are kept is an enum |
//! | B41, D13 | a key is of a type that implements `Key` |
//! | C22–C25 | a logic emits by `Emit` and answers with `Keep`; its times are UTC, its maker gives a logic |
//! | D26, D33 | closures give what their operators need |
//! | rows 34, 43, 47, 48, 108 | the same for settings, answers of sources and times |
//! | D15, row 49 | what is kept is of a type that implements `State`, and nothing else is |
//!
//! These mean something else here:
//!
//! | Row | Here |
//! | --- | --- |
//! | A02 | a name may have parts, with `.` between them |
//! | A04 | the run is refused, and not the description of the second step |
//! | A10 | a merge of no streams is an empty stream |
//! | A21 | names are letters, digits, `_` and `-` |
//! | B12, D31 | the only thing that is dropped is `None` |
//! | B30–B32 | only the order within each input is kept |
//! | B36 | `inspect` sees the item alone; `inspect_debug_with` sees its step, epoch and worker too |
//! | C11 | keys are called in the order in which they arrive |
//! | C15 | a time that is taken back never comes |
//! | C18 | keys are told in the order of their times |
//! | C26 | an error of a logic is a panic, and its text names the step |
//! | D04 | a size is no less than 0 |
//! | D11 | a timeout that ends after all times never ends |
//! | D20 | values are combined in order, by epochs and not by batches |
//! | D21 | `None` is a value like others |
//! | D24 | values that cannot be compared give way to others |
//! | A01 | names that are not allowed are defects, told together with others |
//! | row 2, row 11 | an error of a closure is a panic; sources and sinks return errors |
//! | rows 44, 73 | without a store, nothing is asked for its position |
//! | row 42 | batches are vectors; `flat_map` takes iterators |
//! | row 71 | partitions have the numbers of the list that the sink gives, unsorted |
//! | rows 85, 99 | a run makes a store, and its directory, where there is none |
//! | row 87 | an old partition is refused if what the others had then is no longer kept |
//! | row 76 | a route is an index modulo the number of partitions, and cannot be negative |

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod background;
mod broadcast;
mod caches;
#[cfg(feature = "async")]
mod calls;
mod cluster;
mod completed;
mod construction;
mod epochs;
mod execution;
mod failures;
mod finals;
mod flow_control;
mod graphs;
mod joins;
mod logic;
mod outbox;
mod panics;
mod polls;
mod properties;
mod recovery;
mod reports;
mod rows;
#[path = "../shared/mod.rs"]
mod shared;
mod sinks;
mod sources;
mod stateful;
mod stateless;
