//! Calls to a node: what the API hands to an agent that asks for it, and the frames of one call.
//!
//! A frame is a byte that says which channel it is of, and the bytes of that channel: what Kubernetes
//! speaks with its clients as `v5.channel.k8s.io`. So what a client sends reaches the agent as it is.
//! Source: `k8s.io/kubelet/pkg/cri/streaming/remotecommand/websocket.go`.
//! Absent: the wire itself, and time.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::PodUid;

/// What the command reads. Towards the node.
pub const STDIN: u8 = 0;
/// What the container or the command writes. Towards the caller; an empty one before all others says
/// that the call has begun.
pub const STDOUT: u8 = 1;
/// What the command writes as errors. Towards the caller.
pub const STDERR: u8 = 2;
/// How the call ended, a `Status` in JSON; nothing comes after it. Towards the caller.
pub const STATUS: u8 = 3;
/// The size of the caller's terminal, `{"Width":80,"Height":24}`. Towards the node.
pub const RESIZE: u8 = 4;
/// Nothing more comes on the channel that the next byte names. Towards the node.
pub const CLOSE: u8 = 255;

/// The reason of a command that ended with another code than 0.
const NON_ZERO: &str = "NonZeroExitCode";

/// `GET …/calls`: the calls to a node that wait, taken with this answer. Answered at once when there
/// are any, otherwise when one comes or after 20 s.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeCalls {
    /// Each is answered by a WebSocket to `…/calls/{id}`.
    pub calls: Vec<NodeCall>,
}

/// A call to a container of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeCall {
    /// Unlike every other, also of other servers and of their earlier lives.
    pub id: String,
    /// The pod.
    pub uid: PodUid,
    /// The container's name.
    pub container: String,
    /// What is asked of it.
    pub deed: Deed,
}

/// What is asked of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Deed {
    /// What it wrote.
    Logs(LogOptions),
    /// To run a command.
    Exec(ExecOptions),
    /// To reach a port, of the pod and of no container.
    Forward(ForwardOptions),
}

/// A port of a pod, over TCP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForwardOptions {
    /// Its number.
    pub port: u16,
    /// Whether the pod has its machine's network.
    #[serde(default)]
    pub host_network: bool,
}

/// Which of the lines that a container wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogOptions {
    /// Later ones too, until the container ends.
    pub follow: bool,
    /// Those of its life before the last restart instead of the present one.
    pub previous: bool,
    /// At most so many, the last ones.
    pub tail: Option<u64>,
    /// None that are older.
    pub since: Option<Since>,
    /// Each with the time at which it was written before it, as RFC 3339 has it.
    pub timestamps: bool,
    /// At most so many bytes.
    pub limit_bytes: Option<u64>,
}

/// The age of the oldest line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Since {
    /// So long before now, by the node's clock, in milliseconds.
    Ago(i64),
    /// Since this time, milliseconds since 1970.
    At(i64),
}

/// A command that runs beside a container's own, with its environment.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExecOptions {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Whether it reads what the caller sends; otherwise it reads nothing.
    pub stdin: bool,
    /// Whether the caller wants what it writes.
    pub stdout: bool,
    /// Whether the caller wants what it writes as errors.
    pub stderr: bool,
    /// Whether it has a terminal. All that it writes comes as `stdout` then.
    pub tty: bool,
}

impl LogOptions {
    /// The time of the oldest line, milliseconds since 1970, at this time of the node's clock.
    #[must_use]
    pub fn since_ms(&self, now_ms: i64) -> Option<i64> {
        Some(match self.since? {
            Since::Ago(ms) => now_ms.saturating_sub(ms),
            Since::At(ms) => ms,
        })
    }
}

impl std::fmt::Debug for ExecOptions {
    /// Without the command, which may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ExecOptions { command, stdin, tty, .. } = self;
        write!(f, "ExecOptions({} words, stdin {stdin}, tty {tty})", command.len())
    }
}

/// A frame of these bytes.
#[must_use]
pub fn frame(channel: u8, bytes: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(bytes.len() + 1);
    frame.push(channel);
    frame.extend_from_slice(bytes);
    frame
}

/// The channel and bytes of a frame; `None` of an empty one.
#[must_use]
pub fn parted(frame: &[u8]) -> Option<(u8, &[u8])> {
    frame.split_first().map(|(channel, bytes)| (*channel, bytes))
}

