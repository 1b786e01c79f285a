//! Positions in files.

use bytewax_runtime::state::{Field, Saved, Schema, State, StateError};
use serde::{Deserialize, Serialize};

use super::window::Traces;

/// The position of the next record in a file, and the traces of the file before it.
///
/// A source saves it for each file. If the start of a file, or the bytes before the position, have changed,
/// it is another file and is not continued.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilePosition {
    byte: u64,
    /// The number of the line that begins there, from 1; 0 if it is not known.
    line: u64,
    traces: Option<(u64, u64)>,
    /// A hash of the names of the columns; 0 if there are none.
    columns: u64,
    /// Whether all of the file was read that was there.
    #[serde(default)]
    ended: bool,
    /// The number of the file on its device; 0 if it is not known.
    #[serde(default)]
    number: u64,
}

/// A position without the number of the file: what was saved before the number was, and what is saved by
/// sources that keep track of files themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct UnnumberedPosition {
    byte: u64,
    line: u64,
    traces: Option<(u64, u64)>,
    columns: u64,
    ended: bool,
}

impl From<UnnumberedPosition> for FilePosition {
    fn from(old: UnnumberedPosition) -> Self {
        Self {
            byte: old.byte,
            line: old.line,
            traces: old.traces,
            columns: old.columns,
            ended: old.ended,
            number: 0,
        }
    }
}

impl From<FilePosition> for UnnumberedPosition {
    fn from(position: FilePosition) -> Self {
        Self {
            byte: position.byte,
            line: position.line,
            traces: position.traces,
            columns: position.columns,
            ended: position.ended,
        }
    }
}

impl State for UnnumberedPosition {
    const SCHEMA: Schema = Schema::new(
        "FilePosition",
        3,
        &[
            Field::of::<u64>("byte"),
            Field::of::<u64>("line"),
            Field::of::<Option<(u64, u64)>>("traces"),
            Field::of::<u64>("columns"),
            Field::of::<bool>("ended"),
        ],
    );
}

impl FilePosition {
    /// Creates a position of a byte alone, without a check that the file is the same.
    ///
    /// ```
    /// use bytewax_connectors::files::FilePosition;
    ///
    /// let position = FilePosition::at_byte(7);
    /// assert_eq!((position.byte(), position.line()), (7, None));
    /// ```
    #[must_use]
    pub fn at_byte(byte: u64) -> Self {
        Self {
            byte,
            ..Self::default()
        }
    }

    pub(crate) fn new(byte: u64, line: Option<u64>, traces: Traces, columns: u64) -> Self {
        Self {
            byte,
            line: line.unwrap_or(0),
            traces: Some((traces.head, traces.tail)),
            columns,
            ended: false,
            number: 0,
        }
    }

    /// The same position, in the file of this number.
    pub(crate) fn in_file(self, number: u64) -> Self {
        Self { number, ..self }
    }

    /// The same position, as the end of the file.
    pub(crate) fn at_end(self) -> Self {
        Self {
            ended: true,
            ..self
        }
    }

    /// Returns the byte at which the next record starts. In a compressed file, it counts decompressed bytes.
    #[must_use]
    pub fn byte(&self) -> u64 {
        self.byte
    }

    /// Returns the number of the line that starts there, from 1, if it is known.
    #[must_use]
    pub fn line(&self) -> Option<u64> {
        (self.line > 0).then_some(self.line)
    }

    /// Whether the whole file was read. If so, the file may be removed.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// The number of the file on its device, if it is known.
    pub(crate) fn number(&self) -> Option<u64> {
        (self.number > 0).then_some(self.number)
    }

    pub(crate) fn traces(&self) -> Option<Traces> {
        self.traces.map(|(head, tail)| Traces { head, tail })
    }

    #[cfg(feature = "csv")]
    pub(crate) fn columns(&self) -> Option<u64> {
        (self.columns > 0).then_some(self.columns)
    }
}

impl State for FilePosition {
    const SCHEMA: Schema = Schema::new(
        "FilePosition",
        4,
        &[
            Field::of::<u64>("byte"),
            Field::of::<u64>("line"),
            Field::of::<Option<(u64, u64)>>("traces"),
            Field::of::<u64>("columns"),
            Field::of::<bool>("ended"),
            Field::of::<u64>("number"),
        ],
    );

    /// Also reads positions of older releases, without the number of the file or the end mark, with byte and
    /// line only, or with the byte alone.
    fn load(saved: Saved<'_>) -> Result<Self, StateError> {
        match saved.version() {
            4.. => return saved.decode(),
            3 => return saved.decode_older(&[5]),
            2 => return saved.decode_older(&[4]),
            _ => {}
        }
        let (byte, line) = match u64::load(saved) {
            Ok(byte) => (byte, 0),
            Err(error) if error.is_other_shape() => <(u64, u64)>::load(saved)?,
            Err(error) => return Err(error),
        };
        Ok(Self {
            byte,
            line,
            ..Self::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use bytewax_runtime::state;

    use super::*;

    /// The format before the end mark existed.
    #[derive(Serialize, Deserialize)]
    struct Second {
        byte: u64,
        line: u64,
        traces: Option<(u64, u64)>,
        columns: u64,
    }

    impl State for Second {
        const SCHEMA: Schema = Schema::new(
            "FilePosition",
            2,
            &[
                Field::of::<u64>("byte"),
                Field::of::<u64>("line"),
                Field::of::<Option<(u64, u64)>>("traces"),
                Field::of::<u64>("columns"),
            ],
        );
    }

    #[test]
    fn positions_of_earlier_releases() {
        let mut bytes = Vec::new();
        state::seal(&7u64, &mut bytes).unwrap();
        let position: FilePosition = state::open(&bytes).unwrap();
        assert_eq!((position.byte(), position.line()), (7, None));

        bytes.clear();
        state::seal(&(30u64, 4u64), &mut bytes).unwrap();
        let position: FilePosition = state::open(&bytes).unwrap();
        assert_eq!((position.byte(), position.line()), (30, Some(4)));

        bytes.clear();
        let known = Second {
            byte: 30,
            line: 4,
            traces: Some((1, 2)),
            columns: 3,
        };
        state::seal(&known, &mut bytes).unwrap();
        let position: FilePosition = state::open(&bytes).unwrap();
        let traces = Traces { head: 1, tail: 2 };
        assert_eq!(position, FilePosition::new(30, Some(4), traces, 3));
        assert!(!position.has_ended());

        bytes.clear();
        let unnumbered = UnnumberedPosition {
            byte: 30,
            line: 4,
            traces: Some((1, 2)),
            columns: 3,
            ended: true,
        };
        state::seal(&unnumbered, &mut bytes).unwrap();
        let position: FilePosition = state::open(&bytes).unwrap();
        assert_eq!(position, FilePosition::new(30, Some(4), traces, 3).at_end());
        assert_eq!(position.number(), None);

        bytes.clear();
        state::seal(&"7".to_owned(), &mut bytes).unwrap();
        assert!(
            state::open::<FilePosition>(&bytes)
                .unwrap_err()
                .is_other_shape()
        );
    }
}
