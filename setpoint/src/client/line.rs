//! A call that both sides speak in: a WebSocket over the same client of HTTP.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::{RequestBuilder, Upgraded};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

/// What both sides speak in.
pub(crate) type Line = WebSocketStream<Upgraded>;

/// Kubernetes' protocol that can say that nothing more comes to be read.
const PROTOCOL: &str = "v5.channel.k8s.io";
/// A message of the server: a piece of what a command writes.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// A call that asks to go on as a WebSocket.
pub(super) fn asking(call: RequestBuilder) -> RequestBuilder {
    // Not a secret: it only keeps caches from answering (RFC 6455, 4.1). The hasher's keys are the
    // standard library's own random numbers.
    let random = || RandomState::new().hash_one(()).to_le_bytes();
    call.header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-protocol", PROTOCOL)
        .header("sec-websocket-key", BASE64.encode([random(), random()].concat()))
}

/// The connection, as a WebSocket.
pub(super) async fn of(upgraded: Upgraded) -> Line {
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX));
    WebSocketStream::from_raw_socket(upgraded, Role::Client, Some(config)).await
}
