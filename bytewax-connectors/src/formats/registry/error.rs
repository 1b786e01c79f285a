//! Errors of a registry.

/// An error of a schema registry. No text contains the user or the password of a login.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The address is invalid.
    #[error("the address `{url}` of the schema registry cannot be used: {why}")]
    Address {
        /// The address.
        url: String,
        /// The reason.
        why: String,
    },
    /// The registry does not respond.
    #[error(
        "the schema registry `{url}` did not respond after {tries} attempts: {why}; check the address, or wait \
         longer with \
         `Registry::retry` and `Registry::timeout`"
    )]
    Unreachable {
        /// The addresses.
        url: String,
        /// The number of attempts.
        tries: usize,
        /// The error of the last attempt.
        why: String,
    },
    /// The registry rejects the client.
    #[error("the schema registry `{url}` refuses the client: {why}; check `Registry::basic_auth`")]
    Refused {
        /// The address.
        url: String,
        /// The response of the registry.
        why: String,
    },
    /// The registry does not have the requested schema.
    #[error("the schema registry `{url}` has {what}")]
    Absent {
        /// The address.
        url: String,
        /// What is missing.
        what: String,
    },
    /// The registry rejects a schema.
    #[error("the schema registry `{url}` does not take the schema of `{path}`: {why}")]
    Rejected {
        /// The address.
        url: String,
        /// The requested path.
        path: String,
        /// The response of the registry.
        why: String,
    },
    /// The response is not that of a registry.
    #[error(
        "the answer of the schema registry `{url}` to `{path}` cannot be read: {why}; is that the address of a registry?"
    )]
    Answer {
        /// The address.
        url: String,
        /// The requested path.
        path: String,
        /// The reason.
        why: String,
    },
    /// A schema cannot be used.
    #[error("{what}, in the schema registry `{url}`, cannot be used: {why}")]
    Schema {
        /// The address.
        url: String,
        /// The schema.
        what: String,
        /// The reason.
        why: String,
    },
}

impl RegistryError {
    /// Whether the registry responded that it does not have the requested schema.
    pub(super) fn is_absent(&self) -> bool {
        matches!(self, Self::Absent { .. })
    }
}
