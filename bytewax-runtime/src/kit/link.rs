//! What connects the code of operators with timely: an operator's right to send, its edges, and what wakes it.
//!
//! Each of them has a second form in unit tests, which lets a test stand in for timely. There is one form in a
//! program, so nothing is decided at run time.

use timely::dataflow::channels::pushers::Output;
use timely::dataflow::operators::Capability;
use timely::scheduling::{Activator, SyncActivator};

use super::batch::Batch;
#[cfg(test)]
use super::bench;
use super::notes::Note;
use crate::ids::Epoch;

/// The way of an operator to the rest of the cluster.
pub(crate) enum Link {
    Timely {
        /// The right to send items of the present epoch, one for each output; the first is that for notes.
        capabilities: Vec<Capability<u64>>,
        notes: Output<u64, Vec<Note>>,
    },
    #[cfg(test)]
    Bench(bench::Link),
}

impl Link {
    /// Gives up the right to send items of epochs before `to`; but for notes, if that is `held`.
    pub(super) fn advance(&mut self, to: Epoch, held: bool) {
        match self {
            Self::Timely { capabilities, .. } => {
                for capability in &mut capabilities[usize::from(held)..] {
                    capability.downgrade(&to.0);
                }
            }
            #[cfg(test)]
            Self::Bench(link) => link.advance(to, held),
        }
    }

    /// Gives up the right to send notes of epochs before `to`.
    pub(super) fn release(&mut self, to: Epoch) {
        match self {
            Self::Timely { capabilities, .. } => capabilities[0].downgrade(&to.0),
            #[cfg(test)]
            Self::Bench(link) => link.release(to),
        }
    }

    /// Gives up all rights to send.
    pub(crate) fn close(&mut self) {
        match self {
            Self::Timely { capabilities, .. } => capabilities.clear(),
            #[cfg(test)]
            Self::Bench(link) => link.close(),
        }
    }

    pub(super) fn note(&mut self, note: Note) {
        match self {
            Self::Timely {
                capabilities,
                notes,
            } => {
                notes.give(&capabilities[0], &mut vec![note]);
                drop(notes.activate::<Vec<Note>>());
            }
            #[cfg(test)]
            Self::Bench(link) => link.note(note),
        }
    }
}

/// The sending end of an edge.
pub(super) enum Wire<I> {
    Timely {
        /// Which output of the operator it is.
        port: usize,
        output: Output<u64, Batch<I>>,
    },
    #[cfg(test)]
    Bench(bench::Wire<I>),
}

impl<I: 'static> Wire<I> {
    #[inline]
    pub(super) fn send(&mut self, mut batch: Batch<I>, from: &Link) {
        match (self, from) {
            (Self::Timely { port, output }, Link::Timely { capabilities, .. }) => {
                output.give(&capabilities[*port], &mut batch);
            }
            #[cfg(test)]
            (Self::Bench(wire), from) => wire.send(batch, from),
            #[cfg(test)]
            (Self::Timely { .. }, Link::Bench(_)) => unreachable!("a test makes all ends"),
        }
    }

    /// Has what was given be seen by its readers.
    pub(super) fn done(&mut self) {
        match self {
            Self::Timely { output, .. } => drop(output.activate::<Batch<I>>()),
            #[cfg(test)]
            Self::Bench(_) => {}
        }
    }
}

/// Wakes an operator of the worker at hand.
pub(crate) enum Wake {
    Timely(Activator),
    #[cfg(test)]
    Bench(bench::Woken),
}

impl Wake {
    pub(super) fn wake(&self) {
        match self {
            Self::Timely(activator) => activator.activate(),
            #[cfg(test)]
            Self::Bench(woken) => woken.wake(),
        }
    }
}

/// Wakes an operator from any thread.
#[derive(Clone)]
pub(crate) enum RemoteAlarm {
    Timely(SyncActivator),
    #[cfg(test)]
    Bench(bench::Woken),
}

impl RemoteAlarm {
    pub(crate) fn wake(&self) {
        match self {
            Self::Timely(activator) => {
                // It fails only when the worker is gone, and then it needs nothing.
                let _ = activator.activate();
            }
            #[cfg(test)]
            Self::Bench(woken) => woken.wake(),
        }
    }
}
