//! Determines the consequences of a lock file change for saved state.

use std::cmp::Ordering;
use std::fmt;

use super::super::exchange::{self, Look};
use super::super::numbered_scopes;
use super::Lines;
use super::lines::{DELIVERS, Entry, PROMISE};
use crate::state::facts::{self, ARGUMENTS, BY_HAND, HASH, INPUTS, KEY, NOTHING, OPERATOR, SAVED};

/// The key of the types inside a step's saved type.
const TYPES: &str = "types";

/// Keys that identify a step rather than describe its state.
const OTHERS: [&str; 12] = [
    "kind",
    "why",
    "moved",
    "confirmed",
    "state",
    "version",
    "fingerprint",
    TYPES,
    "keys_by_hand",
    BY_HAND,
    HASH,
    // The keys of paths do too.
    PROMISE,
];

/// The consequences for the saved state of a flow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    kept: usize,
    /// Each with the reason.
    parts: [Vec<String>; 6],
}

const MOVED: usize = 0;
const MIGRATED: usize = 1;
const NEW: usize = 2;
const DROPPED: usize = 3;
const REFUSED: usize = 4;
const JUDGE: usize = 5;

/// The headings of the parts; the last is for changes that no compiler can judge.
const TITLES: [&str; 6] = ["moved", "migrated", "new", "dropped", "refused", "judge"];

impl Difference {
    /// Whether there is nothing to report.
    pub(crate) fn is_empty(&self) -> bool {
        self.parts.iter().all(Vec::is_empty)
    }

    /// Whether the new program refuses a store of the old one.
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

/// Determines the consequences for state saved under the old lines when a program with the new ones resumes.
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
                    "{}, which was dropped before, and starts empty",
                    what(name, is)
                ),
                false => format!("{}, which starts empty", what(name, is)),
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

/// Reports swapped steps, and returns their names.
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
                "steps were exchanged: {}; if only the names have changed, add {}; if each must continue with the \
                 state of its name, add {}",
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

/// Reports a step that is in both.
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
    // The line contains it only if there are any.
    let by_hand = |entry: &Entry| entry.get(BY_HAND).unwrap_or(NOTHING).to_owned();
    if is_same_type && was.get(SAVED).is_some() && by_hand(was) != by_hand(is) {
        let text = format!(
            "the custom serialization code of `{name}` was `{}`, and is `{}`",
            by_hand(was),
            by_hand(is)
        );
        difference.add(REFUSED, text);
    }
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
                    "the arguments of `{name}` have changed: only you can judge whether the saved state still has \
                     the same meaning for them"
                ),
            ),
            INPUTS if facts::agree(word, now, before) => difference.add(JUDGE, text),
            DELIVERS => difference.add(JUDGE, text),
            SAVED if !is_same_type => {}
            _ if facts::agree(word, now, before) => {}
            _ => difference.add(REFUSED, text),
        }
    }
    if difference.parts.iter().map(Vec::len).sum::<usize>() == counts {
        difference.kept += 1;
    }
}

/// Reports changes of the state's type; returns whether it is the same.
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
    } else if !is_same && types(name, was, is, difference) {
        // Everything was reported.
    } else if !is_same && is.get(SAVED).is_some() && is.get(TYPES).is_none() {
        let what = what(name, is);
        difference.add(
            REFUSED,
            format!("{what}: its `{ty}` has another shape in the same version {now}"),
        );
    } else if !is_same {
        // An earlier release did not list the inner types.
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

/// Reports changes of inner types; returns whether they explain the change.
fn types(name: &str, was: &Entry, is: &Entry, difference: &mut Difference) -> bool {
    let (Some(before), Some(now)) = (types_in(was), types_in(is)) else {
        return false;
    };
    let mut is_told = false;
    for (ty, version, own) in &now {
        let Some((_, old, had)) = before.iter().find(|(other, ..)| other == ty) else {
            continue;
        };
        let step = what(name, is);
        let (part, text) = match version.cmp(old) {
            Ordering::Equal if own == had => continue,
            Ordering::Equal => (
                REFUSED,
                format!("{step}: its `{ty}` has another shape in the same version {version}"),
            ),
            Ordering::Greater => (
                MIGRATED,
                format!("{step}: `{ty}` from version {old} to {version}"),
            ),
            Ordering::Less => (
                REFUSED,
                format!("{step}: its `{ty}` had version {old}, which is newer than {version}"),
            ),
        };
        difference.add(part, text);
        is_told = true;
    }
    is_told
}

/// The names, versions and hashes of the types inside a step's saved type.
fn types_in(entry: &Entry) -> Option<Vec<(&str, u32, &str)>> {
    let read = |text: &'_ str| -> Option<(usize, u32)> {
        let (rest, _) = text.rsplit_once(' ')?;
        let (name, version) = rest.rsplit_once(' ')?;
        Some((name.len(), version.parse().ok()?))
    };
    let types = entry.get(TYPES)?.split(", ").map(|text| {
        let (len, version) = read(text)?;
        let (_, own) = text.rsplit_once(' ')?;
        Some((&text[..len], version, own))
    });
    types.collect()
}

/// Reports a step that is missing and was not dropped.
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
                "; `{other}` has its arguments: if it was renamed, add `flow.moved(\"{name}\", \"{other}\")`"
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

/// Reports a changed number of numbered scopes, unless lines declare the fate of each.
fn numbered(old: &[(String, Entry)], new: &[(String, Entry)], difference: &mut Difference) {
    let is_dropped = |name: &str| {
        let mut lines = new.iter();
        lines.any(|(other, is)| other == name && is.kind() == "dropped")
    };
    let saves = |(_, entry): &&(String, Entry)| entry.kind() != "dropped";
    let was = old.iter().filter(saves).map(|(name, _)| name.as_str());
    let is = new.iter().filter(saves).map(|(name, _)| name.as_str());
    for scopes in numbered_scopes(was.filter(|name| !is_dropped(name)), is) {
        let said = |(name, entry): &(String, Entry)| {
            scopes.has(name) && (entry.get("confirmed").is_some() || entry.get("moved").is_some())
        };
        if new.iter().any(said) {
            continue;
        }
        let lines = match scopes.now > scopes.before {
            true => format!(
                "if the new ones are the last, add {}; if they are the first, add {}",
                scopes.added_last().join(" and "),
                scopes.added_first().join(" and ")
            ),
            false => format!(
                "if the missing ones were the last, drop their steps; if they were the first, add {}, and drop \
                 the steps of \
                 the first",
                scopes.left_last().join(" and ")
            ),
        };
        let what = scopes.what();
        difference.add(REFUSED, format!("{what}: {lines}, and likewise for others"));
    }
}

fn in_words(word: &str) -> &str {
    match word {
        KEY => "type of the keys",
        SAVED => "type of what is saved",
        INPUTS => "input",
        DELIVERS => "delivery",
        word => word,
    }
}

#[cfg(test)]
mod tests;
