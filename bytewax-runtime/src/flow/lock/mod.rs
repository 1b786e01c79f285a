//! The lock file: records the names and types of saved state, so that the compiler can compare the next
//! version of a flow with it.
//!
//! It has a section for each flow of each program, with a line for each source, sink and stateful step, and
//! for each dropped one. Sections and lines are sorted, so that changes of several people merge. The format
//! is TOML. Comments and line ends of the user are preserved.

mod diff;
mod lines;
mod text;

use std::collections::BTreeMap;
use std::fmt;

use super::Graph;
use crate::state::facts::ARGUMENTS;
use lines::lines_of;
use text::Line;

pub(crate) use diff::{Difference, difference};
pub(crate) use lines::Entry;

const HEADER: &str = "\
# Under which names the dataflows of this package save state, as their programs' command `lock` writes it.
# Commit this file: the compiler holds each `dataflow!` against it.
version = 2
";

/// The version that this release writes. Files of version 1 contain neither it nor the programs of flows.
const VERSION: u32 = 2;

/// The program of a flow without one in the file: any that has no section of its own.
const ANY: &str = "*";

/// The lines of a flow, by the quoted name of the step.
pub(crate) type Lines = BTreeMap<String, String>;

/// A lock file, as it is written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LockFile {
    has_mark: bool,
    newline: &'static str,
    lines: Vec<Line>,
}

/// A line that was added or removed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Added(String),
    Removed(String),
}

/// The changes of locking a flow.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    pub(crate) lines: Vec<Change>,
    /// Whether only the text of arguments has changed, which people judge, not the compiler.
    pub(crate) are_of_arguments: bool,
    /// The changes in words.
    pub(crate) difference: Difference,
}

impl Default for LockFile {
    fn default() -> Self {
        let lines = HEADER.lines().map(|line| Line::read(line, VERSION));
        Self {
            has_mark: false,
            newline: "\n",
            lines: lines.filter_map(Result::ok).collect(),
        }
    }
}

