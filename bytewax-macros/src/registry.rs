//! The built-in operators, in one table.

/// The effect of an operator on a flow; determines how its steps may be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Reads items; its position is saved under the step's name.
    Source,
    /// Ends a stream.
    Sink,
    /// Keeps state under the step's name.
    Stateful,
    /// Keeps no state.
    Stateless,
    /// Observes items, or ends the run or the stream; counts as an output, and saves nothing.
    Observer,
}

impl Kind {
    /// Whether a second step with the same name may get a number: only if nothing is saved by name.
    pub(crate) fn is_numbered(self) -> bool {
        matches!(self, Kind::Stateless | Kind::Observer)
    }

    /// Whether such a step makes a flow worth running.
    pub(crate) fn is_output(self) -> bool {
        matches!(self, Kind::Sink | Kind::Observer)
    }
}

const OPERATORS: &[(Kind, &[&str])] = &[
    (Kind::Source, &["input"]),
    (Kind::Sink, &["for_each", "output", "try_for_each"]),
    (
        Kind::Stateful,
        &[
            "collect",
            "collect_window",
            "count_final",
            "count_window",
            "dedupe",
            "delay",
            "distinct_final",
            "event_time",
            "fold_final",
            "fold_window",
            "join",
            "join_as_of",
            "join_final",
            "join_interval",
            "join_rows",
            "join_running",
            "join_table",
            "join_window",
            "join_window_complete",
            "join_window_running",
            "join_with",
            "lag",
            "last_n",
            "lead",
            "match_pattern",
            "max_final",
            "max_window",
            "min_final",
            "min_window",
            "rate_limit",
            "reduce_final",
            "reduce_window",
            "sample",
            "scan",
            "sort_by_time",
            "stateful",
            "stateful_batch",
            "stateful_batch_with",
            "stateful_by_time",
            "stateful_flat_map",
            "stateful_map",
            "stateful_with",
            "stateful_with_broadcast",
            "top_n",
            "top_n_final",
            "top_n_window",
            "window",
            "with_broadcast",
            "zip_latest",
        ],
    ),
    (
        Kind::Stateless,
        &[
            "batch",
            "branch",
            "enrich_cached",
            "filter",
            "filter_map",
            "filter_map_value",
            "filter_value",
            "flat_map",
            "flat_map_batch",
            "flat_map_value",
            "flat_map_with",
            "flatten",
            "key_on",
            "key_rm",
            "map",
            "map_async",
            "map_value",
            "map_with",
            "merge",
            "redistribute",
            "sample_keys",
            "split_result",
            "try_filter_map",
            "try_flat_map",
            "try_map",
            "try_map_with",
            "try_output",
        ],
    ),
    (
        Kind::Observer,
        &[
            "fail",
            "inspect",
            "inspect_debug",
            "inspect_debug_with",
            "raises",
            "skip_counted",
        ],
    ),
];

/// The operators whose result has the field `errs`, which must be read.
const WITH_ERRS: &[&str] = &[
    "map_async",
    "split_result",
    "try_filter_map",
    "try_flat_map",
    "try_map",
    "try_map_with",
    "try_output",
];

/// Operators of the built-in connectors, which are methods of traits. They keep no state, and their results
/// have the field `errs`.
const OF_CONNECTORS: &[&str] = &[
    "deserialize",
    "deserialize_key",
    "deserialize_value",
    "serialize",
    "serialize_key",
    "serialize_value",
];

/// Whether the result of the built-in operator of this name has the field `errs`.
pub(crate) fn has_errs(method: &str) -> bool {
    WITH_ERRS.contains(&method) || OF_CONNECTORS.contains(&method)
}

/// Whether a method of a stream builds no step: the next operator does, on its result.
pub(crate) fn leads_to_step(method: &str) -> bool {
    ["expire_after", "renewed_by"].contains(&method)
}

/// Whether the step saves the type in `operator::<T>()`.
pub(crate) fn names_state(method: &str) -> bool {
    ["stateful", "stateful_batch"].contains(&method)
}

/// Whether the operator of this name saves a value of a program's type unchanged, so that another such
/// operator can continue with it. The runtime has the same list, for resumed state.
pub(crate) fn keeps_own_type(method: &str) -> bool {
    [
        "scan",
        "stateful",
        "stateful_batch",
        "stateful_batch_with",
        "stateful_map",
        "stateful_with",
    ]
    .contains(&method)
}

/// Whether a tuple of streams has an operator of this name and number of arguments.
pub(crate) fn joins_all(method: &str, arguments: usize) -> bool {
    match method {
        "join" => arguments == 0,
        "join_final" | "join_running" | "join_with" => arguments == 1,
        _ => false,
    }
}

/// The kind of the built-in operator of this name, if there is one.
pub(crate) fn kind_of(method: &str) -> Option<Kind> {
    OPERATORS
        .iter()
        .find(|(_, names)| names.contains(&method))
        .map(|(kind, _)| *kind)
        .or_else(|| OF_CONNECTORS.contains(&method).then_some(Kind::Stateless))
}

#[cfg(test)]
mod tests {
    use super::{Kind, OF_CONNECTORS, OPERATORS, kind_of};

    #[test]
    fn knows_each_operator_once_and_in_order() {
        let mut all = Vec::new();
        for (_, names) in OPERATORS {
            all.extend_from_slice(names);
        }
        all.extend_from_slice(OF_CONNECTORS);
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }

    #[test]
    fn numbers_only_what_saves_nothing() {
        assert_eq!(kind_of("map").map(Kind::is_numbered), Some(true));
        assert_eq!(kind_of("inspect").map(Kind::is_numbered), Some(true));
        assert_eq!(kind_of("input").map(Kind::is_numbered), Some(false));
        assert_eq!(kind_of("join").map(Kind::is_numbered), Some(false));
        assert_eq!(kind_of("clone"), None);
    }
}
