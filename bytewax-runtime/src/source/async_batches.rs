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

/// How many batches may wait for the worker. While they do, the stream is not asked for more.
const AHEAD: usize = 2;

/// Reads an `async` stream beside the worker, and gives what has come in batches: what a source needs
/// whose client is `async`.
///
/// The stream runs on a thread of its own, on a runtime of `tokio` with those of its parts that your
/// program has enabled. It is read as fast as the flow takes its items, and no faster; when this is
/// dropped, so is the stream.
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
/// A source with a position starts one where its partition is opened, from what it resumes at.
#[derive(Debug)]
pub struct AsyncBatches<T> {
    batches: Receiver<Result<Vec<T>, StepError>>,
    /// The error behind items that were given first.
    failed: Option<StepError>,
    /// Whether the source is woken when a batch comes.
    wakes: bool,
    /// Last, so that the thread finds nobody to give batches to.
    _executor: Executor,
}

impl<T: Send + 'static> AsyncBatches<T> {
    /// Begins to read the stream that `make` gives.
    ///
    /// A batch is complete when it has `items` items, or when `time` has gone by since its first has
    /// come, or when the stream ends. With no time, it is what has come together.
    ///
    /// `make` is called at once, with the runtime at hand.
    ///
    /// # Errors
    ///
    /// If the system gives no thread or no runtime.
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

    /// The same, with batches that are complete by their bytes too: `weigh` says how many an item has. An item that
    /// would be too much begins the next batch.
    ///
    /// # Errors
    ///
    /// If the system gives no thread or no runtime.
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

    /// What has come: items, nothing yet, or the end of the stream.
    ///
    /// # Errors
    ///
    /// If the stream panicked.
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
    /// What has come of a stream that can fail: as [`next_batch`](Self::next_batch), with the items before
    /// an error first.
    ///
    /// # Errors
    ///
    /// The error of the stream, or if it panicked.
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

/// Where batches are given to; the source is woken for each, and when this goes.
struct Out<T> {
    // Before the waker, so that the source sees that nothing comes any more.
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
    /// Gives a batch. False if nobody takes it, as the run has stopped.
    async fn send(&self, batch: Result<Vec<T>, StepError>) -> bool {
        let given = self.sender.send(batch).await.is_ok();
        self.waker.wake();
        given
    }
}

/// Reads a stream to its end, or until nobody takes its batches any more.
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
        // Time counts only while nothing comes: what is there goes together.
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

    /// The next batch that is not empty; none at the end.
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
            // Nothing more comes before the batch is taken, so only time can complete it.
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
