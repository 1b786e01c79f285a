//! Information about the run while a partition opens.

use std::cell::Cell;

thread_local! {
    static SAVED: Cell<bool> = const { Cell::new(false) };
}

/// Whether the position of the partition that opens on this thread is saved, so that a later run can continue
/// it: whether the flow has a recovery store.
///
/// A source whose last item may be incomplete can leave it to that run. Outside of `open`, the result is
/// false.
///
/// # Examples
///
/// ```
/// use bytewax_macros::source;
/// use bytewax_runtime::prelude::*;
/// use bytewax_runtime::source::{Poll, positions_are_saved};
/// use bytewax_runtime::testing::{TestingSink, run_main};
///
/// #[source(crate = "bytewax_runtime")]
/// fn asked(#[local(Some(positions_are_saved()))] saved: &mut Option<bool>) -> Poll<bool> {
///     saved.take().map_or(Poll::end(), Poll::item)
/// }
///
/// let out = TestingSink::new();
/// let flow = Dataflow::build("asked", |flow| {
///     flow.input(asked()).named("asked").output(out.clone()).named("out");
/// });
/// run_main(flow).unwrap(); // Without a store.
/// assert_eq!(out.items(), [false]);
/// ```
#[must_use]
pub fn positions_are_saved() -> bool {
    SAVED.get()
}

/// Opens a partition whose position is saved or not.
pub(crate) fn opening<R>(saved: bool, open: impl FnOnce() -> R) -> R {
    /// Restores the previous value, even if `open` panics.
    struct Back(bool);
    impl Drop for Back {
        fn drop(&mut self) {
            SAVED.set(self.0);
        }
    }
    let _back = Back(SAVED.replace(saved));
    open()
}
