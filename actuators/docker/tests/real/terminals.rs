//! Terminals: what they show comes as it is, and takes no memory. On a real engine, started here.

use futures::StreamExt;
use setpoint_actuator_docker::testing::require;
use setpoint_actuators::Actuator;
use setpoint_actuators::session::{Input, Output};
use setpoint_schemas::ContainerState::{Running, Terminated};
use setpoint_schemas::call::{ExecOptions, LogOptions};

use crate::common::{LASTING, Node, pod, shell};

/// Looks like the beginning of a frame of four gigabytes.
const LIKE_A_FRAME: &str = r"printf '\001\000\000\000\377\377\377\377end'";

#[tokio::test(flavor = "multi_thread")]
async fn what_a_terminal_shows_comes_as_it_is() {
    if !require() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let node = Node::start(folder.path()).await;
    commands_have_terminals(&node).await;
    containers_have_terminals(&node).await;
}

async fn commands_have_terminals(node: &Node) {
    let pod = pod("host", &format!(r#"{{"containers": [{}]}}"#, shell("main", LASTING)));
    node.run(&pod).await.expect("it starts");
    node.reaches("host", "main", Running).await;
    let run = async |script: &str, said: &[Input]| {
        let command = ["sh", "-c", script].map(str::to_owned).to_vec();
        let options = ExecOptions { command, stdin: true, stdout: true, stderr: true, tty: true };
        let session = node.actuator.session(&pod.placement.uid, "main", &options).await;
        let mut session = session.expect("it runs");
        for said in said {
            let Input::Bytes(bytes) = said else { continue };
            let said = Input::Bytes(bytes.clone());
            assert!(session.input.send(said).await.is_ok(), "it listens");
        }
        let mut shown = Vec::new();
        loop {
            match session.output.recv().await.expect("it says how it ended") {
                Output::Stdout(bytes) => shown.extend(bytes),
                Output::Stderr(_) => panic!("a terminal has one stream"),
                Output::Ended(code) => return (shown, code.expect("it ended")),
            }
        }
    };
    let (shown, code) = run(&format!("{LIKE_A_FRAME}; exit 5"), &[]).await;
    assert_eq!((&*shown, code), (&b"\x01\0\0\0\xff\xff\xff\xffend"[..], 5));
    let (shown, code) =
        run("read line; test -t 0; echo got $line", &[Input::Bytes(b"x\n".into())]).await;
    let shown = String::from_utf8_lossy(&shown);
    assert!(shown.ends_with("got x\r\n") && code == 0, "{shown}");
    let absent = run("exec /no/such/program", &[]).await;
    assert_eq!(absent.1, 127);
    node.stop(&pod).await;
}

async fn containers_have_terminals(node: &Node) {
    let script = format!("{LIKE_A_FRAME}; echo; echo two; exit 3");
    let main = shell("main", &script);
    let main = main.trim_end_matches('}');
    let pod = pod("shows", &format!(r#"{{"containers": [{main}, "tty": true}}]}}"#));
    node.run(&pod).await.expect("it starts");
    node.reaches("shows", "main", Terminated).await;
    let read = async |options: LogOptions| {
        let lines = node.actuator.logs(&pod.placement.uid, "main", &options).await;
        let pieces = lines.expect("it has lines").map(|piece| piece.expect("it reads"));
        pieces.collect::<Vec<_>>().await.concat()
    };
    let all = LogOptions::default();
    // The engine keeps text: what is none has become a sign that says so.
    let shown = read(all.clone()).await;
    let shown = String::from_utf8_lossy(&shown);
    assert!(shown.contains("end\r\n") && shown.ends_with("two\r\n"), "{shown:?}");
    assert_eq!(read(LogOptions { tail: Some(1), ..all.clone() }).await, b"two\r\n");
    let timed = read(LogOptions { tail: Some(1), timestamps: true, ..all }).await;
    let timed = String::from_utf8_lossy(&timed);
    assert!(timed.starts_with("20") && timed.ends_with("Z two\r\n"), "{timed:?}");
    node.stop(&pod).await;
}
