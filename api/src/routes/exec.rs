//! `GET …/pods/{name}/exec`: a command in a container, spoken with over a WebSocket as Kubernetes does it.
//!
//! Absent: SPDY, which kubectl before 1.31 speaks.

use axum::extract::ws::WebSocketUpgrade;
use axum::http::{StatusCode, header};
use axum::response::Response;
use setpoint_schemas::call::{Deed, ExecOptions};

use super::Call;
use super::meant::meant;
use crate::connections::CallOn;
use crate::line::MESSAGE_BYTES_MAX;
use crate::percent;
use crate::status::ApiError;

/// Kubernetes' protocols that are spoken here, the better one first: only it can say that nothing more
/// comes to be read.
const PROTOCOLS: [&str; 2] = ["v5.channel.k8s.io", "v4.channel.k8s.io"];

/// A way to speak, where the caller offers one.
pub(crate) type Offer = Option<WebSocketUpgrade>;

/// Runs the command and speaks with the caller from then on.
pub(crate) async fn exec(
    call: Call,
    command: Vec<String>,
    (offer, on): (Offer, Option<CallOn>),
) -> Result<Response, ApiError> {
    let options = options(&call, command)?;
    // Before the way to speak is judged: kubectl tries another way when the first is refused, and tells
    // why that one is.
    let meant = meant(&call)?;
    meant.has_run(&call.target.name)?;
    let upgrade = agreed(&call, offer)?;
    let line = meant.call(&call, Deed::Exec(options)).await?;
    Ok(upgrade.on_upgrade(async move |caller| {
        let _on = on;
        line.speak(caller).await;
    }))
}

/// Kubernetes' `PodExecOptions`.
fn options(call: &Call, command: Vec<String>) -> Result<ExecOptions, ApiError> {
    if command.is_empty() {
        return Err(ApiError::bad_request(
            "you must specify at least one command for the container",
        ));
    }
    let params = &call.params;
    let [stdin, stdout, stderr, tty] =
        ["stdin", "stdout", "stderr", "tty"].map(|name| params.flag(name));
    if !(stdin || stdout || stderr) {
        let message = "you must specify at least one of stdin, stdout, stderr";
        return Err(ApiError::bad_request(message));
    }
    Ok(ExecOptions { command, stdin, stdout, stderr, tty })
}

/// The protocol that both know.
pub(super) fn agreed(call: &Call, offer: Offer) -> Result<WebSocketUpgrade, ApiError> {
    let Some(upgrade) = offer else {
        let asked = call.headers.get(header::UPGRADE).and_then(|value| value.to_str().ok());
        let spdy = asked.is_some_and(|asked| asked.to_ascii_lowercase().starts_with("spdy"));
        let message = match spdy {
            true => {
                "commands are spoken with over WebSocket here, and this client speaks SPDY: use kubectl \
                 1.31 or later, or `setpoint exec`"
            }
            false => {
                "unable to upgrade: the call is no WebSocket's, which commands are spoken with over"
            }
        };
        return Err(ApiError::bad_request(message));
    };
    let upgrade = upgrade.max_message_size(MESSAGE_BYTES_MAX).max_frame_size(MESSAGE_BYTES_MAX);
    let upgrade = upgrade.protocols(PROTOCOLS);
    if upgrade.selected_protocol().is_none() {
        let message =
            format!("no protocol of this client is known here: {} are", PROTOCOLS.join(" and "));
        return Err(ApiError::new(StatusCode::BAD_REQUEST, message));
    }
    Ok(upgrade)
}

/// The words of the command: Kubernetes repeats the parameter for each.
pub(crate) fn words(query: Option<&str>) -> Vec<String> {
    let parts = query.unwrap_or_default().split('&').filter_map(|part| part.split_once('='));
    parts.filter(|(name, _)| *name == "command").map(|(_, word)| decoded(word)).collect()
}

/// A word as it was before it became part of a query.
fn decoded(word: &str) -> String {
    let word = word.replace('+', " ");
    String::from_utf8_lossy(&percent::decoded(word.as_bytes())).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_command_are_read_from_the_query() {
        for (query, wanted) in [
            (
                Some("command=sh&command=-c&stdin=true&command=echo+a%26b"),
                &["sh", "-c", "echo a&b"][..],
            ),
            (Some("command=%C3%A4%zz%"), &["ä%zz%"]),
            (Some("commander=x&command"), &[]),
            (None, &[]),
        ] {
            assert_eq!(words(query), wanted, "{query:?}");
        }
    }
}
