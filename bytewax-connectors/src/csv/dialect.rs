//! How a CSV file is written.

/// How a CSV file is written.
#[derive(Clone, Debug)]
pub(super) struct Dialect {
    pub(super) delimiter: u8,
    pub(super) quote: u8,
    /// What stands before a quote inside of quotes; none if it is written twice.
    pub(super) escape: Option<u8>,
    pub(super) comment: Option<u8>,
    pub(super) trim: bool,
    /// How many lines are before the first row.
    pub(super) skip_lines: u64,
    pub(super) header: Header,
}

/// Where the names of the columns are.
#[derive(Clone, Debug)]
pub(super) enum Header {
    FirstRow,
    Given(Vec<String>),
    None,
}

impl Dialect {
    /// Where the quote is that is open at the end of these bytes, which begin with a row, and the number of
    /// the cell that it is in.
    pub(super) fn open_quote(&self, bytes: &[u8]) -> Option<(usize, usize)> {
        let (mut opened, mut cell, mut at_begin, mut index) = (None, 1, true, 0);
        while let Some(byte) = bytes.get(index).copied() {
            match opened {
                Some(_) if Some(byte) == self.escape => index += 1,
                Some(_) if byte == self.quote => {
                    let is_double = bytes.get(index + 1) == Some(&self.quote);
                    match is_double && self.escape.is_none() {
                        true => index += 1,
                        false => opened = None,
                    }
                }
                Some(_) => {}
                None if at_begin && byte == self.quote => {
                    (opened, at_begin) = (Some((index, cell)), false);
                }
                None if byte == self.delimiter => (cell, at_begin) = (cell + 1, true),
                None if matches!(byte, b'\n' | b'\r') => (cell, at_begin) = (1, true),
                None => at_begin = false,
            }
            index += 1;
        }
        opened
    }
}
