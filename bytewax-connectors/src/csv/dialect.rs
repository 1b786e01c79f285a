//! How a CSV file is written.

use ::csv::{ReaderBuilder, StringRecord};

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

/// How many names of columns are told.
const TOLD_COLUMNS: usize = 20;

impl Dialect {
    /// How the rows of a file with these columns are read.
    pub(super) fn told(&self, columns: &StringRecord) -> String {
        let shown = |byte: u8| char::from(byte).escape_default().to_string();
        let mut told = format!("CSV: `{}` between cells", shown(self.delimiter));
        let names = columns.iter().take(TOLD_COLUMNS);
        let mut names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
        if columns.len() > TOLD_COLUMNS {
            names.push(format!("{} more", columns.len() - TOLD_COLUMNS));
        }
        let names = names.join(", ");
        told += &match self.header {
            Header::FirstRow => format!(", the first row names the columns {names}"),
            Header::Given(_) => format!(", no row names the columns, which are {names}"),
            Header::None => ", no row names the columns".to_owned(),
        };
        let alone = columns.get(0).filter(|_| columns.len() == 1);
        let is_other = |other: &u8| *other != self.delimiter;
        let mut others = [b',', b';', b'\t', b'|'].into_iter().filter(is_other);
        let is_in = |other: &u8| alone.is_some_and(|name| name.contains(char::from(*other)));
        if let Some(other) = others.find(is_in) {
            let other = shown(other);
            told += &format!("; if `{other}` is between cells, set `.delimiter(b'{other}')`");
        }
        told
    }

    /// The cells of a line that is a row by itself.
    pub(super) fn row_alone(&self, line: &[u8]) -> Option<StringRecord> {
        if self.open_quote(line).is_some() {
            return None;
        }
        let reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(self.delimiter)
            .quote(self.quote)
            .escape(self.escape)
            .double_quote(self.escape.is_none())
            .from_reader(line);
        let mut row = reader.into_records().next()?.ok()?;
        if self.trim {
            row.trim();
        }
        Some(row)
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told() {
        let check = |delimiter, columns: &[&str], header, expect: &str| {
            let dialect = Dialect {
                delimiter,
                quote: b'"',
                escape: None,
                comment: None,
                trim: false,
                skip_lines: 0,
                header,
            };
            assert_eq!(dialect.told(&StringRecord::from(columns)), expect);
        };
        let names = "the first row names the columns";
        check(
            b',',
            &["id", "name"],
            Header::FirstRow,
            &format!("CSV: `,` between cells, {names} `id`, `name`"),
        );
        check(
            b',',
            &["id;name"],
            Header::FirstRow,
            &format!(
                "CSV: `,` between cells, {names} `id;name`; if `;` is between cells, set \
                 `.delimiter(b';')`"
            ),
        );
        check(
            b'\t',
            &[],
            Header::None,
            "CSV: `\\t` between cells, no row names the columns",
        );
        let many: Vec<String> = (0..22).map(|n| n.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let given = Header::Given(Vec::new());
        check(
            b',',
            &many,
            given,
            "CSV: `,` between cells, no row names the columns, which are `0`, `1`, `2`, `3`, `4`, `5`, `6`, \
             `7`, `8`, `9`, `10`, `11`, `12`, `13`, `14`, `15`, `16`, `17`, `18`, `19`, 2 more",
        );
    }
}
