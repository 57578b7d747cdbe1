//! Why a call to a runtime failed: two classes that are retried differently, and two refusals.

use std::time::Duration;

use setpoint_schemas::PodUid;

/// A call to a runtime that failed.
#[derive(Debug, thiserror::Error)]
pub enum ActuatorError {
    /// May succeed when tried again: the runtime is down or slow, an image cannot be pulled now.
    #[error("{message}")]
    Transient {
        /// One word in camel case, such as `ErrImagePull`; becomes the container's or pod's reason.
        reason: String,
        /// What was attempted and what came of it, a sentence.
        message: String,
        /// The container that it is about; `None` when it is about the pod or the runtime.
        container: Option<String>,
        /// Not before this long; `None` leaves it to the caller's backoff.
        retry_after: Option<Duration>,
    },
    /// Fails the same way until the spec changes: no command, an invalid mount.
    #[error("{message}")]
    Permanent {
        /// One word in camel case, such as `NoCommand`; becomes the container's or pod's reason.
        reason: String,
        /// What was attempted and what came of it, a sentence.
        message: String,
        /// The container that it is about; `None` when it is about the pod or the runtime.
        container: Option<String>,
    },
    /// The pod that runs is newer than the one to be started.
    #[error(
        "refused to start pod {uid} at generation {generation} of term {term}: \
         generation {generation_running} of term {term_running} runs"
    )]
    Fenced {
        /// The pod.
        uid: PodUid,
        /// The generation that was to be started.
        generation: i64,
        /// The term that was to be started.
        term: i64,
        /// The generation that runs.
        generation_running: i64,
        /// The term that runs.
        term_running: i64,
    },
    /// The caller cancelled.
    #[error("cancelled")]
    Cancelled,
}

impl ActuatorError {
    /// An error that may go away by itself.
    #[must_use]
    pub fn transient(reason: &str, message: impl Into<String>) -> Self {
        ActuatorError::Transient {
            reason: reason.into(),
            message: message.into(),
            container: None,
            retry_after: None,
        }
    }

    /// An error that stays until the spec changes.
    #[must_use]
    pub fn permanent(reason: &str, message: impl Into<String>) -> Self {
        ActuatorError::Permanent { reason: reason.into(), message: message.into(), container: None }
    }

    /// The same error, about this container.
    #[must_use]
    pub fn of_container(mut self, name: &str) -> Self {
        if let ActuatorError::Transient { container, .. }
        | ActuatorError::Permanent { container, .. } = &mut self
        {
            *container = Some(name.into());
        }
        self
    }

    /// The same error, not to be retried before this long. Only for transient ones.
    #[must_use]
    pub fn after(mut self, wait: Duration) -> Self {
        if let ActuatorError::Transient { retry_after, .. } = &mut self {
            *retry_after = Some(wait);
        }
        self
    }

    /// Whether trying the same again makes sense. A refusal of an older generation does not; a
    /// cancelled call does, when it is still wanted.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, ActuatorError::Transient { .. } | ActuatorError::Cancelled)
    }

    /// One word for a status.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            ActuatorError::Transient { reason, .. } | ActuatorError::Permanent { reason, .. } => {
                reason
            }
            ActuatorError::Fenced { .. } => "Fenced",
            ActuatorError::Cancelled => "Cancelled",
        }
    }

    /// The container that it is about, if one.
    #[must_use]
    pub fn container(&self) -> Option<&str> {
        match self {
            ActuatorError::Transient { container, .. }
            | ActuatorError::Permanent { container, .. } => container.as_deref(),
            ActuatorError::Fenced { .. } | ActuatorError::Cancelled => None,
        }
    }

    /// How long to wait at least, if the runtime said so.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            ActuatorError::Transient { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}