/// A terminal's columns and rows, as the frame of it says; `None` when it says something else.
#[must_use]
pub fn size_of_terminal(bytes: &[u8]) -> Option<(u16, u16)> {
    let size: Value = serde_json::from_slice(bytes).ok()?;
    let number = |name: &str| u16::try_from(size.get(name)?.as_u64()?).ok();
    Some((number("Width")?, number("Height")?))
}

/// The frame that says how large the caller's terminal is.
#[must_use]
pub fn resized(columns: u16, rows: u16) -> Vec<u8> {
    frame(RESIZE, json!({"Width": columns, "Height": rows}).to_string().as_bytes())
}

/// The last frame of a call that was carried out: a command that ended with this code, or all lines.
#[must_use]
pub fn ended(code: i32) -> Vec<u8> {
    let status = match code {
        0 => json!({"metadata": {}, "status": "Success"}),
        code => json!({
            "metadata": {}, "status": "Failure", "reason": NON_ZERO,
            "message": format!("command terminated with non-zero exit code: exit status {code}"),
            "details": {"causes": [{"reason": "ExitCode", "message": code.to_string()}]},
        }),
    };
    frame(STATUS, status.to_string().as_bytes())
}

/// The last frame of a call that was not, with the HTTP status that fits.
#[must_use]
pub fn failed(code: u16, reason: &str, message: &str) -> Vec<u8> {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    });
    frame(STATUS, status.to_string().as_bytes())
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallEnd {
    /// With this exit code.
    Code(i32),
    /// It was not carried out: an HTTP status that fits, one word, and a sentence.
    Failed(u16, String, String),
}

impl CallEnd {
    /// What the bytes of the last frame say.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> CallEnd {
        let status: Value = serde_json::from_slice(bytes).unwrap_or_default();
        let text = |at: &str| status.pointer(at).and_then(Value::as_str).unwrap_or_default();
        if text("/status") == "Success" {
            return CallEnd::Code(0);
        }
        let code = text("/details/causes/0/message").parse();
        if let (NON_ZERO, Ok(code)) = (text("/reason"), code) {
            return CallEnd::Code(code);
        }
        let code = status.get("code").and_then(Value::as_u64);
        let code = code.and_then(|code| u16::try_from(code).ok()).unwrap_or(500);
        CallEnd::Failed(code, text("/reason").to_owned(), text("/message").to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_a_call_ended_is_read_as_it_was_written() {
        let parse = |frame: &[u8]| {
            let (channel, bytes) = parted(frame).expect("it is not empty");
            assert_eq!(channel, STATUS);
            CallEnd::parse(bytes)
        };
        for code in [0, 1, 137] {
            assert_eq!(parse(&ended(code)), CallEnd::Code(code));
        }
        let refused = CallEnd::Failed(404, "NotFound".into(), "it is gone".into());
        assert_eq!(parse(&failed(404, "NotFound", "it is gone")), refused);
        let nonsense = CallEnd::Failed(500, String::new(), String::new());
        assert_eq!(CallEnd::parse(b"nonsense"), nonsense);
    }

    #[test]
    fn a_terminal_has_a_size_or_none() {
        let sized = resized(80, 24);
        assert_eq!(parted(&sized).and_then(|(_, bytes)| size_of_terminal(bytes)), Some((80, 24)));
        for wrong in [
            "",
            "{}",
            r#"{"Width":80}"#,
            r#"{"Width":-1,"Height":1}"#,
            r#"{"Width":70000,"Height":1}"#,
        ] {
            assert_eq!(size_of_terminal(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn a_command_is_not_shown_when_it_is_traced() {
        let options = ExecOptions {
            command: vec!["mysql".into(), "-psecret".into()],
            ..ExecOptions::default()
        };
        assert!(!format!("{:?}", Deed::Exec(options)).contains("secret"));
    }

    #[test]
    fn an_age_counts_from_the_nodes_now() {
        let of = |since| LogOptions { since, ..LogOptions::default() }.since_ms(1_000);
        assert_eq!(
            [None, Some(Since::Ago(300)), Some(Since::At(5))].map(of),
            [None, Some(700), Some(5)]
        );
    }
}
