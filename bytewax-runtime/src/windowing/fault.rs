//! What is wrong with the parameters of a clock or a windower.
//!
//! It can be found in a `const`: `dataflow!` has the compiler ask for parameters that it can read.

use crate::state::facts::Text;

/// What is wrong, and how to mend it.
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

    /// What is wrong with a span that may be zero, if it is negative.
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

    /// What is wrong with a span that must be more than nothing, if it is not.
    pub(crate) const fn if_not_positive(span: i64, fault: &str, help: &str) -> Option<Self> {
        if span <= 0 {
            Some(Self::new(fault, help))
        } else {
            None
        }
    }

    /// What the compiler is to report.
    pub(crate) const fn text(found: Option<Self>) -> Option<Text> {
        match found {
            Some(Self { fault, help }) => Some(fault.text("\nhelp: ").text(help.as_str())),
            None => None,
        }
    }
}
