//! The lines of the file as text.

use std::fmt;

use super::ANY;
use super::lines::{is_entry, opens_text};

/// One line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A comment, or nothing.
    Other(String),
    Version {
        version: u32,
        behind: String,
    },
    Header {
        flow: String,
        program: String,
        behind: String,
    },
    Entry {
        /// In quotes.
        name: String,
        rest: String,
        behind: String,
    },
}

impl Line {
    /// Parses a line of a file of this version; the error is the reason why it is unreadable.
    pub(super) fn read(line: &str, version: u32) -> Result<Self, String> {
        let (content, behind) = line.split_at(end(line));
        let content = content.trim();
        let behind = behind.trim_end().to_owned();
        if content.is_empty() {
            return Ok(Self::Other(line.trim_end().to_owned()));
        }
        if let Some(header) = content
            .strip_prefix('[')
            .and_then(|it| it.strip_suffix(']'))
        {
            let (flow, program) = match header.split_once('.') {
                Some((flow, program)) => (flow, program.trim_matches('"')),
                None if version == 1 => (header, ANY),
                None => (header, ""),
            };
            let (flow, program) = (flow.to_owned(), program.to_owned());
            return Ok(Self::Header {
                flow,
                program,
                behind,
            });
        }
        let (name, rest) = key(content).ok_or_else(|| cannot_be_read(content))?;
        if name == "version" {
            let version = rest.parse();
            let version = version.map_err(|_| format!("`{rest}` is no version"))?;
            return Ok(Self::Version { version, behind });
        }
        if !is_entry(rest) || !name.starts_with('"') {
            return Err(cannot_be_read(content));
        }
        let (name, rest) = (name.to_owned(), rest.to_owned());
        Ok(Self::Entry { name, rest, behind })
    }

    pub(super) fn version(version: u32) -> Self {
        let behind = String::new();
        Self::Version { version, behind }
    }

    pub(super) fn header(flow: &str, program: &str) -> Self {
        Self::Header {
            flow: flow.to_owned(),
            program: program.to_owned(),
            behind: String::new(),
        }
    }

    pub(super) fn entry(name: &str, rest: &str) -> Self {
        Self::Entry {
            name: name.to_owned(),
            rest: rest.to_owned(),
            behind: String::new(),
        }
    }

    pub(super) fn is_header(&self) -> bool {
        matches!(self, Self::Header { .. })
    }

    pub(super) fn is_of(&self, of: &str, by: &str) -> bool {
        matches!(self, Self::Header { flow, program, .. } if flow == of && program == by)
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let behind = match self {
            Self::Other(text) => return f.write_str(text),
            Self::Version { version, behind } => {
                write!(f, "version = {version}")?;
                behind
            }
            Self::Header {
                flow,
                program,
                behind,
            } => {
                match program.as_str() {
                    "" => write!(f, "[{flow}]")?,
                    ANY => write!(f, "[{flow}.\"{ANY}\"]")?,
                    program => write!(f, "[{flow}.{program}]")?,
                }
                behind
            }
            Self::Entry { name, rest, behind } => {
                write!(f, "{name} = {rest}")?;
                behind
            }
        };
        match behind.is_empty() {
            true => Ok(()),
            false => write!(f, " {behind}"),
        }
    }
}

fn cannot_be_read(content: &str) -> String {
    let is_conflict = ["<<<<<<<", "=======", ">>>>>>>", "|||||||"]
        .iter()
        .any(|mark| content.starts_with(mark));
    match is_conflict {
        true => "it is the mark of a conflict between two changes".to_owned(),
        false => "it is no step, such as `\"orders.input\" = { kind = \"source\" }`".to_owned(),
    }
}

/// The key of a line, and the text after its `=`.
fn key(content: &str) -> Option<(&str, &str)> {
    let end = match content.strip_prefix('"') {
        Some(inside) => inside.find('"')? + 2,
        None => content.find(|c: char| c == '=' || c.is_whitespace())?,
    };
    let (name, rest) = content.split_at(end);
    Some((name, rest.trim_start().strip_prefix('=')?.trim_start()))
}

/// The end of a line, or the start of its comment.
fn end(line: &str) -> usize {
    let mut is_text = false;
    let mut is_escaped = false;
    for (at, c) in line.char_indices() {
        match c {
            '#' if !is_text => return at,
            c => opens_text(c, &mut is_text, &mut is_escaped),
        }
    }
    line.len()
}
