//! Wake-ups of sources.

use std::cell::RefCell;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

thread_local! {
    static CURRENT: RefCell<Option<Waker>> = const { RefCell::new(None) };
}

/// Wakes one partition of a source, from any thread.
///
/// A source that receives items from elsewhere, such as a thread or a callback of a client, creates its waker
/// when its partition is opened. It returns [`Poll::until_woken`](super::Poll::until_woken) when it has no
/// items, and is not polled before it is woken. A flow without items thus uses no processor time, and a new
/// item is processed immediately.
///
/// A wake-up is never lost: it also counts during a poll, and it ends any wait of the partition. Several
/// wake-ups before a poll count as one. When the last clone of a waker is dropped, the partition is polled
/// once more, so that it can detect that its sender has gone; a thread should therefore drop its sender
/// before its waker. A partition that waits without a waker is an error.
///
/// # Examples
///
/// ```
/// use std::sync::mpsc::{Receiver, TryRecvError, channel};
/// use std::thread;
///
/// use bytewax_macros::source;
/// use bytewax_runtime::StepError;
/// use bytewax_runtime::prelude::*;
/// use bytewax_runtime::source::{Poll, Waker};
/// use bytewax_runtime::testing::{TestingSink, run_main};
///
/// /// Begins to receive trades, on a thread of its own.
/// fn trades() -> Receiver<u64> {
///     let (sender, trades) = channel();
///     let waker = Waker::current();
///     thread::spawn(move || {
///         for price in [101, 103, 102] {
///             if sender.send(price).is_err() {
///                 return; // The run is over.
///             }
///             waker.wake();
///         }
///         drop(sender); // Then the waker goes, and the source sees that this was all.
///     });
///     trades
/// }
///
/// #[source(crate = "bytewax_runtime")]
/// fn feed(#[local(trades())] trades: &mut Receiver<u64>) -> Poll<u64> {
///     match trades.try_recv() {
///         Ok(price) => Poll::item(price),
///         Err(TryRecvError::Empty) => Poll::until_woken(),
///         Err(TryRecvError::Disconnected) => Poll::end(),
///     }
/// }
///
/// let out = TestingSink::new();
/// let flow = Dataflow::build("prices", |flow| {
///     flow.input(feed()).named("trades").output(out.clone()).named("out");
/// });
/// run_main(flow).unwrap();
/// assert_eq!(out.items(), [101, 103, 102]);
/// ```
///
#[derive(Clone)]
pub struct Waker(Arc<Held>);

/// The state that all clones of a waker share.
struct Held {
    /// Whether the partition was woken since its last poll.
    woken: Arc<AtomicBool>,
    wake: Box<dyn Fn() + Send + Sync>,
}

impl Held {
    fn wake(&self) {
        if !self.woken.swap(true, Ordering::AcqRel) {
            (self.wake)();
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.wake();
    }
}

impl Waker {
    /// Creates a waker that calls this function, once for all wake-ups before a poll. Use it to test a source
    /// without a run.
    #[must_use]
    pub fn from_fn(wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self::new(wake).0
    }

    /// Creates the waker of a partition, and the worker's view of it.
    pub(crate) fn new(wake: impl Fn() + Send + Sync + 'static) -> (Self, Woken) {
        let woken = Arc::new(AtomicBool::new(false));
        let held = Arc::new(Held {
            woken: Arc::clone(&woken),
            wake: Box::new(wake),
        });
        let known = Woken {
            woken,
            held: Arc::downgrade(&held),
        };
        (Self(held), known)
    }

    /// Returns the waker of the partition that opens on this thread: in `open` and `build`, and in the
    /// expression of a `#[local(..)]`.
    ///
    /// Elsewhere, it returns a waker without effect.
    #[must_use]
    pub fn current() -> Self {
        let current = CURRENT.with_borrow(Clone::clone);
        current.unwrap_or_else(|| Self::from_fn(|| {}))
    }

    /// Whether a partition that can be woken opens on this thread.
    #[cfg(feature = "async")]
    pub(crate) fn is_offered() -> bool {
        CURRENT.with_borrow(Option::is_some)
    }

    /// Opens a partition with this as the current waker, as a run does.
    pub fn offer<R>(&self, open: impl FnOnce() -> R) -> R {
        /// Restores the previous value, even if `open` panics.
        struct Back(Option<Waker>);
        impl Drop for Back {
            fn drop(&mut self) {
                CURRENT.set(self.0.take());
            }
        }
        let _back = Back(CURRENT.replace(Some(self.clone())));
        open()
    }

    /// Wakes the partition, so that it is polled.
    pub fn wake(&self) {
        self.0.wake();
    }
}

impl fmt::Debug for Waker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Waker")
    }
}

/// The worker's view of the waker of a partition.
pub(crate) struct Woken {
    woken: Arc<AtomicBool>,
    held: Weak<Held>,
}

impl Woken {
    /// Whether the partition was woken since its last poll.
    pub(crate) fn is_woken(&self) -> bool {
        self.woken.load(Ordering::Acquire)
    }

    /// Records a poll: later wake-ups count.
    pub(crate) fn polled(&self) {
        // Mostly nothing is to be changed, and then no other processor has to hear of it.
        if self.is_woken() {
            self.woken.swap(false, Ordering::AcqRel);
        }
    }

    /// Whether a waker of the partition exists.
    pub(crate) fn is_held(&self) -> bool {
        self.held.strong_count() > 0
    }
}
