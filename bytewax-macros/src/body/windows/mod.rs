//! Clocks and windowers whose parameters are wrong by their text: the runtime would refuse them before
//! it runs, with the same words.

mod spans;
mod stated;

use std::fmt::Display;

use quote::ToTokens;
use syn::visit::{self, Visit};
use syn::{Block, Expr, ExprCall, ExprMethodCall};

use crate::errors::Errors;
use spans::{Span, number, span_of};
pub(crate) use stated::{Stated, stated};

/// Reports clocks and windowers in a body whose literal parameters cannot be.
pub(crate) fn in_block(block: &Block, errors: &mut Errors) {
    Parameters { errors }.visit_block(block);
}

/// The same in an expression.
pub(crate) fn in_expr(expr: &Expr, errors: &mut Errors) {
    Parameters { errors }.visit_expr(expr);
}

struct Parameters<'a> {
    errors: &'a mut Errors,
}

/// A value may belong to so many windows.
const MOST_WINDOWS: i128 = 1_000_000;

/// What is said of a parameter, and how to mend it.
type Words = (&'static str, &'static str);

const LENGTH: Words = (
    "windows have no length",
    "give windows a length of a microsecond or more",
);
const LONG: Words = (
    "windows are longer than 292,000 years, and so far no time is told",
    "give windows a length that is shorter",
);
const OFFSET: Words = (
    "windows begin at the same time",
    "give windows an offset of a microsecond or more",
);
const APART: Words = (
    "the offset of windows is longer than their length, so that values between them would be lost",
    "give windows an offset that is no longer than their length",
);
const GAP: Words = (
    "the gap of sessions is negative",
    "give sessions a gap of zero or more",
);
const VALUES: Words = (
    "windows have no values",
    "give windows a number of values of at least 1",
);
const EVERY: Words = (
    "windows begin at the same value",
    "have a window begin at every first value or more",
);
const FAR: Words = (
    "windows begin further apart than they are long, so that values between them would be lost",
    "have windows begin no further apart than their number of values",
);
const LATE: Words = (
    "the time for which late values are allowed is negative",
    "allow late values for zero or more",
);
const EARLY: Words = (
    "windows are to emit early without any time between",
    "fire early after a microsecond or more",
);
const WAIT: Words = (
    "the wait of the clock is negative",
    "give the clock a wait of zero or more",
);
const FORGET: Words = (
    "the time after which keys are forgotten is negative",
    "forget keys after zero or more",
);
const IDLE: Words = (
    "each partition would be idle at once",
    "call partitions idle after a microsecond or more",
);
const LEAD: Words = (
    "the lead of partitions is negative",
    "let partitions be ahead by zero or more",
);

/// What a chain of calls begins with: `SlidingWindower::new(..)` and the like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Made {
    Tumbling,
    Sliding,
    Session,
    Count,
    EventClock,
    PartitionClock,
    SystemClock,
}

impl Made {
    fn of(call: &ExprCall) -> Option<Self> {
        let (made, how) = last_two(&call.func)?;
        Some(match (made.as_str(), how.as_str()) {
            ("TumblingWindower", "new") => Self::Tumbling,
            ("SlidingWindower", "new") => Self::Sliding,
            ("SessionWindower", "new") => Self::Session,
            ("CountWindower", "new") => Self::Count,
            ("EventClock", "new" | "of_sides") => Self::EventClock,
            ("EventClock", "per_partition") => Self::PartitionClock,
            ("SystemClock", "new") => Self::SystemClock,
            _ => return None,
        })
    }

    fn is_clock(self) -> bool {
        matches!(
            self,
            Self::EventClock | Self::PartitionClock | Self::SystemClock
        )
    }
}

