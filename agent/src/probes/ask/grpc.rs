//! A question to `grpc.health.v1.Health/Check` that is answered with `SERVING`.
//!
//! Source: the kubelet's `pkg/probe/grpc`: without TLS, at the pod's address.

use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Request, Response};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::{dial, message};
use crate::probes::checkup::Answer;

const PATH: &str = "/grpc.health.v1.Health/Check";
const AGENT: &str = "kube-probe/1.37 setpoint";
/// An answer has a few bytes; a program that sends more sends something else.
const ANSWER_BYTES_MAX: usize = 4 << 10;
/// What gRPC's own servers take as headers, and more than any answer of this call has.
const HEADERS_BYTES_MAX: u32 = 16 << 10;
/// Codes of gRPC.
const OK: &str = "0";
const UNIMPLEMENTED: &str = "12";

pub(super) async fn ask(to: (&str, u16), service: &str, within: Duration) -> Answer {
    let until = Instant::now() + within;
    let connected = match timeout_at(until, TcpStream::connect(to)).await {
        Ok(Ok(connected)) => connected,
        Ok(Err(error)) => {
            let why = dial::refused(to, &error);
            return Answer::Failed(format!("error: failed to connect service: {why}"));
        }
        Err(_) => {
            let (to, within) = (dial::authority(to), within.as_secs());
            let why = format!("timeout: failed to connect service {to:?} within {within}s");
            return Answer::Failed(why);
        }
    };
    match timeout_at(until, check(connected, &dial::authority(to), service)).await {
        Ok(Ok(())) => Answer::Passed,
        Ok(Err(why)) => Answer::Failed(why),
        Err(_) => {
            let within = within.as_secs();
            Answer::Failed(format!("timeout: health rpc did not complete within {within}s"))
        }
    }
}

async fn check(connected: TcpStream, authority: &str, service: &str) -> Result<(), String> {
    let client =
        h2::client::Builder::new().max_header_list_size(HEADERS_BYTES_MAX).handshake(connected);
    let (send, connection) = client.await.map_err(|e| failed(&e))?;
    tokio::select! {
        biased;
        answer = call(send, authority, service) => answer,
        end = connection => Err(end.err().map_or_else(closed, |error| failed(&error))),
    }
}

async fn call(send: SendRequest<Bytes>, authority: &str, service: &str) -> Result<(), String> {
    let mut send = send.ready().await.map_err(|e| failed(&e))?;
    let request = Request::post(format!("http://{authority}{PATH}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("user-agent", AGENT)
        .body(());
    let request = request.map_err(|error| format!("error: health rpc probe failed: {error}"))?;
    let (answer, mut stream) = send.send_request(request, false).map_err(|e| failed(&e))?;
    let question = Bytes::from(message::request(service));
    stream.send_data(question, true).map_err(|e| failed(&e))?;
    judged(answer.await.map_err(|e| failed(&e))?).await
}

async fn judged(answer: Response<h2::RecvStream>) -> Result<(), String> {
    let (head, mut body) = answer.into_parts();
    if !head.status.is_success() {
        let status = head.status;
        return Err(format!(
            "error: health rpc probe failed: unexpected HTTP status code received from server: \
             {status}"
        ));
    }
    // One that has nothing to say but that it failed says so at once.
    let is_said = head.headers.contains_key("grpc-status");
    if is_said {
        said_well(&head.headers)?;
    }
    let mut frame = Vec::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk.map_err(|e| failed(&e))?;
        let _ = body.flow_control().release_capacity(chunk.len());
        frame.extend_from_slice(&chunk);
        if frame.len() > ANSWER_BYTES_MAX {
            return Err("error: health rpc probe failed: the answer is too long".to_owned());
        }
    }
    match body.trailers().await.map_err(|e| failed(&e))? {
        Some(trailers) => said_well(&trailers)?,
        None if is_said => {}
        None => return Err(unsaid()),
    }
    let status = message::status(&frame);
    let status = status.ok_or("error: health rpc probe failed: the answer is none")?;
    match message::name(status) {
        "SERVING" => Ok(()),
        other => Err(format!("service unhealthy (responded with {other:?})")),
    }
}

/// What gRPC itself says of a call.
fn said_well(headers: &HeaderMap) -> Result<(), String> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match text("grpc-status").ok_or_else(unsaid)? {
        OK => Ok(()),
        UNIMPLEMENTED => Err("error: this server does not implement the grpc health protocol \
                              (grpc.health.v1.Health)"
            .to_owned()),
        code => {
            let said = text("grpc-message").unwrap_or_default();
            Err(format!("error: health rpc probe failed: code {code}: {said}"))
        }
    }
}

