//! Calls to the containers of a node: their lines, and commands beside them.

use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use setpoint_schemas::call::{
    CLOSE, CallEnd, Deed, ExecOptions, ForwardOptions, LogOptions, STATUS, STDERR, STDIN, STDOUT,
    frame, parted,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::fake_api::FakeApi;
use crate::node::{self, Node, placement, shell};

/// All that comes until the end: what was written, as errors too, and how it ended.
async fn heard(line: &mut WebSocket) -> (String, String, CallEnd) {
    let (mut out, mut errors) = (Vec::new(), Vec::new());
    loop {
        let message = tokio::time::timeout(Duration::from_secs(30), line.recv()).await;
        let message = message.expect("it goes on").expect("it is open").expect("it is sound");
        let Message::Binary(bytes) = message else { continue };
        match parted(&bytes).expect("it has a channel") {
            (STDOUT, bytes) => out.extend_from_slice(bytes),
            (STDERR, bytes) => errors.extend_from_slice(bytes),
            (STATUS, bytes) => {
                let text = |bytes| String::from_utf8(bytes).expect("text");
                return (text(out), text(errors), CallEnd::parse(bytes));
            }
            (channel, _) => panic!("channel {channel} is not towards a caller"),
        }
    }
}

fn command(script: &str) -> ExecOptions {
    let command = ["sh", "-c", script].map(str::to_owned).to_vec();
    ExecOptions { command, stdin: true, stdout: true, stderr: true, tty: false }
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_told_until_the_container_ends() {
    let api = FakeApi::start().await;
    let node = Node::new(&api);
    let script = "echo one; echo two >&2; sleep 1; echo three; exit 3";
    let mut spec = shell(script);
    spec["restartPolicy"] = "Never".into();
    api.place(1, 1, vec![placement("talks", spec)]);
    let agent = node.agent();
    api.reaches("talks", |pod| pod.containers[0].started_ms > 0).await;
    let follow = LogOptions { follow: true, ..LogOptions::default() };
    let mut line = api.call("talks", Deed::Logs(follow)).await;
    let (text, _, end) = heard(&mut line).await;
    let mut lines: Vec<&str> = text.lines().collect();
    // Which of two streams comes first is nobody's to say.
    lines[..2].sort_unstable();
    assert_eq!((lines, end), (vec!["one", "two", "three"], CallEnd::Code(0)));
    let limited = LogOptions { tail: Some(1), limit_bytes: Some(3), ..LogOptions::default() };
    let mut line = api.call("talks", Deed::Logs(limited)).await;
    assert_eq!(heard(&mut line).await.0, "thr");
    let mut line = api.call("nobody", Deed::Logs(LogOptions::default())).await;
    let (_, _, end) = heard(&mut line).await;
    assert!(matches!(end, CallEnd::Failed(404, _, _)), "{end:?}");
    let previous = LogOptions { previous: true, ..LogOptions::default() };
    let mut line = api.call("talks", Deed::Logs(previous)).await;
    let (_, _, end) = heard(&mut line).await;
    assert!(matches!(end, CallEnd::Failed(400, _, _)), "{end:?}");
    agent.end().await;
    node.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_reads_writes_and_ends_with_its_code() {
    let api = FakeApi::start().await;
    let node = Node::new(&api);
    api.place(1, 1, vec![placement("host", shell("exec sleep 1000"))]);
    let agent = node.agent();
    api.reaches("host", |pod| pod.ready).await;
    let script = "cat; echo \"$SETPOINT_POD_NAME\" >&2; exit 9";
    let mut line = api.call("host", Deed::Exec(command(script))).await;
    line.send(Message::Binary(frame(STDIN, b"typed").into())).await.expect("it listens");
    line.send(Message::Binary(vec![CLOSE, STDIN].into())).await.expect("it listens");
    let wanted = ("typed".to_owned(), "host\n".to_owned(), CallEnd::Code(9));
    assert_eq!(heard(&mut line).await, wanted, "with the container's environment");

    let absent = ExecOptions { command: vec!["/no/such/program".into()], ..command("") };
    let mut line = api.call("host", Deed::Exec(absent)).await;
    let (_, errors, end) = heard(&mut line).await;
    assert!(errors.contains("failed to run") && end == CallEnd::Code(127), "{errors} {end:?}");

    let tty = ExecOptions { tty: true, ..command("tty; stty size; exit 4") };
    let mut line = api.call("host", Deed::Exec(tty)).await;
    let (text, _, end) = heard(&mut line).await;
    assert!(text.starts_with("/dev/pts/") && end == CallEnd::Code(4), "{text} {end:?}");
    agent.end().await;
    node.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_hangs_up_ends_the_command_and_so_do_the_container_and_the_next_agent() {
    let api = FakeApi::start().await;
    let node = Node::new(&api);
    api.place(1, 1, vec![placement("host", shell("exec sleep 1000"))]);
    let agent = node.agent();
    let pod = api.reaches("host", |pod| pod.ready).await;
    let begin = async |tty: bool| {
        let script = "echo $$; sleep 1000 & wait";
        let options = ExecOptions { tty, ..command(script) };
        let mut line = api.call("host", Deed::Exec(options)).await;
        let mut said = String::new();
        while !said.ends_with('\n') {
            let message = line.recv().await.expect("it is open").expect("it is sound");
            if let Message::Binary(bytes) = message {
                said += &String::from_utf8_lossy(&bytes[1..]);
            }
        }
        (line, said.trim().to_owned())
    };
    for tty in [false, true] {
        let (line, pid) = begin(tty).await;
        assert!(node::runs(&pid));
        drop(line);
        api.until("the command is ended", |_| !node::runs(&pid)).await;
    }
    let (mut line, pid) = begin(false).await;
    node::kill(&pod.containers[0].id);
    let (_, _, end) = heard(&mut line).await;
    assert!(matches!(end, CallEnd::Failed(500, _, _)), "{end:?}");
    assert!(!node::runs(&pid), "it ended with its container");

    api.reaches("host", |pod| pod.ready && pod.containers[0].restarts == 1).await;
    let (_line, pid) = begin(false).await;
    agent.kill().await;
    let agent = node.agent();
    api.until("the next agent ends it", |_| !node::runs(&pid)).await;
    agent.end().await;
    node.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_of_a_pod_is_reached_from_its_node() {
    let api = FakeApi::start().await;
    let node = Node::new(&api);
    api.place(1, 1, vec![placement("host", shell("exec sleep 1000"))]);
    let agent = node.agent();
    api.reaches("host", |pod| pod.ready).await;
    // Processes have their machine's network: a program of the pod would listen no other way.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let forward = |port| Deed::Forward(ForwardOptions { port, host_network: false });
    let mut line = api.call("host", forward(port)).await;
    let (mut program, _) = listener.accept().await.expect("it is called");
    line.send(Message::Binary(frame(STDIN, b"ask").into())).await.expect("it listens");
    line.send(Message::Binary(vec![CLOSE, STDIN].into())).await.expect("it listens");
    let mut asked = String::new();
    program.read_to_string(&mut asked).await.expect("it ends");
    assert_eq!(asked, "ask");
    program.write_all(b"answer").await.expect("it is heard");
    drop(program);
    let wanted = ("answer".to_owned(), String::new(), CallEnd::Code(0));
    assert_eq!(heard(&mut line).await, wanted);

    drop(listener);
    let mut line = api.call("host", forward(port)).await;
    let (_, _, end) = heard(&mut line).await;
    assert!(matches!(&end, CallEnd::Failed(500, _, why) if why.contains("failed to reach port")));
    let mut line = api.call("nobody", forward(port)).await;
    let (_, _, end) = heard(&mut line).await;
    assert!(matches!(end, CallEnd::Failed(404, _, _)), "{end:?}");
    agent.end().await;
    node.clean().await;
}
