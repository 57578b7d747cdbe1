//! A watch: one JSON object a line, as long as the server sends.

use futures::StreamExt;
use futures::stream::BoxStream;
use serde_json::Value;

use crate::client::ApiError;
use crate::output::field::text;

/// A running watch.
pub(crate) struct Watch {
    server: String,
    chunks: BoxStream<'static, reqwest::Result<Vec<u8>>>,
    pending: Vec<u8>,
}

/// What a watch tells.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum WatchEvent {
    /// New or changed.
    Present(Value),
    /// Deleted; the last state.
    Deleted(Value),
}

impl Watch {
    pub(crate) fn new(server: String, response: reqwest::Response) -> Self {
        let chunks = response.bytes_stream().map(|chunk| chunk.map(|bytes| bytes.to_vec())).boxed();
        Watch { server, chunks, pending: Vec::new() }
    }

    /// The next event; `None` when the server ends the watch.
    pub(crate) async fn next(&mut self) -> Result<Option<WatchEvent>, ApiError> {
        loop {
            while let Some(line) = self.line() {
                match event(&line) {
                    Some(Ok(event)) => return Ok(Some(event)),
                    Some(Err(error)) => return Err(error),
                    None => {}
                }
            }
            match self.chunks.next().await {
                Some(Ok(bytes)) => self.pending.extend_from_slice(&bytes),
                Some(Err(source)) => {
                    return Err(ApiError::Unreachable { server: self.server.clone(), source });
                }
                None => return Ok(None),
            }
        }
    }

    fn line(&mut self) -> Option<Vec<u8>> {
        let end = self.pending.iter().position(|byte| *byte == b'\n')?;
        let rest = self.pending.split_off(end + 1);
        Some(std::mem::replace(&mut self.pending, rest))
    }
}

/// An event of a line; `None` for bookmarks and what is not an event.
fn event(line: &[u8]) -> Option<Result<WatchEvent, ApiError>> {
    let mut value: Value = serde_json::from_slice(line).ok()?;
    let object = value.get_mut("object").map(Value::take)?;
    match text(&value, "/type") {
        "ADDED" | "MODIFIED" => Some(Ok(WatchEvent::Present(object))),
        "DELETED" => Some(Ok(WatchEvent::Deleted(object))),
        "ERROR" => Some(Err(ApiError::refused(500, &object.to_string()))),
        _ => None,
    }
}
