//! Messages to the user, apart from the results.

/// Logs a message to the user.
pub(crate) fn note(text: &str) {
    tracing::warn!("{text}");
}
