//! Logs and commands, with an agent of our own that takes the calls.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use setpoint_api::Change;
use setpoint_schemas::call::{
    CLOSE, Deed, NodeCall, NodeCalls, STATUS, STDERR, STDIN, STDOUT, Since, ended, failed, frame,
    parted, resized,
};
use setpoint_schemas::{ContainerState, NodeName};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::common::{Server, furnish, observed, record, served, server, server_with};

const LOG: &str = "/api/v1/namespaces/default/pods/web-1/log";
const EXEC: &str = "/api/v1/namespaces/default/pods/web-1/exec";
const FORWARD: &str = "/api/v1/namespaces/default/pods/web-1/portforward";

/// What both ends of a call speak in.
type Line = WebSocketStream<reqwest::Upgraded>;

/// The next call to node `n1`.
async fn next_call(server: &Server) -> NodeCall {
    let (code, calls) = server.get("/setpoint/v1/nodes/n1/calls").await;
    assert_eq!(code, 200, "{calls}");
    let mut calls: NodeCalls = serde_json::from_value(calls).unwrap();
    assert_eq!(calls.calls.len(), 1);
    calls.calls.remove(0)
}

/// Opens a connection that speaks WebSocket, or says why not.
async fn open(server: &Server, path: &str, protocol: Option<&str>) -> Result<Line, (u16, Value)> {
    let call = server.client.get(format!("{}{path}", server.base));
    let call = call.header("connection", "Upgrade").header("upgrade", "websocket");
    let call = call.header("sec-websocket-version", "13");
    let call = call.header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    let call = match protocol {
        Some(protocol) => call.header("sec-websocket-protocol", protocol),
        None => call,
    };
    let answer = call.send().await.unwrap();
    if answer.status() != 101 {
        let code = answer.status().as_u16();
        return Err((code, answer.json().await.unwrap()));
    }
    let chosen = answer.headers().get("sec-websocket-protocol").cloned();
    assert_eq!(chosen.as_ref().and_then(|chosen| chosen.to_str().ok()), protocol);
    Ok(WebSocketStream::from_raw_socket(answer.upgrade().await.unwrap(), Role::Client, None).await)
}

/// Takes the next call as the agent of `n1` and opens its end of it.
async fn take(server: &Server) -> (NodeCall, Line) {
    let call = next_call(server).await;
    let line = open(server, &format!("/setpoint/v1/nodes/n1/calls/{}", call.id), None).await;
    (call, line.unwrap())
}

async fn send(line: &mut Line, frame: Vec<u8>) {
    line.send(Message::Binary(frame.into())).await.unwrap();
}

/// The next frame; `None` when the other end has gone.
async fn next(line: &mut Line) -> Option<(u8, Vec<u8>)> {
    loop {
        match line.next().await {
            Some(Ok(Message::Binary(bytes))) => {
                let (channel, bytes) = parted(&bytes).unwrap();
                return Some((channel, bytes.to_vec()));
            }
            Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
            Some(Ok(_)) => {}
        }
    }
}

#[tokio::test]
async fn the_lines_of_a_container_come_from_its_node() {
    let server = server().await;
    furnish(&server).await;
    let query = "?follow=true&tailLines=5&sinceSeconds=60&timestamps=true&limitBytes=900";
    let path = format!("{LOG}{query}");
    let read = server.get(&path);
    let serve = async {
        let (call, mut line) = take(&server).await;
        let Deed::Logs(options) = &call.deed else { panic!("{call:?}") };
        assert_eq!((call.uid.to_string().as_str(), call.container.as_str()), ("web-1", "main"));
        assert!(options.follow && options.timestamps && !options.previous);
        assert_eq!((options.tail, options.limit_bytes), (Some(5), Some(900)));
        assert_eq!(options.since, Some(Since::Ago(60_000)));
        send(&mut line, vec![STDOUT]).await;
        send(&mut line, frame(STDOUT, b"one\n")).await;
        send(&mut line, frame(STDOUT, b"two\n")).await;
        send(&mut line, ended(0)).await;
        assert_eq!(next(&mut line).await, None);
    };
    let ((code, text), ()) = tokio::join!(read, serve);
    assert_eq!((code, text), (200, json!("one\ntwo\n")));
}

