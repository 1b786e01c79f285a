//! What is wrong with the parameters of a clock or a windower.
//!
//! The macro `dataflow!` says the same of parameters that it can read.

/// What is wrong, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) fault: String,
    pub(crate) help: String,
}

impl Fault {
    pub(crate) fn new(fault: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            fault: fault.into(),
            help: help.into(),
        }
    }

    /// What is wrong with a span that may be zero, if it is negative.
    pub(crate) fn if_negative(span: i64, what: &str, help: &str) -> Option<Self> {
        (span < 0).then(|| Self::new(format!("{what} is negative"), help))
    }
}
