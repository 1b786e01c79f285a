//! An `async` stream as a source, in batches.

use std::pin::pin;
use std::task::Poll as Ready;
use std::time::{Duration, Instant};

use futures_core::Stream;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::{Answer, Poll, Waker};
use crate::client::Batching;
use crate::error::StepError;
use crate::executor::{Executor, Guarded};

/// The maximum number of batches that wait for the worker. At this number, the stream is not polled.
const AHEAD: usize = 2;

/// Reads an `async` stream beside the worker and returns the received items in batches. Use it in a source
/// whose client is `async`.
///
/// The stream runs on its own thread, in a `tokio` runtime with the features that your program enables. It is
/// read as fast as the flow accepts its items. Dropping this drops the stream.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use bytewax_macros::source;
/// use bytewax_runtime::StepError;
/// use bytewax_runtime::prelude::*;
/// use bytewax_runtime::source::{AsyncBatches, Poll};
/// use bytewax_runtime::testing::{TestingSink, run_main};
/// use futures_util::stream::{self, Stream};
///
/// /// A real one would connect to a service, and await what it sends.
/// fn trades(symbol: &str) -> impl Stream<Item = String> + Send + 'static {
///     let symbol = symbol.to_owned();
///     stream::iter((1..=3).map(move |n| format!("{symbol} {n}")))
/// }
///
/// /// The trades of a symbol, up to 500 together, and each after 20 ms at the latest.
/// #[source(crate = "bytewax_runtime")]
/// fn feed(
///     symbol: &str,
///     #[local(AsyncBatches::start(|| trades(symbol), 500, Duration::from_millis(20))?)]
///     batches: &mut AsyncBatches<String>,
/// ) -> Result<Poll<String>, StepError> {
///     batches.next_batch()
/// }
///
/// let out = TestingSink::new();
/// let flow = Dataflow::build("trades", |flow| {
///     let trades = flow.input(feed("GOLD".to_owned())).named("trades");
///     trades.output(out.clone()).named("out");
/// });
/// run_main(flow).unwrap();
/// assert_eq!(out.items(), ["GOLD 1", "GOLD 2", "GOLD 3"]);
/// ```
///
/// A source with a position starts the stream when its partition is opened, at the resume position.
#[derive(Debug)]
pub struct AsyncBatches<T> {
    batches: Receiver<Result<Vec<T>, StepError>>,
    /// The error after items that are returned first.
    failed: Option<StepError>,
    /// Whether a new batch wakes the source.
    wakes: bool,
    /// Last, so that the thread finds its receiver closed.
    _executor: Executor,
}

impl<T: Send + 'static> AsyncBatches<T> {
    /// Starts to read the stream that `make` returns.
    ///
    /// A batch is complete when it has `items` items, when its first item is `time` old, or when the stream
    /// ends. Without a time, a batch contains the items that have arrived together.
    ///
    /// `make` is called immediately, within the runtime.
    ///
    /// # Errors
    ///
    /// Fails if the system provides no thread or no runtime.
    pub fn start<S>(
        make: impl FnOnce() -> S,
        items: usize,
        time: Duration,
    ) -> Result<Self, StepError>
    where
        S: Stream<Item = T> + Send + 'static,
    {
        let batching = Batching::new(items).time(time);
        Self::start_with(make, batching, |_| 0)
    }

    /// The same, with a limit of bytes: `weigh` returns the bytes of an item. An item that would exceed the
    /// limit starts the next batch.
    ///
    /// # Errors
    ///
    /// Fails if the system provides no thread or no runtime.
    pub fn start_with<S>(
        make: impl FnOnce() -> S,
        batching: Batching,
        weigh: impl Fn(&T) -> usize + Send + 'static,
    ) -> Result<Self, StepError>
    where
        S: Stream<Item = T> + Send + 'static,
    {
        let executor = Executor::start("source")?;
        let (sender, batches) = channel(AHEAD);
        let stream = executor.within(make);
        let waker = Waker::current();
        executor.spawn(async move {
            let out = Out { sender, waker };
            let reading = read(stream, batching, weigh, out.clone());
            if let Err(panicked) = Guarded::new(reading).await {
                out.send(Err(panicked.into())).await;
            }
        });
        Ok(Self {
            batches,
            failed: None,
            wakes: Waker::is_offered(),
            _executor: executor,
        })
    }

    /// Returns the received items, nothing yet, or the end of the stream.
    ///
    /// # Errors
    ///
    /// Fails if the stream panicked.
    pub fn next_batch(&mut self) -> Result<Poll<T>, StepError> {
        match self.batches.try_recv() {
            Ok(batch) => batch.map(Poll::batch),
            Err(TryRecvError::Empty) if self.wakes => Ok(Poll::until_woken()),
            Err(TryRecvError::Empty) => Ok(Poll::batch(Vec::new())),
            Err(TryRecvError::Disconnected) => Ok(Poll::end()),
        }
    }
}

