//! What can be wrong with a flow, and how each fault is worded.
//!
//! Only what the compiler cannot see is reported: names of steps and the shape of the graph. It
//! reports types, unknown methods and moves better than we could.

use std::collections::HashSet;

use proc_macro2::Ident;
use quote::ToTokens;
use syn::LitStr;
use syn::ext::IdentExt;

use super::model::{Clash, Model, Repeat, Step, Turn, TurnKind};
use super::names;
use super::parse::Described;
use crate::errors::Errors;

/// Reports everything that is wrong with the flow.
pub(super) fn all(model: &Model, described: &Described, errors: &mut Errors) {
    flow_name(&described.name, errors);
    texts(model, errors);
    leaves(model, errors);
    steps(model, &described.flow, errors);
    let before = unread(model, errors) + dropped(model, errors);
    if before == 0 {
        output(model, &described.name, errors);
    }
}

/// The name of a flow has one part.
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

/// Names written by the user must be names.
fn texts(model: &Model, errors: &mut Errors) {
    let named = model.texts.iter().map(|text| (text, "step"));
    let scopes = model.scopes.iter().map(|text| (text, "scope"));
    for (text, what) in named.chain(scopes) {
        if !names::is_step_name(&text.value()) {
            not_a_name(text, &text.value(), what, errors);
        }
    }
    let mut last = None;
    for step in &model.steps {
        if let Some(label) = &step.label {
            let text = label.unraw().to_string();
            if !names::is_step_name(&text) && last.as_ref() != Some(label) {
                not_a_name(label, &text, "step", errors);
                last = Some(label.clone());
            }
        }
    }
}

fn not_a_name(place: impl ToTokens, text: &str, what: &str, errors: &mut Errors) {
    errors.fault(
        place,
        format_args!("`{text}` is not a {what} name"),
        format_args!(
            "use letters, digits, `_` and `-`, with `.` between parts: `{}`",
            names::nearest_step_name(text)
        ),
    );
}

/// The body describes a flow; it cannot end early.
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

/// Each step has a name of its own, each time it is built.
fn steps(model: &Model, flow: &Ident, errors: &mut Errors) {
    let mut turns = HashSet::new();
    let mut scopes = HashSet::new();
    for step in &model.steps {
        match (&step.clash, step.repeat) {
            (Some(clash), _) => same_name(step, clash, errors),
            (None, Some(Repeat { turn, scope: None })) => {
                if turns.insert(turn) {
                    step_repeats(&model.turns[turn], step, flow, errors);
                }
            }
            (
                None,
                Some(Repeat {
                    turn,
                    scope: Some(scope),
                }),
            ) => {
                if scopes.insert(scope) {
                    scope_repeats(model, scope, turn, errors);
                }
            }
            (None, None) => {}
        }
    }
}

fn same_name(step: &Step, clash: &Clash, errors: &mut Errors) {
    if step.is_given || !clash.same_statement {
        let name = &step.name;
        errors.fault(
            &step.place,
            format_args!("two steps are named `{name}`"),
            "saved state is found by this name; give each step its own",
        );
        errors.note(&clash.first, format_args!("`{name}` is first used here"));
        return;
    }
    let callee = &step.callee;
    let place = match &step.label {
        Some(label) => format!("`{}`", label.unraw()),
        None => "this statement".to_owned(),
    };
    let mend = if step.is_call {
        "give it its own `let`"
    } else {
        "end it with `.named(\"..\")`, or give it its own `let`"
    };
    errors.fault(
        &step.place,
        format_args!("a second `{callee}` in {place} has no stable name of its own"),
        mend,
    );
}

fn step_repeats(turn: &Turn, step: &Step, flow: &Ident, errors: &mut Errors) {
    let name = &step.name;
    let place = &turn.place;
    match &turn.kind {
        TurnKind::Loop(item) => {
            let item = item.as_ref().map_or("name".to_owned(), ToString::to_string);
            errors.fault(
                &step.place,
                format_args!("every turn of this loop would build a step named `{name}`"),
                format_args!(
                    "wrap the body in `{flow}.scope({item}, || {{ .. }})` with a name that differs \
                     each turn"
                ),
            );
            errors.note(place, "the loop starts here");
        }
        TurnKind::Closure => {
            errors.fault(
                &step.place,
                format_args!("every call of this closure would build a step named `{name}`"),
                format_args!(
                    "wrap the body in `{flow}.scope(name, || {{ .. }})` with a name that differs \
                     each call"
                ),
            );
            errors.note(place, "the closure starts here");
        }
    }
}

fn scope_repeats(model: &Model, scope: usize, turn: usize, errors: &mut Errors) {
    let text = &model.scopes[scope];
    match &model.turns[turn].kind {
        TurnKind::Loop(item) => {
            let item = item.as_ref().map_or("name".to_owned(), ToString::to_string);
            errors.fault(
                text,
                "this scope has the same name on every turn of the loop",
                format_args!("use a name that differs each turn, such as `&{item}`"),
            );
        }
        TurnKind::Closure => errors.fault(
            text,
            "this scope has the same name on every call of the closure",
            "use a name that differs each call, such as `&name`",
        ),
    }
}

/// Every stream goes somewhere. Gives the number of faults.
fn unread(model: &Model, errors: &mut Errors) -> usize {
    let is_unread = |binding: &&super::env::Binding| binding.watched && !binding.read;
    let unread = model.bindings.iter().filter(is_unread);
    unread
        .map(|binding| {
            let name = &binding.ident;
            errors.fault(
                name,
                format_args!("the stream `{name}` is never read"),
                format_args!(
                    "send it to an operator or a sink, or name it `_{}` to drop it on purpose",
                    name.unraw()
                ),
            );
        })
        .count()
}

/// No statement drops the stream that it makes. Gives the number of faults.
fn dropped(model: &Model, errors: &mut Errors) -> usize {
    for operator in &model.dropped {
        errors.fault(
            operator,
            format_args!("the result of this `{operator}` is never read"),
            "continue the chain, bind it with `let`, or end it with `.output(sink)`",
        );
    }
    model.dropped.len()
}

/// A flow has an output, unless its streams go where we cannot see them.
fn output(model: &Model, name: &LitStr, errors: &mut Errors) {
    if !model.has_output && !model.has_escapes {
        errors.fault(
            name,
            "this dataflow has no output, so it would do nothing",
            "end a stream with `.output(sink)`",
        );
    }
}
