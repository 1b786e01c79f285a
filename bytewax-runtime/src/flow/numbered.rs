//! Scopes that are named by numbers, as in a loop over a list. If the list grows or shrinks, the numbers do
//! not show which element is new or gone.

use std::collections::{BTreeMap, BTreeSet};

/// Scopes `0`, `1` and so on, or from `1`, whose number has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Numbered {
    /// Their enclosing scope, with a final dot; empty for the flow.
    pub(crate) around: String,
    /// The number of the first.
    first: u64,
    pub(crate) before: u64,
    pub(crate) now: u64,
}

/// The scopes with more or fewer numbered ids than before. Incomplete sequences of numbers, such as those of
/// customers, are names.
pub(crate) fn changed<'a>(
    old: impl Iterator<Item = &'a str>,
    new: impl Iterator<Item = &'a str>,
) -> Vec<Numbered> {
    let (old, new) = (numbers(old), numbers(new));
    let both = old
        .into_iter()
        .filter_map(|(around, was)| Some((new.get(&around)?.clone(), around, was)));
    let changed = both.filter_map(|(is, around, was)| {
        let ((first, before), (other, now)) = (counted(&was)?, counted(&is)?);
        let around = around.to_owned();
        (first == other && before != now).then_some(Numbered {
            around,
            first,
            before,
            now,
        })
    });
    changed.collect()
}

/// The numbers of scopes, by their enclosing scope.
fn numbers<'a>(ids: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, BTreeSet<u64>> {
    let mut numbers: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
    for id in ids {
        let mut start = 0;
        for part in id.split_inclusive('.') {
            if let Some(number) = part.strip_suffix('.').and_then(number) {
                numbers.entry(&id[..start]).or_default().insert(number);
            }
            start += part.len();
        }
    }
    numbers
}

/// The number that is the name of a scope.
fn number(scope: &str) -> Option<u64> {
    let number: u64 = scope.parse().ok()?;
    (number.to_string() == scope).then_some(number)
}

/// The first of complete consecutive numbers, and their count.
fn counted(numbers: &BTreeSet<u64>) -> Option<(u64, u64)> {
    let (first, last) = (*numbers.first()?, *numbers.last()?);
    let count = numbers.len() as u64;
    (first < 2 && last - first + 1 == count).then_some((first, count))
}

impl Numbered {
    /// Whether a step is in one of the scopes.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.number_of(id).is_some()
    }

    /// Whether a step is in one of the former last scopes.
    pub(crate) fn is_among_last(&self, id: &str) -> bool {
        let number = self.number_of(id);
        number.is_some_and(|number| number >= self.first + self.now)
    }

    /// Whether a step is in one of the former first scopes.
    pub(crate) fn is_among_first(&self, id: &str) -> bool {
        let gone = self.before.saturating_sub(self.now);
        let number = self.number_of(id);
        number.is_some_and(|number| number < self.first + gone)
    }

    fn number_of(&self, id: &str) -> Option<u64> {
        let (scope, _) = id.strip_prefix(&self.around)?.split_once('.')?;
        number(scope)
    }

    fn scope(&self, place: u64) -> String {
        format!("{}{}", self.around, self.first + place)
    }

    fn moved(&self, old: u64, new: u64) -> String {
        format!(
            "`flow.moved(\"{}\", \"{}\")`",
            self.scope(old),
            self.scope(new)
        )
    }

    /// Describes the change.
    pub(crate) fn what(&self) -> String {
        let plural = if self.before == 1 { "scope" } else { "scopes" };
        let what = match self.now > self.before {
            true => "which of them are new",
            false => "which of them are gone",
        };
        format!(
            "the flow has {} scopes `{}` to `{}`, and its state was saved with {} {plural}; the numbers do not \
             show {what}",
            self.now,
            self.scope(0),
            self.scope(self.now - 1),
            self.before
        )
    }

    /// The lines for new scopes after the others.
    pub(crate) fn added_last(&self) -> Vec<String> {
        let new = self.before..self.now;
        new.map(|place| self.moved(place, place)).collect()
    }

    /// The lines for new scopes before the others.
    pub(crate) fn added_first(&self) -> Vec<String> {
        let added = self.now.saturating_sub(self.before);
        let old = (0..self.before).map(|place| self.moved(place, place + added));
        // New scopes get the free ids.
        let new = (0..added).map(|place| self.moved(self.before + place, place));
        old.chain(new).collect()
    }

    /// The lines for the remaining scopes after the first ones were removed.
    pub(crate) fn left_last(&self) -> Vec<String> {
        let gone = self.before.saturating_sub(self.now);
        (0..self.now)
            .map(|place| self.moved(place + gone, place))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(old: &[&str], new: &[&str]) -> Vec<(String, u64, u64)> {
        let changed = changed(old.iter().copied(), new.iter().copied());
        let parts = |it: Numbered| (it.around, it.before, it.now);
        changed.into_iter().map(parts).collect()
    }

    #[test]
    fn numbers_that_are_all_there_are_counted() {
        let two = ["a", "0.sums", "1.sums", "1.in"];
        let three = ["0.sums", "1.sums", "2.sums"];
        assert_eq!(found(&two, &three), [(String::new(), 2, 3)]);
        assert_eq!(found(&three, &two), [(String::new(), 3, 2)]);
        assert_eq!(
            found(&["eu.1.x"], &["eu.1.x", "eu.2.x"]),
            [("eu.".to_owned(), 1, 2)]
        );
        let inner = ["0.1.x", "1.1.x", "1.2.x"];
        assert_eq!(found(&inner[..2], &inner), [("1.".to_owned(), 1, 2)]);
    }

    #[test]
    fn other_numbers_are_names() {
        assert_eq!(found(&["17.x", "4.x"], &["17.x", "4.x", "5.x"]), []);
        assert_eq!(found(&["0.x"], &["0.x", "2.x"]), []);
        assert_eq!(found(&["01.x"], &["01.x", "02.x"]), []);
        assert_eq!(found(&["0.x"], &["0.y", "0.x"]), []);
        assert_eq!(found(&["0.x"], &["x"]), []);
        // The last part is that of a step.
        assert_eq!(found(&["a.0"], &["a.0", "a.1"]), []);
    }

    #[test]
    fn lines_say_where_each_scope_was() {
        let more = &changed(["a.1.x"].into_iter(), ["a.1.x", "a.2.x"].into_iter())[0];
        assert_eq!(more.added_last(), ["`flow.moved(\"a.2\", \"a.2\")`"]);
        assert_eq!(
            more.added_first(),
            [
                "`flow.moved(\"a.1\", \"a.2\")`",
                "`flow.moved(\"a.2\", \"a.1\")`"
            ]
        );
        let fewer = &changed(["0.x", "1.x"].into_iter(), ["0.x"].into_iter())[0];
        assert_eq!(fewer.left_last(), ["`flow.moved(\"1\", \"0\")`"]);
        assert!(fewer.is_among_last("1.x") && !fewer.is_among_last("0.x"));
        assert!(fewer.is_among_first("0.x") && !fewer.is_among_first("1.x"));
        assert_eq!(
            fewer.what(),
            "the flow has 1 scopes `0` to `0`, and its state was saved with 2 scopes; the numbers do not show \
             which of them are gone"
        );
    }
}
