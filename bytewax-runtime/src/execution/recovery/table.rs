//! Columns of text.

/// Where the text of a column stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Left,
    Right,
}

/// Sets rows under each other, two spaces between columns. The first row is the heading.
pub(super) fn table<const N: usize>(columns: [Column; N], rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..N).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for ((cell, column), &width) in row.iter().zip(columns).zip(&widths) {
            let padding = " ".repeat(width - cell.chars().count());
            match column {
                Column::Left => line.extend([cell, padding.as_str(), "  "]),
                Column::Right => line.extend([padding.as_str(), cell, "  "]),
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_end_and_texts_begin_under_each_other() {
        let rows = [["n", "file"], ["10", "é"], ["9", "abc"]];
        let rows = rows.map(|row| row.map(str::to_owned));
        assert_eq!(
            table([Column::Right, Column::Left], &rows),
            " n  file\n10  é\n 9  abc\n"
        );
    }
}