impl<T, E> AsyncBatches<Result<T, E>>
where
    T: Send + 'static,
    E: Into<StepError> + Send + 'static,
{
    /// Like [`next_batch`](Self::next_batch) for a stream that can fail; returns the items before an error
    /// first.
    ///
    /// # Errors
    ///
    /// The error of the stream. Also fails if the stream panicked.
    pub fn try_next_batch(&mut self) -> Result<Poll<T>, StepError> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let poll = self.next_batch()?;
        if poll.is_end() {
            return Ok(Poll::end());
        }
        if poll.items().is_empty() {
            return Ok(Poll {
                answer: Answer::Items(Vec::new()),
                wake: poll.wake,
                has_more: poll.has_more,
            });
        }
        let mut items = Vec::new();
        for item in poll.into_items() {
            match item {
                Ok(item) => items.push(item),
                Err(error) if items.is_empty() => return Err(error.into()),
                Err(error) => {
                    self.failed = Some(error.into());
                    break;
                }
            }
        }
        Ok(Poll::batch(items))
    }
}

/// The sender of batches, which wakes the source for each batch and when it is dropped.
struct Out<T> {
    // Before the waker, so that the source sees the end.
    sender: Sender<Result<Vec<T>, StepError>>,
    waker: Waker,
}

impl<T> Clone for Out<T> {
    fn clone(&self) -> Self {
        Self {
            sender: self.sender.clone(),
            waker: self.waker.clone(),
        }
    }
}

impl<T> Out<T> {
    /// Sends a batch. Returns false if the run has stopped.
    async fn send(&self, batch: Result<Vec<T>, StepError>) -> bool {
        let given = self.sender.send(batch).await.is_ok();
        self.waker.wake();
        given
    }
}

