//! What is said to the user beside the results.

/// Logs what people should know.
pub(crate) fn note(text: &str) {
    tracing::warn!("{text}");
}
