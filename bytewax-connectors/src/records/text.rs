//! Records that are lines of text.

use std::borrow::Cow;
use std::fmt::Debug;

use memchr::memchr2;

use super::bad::{Fault, InvalidUtf8, TooLong};
use super::lines::{Line, LineCutter};
use super::reading::{Cut, Format, Reading, Splitter, Start};
use super::sight::{Limit, Sight};
use super::window::Window;
use crate::files::Error;

/// The item of a line.
pub(crate) trait ParseLine: Clone + Debug + Send + Sync + 'static {
    type Item: Send + 'static;

    /// Whether the beginning of a line is useful.
    const MAY_TRUNCATE: bool = false;

    /// Converts a line into an item; `None` omits the line.
    fn parse(&self, line: Cow<'_, str>) -> Option<Result<Self::Item, String>>;
}

/// Lines without conversion.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Text;

impl ParseLine for Text {
    type Item = String;
    const MAY_TRUNCATE: bool = true;

    fn parse(&self, line: Cow<'_, str>) -> Option<Result<String, String>> {
        Some(Ok(match line {
            Cow::Owned(line) => line,
            Cow::Borrowed(line) => {
                // Room for a line end, which fits the allocator's rounding.
                let mut text = String::with_capacity((line.len() + 8) & !7);
                text.push_str(line);
                text
            }
        }))
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
                skip_long: reading.skip_bad || reading.too_long == TooLong::Truncate,
                skipped: None,
            },
            sight: Sight::default(),
            invalid: reading.invalid_utf8,
            too_long: reading.too_long,
            parse: self.clone(),
        })
    }
}

/// Splits off lines and converts them into items.
#[derive(Debug)]
pub(crate) struct TextLines<P> {
    cutter: LineCutter,
    sight: Sight,
    invalid: InvalidUtf8,
    too_long: TooLong,
    parse: P,
}

/// Replaces the rest of a truncated line.
const REST: char = '…';

impl<P: ParseLine> TextLines<P> {
    /// Converts a line that begins at a byte of the input into an item. The error describes the defect.
    fn parse(&self, raw: &[u8], begin: u64) -> Option<Result<P::Item, String>> {
        match self.invalid.text(raw) {
            Ok(text) => self.parse.parse(text),
            Err(byte) => Some(Err(not_utf8(begin + byte as u64))),
        }
    }

    /// Converts the beginning of a line that is too long into an item.
    fn parse_first(&self, first: &[u8], begin: u64) -> Option<Result<P::Item, String>> {
        let max = self.cutter.max_bytes;
        match self.too_long {
            TooLong::Refuse if P::MAY_TRUNCATE => Some(Err(format!(
                "it is longer than {max} bytes; if this is a file of lines, raise `max_line_bytes`, or have long \
                 lines truncated by `.too_long(TooLong::Truncate)`"
            ))),
            TooLong::Refuse => Some(Err(format!(
                "it is longer than {max} bytes; if this is a file of lines, raise `max_line_bytes`"
            ))),
            TooLong::Truncate => {
                let whole = match std::str::from_utf8(first) {
                    // The last character was split.
                    Err(error) if error.error_len().is_none() => error.valid_up_to(),
                    _ => first.len(),
                };
                let mut text = match self.invalid.text(&first[..whole]) {
                    Ok(text) => text.into_owned(),
                    Err(byte) => return Some(Err(not_utf8(begin + byte as u64))),
                };
                text.push(REST);
                self.parse.parse(Cow::Owned(text))
            }
        }
    }
}

impl<P: ParseLine> Splitter for TextLines<P> {
    type Item = P::Item;

    fn next(&mut self, window: &mut Window, lines: &mut u64) -> std::io::Result<Cut<P::Item>> {
        let begin = window.position();
        let line = self.cutter.next(window)?;
        let (raw, parsed) = match &line {
            Line::End => return Ok(Cut::End),
            Line::Whole(cut) => {
                let raw = window.cut(cut.clone());
                (raw, self.parse(raw, begin))
            }
            Line::TooLong(first) => (first.as_slice(), self.parse_first(first, begin)),
        };
        *lines += has_ended(window);
        Ok(match parsed {
            None => Cut::Nothing,
            Some(Ok(item)) => Cut::Record(Ok(item)),
            Some(Err(why)) => Cut::Record(Err(Fault::new(raw, why))),
        })
    }

