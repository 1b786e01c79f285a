//! Reads partitions on their own threads, because their reads may block.

use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread;

use bytewax_runtime::StepError;
use bytewax_runtime::source::{Poll, StatefulSourcePartition, Waker};

/// The number of batches that may wait for the worker.
const AHEAD: usize = 2;

/// Items, and the position of the partition after them.
type Given<T, P> = Result<(Vec<T>, P), StepError>;

/// A partition, such as a pipe, that its own thread opens and reads. A read may never return, so nobody waits
/// for the thread.
#[derive(Debug)]
pub(crate) struct Beside<T, P> {
    given: Receiver<Given<T, P>>,
    position: P,
}

impl<T: Send + 'static, P: Clone + Send + 'static> Beside<T, P> {
    /// Starts to read a partition at this position.
    pub(crate) fn start<S, E>(
        position: P,
        open: impl FnOnce() -> Result<S, E> + Send + 'static,
    ) -> std::io::Result<Self>
    where
        S: StatefulSourcePartition<Item = T, Position = P>,
        E: Into<StepError>,
    {
        let (sender, given) = sync_channel(AHEAD);
        let waker = Waker::current();
        thread::Builder::new()
            .name("bytewax-pipe".to_owned())
            .spawn(move || {
                match open() {
                    Ok(partition) => read(partition, &sender, &waker),
                    // Nobody receives it after the run is over.
                    Err(error) => drop(sender.send(Err(error.into()))),
                }
                // Dropping the waker wakes the source, which then finds all sent batches.
                drop(sender);
                drop(waker);
            })?;
        Ok(Self { given, position })
    }

    /// Returns the batches read so far.
    pub(crate) fn next_batch(&mut self) -> Result<Poll<T>, StepError> {
        match self.given.try_recv() {
            Ok(given) => {
                let (items, position) = given?;
                self.position = position;
                Ok(Poll::batch(items))
            }
            Err(TryRecvError::Empty) => Ok(Poll::until_woken()),
            Err(TryRecvError::Disconnected) => Ok(Poll::end()),
        }
    }

    pub(crate) fn position(&self) -> P {
        self.position.clone()
    }
}

/// Reads a partition to its end, or until the run is over.
fn read<S: StatefulSourcePartition>(
    mut partition: S,
    sender: &SyncSender<Given<S::Item, S::Position>>,
    waker: &Waker,
) {
    loop {
        let given = match partition.next_batch() {
            Ok(poll) if poll.is_end() => return,
            Ok(poll) => Ok((poll.into_items(), partition.snapshot())),
            Err(error) => Err(error),
        };
        let failed = given.is_err();
        if sender.send(given).is_err() || failed {
            return;
        }
        waker.wake();
    }
}
