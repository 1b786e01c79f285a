//! Values in messages, shortened to a readable length.

use std::borrow::Cow;
use std::fmt::{self, Debug, Write};

/// The maximum length of a user value in a message, in bytes.
const VALUE: usize = 200;

/// The maximum length of a user text in a message, such as that of a panic, in bytes.
const TEXT: usize = 2000;

/// Returns the debug form of a value. Truncates a long one and adds its length.
pub(crate) fn brief(value: &(impl Debug + ?Sized)) -> String {
    let mut beginning = Beginning {
        text: String::new(),
        most: VALUE,
        length: 0,
    };
    // An error of the user's `Debug` ends the text there.
    let _ = write!(beginning, "{value:?}");
    beginning.into_text()
}

/// Returns a text. Truncates a long one and adds its length.
pub(crate) fn brief_text(text: &str) -> Cow<'_, str> {
    if text.len() <= TEXT {
        return Cow::Borrowed(text);
    }
    let beginning = Beginning {
        text: beginning(text, TEXT).to_owned(),
        most: TEXT,
        length: text.len(),
    };
    Cow::Owned(beginning.into_text())
}

/// Returns the longest prefix of whole characters that fits into this many bytes.
fn beginning(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// A writer that keeps the beginning of its input and counts the rest.
struct Beginning {
    text: String,
    most: usize,
    length: usize,
}

impl Beginning {
    fn into_text(mut self) -> String {
        if self.length > self.text.len() {
            let _ = write!(self.text, ".. ({} bytes)", self.length);
        }
        self.text
    }
}

impl Write for Beginning {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // What was left out once is followed by nothing.
        if self.length == self.text.len() {
            let room = self.most - self.text.len();
            self.text.push_str(beginning(text, room));
        }
        self.length += text.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_values_are_shown_whole() {
        assert_eq!(brief(&(7, "ann")), "(7, \"ann\")");
        let whole = "x".repeat(VALUE - 2);
        assert_eq!(brief(&whole), format!("\"{whole}\""));
        assert_eq!(brief_text("short"), "short");
    }

    #[test]
    fn of_long_values_the_beginning_and_the_length_are_shown() {
        let key = "k".repeat(3_000_000);
        let shown = format!("\"{}.. (3000002 bytes)", &key[..VALUE - 1]);
        assert_eq!(brief(&key), shown);
        // A list is written piece by piece; no letter is cut in two.
        let list = vec!["\u{fc}"; 1000];
        let shown = brief(&list);
        assert!(shown.ends_with(".. (6000 bytes)"), "{shown}");
        assert!(shown.len() < VALUE + 20, "{shown}");
        let text = format!("a{}", "\u{fc}".repeat(TEXT));
        let shown = brief_text(&text);
        assert!(shown.ends_with("\u{fc}.. (4001 bytes)"), "{shown}");
    }
}