impl Parameters<'_> {
    fn fault(&mut self, place: impl ToTokens, (fault, mend): Words) {
        self.errors.fault(place, fault, mend);
    }

    /// Reports a span that is none, and gives one that may be judged.
    fn span(&mut self, expr: Option<&Expr>) -> Option<i128> {
        match expr.and_then(span_of)? {
            Span::Micros(micros) => Some(micros),
            Span::TooLong { text } => {
                self.errors.fault(
                    expr,
                    format_args!("`{text}` is longer than a `TimeDelta` can be"),
                    "give a shorter time, or `TimeDelta::MAX` for one without end",
                );
                None
            }
        }
    }

    /// Reports a span that must not be negative.
    fn not_negative(&mut self, expr: Option<&Expr>, words: Words) {
        if self.span(expr).is_some_and(|micros| micros < 0) {
            self.fault(expr, words);
        }
    }

    /// Reports a span that must be more than nothing.
    fn not_zero(&mut self, expr: Option<&Expr>, words: Words) {
        if self.span(expr).is_some_and(|micros| micros <= 0) {
            self.fault(expr, words);
        }
    }

    /// Reports a length of windows, or gives one that may be compared.
    fn length(&mut self, expr: Option<&Expr>) -> Option<i128> {
        let micros = self.span(expr)?;
        if micros <= 0 {
            self.fault(expr, LENGTH);
        } else if micros >= i128::from(i64::MAX) {
            self.fault(expr, LONG);
        } else {
            return Some(micros);
        }
        None
    }

    fn sliding(&mut self, length: Option<&Expr>, offset: Option<&Expr>) {
        let long = self.length(length);
        let Some(apart) = self.span(offset) else {
            return;
        };
        if apart <= 0 {
            self.fault(offset, OFFSET);
            return;
        }
        let Some(long) = long else { return };
        if apart > long {
            self.fault(offset, APART);
        } else {
            self.too_many(offset, long, apart, "their length");
        }
    }

    fn every(&mut self, values: Option<&Expr>, every: Option<&Expr>) {
        let Some(apart) = every.and_then(number) else {
            return;
        };
        if apart == 0 {
            self.fault(every, EVERY);
            return;
        }
        let Some(long) = values.and_then(number).filter(|long| *long > 0) else {
            return;
        };
        if apart > long {
            self.fault(every, FAR);
        } else {
            self.too_many(every, long, apart, "their number of values");
        }
    }

    fn too_many(&mut self, place: Option<&Expr>, long: i128, apart: i128, of_what: impl Display) {
        let windows = long / apart;
        if windows > MOST_WINDOWS {
            self.errors.fault(
                place,
                format_args!("each value would be in {windows} windows"),
                format_args!(
                    "have windows begin no nearer to each other than {of_what} / {MOST_WINDOWS}"
                ),
            );
        }
    }
}

impl<'ast> Visit<'ast> for Parameters<'_> {
    fn visit_expr_call(&mut self, call: &'ast ExprCall) {
        visit::visit_expr_call(self, call);
        let argument = |index: usize| call.args.get(index);
        match Made::of(call) {
            Some(Made::Tumbling) => drop(self.length(argument(0))),
            Some(Made::Sliding) => self.sliding(argument(0), argument(1)),
            Some(Made::Session) => self.not_negative(argument(0), GAP),
            Some(Made::Count) if argument(0).and_then(number) == Some(0) => {
                self.fault(argument(0), VALUES);
            }
            Some(Made::EventClock | Made::PartitionClock) => self.not_negative(argument(1), WAIT),
            Some(Made::Count | Made::SystemClock) | None => {}
        }
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        visit::visit_expr_method_call(self, call);
        let Some((made, arguments)) = begin_of(&call.receiver) else {
            return;
        };
        let argument = call.args.first();
        match call.method.to_string().as_str() {
            "every" if made == Made::Count => self.every(arguments.first(), argument),
            "allow_late" if !made.is_clock() => self.not_negative(argument, LATE),
            "fire_early" if !made.is_clock() => self.not_zero(argument, EARLY),
            "forget_after" if made.is_clock() => self.not_negative(argument, FORGET),
            "idle_after" if made == Made::PartitionClock => self.not_zero(argument, IDLE),
            "max_lead" if made == Made::PartitionClock => self.not_negative(argument, LEAD),
            _ => {}
        }
    }
}

/// What a chain of method calls begins with, and its arguments.
fn begin_of(chain: &Expr) -> Option<(Made, &syn::punctuated::Punctuated<Expr, syn::Token![,]>)> {
    match chain {
        Expr::MethodCall(call) => begin_of(&call.receiver),
        Expr::Call(call) => Some((Made::of(call)?, &call.args)),
        Expr::Paren(inner) => begin_of(&inner.expr),
        Expr::Group(inner) => begin_of(&inner.expr),
        _ => None,
    }
}

/// The argument of `every` in a chain of method calls.
fn values_apart(chain: &Expr) -> Option<&Expr> {
    match chain {
        Expr::MethodCall(call) if call.method == "every" => call.args.first(),
        Expr::MethodCall(call) => values_apart(&call.receiver),
        Expr::Paren(inner) => values_apart(&inner.expr),
        Expr::Group(inner) => values_apart(&inner.expr),
        _ => None,
    }
}

/// The last two names of a path.
fn last_two(path: &Expr) -> Option<(String, String)> {
    let Expr::Path(path) = path else { return None };
    let names = path.path.segments.iter().rev();
    let mut names = names.map(|segment| segment.ident.to_string());
    let last = names.next()?;
    Some((names.next()?, last))
}
