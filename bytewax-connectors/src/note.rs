//! What is said to the user beside the results.

use std::io::{self, Write};

/// Writes a line to standard error, in one piece. Without standard error there is nobody to read it.
pub(crate) fn note(text: &str) {
    let _ = io::stderr().write_all(format!("{text}\n").as_bytes());
}
