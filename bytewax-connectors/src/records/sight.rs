//! The valid text of an input that is in memory.

use memchr::memrchr2;

use super::window::Window;

/// Complete lines of text, from a position of an input on. They are copied from the window so that all of
/// them are validated as UTF-8 together and only once.
#[derive(Debug, Default)]
pub(crate) struct Sight {
    text: String,
    position: u64,
}

/// The number of records that are split off together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    pub(crate) records: usize,
    /// Records that begin at or after this position are left.
    pub(crate) before: u64,
}

impl Sight {
    /// The next lines of text, as far as the window contains them with their ends and they are UTF-8;
    /// possibly none. The last byte may be a `\r` whose `\n` is not in the window.
    pub(crate) fn lines(&mut self, window: &Window) -> &str {
        if window.is_held() {
            return "";
        }
        let at = window.position();
        let begin = at.checked_sub(self.position);
        let begin = begin.and_then(|begin| usize::try_from(begin).ok());
        let is_there = |begin: &usize| self.text.get(*begin..).is_some_and(|text| !text.is_empty());
        let begin = begin.filter(is_there).unwrap_or_else(|| {
            self.text.clear();
            self.text.push_str(whole_lines(window.rest()));
            self.position = at;
            0
        });
        &self.text[begin..]
    }
}

/// The lines of text at the beginning of these bytes.
fn whole_lines(bytes: &[u8]) -> &str {
    let end = memrchr2(b'\n', b'\r', bytes).map_or(0, |end| end + 1);
    let text = |bytes| std::str::from_utf8(bytes);
    let valid = text(&bytes[..end]).or_else(|error| text(&bytes[..error.valid_up_to()]));
    valid.unwrap_or_default()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fmt::Debug;
    use std::io::Cursor;

    use super::super::reading::{Cut, Splitter};
    use super::super::window::Before;
    use super::*;

    /// All records of an input as text, the end position, and the number of lines; plain records are split
    /// off in groups of this size, or all one by one.
    pub(crate) fn read<S>(
        mut splitter: S,
        input: &[u8],
        chunk_bytes: usize,
        together: Option<usize>,
    ) -> (Vec<String>, u64, u64)
    where
        S: Splitter,
        S::Item: Debug,
    {
        let input = Cursor::new(input.to_vec());
        let mut window = Window::at(input, chunk_bytes, Before::default());
        let (mut lines, mut records) = (0, Vec::new());
        loop {
            if let Some(together) = together {
                let limit = Limit {
                    records: together,
                    before: window.position() + 20,
                };
                let give = |item| records.push(format!("{item:?}"));
                splitter.next_plain(&mut window, &mut lines, limit, give);
            }
            match splitter.next(&mut window, &mut lines).unwrap() {
                Cut::End => return (records, window.position(), lines),
                Cut::Nothing => {}
                Cut::Record(Ok(item)) => records.push(format!("{item:?}")),
                Cut::Record(Err(fault)) => records.push(format!("{fault:?}")),
            }
        }
    }
}
