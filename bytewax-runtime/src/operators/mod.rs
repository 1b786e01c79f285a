//! The operators: methods of [`Stream`](crate::flow::Stream), one file each.
//!
//! The section *State* of an operator's documentation describes its state: the contents, per which key, and
//! its growth. An operator without such a section keeps nothing from one batch to the next.

mod batch;
mod branch;
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
pub use enrich_cached::{Cache, CacheConfig};
pub use input::{Dynamic, InTransactions, Partitioned, Single, Source};
pub use inspect::Inspected;
pub use join::{JoinAll, JoinInsert, KeyedStreams};
#[doc(hidden)]
pub use join::{Of1, Of2, Of3, Of4, Of5, Of6, Of7, Of8};
pub use lag_lead::Paired;
#[cfg(feature = "async")]
pub use map_async::AsyncConfig;
pub use output::Sink;
pub use stateful::StatefulLogic;
pub use stateful_batch::StatefulBatchLogic;
pub(crate) use top_n::Top;
pub use try_map::{Errored, TryOut};
pub use try_map_with::TryError;
pub use try_output::Written;
