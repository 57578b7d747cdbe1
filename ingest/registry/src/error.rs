//! What can go wrong with a registry.

/// Why the registry did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The client cannot be set up: an address, a certificate.
    #[error("failed to set up the schema registry's client: {why}")]
    Client {
        /// What the library says.
        why: String,
    },
    /// It does not answer, or not in time.
    #[error("failed to {attempt} at the schema registry {url}: {why}")]
    Unreachable {
        /// What was tried.
        attempt: String,
        /// The registry.
        url: String,
        /// What the network says.
        why: String,
    },
    /// It answers, and the answer is no.
    #[error("failed to {attempt} at the schema registry {url}: it answers {status}: {message}")]
    Refused {
        /// What was tried.
        attempt: String,
        /// The registry.
        url: String,
        /// The HTTP status.
        status: u16,
        /// Its own words, shortened.
        message: String,
    },
    /// Schemas of ours that it finds incompatible with what it has. Nothing was registered.
    #[error("the schema registry {url} finds these schemas incompatible with theirs: {subjects}")]
    Incompatible {
        /// The registry.
        url: String,
        /// The subjects, in order, separated by commas.
        subjects: String,
    },
}

impl RegistryError {
    /// Whether trying again may help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            RegistryError::Unreachable { .. } => true,
            RegistryError::Refused { status, .. } => *status >= 500 || *status == 429,
            RegistryError::Client { .. } | RegistryError::Incompatible { .. } => false,
        }
    }
}
