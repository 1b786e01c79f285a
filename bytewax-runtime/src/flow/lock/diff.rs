//! What the difference between two states of a lock file means for what is saved.

use std::fmt;

use super::super::exchange::{self, Look};
use super::Lines;
use super::lines::Entry;
use crate::state::facts::{self, ARGUMENTS, HASH, INPUTS, KEY, OPERATOR, SAVED};

/// Words that say what a line is of, and not what its state means.
const OTHERS: [&str; 8] = [
    "kind",
    "why",
    "moved",
    "confirmed",
    "state",
    "version",
    "fingerprint",
    HASH,
];

/// What becomes of the saved state of a flow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    kept: usize,
    /// Each with what is the matter.
    parts: [Vec<String>; 6],
}

const MOVED: usize = 0;
const MIGRATED: usize = 1;
const NEW: usize = 2;
const DROPPED: usize = 3;
const REFUSED: usize = 4;
const JUDGE: usize = 5;

/// How each part begins; the last is of what no compiler can judge.
const TITLES: [&str; 6] = ["moved", "migrated", "new", "dropped", "refused", "judge"];

impl Difference {
    /// Whether there is nothing to say.
    pub(crate) fn is_empty(&self) -> bool {
        self.parts.iter().all(Vec::is_empty)
    }

    /// Whether a store that was written by the old program is refused by the new one.
    pub(crate) fn is_refused(&self) -> bool {
        !self.parts[REFUSED].is_empty()
    }

    fn add(&mut self, part: usize, text: String) {
        self.parts[part].push(text);
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kept > 0 {
            let plural = if self.kept == 1 { "" } else { "s" };
            writeln!(f, "  kept: {} step{plural}", self.kept)?;
        }
        for (title, texts) in TITLES.iter().zip(&self.parts) {
            for text in texts {
                writeln!(f, "  {title}: {text}")?;
            }
        }
        Ok(())
    }
}

/// What becomes of what was saved under the old lines when a program of the new ones resumes.
pub(crate) fn difference(old: &Lines, new: &Lines) -> Difference {
    let read = |lines: &Lines| -> Vec<(String, Entry)> {
        let read = |(name, rest): (&String, &String)| (bare(name), Entry::read(rest));
        lines.iter().map(read).collect()
    };
    let (old, new) = (read(old), read(new));
    let mut difference = Difference::default();
    let exchanged = exchanges(&old, &new, &mut difference);
    for (name, was) in &old {
        match new.iter().find(|(other, _)| other == name) {
            Some((_, is)) => judge(name, was, is, &exchanged, &mut difference),
            None if was.kind() == "dropped" || exchanged.contains(name) => {}
            None => gone(name, was, &old, &new, &mut difference),
        }
    }
    for (name, is) in &new {
        let was = old.iter().find(|(other, _)| other == name);
        let is_back = was.is_some_and(|(_, was)| was.kind() == "dropped");
        if (was.is_none() || is_back) && is.kind() != "dropped" && !exchanged.contains(name) {
            let text = match is_back {
                true => format!(
                    "{}, which was dropped before, and begins anew",
                    what(name, is)
                ),
                false => format!("{}, which begins with nothing", what(name, is)),
            };
            difference.add(NEW, text);
        }
    }
    numbered(&old, &new, &mut difference);
    difference
}

/// A name without its quotes.
fn bare(name: &str) -> String {
    name.trim_matches('"').to_owned()
}

fn what(name: &str, entry: &Entry) -> String {
    match entry.kind() {
        "stateful" => format!("the stateful step `{name}`"),
        kind => format!("the {kind} `{name}`"),
    }
}

/// Reports steps that were exchanged, and gives their names.
fn exchanges(
    old: &[(String, Entry)],
    new: &[(String, Entry)],
    difference: &mut Difference,
) -> Vec<String> {
    let looks = |all: &[(String, Entry)]| -> Vec<Look> {
        let look = |(name, entry): &(String, Entry)| Look {
            id: name.clone(),
            kind: ["kind", OPERATOR, "fingerprint", KEY]
                .map(|word| entry.get(word).unwrap_or_default())
                .join(" "),
            arguments: entry.get(ARGUMENTS).map(str::to_owned),
            inputs: entry.get(INPUTS).map(str::to_owned),
        };
        let saves = all
            .iter()
            .filter(|(_, it)| it.kind() != "dropped" && it.get("confirmed").is_none());
        saves.map(look).collect()
    };
    let (was, is) = (looks(old), looks(new));
    let groups = exchange::exchanged(&was, &is, |_, _| true);
    let mut names = Vec::new();
    for group in groups {
        let texts: Vec<String> = group
            .iter()
            .map(|(o, n)| format!("`{}` looks as `{}` did", is[*n].id, was[*o].id))
            .collect();
        let (back, confirm) = exchange::lines(&group, &was, &is, |n| is[n].id.clone());
        difference.add(
            REFUSED,
            format!(
                "steps were exchanged: {}; if only the names have changed, say {}; if each is to go on with what was \
                 saved under its name, say {}",
                texts.join(", and "),
                back.join(" and "),
                confirm.join(" and ")
            ),
        );
        for (o, n) in group {
            names.extend([was[o].id.clone(), is[n].id.clone()]);
        }
    }
    names
}

