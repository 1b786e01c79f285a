//! Helpers for connectors to external systems: retries, rate limits and batches that never block a worker.
//!
//! | need | use |
//! | --- | --- |
//! | retry a call with increasing waits | [`Retry`]: [`attempts`](Retry::attempts) in a polled source, `run` in `async` code |
//! | limit the calls per second | [`RateLimit`] |
//! | group items by number, bytes and time | [`Batching`] |
//! | get the calling step, and end a wait when the run ends | [`Caller`] |
//! | read a system whose client is `async` | [`AsyncBatches`](crate::source::AsyncBatches) (feature `async`) |
//! | write to a system whose client is `async` | `map_async` (feature `async`), as below |
//!
//! # A source that retries
//!
//! A poll never blocks, so a source returns the time until its next attempt:
//!
//! ```
//! use std::time::Duration;
//!
//! use bytewax_macros::source;
//! use bytewax_runtime::StepError;
//! use bytewax_runtime::client::{Attempts, Retry};
//! use bytewax_runtime::prelude::*;
//! use bytewax_runtime::source::Poll;
//! use bytewax_runtime::testing::{TestingSink, run_main};
//!
//! /// A real one would ask a service, which does not answer each time.
//! fn ask(tries: &mut u32) -> Result<Option<u32>, std::io::Error> {
//!     *tries += 1;
//!     match *tries {
//!         2 | 3 => Err(std::io::ErrorKind::ConnectionReset.into()),
//!         6.. => Ok(None),
//!         n => Ok(Some(n)),
//!     }
//! }
//!
//! const RETRY: Retry = Retry::new().backoff(Duration::from_millis(1), Duration::from_secs(5));
//!
//! #[source(crate = "bytewax_runtime")]
//! fn answers(
//!     #[local(0)] tries: &mut u32,
//!     #[local(RETRY.attempts())] attempts: &mut Attempts,
//! ) -> Result<Poll<u32>, StepError> {
//!     match ask(tries) {
//!         Ok(answer) => {
//!             attempts.succeeded();
//!             Ok(answer.map_or(Poll::end(), Poll::item))
//!         }
//!         // The last error stops the run.
//!         Err(error) => Ok(Poll::idle(attempts.failed(error)?)),
//!     }
//! }
//!
//! let out = TestingSink::new();
//! let flow = Dataflow::build("answers", |flow| {
//!     flow.input(answers()).named("answers").output(out.clone()).named("out");
//! });
//! run_main(flow)?;
//! assert_eq!(out.take(), [1, 4, 5]);
//! # Ok::<(), bytewax_runtime::RunError>(())
//! ```
#![cfg_attr(
    feature = "async",
    doc = r#"
# An `async` client behind the end of a stream

Calls are made beside the worker, several at a time. The epoch of items in flight is complete when all
of them are written, so each item is written at least once:

```
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytewax_runtime::client::{Batching, RateLimit, Retry};
use bytewax_runtime::operators::AsyncConfig;
use bytewax_runtime::prelude::*;
use bytewax_runtime::testing::{TestingSource, run_main};

/// A real one would send its rows to a service.
#[derive(Clone, Default)]
struct Table(Arc<Mutex<Vec<Vec<u64>>>>);

impl Table {
    async fn insert(&self, rows: Vec<u64>) -> Result<(), String> {
        self.0.lock().map_err(|error| error.to_string())?.push(rows);
        Ok(())
    }
}

let table = Table::default();
let client = table.clone();
let flow = Dataflow::build("numbers", |flow| {
    let numbers = flow.input(TestingSource::new(0..10).batch_size(10)).named("numbers");
    // Requests of at most 4 rows and 1 MB each, 20 a second, and 3 at a time.
    let batching = Batching::new(4).bytes(1 << 20);
    let requests = numbers.flat_map_batch(move |rows| batching.split(rows, |_| 8));
    let limit = RateLimit::new(20, Duration::from_secs(1));
    let written = requests.map_async(AsyncConfig::new().in_flight(3), move |rows| {
        let (client, limit, rows) = (client.clone(), limit.clone(), rows.clone());
        async move {
            limit.wait(1).await;
            Retry::new().run(|_: &String| true, || client.insert(rows.clone())).await
        }
    });
    written.errs.fail().named("failed");
});
run_main(flow)?;
let requests = table.0.lock().unwrap();
assert!(requests.iter().all(|rows| rows.len() <= 4));
let mut rows = requests.concat();
rows.sort();
assert!(rows.into_iter().eq(0..10));
# Ok::<(), bytewax_runtime::RunError>(())
```
"#
)]

mod batching;
mod caller;
mod rate_limit;
mod retry;

pub use batching::{Batching, Gathering};
pub use caller::Caller;
pub use rate_limit::RateLimit;
pub use retry::{Attempts, Retry};
