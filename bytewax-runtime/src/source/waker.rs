//! What wakes a source.

use std::cell::RefCell;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

thread_local! {
    static CURRENT: RefCell<Option<Waker>> = const { RefCell::new(None) };
}

/// Has one partition of a source polled, from any thread.
///
/// A source that hears of its items from elsewhere, such as a thread or a callback of a client, takes its waker where its
/// partition is opened. It answers [`Poll::until_woken`](super::Poll::until_woken) when it has nothing, and is not
/// polled before it is woken. So a flow without items takes no processor time, and an item that comes is taken at once.
///
/// A wake-up is never lost: it counts also while the partition is being polled, and it ends any wait that the partition has
/// asked for. Several before a poll are as good as one. When the last clone of a waker is dropped, the partition is
/// polled once more, so that it can see that nobody gives it anything; so a thread that ends drops what it gives
/// items by first. One that waits to be woken when nobody can is an error.
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

/// What all clones of a waker share.
struct Held {
    /// Whether the partition was woken since it was polled last.
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
    /// A waker that calls this, once for all wake-ups before a poll: for tests of a source without a run.
    #[must_use]
    pub fn from_fn(wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self::new(wake).0
    }

    /// The waker of a partition, and what its worker knows of it.
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

    /// The waker of the partition that is being opened on this thread: in `open` and `build`, and in what makes a
    /// `#[local(..)]`.
    ///
    /// Elsewhere it is a waker that wakes nobody.
    #[must_use]
    pub fn current() -> Self {
        let current = CURRENT.with_borrow(Clone::clone);
        current.unwrap_or_else(|| Self::from_fn(|| {}))
    }

    /// Whether a partition is being opened on this thread, which can be woken.
    #[cfg(feature = "async")]
    pub(crate) fn is_offered() -> bool {
        CURRENT.with_borrow(Option::is_some)
    }

    /// Opens something with this as the current waker, as a run does.
    pub fn offer<R>(&self, open: impl FnOnce() -> R) -> R {
        /// Puts back what was there, also when `open` panics.
        struct Back(Option<Waker>);
        impl Drop for Back {
            fn drop(&mut self) {
                CURRENT.set(self.0.take());
            }
        }
        let _back = Back(CURRENT.replace(Some(self.clone())));
        open()
    }

    /// Has the partition polled.
    pub fn wake(&self) {
        self.0.wake();
    }
}

impl fmt::Debug for Waker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Waker")
    }
}

/// What a worker knows of the waker of a partition.
pub(crate) struct Woken {
    woken: Arc<AtomicBool>,
    held: Weak<Held>,
}

impl Woken {
    /// Whether the partition was woken since it was polled last.
    pub(crate) fn is_woken(&self) -> bool {
        self.woken.load(Ordering::Acquire)
    }

    /// The partition is polled now: what wakes it from here on counts.
    pub(crate) fn polled(&self) {
        // Mostly nothing is to be changed, and then no other processor has to hear of it.
        if self.is_woken() {
            self.woken.swap(false, Ordering::AcqRel);
        }
    }

    /// Whether anybody can wake the partition.
    pub(crate) fn is_held(&self) -> bool {
        self.held.strong_count() > 0
    }
}
