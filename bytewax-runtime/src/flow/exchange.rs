//! Steps that look like other former steps: their names or arguments were swapped.

use std::collections::HashMap;

/// The properties that distinguish a step from others of its kind. The id is without the name of the flow.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    pub(crate) id: String,
    /// The common property of steps that can be swapped, such as the operator.
    pub(crate) kind: String,
    /// A hash of the text of its arguments, if the text of the flow is known.
    pub(crate) arguments: Option<String>,
    pub(crate) inputs: Option<String>,
}

/// The indices of an old look and the new look that it became.
pub(crate) type Pair = (usize, usize);

/// Returns groups of steps in which each step now looks like the former next one, in a circle or up to a new
/// step. `fits` returns whether the new step could continue with the state of the old one.
pub(crate) fn exchanged(
    old: &[Look],
    new: &[Look],
    fits: impl Fn(usize, usize) -> bool,
) -> Vec<Vec<Pair>> {
    let alike = |key: fn(&Look) -> Option<String>| -> Vec<Pair> {
        let (olds, news) = (unique(old, key), unique(new, key));
        let both = olds
            .iter()
            .filter_map(|(look, &was)| Some((was, *news.get(look)?)));
        both.filter(|&(was, is)| old[was].id != new[is].id && fits(was, is))
            .collect()
    };
    let by_inputs = alike(by_inputs);
    // If the arguments distinguish the steps, only two that have swapped everything they read count.
    let is_back = |&(was, is): &Pair| {
        let mut others = by_inputs.iter();
        others.any(|(o, n)| old[*o].id == new[is].id && new[*n].id == old[was].id)
    };
    let is_blind = |&(was, is): &Pair| {
        let arguments = (&old[was].arguments, &new[is].arguments);
        !matches!(arguments, (Some(_), Some(_)))
    };
    let by_inputs = by_inputs
        .iter()
        .filter(|pair| is_blind(pair) || is_back(pair));
    let mut pairs: Vec<Pair> = Vec::new();
    for (was, is) in alike(by_arguments)
        .into_iter()
        .chain(alike(by_both))
        .chain(by_inputs.copied())
    {
        if !pairs.iter().any(|(o, n)| *o == was || *n == is) {
            pairs.push((was, is));
        }
    }
    pairs.sort_unstable();
    let own = |is: usize| old.iter().position(|it| it.id == new[is].id);
    // If one resembles none, something else has changed, which the user must judge.
    loop {
        let count = pairs.len();
        let all = pairs.clone();
        pairs.retain(|(_, is)| own(*is).is_none_or(|own| all.iter().any(|(was, _)| *was == own)));
        if pairs.len() == count {
            break;
        }
    }
    let mut groups = Vec::new();
    while let Some(first) = pairs.pop() {
        let mut group = vec![first];
        while let Some(next) = pairs.iter().position(|(was, is)| {
            let mut linked = group.iter();
            linked.any(|(o, n)| old[*o].id == new[*is].id || old[*was].id == new[*n].id)
        }) {
            group.push(pairs.remove(next));
        }
        group.sort_unstable();
        groups.push(group);
    }
    // A step that was only renamed takes nothing from another one.
    groups.retain(|group| group.iter().any(|(_, is)| own(*is).is_some()));
    groups.reverse();
    groups
}

/// Returns the lines that give each step of a group its former id back, and the lines that confirm that each
/// keeps its current id.
pub(crate) fn lines(
    group: &[Pair],
    old: &[Look],
    new: &[Look],
    described: impl Fn(usize) -> String,
) -> (Vec<String>, Vec<String>) {
    let line = |old: &str, new: &str| format!("`flow.moved(\"{old}\", \"{new}\")`");
    let mut back: Vec<String> = group
        .iter()
        .map(|(was, is)| line(&old[*was].id, &described(*is)))
        .collect();
    // A step that took the id of the first needs another one: the id that the last no longer needs.
    let is_old = |id: &str| old.iter().any(|it| it.id == id);
    let free = group
        .iter()
        .map(|(_, is)| &new[*is].id)
        .find(|id| !is_old(id));
    let other = group.iter().find_map(|(was, _)| {
        let other = new.iter().position(|it| it.id == old[*was].id)?;
        group.iter().all(|(_, is)| *is != other).then_some(other)
    });
    if let (Some(free), Some(other)) = (free, other) {
        back.push(line(free, &described(other)));
    }
    let own = group.iter().map(|(_, is)| &new[*is].id);
    let confirm = own.filter(|id| is_old(id)).map(|id| line(id, id));
    (back, confirm.collect())
}

