//! Errors as Kubernetes shapes them: a `Status` object with a code, a reason and a sentence.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::KindInfo;
use crate::ports::{PortError, SubmitError};

/// An error that is answered as a `Status`.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct ApiError {
    pub(crate) code: StatusCode,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    details: Value,
}

impl ApiError {
    /// An error of this code; its reason follows from the code as in Kubernetes.
    pub(crate) fn new(code: StatusCode, message: impl Into<String>) -> Self {
        ApiError { code, reason: reason_of(code), message: message.into(), details: Value::Null }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        ApiError::new(StatusCode::BAD_REQUEST, message)
    }

    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        ApiError::new(StatusCode::FORBIDDEN, message)
    }

    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, message)
    }

    /// There is no such object.
    pub(crate) fn not_found(kind: &KindInfo, name: &str) -> Self {
        let message = format!("{} {name:?} not found", kind.qualified());
        ApiError::new(StatusCode::NOT_FOUND, message).about(kind, name, &[])
    }

    /// There is no such path.
    pub(crate) fn no_such_path() -> Self {
        let message = "the server could not find the requested resource";
        ApiError::new(StatusCode::NOT_FOUND, message)
    }

    pub(crate) fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        ApiError::new(StatusCode::METHOD_NOT_ALLOWED, message)
    }

    /// The object is wrong; each mistake becomes a cause.
    pub(crate) fn invalid(kind: &KindInfo, name: &str, mistakes: &[String]) -> Self {
        let list = mistakes.join(", ");
        let message = format!("{} {name:?} is invalid: {list}", kind.kind);
        ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, message).about(kind, name, mistakes)
    }

    /// Changes that are no longer kept were asked for.
    pub(crate) fn expired() -> Self {
        let message = "too old resource version: list again and watch from there";
        ApiError { reason: "Expired", ..ApiError::new(StatusCode::GONE, message) }
    }

    /// A version was asked for that this server does not have yet. By the cause a client of
    /// Kubernetes' Go library knows that it must list anew.
    pub(crate) fn too_new(wanted: &str, current: i64) -> Self {
        let cause = "Too large resource version";
        let message = format!("Timeout: {cause}: {wanted}, current: {current}");
        let causes = json!([{"reason": "ResourceVersionTooLarge", "message": cause}]);
        let details = json!({"causes": causes, "retryAfterSeconds": 1});
        ApiError { details, ..ApiError::new(StatusCode::GATEWAY_TIMEOUT, message) }
    }

    /// Gives the error another reason than its code's own.
    pub(crate) fn because(mut self, reason: &'static str) -> Self {
        self.reason = reason;
        self
    }

    /// Says which object is meant.
    pub(crate) fn about(mut self, kind: &KindInfo, name: &str, mistakes: &[String]) -> Self {
        let cause = |mistake: &String| json!({"reason": "FieldValueInvalid", "message": mistake});
        self.details = json!({"name": name, "group": kind.group, "kind": kind.plural});
        if !mistakes.is_empty() {
            self.details["causes"] = mistakes.iter().map(cause).collect();
        }
        self
    }

    /// The `Status` object.
    pub(crate) fn body(&self) -> Value {
        let mut status = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code.as_u16(),
        });
        if !self.details.is_null() {
            status["details"] = self.details.clone();
        }
        status
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.code, Json(self.body())).into_response()
    }
}

impl From<SubmitError> for ApiError {
    fn from(error: SubmitError) -> Self {
        let code = match error {
            SubmitError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            SubmitError::Unreadable(_) => StatusCode::BAD_REQUEST,
            SubmitError::Full(_) => StatusCode::INSUFFICIENT_STORAGE,
            SubmitError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            SubmitError::Timeout(_) => StatusCode::GATEWAY_TIMEOUT,
        };
        ApiError::new(code, error.to_string())
    }
}

impl From<PortError> for ApiError {
    fn from(error: PortError) -> Self {
        let code = match error {
            PortError::NotFound(_) => StatusCode::NOT_FOUND,
            PortError::Invalid(_) => StatusCode::BAD_REQUEST,
            PortError::Unprocessable(_) => StatusCode::UNPROCESSABLE_ENTITY,
            PortError::Full(_) => StatusCode::INSUFFICIENT_STORAGE,
            PortError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        ApiError::new(code, error.to_string())
    }
}

/// Kubernetes' reason for each code (`k8s.io/apimachinery/pkg/apis/meta/v1.StatusReason`).
fn reason_of(code: StatusCode) -> &'static str {
    match code.as_u16() {
        400 => "BadRequest",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "NotFound",
        405 => "MethodNotAllowed",
        406 => "NotAcceptable",
        409 => "Conflict",
        410 => "Gone",
        413 => "RequestEntityTooLarge",
        415 => "UnsupportedMediaType",
        422 => "Invalid",
        429 => "TooManyRequests",
        501 => "NotImplemented",
        503 => "ServiceUnavailable",
        504 => "Timeout",
        507 => "InsufficientStorage",
        _ => "InternalError",
    }
}