/// Reads a stream to its end, or until the receiver of its batches is closed.
async fn read<S: Stream>(
    stream: S,
    batching: Batching,
    weigh: impl Fn(&S::Item) -> usize,
    out: Out<S::Item>,
) {
    let mut stream = pin!(stream);
    let mut gathering = batching.gather();
    let mut over = pin!(tokio::time::sleep(Duration::ZERO));
    loop {
        // The timer runs only while nothing arrives: available items are batched together.
        let may_wait = gathering.due().is_some();
        let next = std::future::poll_fn(|cx| match stream.as_mut().poll_next(cx) {
            Ready::Ready(next) => Ready::Ready(Some(next)),
            Ready::Pending if may_wait => over.as_mut().poll(cx).map(|()| None),
            Ready::Pending => Ready::Pending,
        });
        let batch = match next.await {
            Some(Some(item)) => {
                let bytes = weigh(&item);
                let begun = gathering.due();
                let batch = gathering.add(Instant::now(), item, bytes);
                if let Some(due) = gathering.due().filter(|due| Some(*due) != begun) {
                    over.as_mut().reset(due.into());
                }
                batch
            }
            Some(None) => {
                if let Some(batch) = gathering.take() {
                    out.send(Ok(batch)).await;
                }
                return;
            }
            None => gathering.take(),
        };
        if let Some(batch) = batch
            && !out.send(Ok(batch)).await
        {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use futures_util::stream;
    use tokio::sync::mpsc::unbounded_channel;

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    /// Returns the next non-empty batch; `None` at the end.
    fn next<T: Send + 'static>(batches: &mut AsyncBatches<T>) -> Result<Option<Vec<T>>, StepError> {
        loop {
            let poll = batches.next_batch()?;
            if poll.is_end() {
                return Ok(None);
            }
            match poll.into_items() {
                items if items.is_empty() => std::thread::yield_now(),
                items => return Ok(Some(items)),
            }
        }
    }

    #[test]
    fn a_batch_is_complete_by_its_size_or_the_end() {
        let mut batches = AsyncBatches::start(|| stream::iter(1..=5), 2, LONG).unwrap();
        for expect in [
            Some(vec![1, 2]),
            Some(vec![3, 4]),
            Some(vec![5]),
            None,
            None,
        ] {
            assert_eq!(next(&mut batches).unwrap(), expect);
        }
    }

    #[test]
    fn a_batch_is_complete_by_its_bytes() {
        let batching = Batching::new(10).bytes(5).time(LONG);
        let texts = ["one", "two", "x", "y", "longer", "z"];
        let make = || stream::iter(texts);
        let mut batches = AsyncBatches::start_with(make, batching, |text| text.len()).unwrap();
        for expect in [&texts[..1], &texts[1..4], &texts[4..5], &texts[5..]] {
            assert_eq!(next(&mut batches).unwrap().as_deref(), Some(expect));
        }
        assert_eq!(next(&mut batches).unwrap(), None);
    }

    #[test]
    fn a_batch_is_complete_when_its_time_is_over() {
        let (sender, mut receiver) = unbounded_channel();
        let stream = stream::poll_fn(move |cx| receiver.poll_recv(cx));
        let mut batches = AsyncBatches::start(|| stream, 100, Duration::ZERO).unwrap();
        assert!(batches.next_batch().unwrap().items().is_empty());
        for n in [1, 2] {
            // No item is sent before the batch is taken, so only time can complete it.
            sender.send(n).unwrap();
            assert_eq!(next(&mut batches).unwrap(), Some(vec![n]));
        }
        drop(sender);
        assert_eq!(next(&mut batches).unwrap(), None);
    }

    #[test]
    fn no_more_is_read_than_fits() {
        let (sender, reads) = mpsc::channel();
        let stream = stream::iter((0..).inspect(move |n| sender.send(*n).unwrap_or_default()));
        let mut batches = AsyncBatches::start(|| stream, 10, LONG).unwrap();
        assert_eq!(next(&mut batches).unwrap().unwrap().len(), 10);
        drop(batches);
        // The stream is dropped, and with it the sender.
        assert!(reads.into_iter().count() <= 10 * (AHEAD + 3));
    }

    #[test]
    fn errors_come_behind_the_items_before_them() {
        let items = [Ok(1), Ok(2), Err(StepError::msg("no more")), Ok(3)];
        let mut batches = AsyncBatches::start(|| stream::iter(items), 10, LONG).unwrap();
        let first = loop {
            let poll = batches.try_next_batch().unwrap();
            if !poll.items().is_empty() {
                break poll.into_items();
            }
        };
        assert_eq!(first, [1, 2]);
        let error = batches.try_next_batch().unwrap_err();
        assert_eq!(error.to_string(), "no more");
    }

    #[test]
    fn a_panic_is_an_error() {
        let stream = stream::iter((0..3).map(|n| 1 / (1 - n)));
        let mut batches = AsyncBatches::start(|| stream, 1, LONG).unwrap();
        assert_eq!(next(&mut batches).unwrap(), Some(vec![1]));
        let error = next(&mut batches).unwrap_err().to_string();
        assert!(error.contains("divide by zero"), "{error}");
    }
}
