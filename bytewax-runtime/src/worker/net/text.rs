//! Fragments of messages.

use std::io;
use std::time::Duration;

/// The reason in `error`, in lower case and without the error number.
pub(super) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let text = match text.find(" (os error") {
        Some(end) => &text[..end],
        None => &text,
    };
    let mut letters = text.chars();
    match letters.next() {
        // An abbreviation at the start keeps its capitals.
        Some(first) if !letters.as_str().starts_with(char::is_uppercase) => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => text.to_owned(),
    }
}

/// The reason in `error` for the loss of a connection, whichever way the peer closed it.
pub(super) fn loss(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::NotConnected => String::from("connection closed"),
        _ => reason(error),
    }
}

/// A duration in messages: `60 s`, or `300 ms` below and between whole seconds.
pub(super) fn span(duration: Duration) -> String {
    if duration.subsec_millis() == 0 && duration.as_secs() > 0 {
        format!("{} s", duration.as_secs())
    } else {
        format!("{} ms", duration.as_millis())
    }
}

/// The name of a process of the cluster in messages.
pub(super) fn who(process: usize, address: &str) -> String {
    format!("process {process} at `{address}`")
}

/// Joins parts into `a, b and c`.
pub(super) fn list(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_has_no_number_and_no_capital() {
        let error = io::Error::from_raw_os_error(2);
        assert_eq!(reason(&error), "no such file or directory");
        assert_eq!(reason(&io::Error::other("TLS is off")), "TLS is off");
    }

    #[test]
    fn spans_are_short() {
        assert_eq!(span(Duration::from_secs(60)), "60 s");
        assert_eq!(span(Duration::from_millis(1500)), "1500 ms");
    }

    #[test]
    fn lists_end_in_and() {
        let parts: Vec<String> = ["a", "b", "c"].map(String::from).into();
        assert_eq!(list(&parts), "a, b and c");
        assert_eq!(list(&parts[..1]), "a");
    }
}
