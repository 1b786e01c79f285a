//! The possible faults of a flow, except those of names and streams in its body.

use syn::LitStr;

use super::parse::Described;
use crate::body::model::Model;
use crate::body::moves::Move;
use crate::body::{self, names};
use crate::errors::Errors;

/// Reports all faults of the flow.
pub(super) fn all(model: &Model, described: &Described, errors: &mut Errors) {
    flow_name(&described.name, errors);
    moves(model, errors);
    leaves(model, errors);
    let has_lost_streams = body::check::all(model, errors);
    if !has_lost_streams {
        output(model, &described.name, errors);
    }
}

/// The name of a flow must have one part.
fn flow_name(name: &LitStr, errors: &mut Errors) {
    let text = name.value();
    if !names::is_flow_name(&text) {
        errors.fault(
            name,
            format_args!("`{text}` is not a flow name"),
            format_args!(
                "use letters, digits, `_` and `-`: `{}`",
                names::nearest_flow_name(&text)
            ),
        );
    }
}

/// Moved steps must exist.
fn moves(model: &Model, errors: &mut Errors) {
    for moved in model.moves.iter().filter(|moved| !moved.has_step(model)) {
        let handle = &model.flow;
        let Move { old, new, .. } = moved;
        let likely: Vec<_> = moved
            .likely(model)
            .iter()
            .map(|step| format!("`{handle}.moved(\"{old}\", \"{}\")`", step.full.0))
            .collect();
        let mend = match likely.is_empty() {
            true => {
                "write the id as the step has it now, without the name of the flow, or remove this"
                    .to_owned()
            }
            false => format!(
                "if it is another step, write {}; otherwise remove this",
                likely.join(" or ")
            ),
        };
        errors.fault(
            &moved.text,
            format_args!("`{old}` was moved to `{new}`, and the flow has no such step"),
            mend,
        );
    }
}

/// The body describes a flow, so it must not end early.
fn leaves(model: &Model, errors: &mut Errors) {
    for leave in &model.leaves {
        errors.fault(
            &leave.place,
            format_args!(
                "`{}` cannot leave the description of a dataflow",
                leave.text
            ),
            "do fallible work before `dataflow!`, and move the result in",
        );
    }
}

/// A flow must have an output, unless its streams are untraceable.
fn output(model: &Model, name: &LitStr, errors: &mut Errors) {
    if !model.has_output && !model.has_escapes {
        errors.fault(
            name,
            "this dataflow has no output, so it would do nothing",
            "end a stream with `.output(sink)`",
        );
    }
}
