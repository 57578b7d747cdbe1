//! `GET …/pods/{name}/log`: what a container wrote, as bytes.

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use setpoint_schemas::call::{Deed, LogOptions, Since};

use super::access::people_only;
use super::meant::meant;
use super::{Call, Params};
use crate::status::ApiError;

/// Answers with the lines that the query asks for, the later ones too when it follows.
pub(crate) async fn log(call: Call) -> Result<Response, ApiError> {
    people_only(&call.actor)?;
    let options = options(&call.params)?;
    let meant = meant(&call)?;
    meant.has_run(&call.target.name)?;
    let line = meant.call(&call, Deed::Logs(options)).await?;
    let kind = [(header::CONTENT_TYPE, "text/plain")];
    Ok((kind, Body::from_stream(line.into_bytes())).into_response())
}

/// Kubernetes' `PodLogOptions`.
fn options(params: &Params) -> Result<LogOptions, ApiError> {
    let wrong = |message: String| ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, message);
    let number = |name: &str, min: i64| match params.number(name)? {
        Some(number) if number < min => {
            Err(wrong(format!("{name}: Invalid value: {number}: must be at least {min}")))
        }
        number => Ok(number.map(i64::unsigned_abs)),
    };
    let ago = number("sinceSeconds", 1)?;
    let at = Some(params.get("sinceTime")).filter(|text| !text.is_empty());
    let at = at.map(|text| {
        let time: Result<Timestamp, _> = text.parse();
        time.map_err(|_| {
            wrong(format!(
                "sinceTime: Invalid value: {text:?}: it is not a time as RFC 3339 has it"
            ))
        })
    });
    let since = match (ago, at.transpose()?) {
        (Some(_), Some(_)) => {
            let message = "at most one of `sinceTime` or `sinceSeconds` may be specified";
            return Err(wrong(message.to_owned()));
        }
        (Some(seconds), None) => {
            Some(Since::Ago(i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000)))
        }
        (None, at) => at.map(|at| Since::At(at.as_millisecond())),
    };
    Ok(LogOptions {
        follow: params.flag("follow"),
        previous: params.flag("previous"),
        tail: number("tailLines", 0)?,
        since,
        timestamps: params.flag("timestamps"),
        limit_bytes: number("limitBytes", 1)?,
    })
}
