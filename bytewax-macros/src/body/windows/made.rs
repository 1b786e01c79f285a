//! The construction of clocks and windowers.

use proc_macro2::TokenStream;
use quote::quote;
use syn::punctuated::Punctuated;
use syn::{Expr, ExprCall, ExprLit, Lit, Token};

use super::spans::{Read, last_two, number, read};

/// The start of a chain of calls: `SlidingWindower::new(..)` and the like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Made {
    Tumbling,
    Sliding,
    Cumulate,
    Session,
    Count,
    Global,
    Days,
    Weeks,
    Months,
    EventClock,
    PartitionClock,
    StreamClock,
    SystemClock,
}

pub(super) type Arguments = Punctuated<Expr, Token![,]>;

impl Made {
    pub(super) fn of(call: &ExprCall) -> Option<Self> {
        let (made, how) = last_two(&call.func)?;
        Some(match (made.as_str(), how.as_str()) {
            ("TumblingWindower", "new") => Self::Tumbling,
            ("SlidingWindower", "new") => Self::Sliding,
            ("CumulateWindower", "new") => Self::Cumulate,
            ("GlobalWindower", "new") => Self::Global,
            ("CalendarWindower", "days") => Self::Days,
            ("CalendarWindower", "weeks") => Self::Weeks,
            ("CalendarWindower", "months") => Self::Months,
            ("SessionWindower", "new") => Self::Session,
            ("CountWindower", "new") => Self::Count,
            ("EventClock", "new" | "of_sides") => Self::EventClock,
            ("EventClock", "per_partition") => Self::PartitionClock,
            ("StreamClock", "new" | "of_sides") => Self::StreamClock,
            ("SystemClock", "new") => Self::SystemClock,
            _ => return None,
        })
    }

    pub(super) fn is_clock(self) -> bool {
        matches!(
            self,
            Self::EventClock | Self::PartitionClock | Self::StreamClock | Self::SystemClock
        )
    }
}

/// The start of a chain of method calls, and its arguments.
pub(super) fn begin_of(chain: &Expr) -> Option<(Made, &Arguments)> {
    match chain {
        Expr::MethodCall(call) => begin_of(&call.receiver),
        Expr::Call(call) => Some((Made::of(call)?, &call.args)),
        Expr::Paren(inner) => begin_of(&inner.expr),
        Expr::Group(inner) => begin_of(&inner.expr),
        _ => None,
    }
}

/// The argument of `every` in a chain of method calls.
pub(super) fn every_of(chain: &Expr) -> Option<&Expr> {
    match chain {
        Expr::MethodCall(call) if call.method == "every" => call.args.first(),
        Expr::MethodCall(call) => every_of(&call.receiver),
        Expr::Paren(inner) => every_of(&inner.expr),
        Expr::Group(inner) => every_of(&inner.expr),
        _ => None,
    }
}

/// A windower with the same lengths in a `const`, if they are readable. Windows begin in 1970.
pub(super) fn windower(
    made: Made,
    arguments: &Arguments,
    every: Option<&Expr>,
    runtime: &TokenStream,
) -> Option<TokenStream> {
    let windowing = quote!(#runtime::windowing);
    let epoch = quote!(#windowing::compiled::EPOCH);
    let span = |index: usize| match read(arguments.get(index)?)? {
        Read::Micros(micros) => Some(quote!(#windowing::compiled::micros(#micros))),
        Read::TooLong(_) => None,
    };
    let values = |expr: &Expr| u64::try_from(number(expr)?).ok();
    Some(match made {
        Made::Tumbling => {
            let length = span(0)?;
            quote!(#windowing::TumblingWindower::new(#length, #epoch))
        }
        Made::Sliding => {
            let (length, offset) = (span(0)?, span(1)?);
            quote!(#windowing::SlidingWindower::new(#length, #offset, #epoch))
        }
        Made::Cumulate => {
            let (step, length) = (span(0)?, span(1)?);
            quote!(#windowing::CumulateWindower::new(#step, #length, #epoch))
        }
        Made::Global => quote!(#windowing::GlobalWindower::new()),
        Made::Session => {
            let gap = span(0)?;
            quote!(#windowing::SessionWindower::new(#gap))
        }
        Made::Count => {
            let length = values(arguments.first()?)?;
            let every = match every {
                None => None,
                Some(every) => {
                    let every = values(every)?;
                    Some(quote!(.every(#every)))
                }
            };
            quote!(#windowing::CountWindower::new(#length) #every)
        }
        Made::Days | Made::Weeks | Made::Months => return None,
        Made::EventClock | Made::PartitionClock | Made::StreamClock | Made::SystemClock => {
            return None;
        }
    })
}

/// The text of the windows of a calendar in a `const`, if the time zone is a literal.
pub(super) fn calendar(
    made: Made,
    arguments: &Arguments,
    runtime: &TokenStream,
) -> Option<TokenStream> {
    let units = match made {
        Made::Days => "days",
        Made::Weeks => "weeks",
        Made::Months => "months",
        _ => return None,
    };
    let Some(Expr::Lit(ExprLit {
        lit: Lit::Str(zone),
        ..
    })) = arguments.first()
    else {
        return None;
    };
    Some(quote!(#runtime::windowing::compiled::Calendar::new(#units, #zone)))
}