fn failed(error: &h2::Error) -> String {
    format!("error: health rpc probe failed: {error}")
}

fn unsaid() -> String {
    "error: health rpc probe failed: the server closed the stream without saying how the call went"
        .to_owned()
}

fn closed() -> String {
    "error: health rpc probe failed: the connection was closed".to_owned()
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// A server of gRPC that knows the services `good` and `bad`, and answers one call.
    async fn serve(answers: usize) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        tokio::spawn(async move {
            for _ in 0..answers {
                let (socket, _) = listener.accept().await.expect("a connection");
                tokio::spawn(answer(socket));
            }
        });
        port
    }

    async fn answer(socket: TcpStream) {
        let mut connection = h2::server::handshake(socket).await.expect("a handshake");
        while let Some(call) = connection.accept().await {
            let Ok((request, mut respond)) = call else { return };
            assert_eq!(request.uri().path(), PATH);
            assert_eq!(request.headers()["content-type"], "application/grpc");
            let mut body = request.into_body();
            let question = body.data().await.expect("a question").expect("a question");
            let (status, code) = match &question[..] {
                [0, 0, 0, 0, 0] | [.., b'g', b'o', b'o', b'd'] | [.., b'm', b'u', b't', b'e'] => {
                    (1, "0")
                }
                [.., b'b', b'a', b'd'] => (2, "0"),
                [.., b'o', b'l', b'd'] => (0, UNIMPLEMENTED),
                _ => (0, "5"),
            };
            let head = Response::builder().header("content-type", "application/grpc");
            let head = head.body(()).expect("a head");
            let mut stream = respond.send_response(head, false).expect("it is sent");
            if code == "0" {
                let frame = Bytes::from(vec![0, 0, 0, 0, 2, 8, status]);
                stream.send_data(frame, false).expect("it is sent");
            }
            let mut trailers = HeaderMap::new();
            if question.ends_with(b"mute") {
                stream.send_trailers(trailers).expect("it is sent");
                continue;
            }
            trailers.insert("grpc-status", code.parse().expect("a value"));
            trailers.insert("grpc-message", "unknown service".parse().expect("a value"));
            stream.send_trailers(trailers).expect("it is sent");
        }
    }

    #[tokio::test]
    async fn a_service_that_serves_passes_and_others_fail() {
        let failed = |why: &str| Answer::Failed(why.to_owned());
        let table = [
            ("", Answer::Passed),
            ("good", Answer::Passed),
            ("bad", failed("service unhealthy (responded with \"NOT_SERVING\")")),
            (
                "mute",
                failed(
                    "error: health rpc probe failed: the server closed the stream without saying \
                     how the call went",
                ),
            ),
            ("odd", failed("error: health rpc probe failed: code 5: unknown service")),
            (
                "old",
                failed(
                    "error: this server does not implement the grpc health protocol \
                     (grpc.health.v1.Health)",
                ),
            ),
        ];
        let port = serve(table.len()).await;
        for (service, expected) in table {
            let answer = ask(("127.0.0.1", port), service, Duration::from_secs(10)).await;
            assert_eq!(answer, expected, "{service:?}");
        }
    }

    #[tokio::test]
    async fn who_is_silent_or_speaks_something_else_fails_in_time() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        let silent = ask(("127.0.0.1", port), "", Duration::from_millis(200)).await;
        let why = "timeout: health rpc did not complete within 0s";
        assert_eq!(silent, Answer::Failed(why.to_owned()));
        drop(listener);
        let refused = ask(("127.0.0.1", port), "", Duration::from_secs(10)).await;
        let Answer::Failed(why) = refused else { panic!("{refused:?}") };
        assert!(why.ends_with("connect: connection refused"), "{why}");
    }
}