impl LockFile {
    /// Reads a file; the error names the unreadable line and the reason. An empty file is a new one.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let (has_mark, text) = match text.strip_prefix('\u{feff}') {
            Some(text) => (true, text),
            None => (false, text),
        };
        if text.is_empty() {
            return Ok(Self::default());
        }
        let mut lines = Vec::new();
        let mut version = 1;
        for (number, line) in text.lines().enumerate() {
            let fault = |why: String| format!("line {}: {why}", number + 1);
            let line = Line::read(line, version).map_err(fault)?;
            match &line {
                Line::Version { version: found, .. } if *found > VERSION => {
                    return Err(fault(format!(
                        "the file has version {found}, which a newer release has written; this one reads files \
                         up to version {VERSION}"
                    )));
                }
                Line::Version { version: found, .. } => version = *found,
                Line::Entry { .. } if !lines.iter().any(Line::is_header) => {
                    return Err(fault("it stands before the name of any flow".to_owned()));
                }
                _ => {}
            }
            lines.push(line);
        }
        Ok(Self {
            has_mark,
            newline: if text.contains("\r\n") { "\r\n" } else { "\n" },
            lines,
        })
    }

    /// All sections, by flow and program.
    pub(crate) fn sections(&self) -> BTreeMap<(&str, &str), Lines> {
        let mut sections: BTreeMap<_, Lines> = BTreeMap::new();
        let mut at = None;
        for line in &self.lines {
            match line {
                Line::Header { flow, program, .. } => {
                    let key = (flow.as_str(), program.as_str());
                    at = Some(key);
                    sections.entry(key).or_default();
                }
                Line::Entry { name, rest, .. } => {
                    let section = at.and_then(|at| sections.get_mut(&at));
                    // If a step has two lines, the first counts.
                    section.and_then(|it| match it.contains_key(name) {
                        true => None,
                        false => it.insert(name.clone(), rest.clone()),
                    });
                }
                _ => {}
            }
        }
        sections
    }

    /// The lines of a flow of a program.
    pub(crate) fn section(&self, flow: &str, program: &str) -> Option<Lines> {
        let mut sections = self.sections();
        let own = sections.remove(&(flow, program));
        own.or_else(|| sections.remove(&(flow, ANY)))
    }

    /// The start of a flow's section headers, for any program.
    pub(crate) fn headers_of(&self, flow: &str) -> Vec<String> {
        let sections = self.sections().into_keys();
        let of_flow = sections.filter(|(of, _)| *of == flow);
        let headers = of_flow.map(|(of, program)| format!("`{}`", Line::header(of, program)));
        headers.collect()
    }

    /// The lines of a flow, whose program may have been renamed since.
    fn section_of(&self, graph: &Graph) -> Option<Lines> {
        let own = self.section(&graph.name, graph.program());
        own.or_else(|| self.section(&graph.name, graph.program_was()?))
    }

    /// The consequences, in words by flow, for state saved by programs of this file when those of another one
    /// resume. Also returns whether any of it is refused.
    pub(crate) fn diff(&self, new: &Self) -> (String, bool) {
        let mut text = String::new();
        let mut is_refused = false;
        let (olds, news) = (self.sections(), new.sections());
        let title = |flow: &str, program: &str| match program {
            "" | ANY => format!("flow `{flow}`"),
            program => format!("flow `{flow}` of program `{program}`"),
        };
        for ((flow, program), lines) in &news {
            let Some(old) = self.section(flow, program) else {
                let count = lines.len();
                let plural = if count == 1 { "" } else { "s" };
                text.push_str(&format!(
                    "{}: new, with {count} step{plural}\n",
                    title(flow, program)
                ));
                continue;
            };
            let difference = difference(&old, lines);
            if !difference.is_empty() {
                text.push_str(&format!("{}:\n{difference}", title(flow, program)));
            }
            is_refused |= difference.is_refused();
        }
        for (flow, program) in olds.keys() {
            let has = |(of, by): &(&str, &str)| of == flow && (by == program || *program == ANY);
            if !news.keys().any(has) {
                text.push_str(&format!(
                    "{}: gone; if its program is still run, nothing checks that its state is kept\n",
                    title(flow, program)
                ));
            }
        }
        if text.is_empty() {
            text.push_str("no saved state changes\n");
        }
        (text, is_refused)
    }

    /// Whether this release wrote it.
    pub(crate) fn is_current(&self) -> bool {
        self.lines
            .iter()
            .any(|it| matches!(it, Line::Version { .. }))
    }

    /// The names of the steps that the compiler checks and the file lacks; `None` if the file lacks the whole
    /// flow.
    pub(crate) fn lacks(&self, graph: &Graph) -> Option<Vec<String>> {
        let locked = self.section_of(graph)?;
        let mut lines = lines_of(graph);
        lines.retain(|name, _| !locked.contains_key(name));
        let names = lines.into_keys();
        Some(
            names
                .map(|name| name.trim_matches('"').to_owned())
                .collect(),
        )
    }

    /// Replaces a flow with its present form, and returns the changes.
    pub(crate) fn lock(&mut self, graph: &Graph) -> Changes {
        let mut new = lines_of(graph);
        let (flow, program) = (graph.name.as_str(), graph.program());
        let old = self.section_of(graph).unwrap_or_default();
        // Steps that are off for now keep their lines.
        for kept in &graph.kept {
            let name = lines::quoted(graph.own_id(kept));
            if let Some(line) = old.get(&name) {
                new.entry(name).or_insert_with(|| line.clone());
            }
        }
        self.adopt(flow, program, graph.program_was());
        self.put(flow, program, &new);
        let missing = |from: &Lines, name: &str, rest: &str| {
            from.get(name).is_none_or(|other: &String| other != rest)
        };
        let mut lines = Vec::new();
        let added = new.keys().filter(|name| !old.contains_key(*name));
        for name in old.keys().chain(added) {
            if let Some(rest) = old.get(name)
                && missing(&new, name, rest)
            {
                lines.push(Change::Removed(format!("{name} = {rest}")));
            }
            if let Some(rest) = new.get(name)
                && missing(&old, name, rest)
            {
                lines.push(Change::Added(format!("{name} = {rest}")));
            }
        }
        let judged = |lines: &Lines| -> Vec<(String, Entry)> {
            let without = |(name, rest): (&String, &String)| {
                let mut entry = Entry::read(rest);
                entry.fields.remove(ARGUMENTS);
                (name.clone(), entry)
            };
            lines.iter().map(without).collect()
        };
        Changes {
            are_of_arguments: judged(&old) == judged(&new),
            difference: difference(&old, &new),
            lines,
        }
    }

    /// Adds the program to the header of a flow's section, if an earlier release omitted it or the program
    /// was renamed.
    fn adopt(&mut self, flow: &str, program: &str, was: Option<&str>) {
        if !self.is_current() {
            let is_comment =
                |line: &&Line| matches!(line, Line::Other(text) if text.starts_with('#'));
            let at = self.lines.iter().take_while(is_comment).count();
            self.lines.insert(at, Line::version(VERSION));
        }
        let has_own = self.lines.iter().any(|line| line.is_of(flow, program));
        for line in &mut self.lines {
            if let Line::Header {
                flow: of,
                program: by,
                ..
            } = line
                && !has_own
                && of == flow
                && (by == ANY || Some(by.as_str()) == was)
            {
                program.clone_into(by);
            }
        }
    }

    /// Replaces the lines of a flow, and preserves all others.
    fn put(&mut self, flow: &str, program: &str, new: &Lines) {
        if !self.lines.iter().any(|line| line.is_of(flow, program)) {
            self.make_section(flow, program);
        }
        let old = self.sections().remove(&(flow, program)).unwrap_or_default();
        let mut fresh = new.clone();
        fresh.retain(|name, _| !old.contains_key(name));
        let mut known = new.clone();
        known.retain(|name, _| old.contains_key(name));
        let mut lines: Vec<Line> = Vec::new();
        let mut is_inside = false;
        for line in std::mem::take(&mut self.lines) {
            match line {
                Line::Header { .. } => {
                    if is_inside {
                        insert_all(&mut lines, &mut fresh);
                    }
                    is_inside = line.is_of(flow, program);
                    lines.push(line);
                }
                Line::Entry { name, behind, .. } if is_inside => {
                    while let Some((first, rest)) = fresh.pop_first() {
                        if first > name {
                            fresh.insert(first, rest);
                            break;
                        }
                        insert(&mut lines, Line::entry(&first, &rest));
                    }
                    // Lines of missing steps are removed, and so is a second line for a step.
                    if let Some(rest) = known.remove(&name) {
                        lines.push(Line::Entry { name, rest, behind });
                    }
                }
                line => lines.push(line),
            }
        }
        insert_all(&mut lines, &mut fresh);
        self.lines = lines;
    }

    /// Adds an empty section at its sorted place.
    fn make_section(&mut self, flow: &str, program: &str) {
        let is_behind = |line: &Line| match line {
            Line::Header {
                flow: of,
                program: by,
                ..
            } => (of.as_str(), by.as_str()) > (flow, program),
            _ => false,
        };
        let next = self.lines.iter().position(is_behind);
        let mut rest = self.lines.split_off(next.unwrap_or(self.lines.len()));
        let header = [Line::Other(String::new()), Line::header(flow, program)];
        let at = match next {
            Some(_) => end_of(&self.lines),
            None => self.lines.len(),
        };
        self.lines.splice(at..at, header);
        self.lines.append(&mut rest);
    }
}

/// The end of the lines, without comments that belong to the next section.
fn end_of(lines: &[Line]) -> usize {
    let is_other = |line: &&Line| matches!(line, Line::Other(_));
    lines.len() - lines.iter().rev().take_while(is_other).count()
}

fn insert(lines: &mut Vec<Line>, line: Line) {
    lines.insert(end_of(lines), line);
}

/// Inserts the last lines of a section, in order.
fn insert_all(lines: &mut Vec<Line>, fresh: &mut Lines) {
    while let Some((name, rest)) = fresh.pop_first() {
        insert(lines, Line::entry(&name, &rest));
    }
}

impl fmt::Display for LockFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.has_mark {
            f.write_str("\u{feff}")?;
        }
        for line in &self.lines {
            write!(f, "{line}{}", self.newline)?;
        }
        Ok(())
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added(line) => write!(f, "+ {line}"),
            Self::Removed(line) => write!(f, "- {line}"),
        }
    }
}

#[cfg(test)]
mod tests;
