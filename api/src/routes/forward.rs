//! `GET …/pods/{name}/portforward?port=80`: a connection to a port of a pod, over a WebSocket that speaks as that
//! of a command does: what is sent is its input, what comes is its output, and its end is one that went well.
//!
//! Absent: Kubernetes' own protocol for it, SPDY, which kubectl speaks; it is told what does.

use axum::http::{StatusCode, header};
use axum::response::Response;
use setpoint_schemas::call::{Deed, ForwardOptions};

use super::exec::{Offer, agreed};
use super::meant::pod_meant;
use super::{Call, Params};
use crate::connections::CallOn;
use crate::elsewhere;
use crate::status::ApiError;

/// What our own verb offers to speak.
const PROTOCOL: &str = "v5.channel.k8s.io";

/// Connects to the port and carries bytes from then on.
pub(crate) async fn forward(
    call: Call,
    (offer, on): (Offer, Option<CallOn>),
) -> Result<Response, ApiError> {
    let offered = call.headers.get(header::SEC_WEBSOCKET_PROTOCOL).and_then(|p| p.to_str().ok());
    if !offered.is_some_and(|offered| offered.split(',').any(|one| one.trim() == PROTOCOL)) {
        return Err(ApiError::new(StatusCode::NOT_IMPLEMENTED, elsewhere::PORTS));
    }
    let port = port(&call.params)?;
    let (meant, host_network) = pod_meant(&call)?;
    let upgrade = agreed(&call, offer)?;
    let line = meant.call(&call, Deed::Forward(ForwardOptions { port, host_network })).await?;
    Ok(upgrade.on_upgrade(async move |caller| {
        let _on = on;
        line.speak(caller).await;
    }))
}

fn port(params: &Params) -> Result<u16, ApiError> {
    let asked = params.get("port");
    match asked.parse() {
        Ok(port @ 1..) => Ok(port),
        _ => Err(ApiError::bad_request(format!("port: {asked:?} is no number from 1 to 65535"))),
    }
}
