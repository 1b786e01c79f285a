//! The possible faults of a body, and their messages.
//!
//! Reports only what the compiler cannot see: names of steps and the shape of the graph. The compiler reports
//! types, unknown methods and moves better than we could.

use std::collections::HashSet;

use quote::ToTokens;
use syn::ext::IdentExt;

use super::model::{Clash, Model, Repeat, Step, Turn, TurnKind};
use super::names;
use crate::errors::Errors;

/// Reports all faults of names and streams; returns whether a stream was lost.
pub(crate) fn all(model: &Model, errors: &mut Errors) -> bool {
    texts(model, errors);
    steps(model, errors);
    errs(model, errors);
    unread(model, errors) + dropped(model, errors) > 0
}

/// User-written names must be valid.
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

/// Each step has a unique name, every time it is built.
fn steps(model: &Model, errors: &mut Errors) {
    let mut turns = HashSet::new();
    let mut scopes = HashSet::new();
    for step in &model.steps {
        match (&step.clash, step.repeat) {
            (Some(clash), _) => same_name(step, clash, errors),
            (None, Some(Repeat { turn, scope: None })) => {
                if turns.insert(turn) {
                    step_repeats(&model.turns[turn], step, &model.flow, errors);
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
    let mend = if step.kind.is_none() {
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

fn step_repeats(turn: &Turn, step: &Step, flow: &str, errors: &mut Errors) {
    let name = &step.name;
    let place = &turn.place;
    match &turn.kind {
        TurnKind::Loop(item) => {
            let item = item.as_ref().map_or("name".to_owned(), ToString::to_string);
            errors.fault(
                &step.place,
                format_args!("every iteration of this loop would build a step named `{name}`"),
                format_args!(
                    "wrap the body in `{flow}.scope({item}, || {{ .. }})` with a different name in each iteration"
                ),
            );
            errors.note(place, "the loop starts here");
        }
        TurnKind::Closure => {
            errors.fault(
                &step.place,
                format_args!("every call of this closure would build a step named `{name}`"),
                format_args!(
                    "wrap the body in `{flow}.scope(name, || {{ .. }})` with a different name in each call"
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
                "this scope has the same name in every iteration of the loop",
                format_args!("use a different name in each iteration, such as `&{item}`"),
            );
        }
        TurnKind::Closure => errors.fault(
            text,
            "this scope has the same name in every call of the closure",
            "use a different name in each call, such as `&name`",
        ),
    }
}

/// Every stream of errors must be handled. An unused result is reported as such.
fn errs(model: &Model, errors: &mut Errors) {
    let owing = model.bindings.iter().filter(|binding| binding.owes_errs);
    for binding in owing.filter(|binding| binding.read || !binding.watched) {
        let name = &binding.ident;
        let (what, errs) = match binding.watched {
            true => (format!("the errors of `{name}`"), format!("{name}.errs")),
            false => (format!("the errors in `{name}`"), name.to_string()),
        };
        errors.fault(
            name,
            format_args!("{what} are never read"),
            format_args!(
                "handle them: `{errs}.fail()`, `{errs}.skip_counted()`, or send them to a sink \
                 with `{errs}.output(sink)`"
            ),
        );
    }
    for operator in &model.lost_errs {
        errors.fault(
            operator,
            format_args!("the errors of this `{operator}` are never read"),
            "bind the result with `let x = ..`, and handle them: `x.errs.fail()`, \
             `x.errs.skip_counted()`, or `x.errs.output(sink)`",
        );
    }
}

/// Every stream must be used. Returns the number of faults.
fn unread(model: &Model, errors: &mut Errors) -> usize {
    let is_unread = |binding: &&super::env::Binding| binding.watched && !binding.read;
    let unread = model.bindings.iter().filter(is_unread);
    unread
        .map(|binding| {
            let name = &binding.ident;
            let fault = format_args!("the stream `{name}` is never read");
            if binding.is_parameter {
                let mend = "return a stream made from it, or send it to a sink";
                errors.fault(name, fault, mend);
                return;
            }
            errors.fault(
                name,
                fault,
                format_args!(
                    "send it to an operator or a sink, or name it `_{}` to drop it on purpose",
                    name.unraw()
                ),
            );
        })
        .count()
}

/// No statement may drop the stream that it creates. Returns the number of faults.
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
