//! Steps that keep a former id.

use std::panic::Location;

use super::graph::{Graph, Step};

/// A step, or a scope with all its steps, that had another id in earlier versions of the program. Ids are without
/// the name of the flow.
#[derive(Debug)]
pub(crate) struct Moved {
    pub(crate) old: String,
    pub(crate) new: String,
    pub(crate) location: &'static Location<'static>,
}

impl Moved {
    /// The rest of a step's id after the new id, if this move applies to the step.
    fn rest<'a>(&self, described: &'a str) -> Option<&'a str> {
        let rest = described.strip_prefix(&self.new)?;
        (rest.is_empty() || rest.starts_with('.')).then_some(rest)
    }

    /// Whether old and new id are equal.
    pub(crate) fn confirms(&self) -> bool {
        self.old == self.new
    }

    /// Whether this move applies to a step with this id, or to its scope.
    pub(crate) fn means(&self, described: &str) -> bool {
        self.rest(described).is_some()
    }
}

/// The id under which a step with this described id saves, if it was moved. The move with the longest
/// matching id counts.
pub(super) fn old_id(moves: &[Moved], described: &str) -> Option<String> {
    let meant = moves
        .iter()
        .filter(|moved| !moved.confirms())
        .filter_map(|moved| Some((moved, moved.rest(described)?)));
    let (moved, rest) = meant.max_by_key(|(moved, _)| moved.new.len())?;
    Some(format!("{}{rest}", moved.old))
}

/// Reports moves that apply to no step, or to the same one.
pub(super) fn check(graph: &Graph, report: &mut impl FnMut(String, String)) {
    for (number, moved) in graph.moved.iter().enumerate() {
        let Moved { old, new, location } = moved;
        for name in [old, new] {
            if !super::check::is_name(name) {
                report(
                    format!("`{name}` at {location} is not the id of a step"),
                    "write it as `dataflow.lock` and messages do, without the name of the flow"
                        .to_owned(),
                );
            }
        }
        let mut earlier = graph.moved[..number].iter().filter(|it| !it.confirms());
        if !moved.confirms()
            && let Some(first) = earlier.find(|other| other.new == *new)
        {
            report(
                format!(
                    "`{new}` was moved from `{}` at {}, and from `{old}` at {location}",
                    first.old, first.location
                ),
                "keep the line with the id under which the state is saved".to_owned(),
            );
        }
        let is_meant = |step: &Step| match moved.confirms() {
            true => moved.means(graph.own_id(&step.id)),
            false => moved.means(graph.own_id(&step.described)),
        };
        if !graph.steps.iter().any(is_meant) {
            report(
                format!(
                    "`{old}` was moved to `{new}` at {location}, and the flow has no such step"
                ),
                help(graph, moved),
            );
        }
    }
}

/// The likely intention of a move that applies to no step.
fn help(graph: &Graph, moved: &Moved) -> String {
    let is_free = |step: &&Step| step.kind.needs_name() && step.described == step.id;
    let likeness = |step: &Step| {
        let described = graph.own_id(&step.described);
        let same_start = described.split('.').zip(moved.new.split('.'));
        let same_start = same_start.take_while(|(one, other)| one == other).count();
        same_start + same_end(described, &moved.old)
    };
    let free: Vec<&Step> = graph.steps.iter().filter(is_free).collect();
    let best = free.iter().map(|step| likeness(step)).max().unwrap_or(0);
    let lines: Vec<String> = free
        .iter()
        .filter(|step| best > 0 && likeness(step) == best)
        .take(3)
        .map(|step| {
            let new = graph.own_id(&step.described);
            format!("`flow.moved(\"{}\", \"{new}\")`", moved.old)
        })
        .collect();
    match lines.is_empty() {
        true => "remove the line, or put it where the step is built".to_owned(),
        false => format!(
            "if it is another step, write {}; if the step is not built here, put the line where it is",
            lines.join(" or ")
        ),
    }
}

/// The number of equal parts at the ends of two ids.
pub(crate) fn same_end(one: &str, other: &str) -> usize {
    let parts = one.rsplit('.').zip(other.rsplit('.'));
    parts.take_while(|(one, other)| one == other).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Dataflow;
    use crate::testing::{TestingSink, TestingSource};

    #[test]
    fn the_longest_id_that_means_a_step_counts() {
        let moved = |old: &str, new: &str| Moved {
            old: old.to_owned(),
            new: new.to_owned(),
            location: Location::caller(),
        };
        let moves = [moved("a", "eu"), moved("x.y", "eu.sums"), moved("b", "c")];
        let old = |described: &str| old_id(&moves, described);
        assert_eq!(old("eu.orders.input").as_deref(), Some("a.orders.input"));
        assert_eq!(old("eu.sums").as_deref(), Some("x.y"));
        assert_eq!(old("c").as_deref(), Some("b"));
        assert_eq!(old("europe.sums"), None);
        assert_eq!(old("b"), None);
    }

    fn defects(describe: impl FnOnce(&crate::flow::Flow)) -> String {
        let flow = Dataflow::build("f", |flow| {
            let numbers = flow.input(TestingSource::new([(1_u64, 2_u64)])).named("in");
            flow.scope("sums", || {
                let sums = numbers.stateful_map(|sum: &mut u64, n| *sum + n);
                sums.named("total").output(TestingSink::new()).named("out");
            });
            describe(flow);
        });
        flow.check()
            .map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn a_moved_step_has_its_old_id() {
        let flow = Dataflow::build("f", |flow| {
            let numbers = flow.input(TestingSource::new([1])).named("in");
            numbers.output(TestingSink::new()).named("out");
            // The order is irrelevant, and names may be swapped.
            flow.moved("out", "in");
            flow.moved("in", "out");
        });
        let ids: Vec<_> = flow.step_ids().iter().map(ToString::to_string).collect();
        assert_eq!(ids, ["f.out", "f.in"]);
        assert!(flow.check().is_ok());
    }

    #[test]
    fn a_move_that_means_no_step_is_reported_with_those_that_may_be_meant() {
        assert_eq!(defects(|flow| flow.moved("total", "sums.total")), "");
        assert_eq!(defects(|flow| flow.moved("all", "sums")), "");
        let text = defects(|flow| flow.moved("total", "sums.stateful_map"));
        assert!(
            text.contains("`total` was moved to `sums.stateful_map` at"),
            "{text}"
        );
        let help = "if it is another step, write `flow.moved(\"total\", \"sums.total\")`;";
        assert!(text.contains(help), "{text}");
        let text = defects(|flow| flow.moved("a", "b"));
        assert!(
            text.contains("help: remove the line, or put it where"),
            "{text}"
        );
        let text = defects(|flow| {
            flow.moved("a", "in");
            flow.moved("b", "in");
        });
        assert!(text.contains("`in` was moved from `a` at"), "{text}");
        let text = defects(|flow| flow.moved("a..b", "in"));
        assert!(
            text.contains("`a..b` at") && text.contains("is not the id"),
            "{text}"
        );
        let text = defects(|flow| flow.moved("in", "sums.total"));
        assert!(text.contains("two steps have the id `f.in`"), "{text}");
    }
}