#[tokio::test]
async fn what_the_node_refuses_is_answered_as_it_says() {
    let server = server().await;
    furnish(&server).await;
    let path = format!("{LOG}?previous=true");
    let serve = async {
        let (_, mut line) = take(&server).await;
        let message = "previous terminated container \"main\" not found";
        send(&mut line, failed(400, "BadRequest", message)).await;
    };
    let ((code, answer), ()) = tokio::join!(server.get(&path), serve);
    assert_eq!((code, &answer["reason"]), (400, &json!("BadRequest")));
    let wanted = "previous terminated container \"main\" in pod \"web-1\" not found";
    assert_eq!(answer["message"], wanted);
}

#[tokio::test]
async fn an_agent_that_goes_away_is_told_of_and_a_caller_that_does_ends_the_call() {
    let server = server().await;
    furnish(&server).await;
    let read = async {
        let url = format!("{}{LOG}?follow=true", server.base);
        let mut answer = server.client.get(url).send().await.unwrap();
        let mut text = Vec::new();
        let broken = loop {
            match answer.chunk().await {
                Ok(Some(piece)) => text.extend_from_slice(&piece),
                Ok(None) => break false,
                Err(_) => break true,
            }
        };
        assert!(broken, "a program sees that it is not the end");
        String::from_utf8(text).unwrap()
    };
    let serve = async {
        let (_, mut line) = take(&server).await;
        send(&mut line, vec![STDOUT]).await;
        send(&mut line, frame(STDOUT, b"one\n")).await;
    };
    let (text, ()) = tokio::join!(read, serve);
    assert_eq!(text, "one\n\nthe agent of node n1 went away\n");

    let read = async {
        let url = format!("{}{LOG}?follow=true", server.base);
        let mut answer = server.client.get(url).send().await.unwrap();
        answer.chunk().await.unwrap()
    };
    let serve = async {
        let (_, mut line) = take(&server).await;
        send(&mut line, vec![STDOUT]).await;
        send(&mut line, frame(STDOUT, b"one\n")).await;
        let gone = async { while next(&mut line).await.is_some() {} };
        tokio::time::timeout(Duration::from_secs(30), gone).await.unwrap();
    };
    let (first, ()) = tokio::join!(read, serve);
    assert_eq!(first.as_deref(), Some(&b"one\n"[..]));
}

#[tokio::test]
async fn a_command_is_spoken_with_over_either_protocol() {
    let server = server().await;
    furnish(&server).await;
    let query = "?command=sh&command=-c&command=cat%20x&stdin=true&stdout=true&stderr=true";
    for protocol in ["v5.channel.k8s.io", "v4.channel.k8s.io"] {
        let path = format!("{EXEC}{query}");
        let caller = open(&server, &path, Some(protocol));
        let begin = async {
            let (call, mut line) = take(&server).await;
            let Deed::Exec(options) = &call.deed else { panic!("{call:?}") };
            assert_eq!(options.command, ["sh", "-c", "cat x"]);
            assert!(options.stdin && options.stdout && options.stderr && !options.tty);
            send(&mut line, vec![STDOUT]).await;
            line
        };
        let (caller, mut line) = tokio::join!(caller, begin);
        let mut caller = caller.unwrap();
        for sent in [frame(STDIN, b"typed"), resized(80, 24), vec![CLOSE, STDIN]] {
            let (channel, bytes) = parted(&sent).unwrap();
            let wanted = Some((channel, bytes.to_vec()));
            send(&mut caller, sent.clone()).await;
            assert_eq!(next(&mut line).await, wanted);
        }
        // What only a node says is not passed on.
        send(&mut caller, ended(0)).await;
        send(&mut line, frame(STDERR, b"oh")).await;
        send(&mut line, ended(3)).await;
        assert_eq!(next(&mut caller).await, Some((STDERR, b"oh".to_vec())), "after {protocol}");
        let (channel, status) = next(&mut caller).await.unwrap();
        let status: Value = serde_json::from_slice(&status).unwrap();
        let causes = json!([{"reason": "ExitCode", "message": "3"}]);
        assert_eq!((channel, &status["details"]["causes"]), (STATUS, &causes));
        // kubectl takes a close without a code for a connection that broke, and its status with it.
        let Some(Ok(Message::Close(Some(close)))) = caller.next().await else { panic!("no close") };
        assert_eq!(close.code, CloseCode::Normal, "after {protocol}");
    }
}

