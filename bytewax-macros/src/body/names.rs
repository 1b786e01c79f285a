//! Step names: validity and uniqueness.

use std::collections::HashMap;

use proc_macro2::TokenStream;

/// Whether every dot-separated part of the text consists of letters, digits, `_` and `-`.
pub(crate) fn is_step_name(text: &str) -> bool {
    text.split('.').all(is_part)
}

/// Whether the text can name a flow: a step name with one part.
pub(crate) fn is_flow_name(text: &str) -> bool {
    is_part(text)
}

fn is_part(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_allowed)
}

fn is_allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

/// The valid step name closest to a text.
pub(crate) fn nearest_step_name(text: &str) -> String {
    let parts: Vec<_> = text
        .split('.')
        .map(nearest_part)
        .filter(|part| !part.is_empty())
        .collect();
    if parts.is_empty() {
        return "my_step".to_owned();
    }
    parts.join(".")
}

/// The valid flow name closest to a text.
pub(crate) fn nearest_flow_name(text: &str) -> String {
    let name = nearest_part(text);
    if name.is_empty() {
        return "my_flow".to_owned();
    }
    name
}

fn nearest_part(text: &str) -> String {
    text.trim()
        .chars()
        .map(|c| if is_allowed(c) { c } else { '_' })
        .collect()
}

/// Appends an operator's name to the label of its statement.
pub(crate) fn join(label: &str, operator: &str) -> String {
    if label.is_empty() {
        return operator.to_owned();
    }
    format!("{label}.{operator}")
}

/// The user of a name.
#[derive(Clone, Debug)]
pub(crate) struct Holder {
    /// The tokens that determine the name: an operator, or the literal in `.named(..)`.
    pub(crate) place: TokenStream,
    /// Its statement.
    pub(crate) statement: usize,
}

/// The names taken so far on one path through the body.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    taken: HashMap<String, Holder>,
}

impl Names {
    /// Takes a name, or returns who has it.
    pub(crate) fn claim(&mut self, name: &str, holder: Holder) -> Option<Holder> {
        if let Some(first) = self.taken.get(name) {
            return Some(first.clone());
        }
        self.taken.insert(name.to_owned(), holder);
        None
    }

    /// Takes a name, with the first free number after it if it is taken, and returns the suffix.
    pub(crate) fn claim_numbered(&mut self, name: &str, holder: Holder) -> String {
        let mut suffix = String::new();
        let mut next = 2_usize;
        while self.taken.contains_key(&format!("{name}{suffix}")) {
            suffix = format!("_{next}");
            next += 1;
        }
        self.taken.insert(format!("{name}{suffix}"), holder);
        suffix
    }

    /// Adds the names taken on an alternative path, only one of which ever runs.
    pub(crate) fn merge(&mut self, other: Names) {
        for (name, holder) in other.taken {
            self.taken.entry(name).or_insert(holder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Holder, Names, is_flow_name, is_step_name, nearest_flow_name, nearest_step_name};
    use proc_macro2::TokenStream;

    fn holder(statement: usize) -> Holder {
        Holder {
            place: TokenStream::new(),
            statement,
        }
    }

    #[test]
    fn tells_names_from_other_texts() {
        for good in ["a", "orders.total", "a-b_2.c", "0"] {
            assert!(is_step_name(good), "{good}");
        }
        for bad in ["", ".", "a.", ".a", "a..b", "a b", "größe", "a/b"] {
            assert!(!is_step_name(bad), "{bad}");
        }
        assert!(is_flow_name("shop-1"));
        assert!(!is_flow_name("shop.orders"));
    }

    #[test]
    fn proposes_names() {
        assert_eq!(nearest_step_name("total orders"), "total_orders");
        assert_eq!(nearest_step_name("a..b."), "a.b");
        assert_eq!(nearest_step_name(""), "my_step");
        assert_eq!(nearest_flow_name("shop.orders"), "shop_orders");
        assert_eq!(nearest_flow_name(" "), "my_flow");
    }

    #[test]
    fn numbers_from_two() {
        let mut names = Names::default();
        assert_eq!(names.claim_numbered("x.map", holder(0)), "");
        assert_eq!(names.claim_numbered("x.map", holder(0)), "_2");
        assert_eq!(names.claim_numbered("x.map", holder(0)), "_3");
    }

    #[test]
    fn tells_who_has_a_name() {
        let mut names = Names::default();
        assert!(names.claim("x", holder(4)).is_none());
        let first = names.claim("x", holder(5));
        assert_eq!(first.map(|first| first.statement), Some(4));
    }

    #[test]
    fn merges_paths() {
        let base = Names::default();
        let mut one = base.clone();
        one.claim("x", holder(0));
        let mut other = base;
        assert!(other.claim("x", holder(1)).is_none());
        other.merge(one);
        assert!(other.claim("x", holder(2)).is_some());
    }
}
