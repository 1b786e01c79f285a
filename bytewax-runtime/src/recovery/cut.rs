//! Points where tests kill the process, to see how the next one recovers.

/// A point between two steps that change file names or files.
#[cfg(not(test))]
#[inline]
pub(super) fn cut() {}

/// Kills the process at the point whose number is in the variable.
#[cfg(test)]
pub(super) fn cut() {
    use std::sync::atomic::{AtomicUsize, Ordering};

    static POINT: AtomicUsize = AtomicUsize::new(0);
    let Ok(at) = std::env::var(AT) else { return };
    if POINT.fetch_add(1, Ordering::SeqCst).to_string() == at {
        let id = std::process::id().to_string();
        let _ = std::process::Command::new("kill")
            .args(["-KILL", &id])
            .status();
        std::process::abort();
    }
}

#[cfg(test)]
pub(super) const AT: &str = "CUT_AT";
