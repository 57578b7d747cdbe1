//! What an engine answers, as errors of the contract.

use bollard::errors::Error;
use setpoint_actuators::ActuatorError;

/// The reason of an engine that does not answer.
const UNAVAILABLE: &str = "RuntimeUnavailable";

/// The engine's status code, when it answered at all.
pub(crate) fn status(error: &Error) -> Option<u16> {
    match error {
        Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

/// Whether the engine does not have what was asked for.
pub(crate) fn is_absent(error: &Error) -> bool {
    status(error) == Some(404)
}

/// Whether the engine is at it already, or something stands in the way that may go away.
pub(crate) fn is_conflict(error: &Error) -> bool {
    status(error) == Some(409)
}

/// An error of the engine as one of the contract: what it refuses as wrong (400) stays wrong until
/// the spec changes; everything else may go away. `reason` is what a pod's status shows.
pub(crate) fn error_of(attempt: &str, reason: &str, error: &Error) -> ActuatorError {
    match error {
        Error::DockerResponseServerError { status_code: 400, message } => {
            ActuatorError::permanent(reason, format!("failed to {attempt}: {message}"))
        }
        Error::DockerResponseServerError { message, .. } => {
            ActuatorError::transient(reason, format!("failed to {attempt}: {message}"))
        }
        other => ActuatorError::transient(UNAVAILABLE, format!("failed to {attempt}: {other}")),
    }
}

/// The same for calls that are not about one container.
pub(crate) fn unavailable(attempt: &str) -> impl Fn(Error) -> ActuatorError {
    move |error| error_of(attempt, UNAVAILABLE, &error)
}
