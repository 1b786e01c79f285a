//! What can go wrong with a registry.

/// Why a schema registry is of no use. No text has the name or the password of a login.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The address cannot be used.
    #[error("the address `{url}` of the schema registry cannot be used: {why}")]
    Address {
        /// The address.
        url: String,
        /// What is wrong.
        why: String,
    },
    /// It does not answer.
    #[error(
        "the schema registry `{url}` does not answer, after {tries} tries: {why}; check the address, or wait longer with \
         `Registry::retry` and `Registry::timeout`"
    )]
    Unreachable {
        /// The addresses.
        url: String,
        /// How often it was asked.
        tries: usize,
        /// What the last try has ended with.
        why: String,
    },
    /// It does not let the client in.
    #[error("the schema registry `{url}` refuses the client: {why}; check `Registry::basic_auth`")]
    Refused {
        /// The address.
        url: String,
        /// What it says.
        why: String,
    },
    /// It does not have what was asked for.
    #[error("the schema registry `{url}` has {what}")]
    Absent {
        /// The address.
        url: String,
        /// What it does not have.
        what: String,
    },
    /// It does not take a schema.
    #[error("the schema registry `{url}` does not take the schema of `{path}`: {why}")]
    Rejected {
        /// The address.
        url: String,
        /// What was asked.
        path: String,
        /// What it says.
        why: String,
    },
    /// Its answer is not one of a registry.
    #[error(
        "the answer of the schema registry `{url}` to `{path}` cannot be read: {why}; is that the address of a registry?"
    )]
    Answer {
        /// The address.
        url: String,
        /// What was asked.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// A schema cannot be used.
    #[error("{what}, in the schema registry `{url}`, cannot be used: {why}")]
    Schema {
        /// The address.
        url: String,
        /// The schema.
        what: String,
        /// What is wrong.
        why: String,
    },
}

impl RegistryError {
    /// Whether the registry has answered that it does not have what was asked for.
    pub(super) fn is_absent(&self) -> bool {
        matches!(self, Self::Absent { .. })
    }
}