    fn next_plain(
        &mut self,
        window: &mut Window,
        lines: &mut u64,
        limit: Limit,
        mut give: impl FnMut(P::Item),
    ) {
        let text = self.sight.lines(window);
        let bytes = text.as_bytes();
        let room = limit.before.saturating_sub(window.position());
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        let (mut begin, mut ended, mut given) = (0, 0, 0);
        while given < limit.records && begin < room {
            let Some(length) = memchr2(b'\n', b'\r', &bytes[begin..]) else {
                break;
            };
            let end = begin + length;
            let next = match (bytes[end], bytes.get(end + 1)) {
                (b'\n', _) => end + 1,
                (_, Some(b'\n')) => end + 2,
                (_, Some(_)) => end + 1,
                // It may be the first half of a line end.
                (_, None) => break,
            };
            if length > self.cutter.max_bytes {
                break;
            }
            match self.parse.parse(Cow::Borrowed(&text[begin..end])) {
                Some(Ok(item)) => {
                    give(item);
                    given += 1;
                }
                None => {}
                Some(Err(_)) => break,
            }
            begin = next;
            ended += 1;
        }
        window.consume(begin);
        *lines += ended;
    }

    fn emit_unended(&mut self) {
        self.cutter.emit_unended = true;
    }
}

/// The number of lines that end after the split-off bytes: none if the line continues when the file grows.
fn has_ended(window: &Window) -> u64 {
    u64::from(matches!(window.last_byte(), Some(b'\n' | b'\r')))
}

/// The message for bytes that are not text.
pub(crate) fn not_utf8(byte: u64) -> String {
    format!(
        "byte {byte} of the file is not UTF-8; convert the file to UTF-8, or have such bytes replaced by \
         `.invalid_utf8(InvalidUtf8::Replace)`"
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::sight::tests::read;
    use super::*;

    /// Lines that are taken unless they are blank or have an `x`.
    #[derive(Clone, Debug)]
    struct Chosen;

    impl ParseLine for Chosen {
        type Item = String;

        fn parse(&self, line: Cow<'_, str>) -> Option<Result<String, String>> {
            match line.contains('x') {
                true => Some(Err("an x".to_owned())),
                false => (!line.is_empty()).then(|| Ok(line.into_owned())),
            }
        }
    }

    fn lines<P: ParseLine>(parse: P, invalid: InvalidUtf8, too_long: TooLong) -> TextLines<P> {
        TextLines {
            cutter: LineCutter {
                max_bytes: 8,
                emit_unended: true,
                skip_long: true,
                skipped: None,
            },
            sight: Sight::default(),
            invalid,
            too_long,
            parse,
        }
    }

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just(b"\n".to_vec()),
            Just(b"\r".to_vec()),
            Just(b"\r\n".to_vec()),
            Just(b"\xe9".to_vec()),
            "[a-dxä€]{0,6}".prop_map(String::into_bytes),
        ];
        prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn lines_cut_together_are_those_cut_one_by_one(
            input in bytes(),
            chunk_bytes in 1..60_usize,
            together in 1..9_usize,
        ) {
            for (invalid, too_long) in [
                (InvalidUtf8::Refuse, TooLong::Refuse),
                (InvalidUtf8::Replace, TooLong::Truncate),
            ] {
                let text = || lines(Text, invalid, too_long);
                let expect = read(text(), &input, 7, None);
                prop_assert_eq!(read(text(), &input, chunk_bytes, Some(together)), expect);
                let some = || lines(Chosen, invalid, too_long);
                let expect = read(some(), &input, 7, None);
                prop_assert_eq!(read(some(), &input, chunk_bytes, Some(together)), expect);
            }
        }
    }

    #[test]
    fn long_lines_are_truncated_in_front_of_a_character() {
        let check = |input: &[u8], invalid, expect: &str| {
            let read = read(lines(Text, invalid, TooLong::Truncate), input, 3, None);
            assert_eq!(read.0, [format!("{expect:?}")]);
            let ended = u64::from(input.ends_with(b"\n"));
            assert_eq!((read.1, read.2), (input.len() as u64, ended));
        };
        check(b"12345678\n", InvalidUtf8::Refuse, "12345678");
        check(b"123456789\n", InvalidUtf8::Refuse, "12345678…");
        check("1234567ä\r\n".as_bytes(), InvalidUtf8::Refuse, "1234567…");
        check("123456€".as_bytes(), InvalidUtf8::Refuse, "123456…");
        check(b"1234\xe95678\n", InvalidUtf8::Replace, "1234\u{fffd}567…");
    }

    #[test]
    fn a_long_line_that_is_no_text_is_bad_all_the_same() {
        let cut = lines(Text, InvalidUtf8::Refuse, TooLong::Truncate);
        let read = read(cut, b"1234\xe95678\n", 3, None);
        assert!(
            read.0[0].contains("byte 4 of the file is not UTF-8"),
            "{read:?}"
        );
    }
}
