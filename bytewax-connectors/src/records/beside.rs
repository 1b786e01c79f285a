//! Partitions that are read beside the worker, as their reads may block.

use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread;

use bytewax_runtime::StepError;
use bytewax_runtime::source::{Poll, StatefulSourcePartition, Waker};

/// How many batches may wait for the worker.
const AHEAD: usize = 2;

/// Items, and where the partition is behind them.
type Given<T, P> = Result<(Vec<T>, P), StepError>;

/// A partition, such as a pipe, that is opened and read by a thread of its own. The thread may be in a read that never
/// ends, so nobody waits for it.
#[derive(Debug)]
pub(crate) struct Beside<T, P> {
    given: Receiver<Given<T, P>>,
    position: P,
}

impl<T: Send + 'static, P: Clone + Send + 'static> Beside<T, P> {
    /// Begins to read a partition, which is at this position when it is open.
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
                    // Nobody takes it when the run is over.
                    Err(error) => drop(sender.send(Err(error.into()))),
                }
                // The source is woken when the waker goes, and finds all that was given.
                drop(sender);
                drop(waker);
            })?;
        Ok(Self { given, position })
    }

    /// What was read meanwhile.
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
