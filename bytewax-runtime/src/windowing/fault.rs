//! Invalid parameters of a clock or a windower.
//!
//! The checks are `const`, so `dataflow!` can run them at compile time for parameters that it can read.

use crate::state::facts::Text;

/// The fault and its fix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) fault: Text,
    pub(crate) help: Text,
}

impl Fault {
    pub(crate) const fn new(fault: &str, help: &str) -> Self {
        Self::of(Text::new(fault), Text::new(help))
    }

    pub(crate) const fn of(fault: Text, help: Text) -> Self {
        Self { fault, help }
    }

    /// Returns a fault if a span is negative.
    pub(crate) const fn if_negative(span: i64, what: &str, help: &str) -> Option<Self> {
        if span < 0 {
            Some(Self::of(
                Text::new(what).text(" is negative"),
                Text::new(help),
            ))
        } else {
            None
        }
    }

    /// Returns a fault if a span is not positive.
    pub(crate) const fn if_not_positive(span: i64, fault: &str, help: &str) -> Option<Self> {
        if span <= 0 {
            Some(Self::new(fault, help))
        } else {
            None
        }
    }

    /// Returns the text that the compiler reports.
    pub(crate) const fn text(found: Option<Self>) -> Option<Text> {
        match found {
            Some(Self { fault, help }) => Some(fault.text("\nhelp: ").text(help.as_str())),
            None => None,
        }
    }
}