/// Reports a step that both have.
fn judge(name: &str, was: &Entry, is: &Entry, exchanged: &[String], difference: &mut Difference) {
    match (was.kind(), is.kind()) {
        ("dropped", _) => return,
        (_, "dropped") => {
            let why = is.get("why").unwrap_or_default();
            difference.add(DROPPED, format!("{}: {why}", what(name, was)));
            return;
        }
        (was, is) if was != is => {
            difference.add(REFUSED, format!("`{name}` was a {was}, and is a {is}"));
            return;
        }
        _ => {}
    }
    let counts = difference.parts.iter().map(Vec::len).sum::<usize>();
    if is.get("moved") != was.get("moved") {
        let text = match is.get("moved") {
            Some(now) => format!("{} is `{now}` in the program", what(name, is)),
            None => format!("{} is where it was again", what(name, is)),
        };
        difference.add(MOVED, text);
    }
    let is_same_type = schema(name, was, is, difference);
    let words = is
        .fields
        .iter()
        .filter(|(word, _)| !OTHERS.contains(&word.as_str()));
    for (word, now) in words {
        let Some(before) = was.get(word).filter(|before| before != now) else {
            continue;
        };
        let text = format!(
            "the {} of `{name}` was `{before}`, and is `{now}`",
            in_words(word)
        );
        match word.as_str() {
            ARGUMENTS if exchanged.iter().any(|it| it == name) => {}
            ARGUMENTS => difference.add(
                JUDGE,
                format!(
                    "the arguments of `{name}` have changed: whether what is saved still means the same to them, only \
                     people can know"
                ),
            ),
            INPUTS if facts::agree(word, now, before) => difference.add(JUDGE, text),
            SAVED if !is_same_type => {}
            _ if facts::agree(word, now, before) => {}
            _ => difference.add(REFUSED, text),
        }
    }
    if difference.parts.iter().map(Vec::len).sum::<usize>() == counts {
        difference.kept += 1;
    }
}

/// Reports what has become of the type of the state; gives whether it is the same.
fn schema(name: &str, was: &Entry, is: &Entry, difference: &mut Difference) -> bool {
    let number = |entry: &Entry| entry.get("version").and_then(|it| it.parse::<u32>().ok());
    let (Some(before), Some(now)) = (number(was), number(is)) else {
        return true;
    };
    let ty = is.get("state").unwrap_or_default();
    let is_same = was.get("fingerprint") == is.get("fingerprint");
    if before < now {
        difference.add(
            MIGRATED,
            format!("{}: `{ty}` from version {before} to {now}", what(name, is)),
        );
    } else if before > now {
        difference.add(
            REFUSED,
            format!(
                "{}: its `{ty}` had version {before}, which is newer than {now}",
                what(name, is)
            ),
        );
    } else if !is_same {
        // Types within others are migrated by themselves, and the file does not list them.
        difference.add(
            JUDGE,
            format!(
                "{}: its `{ty}` has another shape in the same version {now}, which is refused unless a type in it has a \
                 new version",
                what(name, is)
            ),
        );
    }
    before == now && is_same
}

/// Reports a step that is gone, and was not dropped.
fn gone(
    name: &str,
    was: &Entry,
    old: &[(String, Entry)],
    new: &[(String, Entry)],
    difference: &mut Difference,
) {
    let is_new = |other: &str| old.iter().all(|(name, _)| name != other);
    let mut alike = new.iter().filter(|(other, is)| {
        is_new(other)
            && [OPERATOR, "kind", ARGUMENTS]
                .iter()
                .all(|word| is.get(word) == was.get(word))
            && was.get(ARGUMENTS).is_some()
    });
    let likely = match (alike.next(), alike.next()) {
        (Some((other, _)), None) => {
            format!(
                "; `{other}` has its arguments: if it was renamed, say `flow.moved(\"{name}\", \"{other}\")`"
            )
        }
        _ => String::new(),
    };
    difference.add(
        REFUSED,
        format!(
            "{} is gone, and is neither dropped nor kept{likely}",
            what(name, was)
        ),
    );
}

/// Reports scopes that are numbered, if there are more than before: which of them is new, no number says.
fn numbered(old: &[(String, Entry)], new: &[(String, Entry)], difference: &mut Difference) {
    let mut seen = Vec::new();
    for (name, _) in new
        .iter()
        .filter(|(name, _)| !old.iter().any(|(other, _)| other == name))
    {
        let parts: Vec<&str> = name.split('.').collect();
        for (at, part) in parts.iter().enumerate().take(parts.len() - 1) {
            let Ok(number) = part.parse::<u64>() else {
                continue;
            };
            let (scope, rest) = (parts[..at].join("."), parts[at + 1..].join("."));
            let sibling = |number: u64| {
                let all = [scope.as_str(), &number.to_string(), &rest];
                let all: Vec<&str> = all.into_iter().filter(|it| !it.is_empty()).collect();
                all.join(".")
            };
            let before = number.checked_sub(1).map(sibling);
            let is_one_more =
                before.is_some_and(|name| old.iter().any(|(other, _)| *other == name));
            if is_one_more && !seen.contains(&(scope.clone(), number)) {
                difference.add(
                    JUDGE,
                    format!(
                        "the scopes of `{name}` are numbered, and {number} is new: if it is not the last of the list \
                         that was added, each behind it goes on with the state of another; name the scopes after what \
                         they are for"
                    ),
                );
                seen.push((scope, number));
            }
        }
    }
}

fn in_words(word: &str) -> &str {
    match word {
        KEY => "type of the keys",
        SAVED => "type of what is saved",
        INPUTS => "input",
        word => word,
    }
}

#[cfg(test)]
mod tests;
