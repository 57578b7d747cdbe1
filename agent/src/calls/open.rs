//! A WebSocket to a server, over the agent's own client of HTTP: so it has the same certificates, token
//! and proxies.

use reqwest::Upgraded;
use setpoint_actuators::session::PIECE_BYTES_MAX;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use crate::client::{Api, CallError};

/// A connection of one call.
pub(super) type Line = WebSocketStream<Upgraded>;

/// A message towards the node: what a client wrote in one go; kubectl's have 32 KiB.
const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// What waits to be sent: some pieces, and beyond that the container waits.
const UNSENT_BYTES_MAX: usize = 8 * PIECE_BYTES_MAX;

/// Opens it.
pub(super) async fn open(api: &Api, server: usize, path: &str) -> Result<Line, CallError> {
    let upgraded = api.upgrade_at(server, path).await?;
    let config = WebSocketConfig::default()
        .write_buffer_size(0)
        .max_write_buffer_size(UNSENT_BYTES_MAX)
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX));
    Ok(WebSocketStream::from_raw_socket(upgraded, Role::Client, Some(config)).await)
}