#[tokio::test]
async fn an_agent_that_goes_away_ends_a_command_with_words_and_a_caller_its_own() {
    let server = server().await;
    furnish(&server).await;
    let path = format!("{EXEC}?command=sh&stdout=true");
    for agent_leaves in [true, false] {
        let begin = async {
            let (_, mut line) = take(&server).await;
            send(&mut line, vec![STDOUT]).await;
            line
        };
        let opened = open(&server, &path, Some("v4.channel.k8s.io"));
        let (caller, mut line) = tokio::join!(opened, begin);
        let mut caller = caller.unwrap();
        if agent_leaves {
            drop(line);
            let (channel, status) = next(&mut caller).await.unwrap();
            let status: Value = serde_json::from_slice(&status).unwrap();
            assert_eq!(
                (channel, &status["message"]),
                (STATUS, &json!("the agent of node n1 went away"))
            );
        } else {
            drop(caller);
            assert_eq!(next(&mut line).await, None);
        }
    }
}

#[tokio::test]
async fn calls_that_cannot_be_are_refused_in_kubernetes_words() {
    let server = server().await;
    furnish(&server).await;
    server.leader.commit(|epoch| {
        let mut waits = observed("waits", "n1", false);
        let container = &mut waits.containers[0];
        (container.state, container.started_ms) = (ContainerState::Waiting, 0);
        container.reason = "ImagePullBackOff".to_owned();
        let placed = crate::common::placement("waits", "n1", epoch);
        vec![Change::Placement(placed.uid.clone(), Some(placed)), Change::Pod(waits.into())]
    });
    let pods = "/api/v1/namespaces/default/pods";
    for (path, code, words) in [
        (format!("{pods}/none/log"), 404, "pods \"none\" not found"),
        (format!("{LOG}?container=x"), 400, "container x is not valid for pod web-1"),
        (format!("{LOG}?tailLines=-1"), 422, "tailLines"),
        (format!("{LOG}?sinceSeconds=1&sinceTime=2026-01-01T00:00:00Z"), 422, "at most one of"),
        (format!("{LOG}?sinceTime=yesterday"), 422, "RFC 3339"),
        (
            format!("{pods}/waits/log"),
            400,
            "container \"main\" in pod \"waits\" is waiting to start: trying and failing to pull image",
        ),
        (EXEC.to_owned(), 400, "at least one command"),
        (format!("{EXEC}?command=sh"), 400, "at least one of stdin"),
        (format!("{EXEC}?command=sh&stdout=true"), 400, "no WebSocket's"),
    ] {
        let (found, answer) = server.get(&path).await;
        let message = answer["message"].as_str().unwrap_or_default();
        assert!(found == code && message.contains(words), "{path}: {found} {answer}");
    }
    let path = format!("{EXEC}?command=sh&stdout=true");
    let (code, answer) = open(&server, &path, Some("v1.other")).await.map(drop).unwrap_err();
    let message = answer["message"].as_str().unwrap();
    assert!(code == 400 && message.contains("v4.channel.k8s.io"), "{answer}");
    let post = server.client.post(format!("{}{path}", server.base));
    let post = post.header("connection", "Upgrade").header("upgrade", "SPDY/3.1");
    let answer: Value = post.send().await.unwrap().json().await.unwrap();
    assert!(answer["message"].as_str().unwrap().contains("this client speaks SPDY"), "{answer}");
}

