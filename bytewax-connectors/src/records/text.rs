//! Records that are lines of text.

use std::borrow::Cow;
use std::fmt::Debug;

use super::bad::{Fault, InvalidUtf8};
use super::lines::{Line, LineCutter};
use super::reading::{Cut, Format, Reading, Splitter, Start};
use super::window::Window;
use crate::files::Error;

/// What a line is made into.
pub(crate) trait ParseLine: Clone + Debug + Send + Sync + 'static {
    type Item: Send + 'static;

    /// Makes an item of a line; none if the line is to be left out.
    fn parse(&self, line: Cow<'_, str>) -> Option<Result<Self::Item, String>>;
}

/// Lines that are taken as they are.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Text;

impl ParseLine for Text {
    type Item = String;

    fn parse(&self, line: Cow<'_, str>) -> Option<Result<String, String>> {
        Some(Ok(line.into_owned()))
    }
}

impl<P: ParseLine> Format for P {
    type Item = P::Item;
    type Splitter = TextLines<P>;

    fn splitter(&self, reading: &Reading, _: Start<'_>) -> Result<TextLines<P>, Error> {
        Ok(TextLines {
            cutter: LineCutter {
                max_bytes: reading.max_record_bytes,
                emit_unended: reading.emits_unended(),
                skip_long: reading.skip_bad,
            },
            invalid: reading.invalid_utf8,
            parse: self.clone(),
        })
    }
}

/// Cuts off lines and makes items of them.
#[derive(Debug)]
pub(crate) struct TextLines<P> {
    cutter: LineCutter,
    invalid: InvalidUtf8,
    parse: P,
}

impl<P: ParseLine> Splitter for TextLines<P> {
    type Item = P::Item;

    fn next(&mut self, window: &mut Window, lines: &mut u64) -> std::io::Result<Cut<P::Item>> {
        let begin = window.position();
        let cut = match self.cutter.next(window)? {
            Line::End => return Ok(Cut::End),
            Line::TooLong(first) => {
                let why = format!(
                    "it is longer than {} bytes; if this is a file of lines, raise `max_line_bytes`",
                    self.cutter.max_bytes,
                );
                *lines += has_ended(window);
                return Ok(Cut::Record(Err(Fault::new(&first, why))));
            }
            Line::Whole(cut) => cut,
        };
        *lines += has_ended(window);
        let raw = window.cut(cut);
        let parsed = match self.invalid.text(raw) {
            Ok(text) => self.parse.parse(text),
            Err(byte) => Some(Err(not_utf8(begin + byte as u64))),
        };
        Ok(match parsed {
            None => Cut::Nothing,
            Some(Ok(item)) => Cut::Record(Ok(item)),
            Some(Err(why)) => Cut::Record(Err(Fault::new(raw, why))),
        })
    }

    fn emit_unended(&mut self) {
        self.cutter.emit_unended = true;
    }
}

/// How many lines end behind what was cut off: none if it goes on when the file grows.
fn has_ended(window: &Window) -> u64 {
    u64::from(matches!(window.last_byte(), Some(b'\n' | b'\r')))
}

/// What is said of bytes that are not text.
pub(crate) fn not_utf8(byte: u64) -> String {
    format!(
        "byte {byte} of the file is not UTF-8; convert the file to UTF-8, or have such bytes replaced by \
         `.invalid_utf8(InvalidUtf8::Replace)`"
    )
}
