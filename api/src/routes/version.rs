//! The `resourceVersion` of a read: not older than that.
//!
//! Guarantee: a version that is still to come is waited for a little, and one that does not come is
//! refused as Kubernetes does it, so that a client lists anew; a watch from there would be silent for
//! ever.

use std::time::Duration;

use super::Call;
use crate::status::ApiError;

/// How long a version is waited for, as Kubernetes' API server does: a server that follows is seldom
/// further behind.
const FRESH_WITHIN: Duration = Duration::from_secs(3);

/// The version that the call names, once this server has it; 0 when it names none.
///
/// # Errors
/// 400 for what is no version, 504 for one that this server does not have in time.
pub(super) async fn awaited(call: &Call) -> Result<i64, ApiError> {
    let text = call.params.get("resourceVersion");
    if text.is_empty() {
        return Ok(0);
    }
    let wrong = |_| ApiError::bad_request(format!("invalid resourceVersion {text:?}"));
    // Kubernetes' versions have 64 bits without a sign; ours never come so far.
    let wanted: u64 = text.parse().map_err(wrong)?;
    let wanted = i64::try_from(wanted).unwrap_or(i64::MAX);
    let model = &call.app.state.parts.model;
    if wanted <= model.epoch() || model.reached(wanted, FRESH_WITHIN).await {
        return Ok(wanted);
    }
    Err(ApiError::too_new(text, model.epoch()))
}
