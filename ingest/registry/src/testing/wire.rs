//! As much of HTTP/1.1 as one call needs.

use std::io::{self, Read, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// A call of ours is far smaller.
const CALL_BYTES_MAX: usize = 1 << 20;

pub(super) struct Call {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) body: Value,
    authorization: String,
}

impl Call {
    pub(super) fn shows(&self, (user, password): &(String, String)) -> bool {
        self.authorization == format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
    }
}

pub(super) fn read(stream: &mut impl Read) -> io::Result<Call> {
    let (mut bytes, mut part) = (Vec::new(), [0; 4096]);
    loop {
        if let Some(call) = parsed(&bytes) {
            return Ok(call);
        }
        let count = stream.read(&mut part)?;
        if count == 0 || bytes.len() > CALL_BYTES_MAX {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&part[..count]);
    }
}

pub(super) fn write(stream: &mut impl Write, status: u16, body: &Value) -> io::Result<()> {
    let body = body.to_string();
    write!(
        stream,
        "HTTP/1.1 {status} Said\r\ncontent-type: application/vnd.schemaregistry.v1+json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )?;
    stream.flush()
}

/// The call, when all of it is there.
fn parsed(bytes: &[u8]) -> Option<Call> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let header = |wanted: &str| {
        let mut pairs = head.lines().skip(1).filter_map(|line| line.split_once(':'));
        let found = pairs.find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        found.map(|(_, value)| value.trim().to_owned())
    };
    let length = header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let body = bytes[end + 4..].get(..length)?;
    let body = serde_json::from_slice(body).unwrap_or(Value::Null);
    let authorization = header("authorization").unwrap_or_default();
    Some(Call { method, path, body, authorization })
}