fn by_arguments(look: &Look) -> Option<String> {
    Some(format!("{}\n{}", look.kind, look.arguments.as_ref()?))
}

fn by_both(look: &Look) -> Option<String> {
    let (arguments, inputs) = (look.arguments.as_ref()?, look.inputs.as_ref()?);
    Some(format!("{}\n{arguments}\n{inputs}", look.kind))
}

fn by_inputs(look: &Look) -> Option<String> {
    Some(format!("{}\n{}", look.kind, look.inputs.as_ref()?))
}

/// Returns the looks that occur once.
fn unique(looks: &[Look], key: fn(&Look) -> Option<String>) -> HashMap<String, usize> {
    let mut found: HashMap<String, Vec<usize>> = HashMap::new();
    for (number, look) in looks.iter().enumerate() {
        if let Some(key) = key(look) {
            found.entry(key).or_default().push(number);
        }
    }
    let single = found.into_iter().filter(|(_, numbers)| numbers.len() == 1);
    single.map(|(key, numbers)| (key, numbers[0])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(all: &[(&str, &str)]) -> Vec<Look> {
        let look = |(id, arguments): &(&str, &str)| Look {
            id: (*id).to_owned(),
            kind: "stateful_map".to_owned(),
            arguments: (!arguments.is_empty()).then(|| (*arguments).to_owned()),
            inputs: Some(format!("of {arguments}")),
        };
        all.iter().map(look).collect()
    }

    /// Returns the lines for the first group; `None` if nothing was swapped.
    fn told(old: &[(&str, &str)], new: &[(&str, &str)]) -> Option<(Vec<String>, Vec<String>)> {
        let (old, new) = (looks(old), looks(new));
        let groups = exchanged(&old, &new, |_, _| true);
        assert!(groups.len() < 2, "{groups:?}");
        let group = groups.first()?;
        Some(lines(group, &old, &new, |is| new[is].id.clone()))
    }

    fn moved(lines: &[(&str, &str)]) -> Vec<String> {
        let line = |(old, new): &(&str, &str)| format!("`flow.moved(\"{old}\", \"{new}\")`");
        lines.iter().map(line).collect()
    }

    #[test]
    fn circles_and_chains_are_exchanges() {
        let ab = [("a", "1"), ("b", "2")];
        assert_eq!(
            told(&ab, &[("a", "2"), ("b", "1")]),
            Some((
                moved(&[("a", "b"), ("b", "a")]),
                moved(&[("b", "b"), ("a", "a")])
            ))
        );
        let chain = (moved(&[("a", "b"), ("b", "c")]), moved(&[("b", "b")]));
        assert_eq!(told(&ab, &[("b", "1"), ("c", "2")]), Some(chain));
        // The first step is new: it needs its own id.
        assert_eq!(
            told(&ab, &[("a", "3"), ("b", "1"), ("c", "2")]),
            Some((
                moved(&[("a", "b"), ("b", "c"), ("c", "a")]),
                moved(&[("b", "b")])
            ))
        );
    }

    #[test]
    fn anything_less_is_none() {
        let ab = [("a", "1"), ("b", "2")];
        for new in [
            &ab[..],
            &[("b", "2"), ("a", "1")],
            &[("a", "3"), ("b", "1")],
            &[("c", "1"), ("b", "2")],
            &[("a", "2"), ("b", "2")],
            &[("b", "1"), ("c", "3")],
        ] {
            assert_eq!(told(&ab, new), None, "{new:?}");
        }
        // Two steps that have swapped their inputs, with and without a text.
        let read = |arguments: [&str; 2], inputs: [&str; 2]| {
            let mut looks = looks(&[("a", arguments[0]), ("b", arguments[1])]);
            for (look, inputs) in looks.iter_mut().zip(inputs) {
                look.inputs = Some(inputs.to_owned());
            }
            looks
        };
        for (before, now) in [
            (["", ""], ["", ""]),
            (["1", "2"], ["1", "2"]),
            (["", ""], ["1", "1"]),
        ] {
            let (old, new) = (read(before, ["x", "y"]), read(now, ["y", "x"]));
            let found = exchanged(&old, &new, |_, _| true);
            assert_eq!(found, [[(0, 1), (1, 0)]], "{before:?} {now:?}");
            assert!(exchanged(&old, &new, |_, _| false).is_empty());
        }
        // The arguments identify steps whose inputs others have taken.
        let mut new = read(["1", "2"], ["y", "z"]);
        new.extend(looks(&[("c", "3")]));
        new[2].inputs = Some("x".to_owned());
        let old = read(["1", "2"], ["x", "y"]);
        assert!(exchanged(&old, &new, |_, _| true).is_empty());
    }
}