#[tokio::test]
async fn a_lost_node_is_not_waited_for() {
    let server = server().await;
    furnish(&server).await;
    let node = NodeName::parse("n1").unwrap();
    server.leader.commit(|epoch| vec![Change::Node(node, Some(served(record("n1"), true, epoch)))]);
    let (code, answer) = server.get(LOG).await;
    assert_eq!((code, &answer["reason"]), (504, &json!("Timeout")), "{answer}");
}

#[tokio::test]
async fn who_may_read_logs_who_may_run_commands_and_which_node_may_take_calls() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens");
    let text = "admin-0123456789,ada,admin\nreader-0123456789,ben,read-only\n\
                node-1-0123456789,n1,node,n1\nnode-2-0123456789,n2,node,n2\n";
    std::fs::write(&tokens, text).unwrap();
    let server = server_with(None, Some(tokens)).await;
    let ask = async |token: &str, path: &str| {
        let call = server.client.get(format!("{}{path}", server.base)).bearer_auth(token);
        call.timeout(Duration::from_secs(2)).send().await.map(|answer| answer.status().as_u16())
    };
    let exec = format!("{EXEC}?command=sh&stdout=true");
    let calls = "/setpoint/v1/nodes/n1/calls";
    for (token, path, code) in [
        // There is no such pod, which only those are told who may.
        ("admin-0123456789", LOG, 404),
        ("reader-0123456789", LOG, 404),
        ("node-1-0123456789", LOG, 403),
        ("admin-0123456789", &exec, 404),
        ("reader-0123456789", &exec, 403),
        ("node-1-0123456789", &exec, 403),
        ("reader-0123456789", calls, 403),
        ("node-2-0123456789", calls, 403),
        ("nobody-0123456789", calls, 401),
    ] {
        assert_eq!(ask(token, path).await.unwrap(), code, "{token} {path}");
    }
    assert!(ask("node-1-0123456789", calls).await.unwrap_err().is_timeout(), "it waits for a call");
}

#[tokio::test]
async fn a_port_of_a_pod_is_spoken_with_as_a_command_is() {
    let server = server().await;
    furnish(&server).await;
    let path = format!("{FORWARD}?port=80");
    let speak = async {
        let mut line = open(&server, &path, Some("v5.channel.k8s.io")).await.unwrap();
        send(&mut line, frame(STDIN, b"ask")).await;
        let mut answer = Vec::new();
        while let Some((STDOUT, bytes)) = next(&mut line).await {
            answer.extend(bytes);
        }
        answer
    };
    let serve = async {
        let (call, mut line) = take(&server).await;
        let Deed::Forward(options) = &call.deed else { panic!("{call:?}") };
        assert_eq!((options.port, options.host_network), (80, false));
        send(&mut line, vec![STDOUT]).await;
        assert_eq!(next(&mut line).await, Some((STDIN, b"ask".to_vec())));
        send(&mut line, frame(STDOUT, b"answer")).await;
        send(&mut line, ended(0)).await;
    };
    let (answer, ()) = tokio::join!(speak, serve);
    assert_eq!(answer, b"answer");
}

#[tokio::test]
async fn who_asks_for_a_port_as_kubectl_does_is_told_what_forwards_it() {
    let server = server().await;
    furnish(&server).await;
    for (path, protocol, code, why) in [
        (FORWARD, Some("SPDY/3.1+portforward.k8s.io"), 501, "`setpoint port-forward`"),
        (FORWARD, None, 501, "`setpoint port-forward`"),
        (FORWARD, Some("v5.channel.k8s.io"), 400, "port: \"\" is no number from 1 to 65535"),
    ] {
        let (status, answer) = open(&server, path, protocol).await.unwrap_err();
        let message = answer["message"].as_str().unwrap_or_default();
        assert!(status == code && message.contains(why), "{status} {message}");
    }
}
