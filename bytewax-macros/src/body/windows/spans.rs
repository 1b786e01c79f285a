//! Reads numbers and spans of time from the source.

use quote::ToTokens;
use syn::{BinOp, Expr, ExprBinary, ExprLit, ExprUnary, Lit, UnOp};

/// A span of time that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// Microseconds, rounded down, and limited to what the runtime treats as endless.
    Micros(i64),
    /// The text of a span that exceeds `TimeDelta`.
    TooLong(String),
}

/// The span of `TimeDelta::seconds(5)` and the like.
pub(super) fn read(expr: &Expr) -> Option<Read> {
    Some(match span_of(expr)? {
        Span::Micros(micros) => {
            let endless = if micros < 0 { i64::MIN } else { i64::MAX };
            Read::Micros(i64::try_from(micros).unwrap_or(endless))
        }
        Span::TooLong { text } => Read::TooLong(text),
    })
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Span {
    Micros(i128),
    TooLong { text: String },
}

/// `TimeDelta::MAX` in microseconds.
const MOST_MICROS: i128 = i64::MAX as i128 * 1000;

fn span_of(expr: &Expr) -> Option<Span> {
    let nanoseconds = match expr {
        Expr::Call(call) => {
            let (span, unit) = last_two(&call.func)?;
            if !is_span(&span) {
                return None;
            }
            match unit_of(&unit)? {
                0 => 0,
                unit => number(call.args.first()?)?.checked_mul(unit)?,
            }
        }
        Expr::Path(_) => match last_two(expr)? {
            (span, last) if is_span(&span) && last == "MAX" => MOST_MICROS * 1000,
            (span, first) if is_span(&span) && first == "MIN" => -MOST_MICROS * 1000,
            _ => return None,
        },
        Expr::Unary(ExprUnary {
            op: UnOp::Neg(_),
            expr,
            ..
        }) => match span_of(expr)? {
            Span::Micros(micros) => -micros * 1000,
            too_long @ Span::TooLong { .. } => return Some(too_long),
        },
        Expr::Paren(inner) => return span_of(&inner.expr),
        Expr::Group(inner) => return span_of(&inner.expr),
        _ => return None,
    };
    let micros = nanoseconds / 1000;
    Some(if micros.abs() > MOST_MICROS {
        let text = expr.to_token_stream().to_string();
        Span::TooLong {
            text: text.replace(' ', ""),
        }
    } else {
        Span::Micros(micros)
    })
}

fn is_span(name: &str) -> bool {
    matches!(name, "TimeDelta" | "Duration")
}

/// The nanoseconds of a unit; `None` for zero.
fn unit_of(name: &str) -> Option<i128> {
    Some(match name {
        "zero" => 0,
        "nanoseconds" => 1,
        "microseconds" => 1_000,
        "milliseconds" => 1_000_000,
        "seconds" => 1_000_000_000,
        "minutes" => 60_000_000_000,
        "hours" => 3_600_000_000_000,
        "days" => 86_400_000_000_000,
        "weeks" => 604_800_000_000_000,
        _ => return None,
    })
}

/// A literal whole number, or sums and products of them.
pub(super) fn number(expr: &Expr) -> Option<i128> {
    match expr {
        Expr::Lit(ExprLit {
            lit: Lit::Int(number),
            ..
        }) => number.base10_parse().ok(),
        Expr::Unary(ExprUnary {
            op: UnOp::Neg(_),
            expr,
            ..
        }) => number(expr)?.checked_neg(),
        Expr::Binary(ExprBinary {
            left, op, right, ..
        }) => {
            let (left, right) = (number(left)?, number(right)?);
            match op {
                BinOp::Add(_) => left.checked_add(right),
                BinOp::Sub(_) => left.checked_sub(right),
                BinOp::Mul(_) => left.checked_mul(right),
                _ => None,
            }
        }
        Expr::Paren(inner) => number(&inner.expr),
        Expr::Group(inner) => number(&inner.expr),
        _ => None,
    }
}

/// The last two names of a path.
pub(super) fn last_two(path: &Expr) -> Option<(String, String)> {
    let Expr::Path(path) = path else { return None };
    let names = path.path.segments.iter().rev();
    let mut names = names.map(|segment| segment.ident.to_string());
    let last = names.next()?;
    Some((names.next()?, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(text: &str) -> Option<Span> {
        span_of(&syn::parse_str(text).expect("an expression"))
    }

    #[test]
    fn reads_what_is_written_down() {
        for (text, micros) in [
            ("TimeDelta::zero()", 0),
            ("chrono::TimeDelta::weeks(1)", 604_800_000_000),
            ("Duration::days(1)", 86_400_000_000),
            ("TimeDelta::hours(-1)", -3_600_000_000),
            ("TimeDelta::minutes(2)", 120_000_000),
            ("TimeDelta::seconds(60 * (5 - 1) + 2)", 242_000_000),
            ("-TimeDelta::milliseconds(7_i64)", -7_000),
            ("(TimeDelta::microseconds(7))", 7),
            ("TimeDelta::nanoseconds(999)", 0),
            ("TimeDelta::MAX", MOST_MICROS),
            ("TimeDelta::MIN", -MOST_MICROS),
        ] {
            assert_eq!(span(text), Some(Span::Micros(micros)), "{text}");
        }
    }

    #[test]
    fn does_not_judge_what_it_cannot_read() {
        for text in [
            "length",
            "LENGTH",
            "Self::MAX",
            "TimeDelta::seconds(n)",
            "TimeDelta::seconds(4 / 2)",
            "TimeDelta::try_days(1)",
            "Days::new(1)",
            "settings.length",
        ] {
            assert_eq!(span(text), None, "{text}");
        }
    }

    #[test]
    fn tells_what_no_span_can_be() {
        for text in [
            "TimeDelta::weeks(9_223_372_036_854_775_807)",
            "TimeDelta::seconds(-9_223_372_036_854_776)",
            "-TimeDelta::days(106_751_991_168)",
        ] {
            assert!(matches!(span(text), Some(Span::TooLong { .. })), "{text}");
        }
        let most = "TimeDelta::seconds(9_223_372_036_854_775)";
        assert!(matches!(span(most), Some(Span::Micros(_))));
    }
}
