//! Windowers whose parameters are wrong by their text: the runtime would refuse them before it runs.

use syn::visit::{self, Visit};
use syn::{Expr, ExprCall, ExprClosure, ExprLit, ExprUnary, Lit, UnOp};

use crate::errors::Errors;

/// Reports windowers whose literal parameters cannot be.
pub(super) fn all(closure: &ExprClosure, errors: &mut Errors) {
    Windowers { errors }.visit_expr(&closure.body);
}

struct Windowers<'a> {
    errors: &'a mut Errors,
}

const LENGTH: (&str, &str) = (
    "windows have no length",
    "give windows a length of more than zero",
);
const OFFSET: (&str, &str) = (
    "windows begin at the same time",
    "give windows an offset of more than zero",
);
const APART: (&str, &str) = (
    "the offset of windows is longer than their length, so that values between them would be lost",
    "give windows an offset that is no longer than their length",
);
const GAP: (&str, &str) = (
    "the gap of sessions is negative",
    "give sessions a gap of zero or more",
);
const VALUES: (&str, &str) = (
    "windows have no values",
    "give windows a number of values of at least 1",
);

impl<'ast> Visit<'ast> for Windowers<'_> {
    fn visit_expr_call(&mut self, call: &'ast ExprCall) {
        visit::visit_expr_call(self, call);
        let names = last_two(&call.func);
        let Some((windower, "new")) = names.as_ref().map(as_texts) else {
            return;
        };
        let argument = |index: usize| call.args.get(index);
        let span = |index| argument(index).and_then(span_of);
        let (place, (fault, mend)) = match windower {
            "TumblingWindower" if span(0).is_some_and(|length| length <= 0) => (0, LENGTH),
            "SlidingWindower" if span(0).is_some_and(|length| length <= 0) => (0, LENGTH),
            "SlidingWindower" if span(1).is_some_and(|offset| offset <= 0) => (1, OFFSET),
            "SlidingWindower" if span(0).zip(span(1)).is_some_and(|(l, o)| o > l) => (1, APART),
            "SessionWindower" if span(0).is_some_and(|gap| gap < 0) => (0, GAP),
            "CountWindower" if argument(0).and_then(number) == Some(0) => (0, VALUES),
            _ => return,
        };
        self.errors.fault(argument(place), fault, mend);
    }
}

/// The last two names of a path.
fn last_two(path: &Expr) -> Option<(String, String)> {
    let Expr::Path(path) = path else { return None };
    let mut names = path
        .path
        .segments
        .iter()
        .rev()
        .map(|segment| segment.ident.to_string());
    let last = names.next()?;
    Some((names.next()?, last))
}

fn as_texts(names: &(String, String)) -> (&str, &str) {
    (&names.0, &names.1)
}

/// The nanoseconds of `TimeDelta::seconds(5)` and the like.
fn span_of(expr: &Expr) -> Option<i128> {
    let Expr::Call(call) = expr else { return None };
    let names = last_two(&call.func)?;
    let ("TimeDelta" | "Duration", unit) = as_texts(&names) else {
        return None;
    };
    let nanoseconds: i128 = match unit {
        "zero" => return Some(0),
        "nanoseconds" => 1,
        "microseconds" => 1_000,
        "milliseconds" => 1_000_000,
        "seconds" => 1_000_000_000,
        "minutes" => 60_000_000_000,
        "hours" => 3_600_000_000_000,
        "days" => 86_400_000_000_000,
        "weeks" => 604_800_000_000_000,
        _ => return None,
    };
    number(call.args.first()?)?.checked_mul(nanoseconds)
}

fn number(expr: &Expr) -> Option<i128> {
    match expr {
        Expr::Lit(ExprLit {
            lit: Lit::Int(number),
            ..
        }) => number.base10_parse().ok(),
        Expr::Unary(ExprUnary {
            op: UnOp::Neg(_),
            expr,
            ..
        }) => number(expr).map(|number| -number),
        _ => None,
    }
}
