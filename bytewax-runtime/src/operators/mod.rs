//! The operators: methods of [`Stream`](crate::flow::Stream), one file each.
//!
//! The section *State* of an operator's documentation describes its state: the contents, per which key, and
//! its growth. An operator without such a section keeps nothing from one batch to the next.
//!
//! # Order
//!
//! A source partition emits its items in order, on one worker. These operators keep it:
//!
//! | Operators | Order of their output |
//! | --- | --- |
//! | `map`, `map_value`, `map_with`, `filter`, `filter_value`, `filter_map`, `filter_map_value`, `flat_map`, `flat_map_value`, `flat_map_with`, `flat_map_batch`, `flatten`, `key_on`, `key_rm`, `try_map`, `try_map_with`, `try_flat_map`, `try_filter_map`, `split_result`, `branch`, `batch`, `sample_keys`, `enrich_cached`, `inspect`, `inspect_debug`, `inspect_debug_with`, `raises`, `fail`, `skip_counted` | that of the input, on each worker; if there are several outputs, in each of them |
//! | `event_time` | that of the input, on each worker, in each output |
//! | `with_broadcast` | that of the items, on each worker; the order between items and updates is undefined within an epoch |
//! | `stateful_with_broadcast` | as for `stateful_flat_map`; the order between values and updates is undefined within an epoch |
//! | `merge` | that of each input; undefined between them |
//! | `redistribute` | undefined |
//! | `map_async` | that of the input, on each worker; undefined if it is configured to emit results as they arrive |
//! | `stateful_map`, `scan`, `stateful_flat_map`, `stateful`, `stateful_with`, `stateful_batch`, `stateful_batch_with`, `collect`, `dedupe`, `sample`, `lag`, `lead`, `last_n`, `top_n`, `delay`, `rate_limit` | values of a key that come from one worker keep their order; undefined between keys, and between values of a key from several workers |
//! | `join`, `join_with`, `join_running`, `join_rows`, `zip_latest` | values of a key are processed in their order in each input; undefined between inputs and between keys |
//! | `count_final`, `reduce_final`, `fold_final`, `max_final`, `min_final`, `top_n_final`, `distinct_final`, `join_final` | at the end of input, in ascending order of keys on each worker |
//! | `stateful_by_time`, `sort_by_time`, `match_pattern` | for each key, that of the times; of equal times, that of arrival. Undefined between keys |
//! | `join_interval` | for each key, that of arrival of the later row of a pair; undefined between keys |
//! | `join_as_of` | for each key, that of the times of the first stream, unless it emits at once. Undefined between keys |
//! | `join_table` | for each key, that of the times of the first stream, unless it emits at once or a value is behind the watermark. Undefined between keys |
//! | `count_window`, `max_window`, `min_window`, `reduce_window`, `fold_window`, `collect_window`, `top_n_window`, `window`, `join_window`, `join_window_complete`, `join_window_running` | for each key, windows emit when they are over; those that are over together, in the order in which they were opened or, if combined from slices, of their ids. Undefined between keys, and between `down`, `late` and `meta` |
//! | `output`, `try_output`, `for_each`, `try_for_each` | a partition of a sink writes the items of a worker in their order; undefined between workers |
//!
//! A stop and a resume change nothing about this. To restore an order that was lost, use
//! [`sort_by_time`](crate::flow::Stream::sort_by_time).

mod batch;
mod branch;
mod broadcast;
mod collect;
mod combine;
mod count_final;
mod dedupe;
mod delay;
mod distinct_final;
mod enrich_cached;
mod filter;
mod filter_map;
mod flat_map;
mod fold_final;
mod for_each;
mod input;
mod inspect;
pub(crate) mod join;
mod keying;
mod lag_lead;
mod last_n;
mod map;
#[cfg(feature = "async")]
mod map_async;
pub(crate) mod max_min_final;
mod merge;
mod outbox;
mod output;
mod raises;
mod rate_limit;
mod redistribute;
mod reduce_final;
mod sample;
mod stateful;
mod stateful_batch;
mod stateful_flat_map;
mod stateful_map;
mod stateful_with_broadcast;
mod top_n;
mod try_flat_map;
mod try_map;
mod try_map_with;
mod try_output;
mod with_broadcast;
mod zip_latest;

mod keyed;
mod stage;

pub use crate::kit::logic::{Emit, Keep};
pub use batch::Batching;
pub use branch::BranchOut;
pub use dedupe::Within;
pub(crate) use dedupe::{Dedupe, Remembered};
pub use enrich_cached::{Cache, CacheConfig};
pub use input::{Dynamic, InTransactions, Partitioned, Single, Source};
pub use inspect::Inspected;
pub use join::{JoinAll, JoinInsert, KeyedStreams};
#[doc(hidden)]
pub use join::{Of1, Of2, Of3, Of4, Of5, Of6, Of7, Of8};
pub use lag_lead::Paired;
pub(crate) use lag_lead::{Lag, Lead};
pub(crate) use last_n::LastN;
#[cfg(feature = "async")]
pub use map_async::AsyncConfig;
pub use output::Sink;
pub(crate) use sample::Sample;
pub use stateful::StatefulLogic;
pub use stateful_batch::StatefulBatchLogic;
pub(crate) use top_n::{RunningTop, Top};
pub use try_map::{Errored, TryOut};
pub use try_map_with::TryError;
pub use try_output::Written;
pub(crate) use zip_latest::ZipLatest;
