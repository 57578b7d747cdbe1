//! The engine's streams that carry no frames: what a terminal shows, and what it showed.
//!
//! bollard 0.21 takes a terminal's bytes apart as if they were framed: a piece that begins with a byte of
//! 0, 1 or 2 makes it wait for up to four gigabytes, and a log without line ends for the whole of it. So
//! these streams are read over a connection of our own.
//! Guarantee: of what is read a line is in memory, or a part of one.
//! Absent: engines behind TLS or SSH, which the actuator does not know either.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use futures::StreamExt;
use futures::stream::{BoxStream, unfold};
use http_body_util::{BodyExt, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::http::request::Builder;
use hyper::upgrade::Upgraded;
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

/// An engine under load answers in seconds; one that takes longer hangs.
const ANSWER_MAX: Duration = Duration::from_secs(120);
/// Why an engine refuses is a sentence.
const WORDS_BYTES_MAX: usize = 64 << 10;
/// A line that is longer comes in parts: twice what the engine keeps as one.
const LINE_BYTES_MAX: usize = 32 << 10;

/// An engine and how it is reached.
#[derive(Clone, Copy)]
pub(crate) struct Engine<'a> {
    pub(crate) docker: &'a Docker,
    pub(crate) host: &'a str,
}

/// The bytes of a connection.
trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

impl Engine<'_> {
    /// A call by which the connection becomes that of a terminal.
    pub(crate) async fn speak(self, path: &str, body: String) -> Result<TokioIo<Upgraded>, Error> {
        let call = Request::post(self.at(path));
        let call = call.header(header::CONNECTION, "Upgrade").header(header::UPGRADE, "tcp");
        let answer = self.ask(call, body).await?;
        let upgraded = hyper::upgrade::on(answer).await.map_err(io::Error::other)?;
        Ok(TokioIo::new(upgraded))
    }

    /// The lines of an answer, each with its end; one that is long in parts.
    pub(crate) async fn lines(
        self,
        path: &str,
    ) -> Result<BoxStream<'static, Result<Bytes, Error>>, Error> {
        let body = self.ask(Request::get(self.at(path)), String::new()).await?.into_body();
        let lines = Lines { body, cutter: Cutter::default(), ready: VecDeque::new(), ended: false };
        let next = |mut lines: Lines| async { Some((lines.next().await?, lines)) };
        Ok(unfold(lines, next).boxed())
    }

    fn at(self, path: &str) -> String {
        let version = self.docker.client_version();
        format!("/v{}.{}{path}", version.major_version, version.minor_version)
    }

    async fn ask(self, call: Builder, body: String) -> Result<Response<Incoming>, Error> {
        let call = call.header(header::HOST, "engine");
        let call = call.header(header::CONTENT_TYPE, "application/json").body(body);
        let call = call.map_err(io::Error::other)?;
        let asked = async {
            let wire = TokioIo::new(connect(self.host).await?);
            let (mut engine, wire) = http1::handshake(wire).await.map_err(io::Error::other)?;
            // It ends with the answer's body, or with the connection that it becomes.
            tokio::spawn(wire.with_upgrades());
            engine.send_request(call).await.map_err(io::Error::other)
        };
        let late = |_| io::Error::from(io::ErrorKind::TimedOut);
        let answer = timeout(ANSWER_MAX, asked).await.map_err(late)??;
        match answer.status() {
            StatusCode::SWITCHING_PROTOCOLS => Ok(answer),
            status if status.is_success() => Ok(answer),
            status => Err(refusal(status, answer.into_body()).await),
        }
    }
}

async fn connect(host: &str) -> io::Result<Box<dyn Wire>> {
    Ok(match host.strip_prefix("tcp://") {
        Some(address) => Box::new(TcpStream::connect(address).await?),
        None => Box::new(UnixStream::connect(host.strip_prefix("unix://").unwrap_or(host)).await?),
    })
}

async fn refusal(status: StatusCode, body: Incoming) -> Error {
    let words = Limited::new(body, WORDS_BYTES_MAX).collect().await;
    let words = words.map(|words| words.to_bytes()).unwrap_or_default();
    let json: serde_json::Value = serde_json::from_slice(&words).unwrap_or_default();
    let message = json["message"].as_str().map(str::to_owned);
    let message = message.unwrap_or_else(|| String::from_utf8_lossy(&words).into_owned());
    Error::DockerResponseServerError { status_code: status.as_u16(), message }
}

/// An answer that is read line by line.
struct Lines {
    body: Incoming,
    cutter: Cutter,
    ready: VecDeque<Vec<u8>>,
    ended: bool,
}

impl Lines {
    async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        loop {
            if let Some(line) = self.ready.pop_front() {
                return Some(Ok(line.into()));
            }
            if self.ended {
                return None;
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    let bytes = frame.into_data().unwrap_or_default();
                    self.ready.extend(self.cutter.cut(&bytes));
                }
                Some(Err(error)) => {
                    self.ended = true;
                    return Some(Err(io::Error::other(error).into()));
                }
                None => {
                    self.ended = true;
                    self.ready.extend(self.cutter.rest());
                }
            }
        }
    }
}

/// Cuts bytes into lines.
#[derive(Default)]
struct Cutter {
    begun: Vec<u8>,
}

impl Cutter {
    /// The lines that are whole with these bytes, or too long.
    fn cut(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.begun.extend_from_slice(part);
            if part.ends_with(b"\n") || self.begun.len() >= LINE_BYTES_MAX {
                lines.push(std::mem::take(&mut self.begun));
            }
        }
        lines
    }

    /// What has no end.
    fn rest(&mut self) -> Option<Vec<u8>> {
        Some(std::mem::take(&mut self.begun)).filter(|rest| !rest.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_and_a_long_one_comes_in_parts() {
        let mut cutter = Cutter::default();
        let text = |lines: Vec<Vec<u8>>| String::from_utf8(lines.join(&b'|')).expect("text");
        assert_eq!(text(cutter.cut(b"one\ntw")), "one\n");
        assert_eq!(text(cutter.cut(b"o\n\nthree")), "two\n|\n");
        let long = vec![b'x'; LINE_BYTES_MAX];
        assert_eq!(cutter.cut(&long).iter().map(Vec::len).sum::<usize>(), long.len() + 5);
        assert_eq!(cutter.rest(), None);
        assert_eq!(text(cutter.cut(b"end")), "");
        assert_eq!(cutter.rest().as_deref(), Some(&b"end"[..]));
    }
}
