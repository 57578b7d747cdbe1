//! What people do with containers on the real program: they read their lines and run commands in them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::api::Api;
use crate::house::{House, beside, is_present};

/// What a busy machine may take to start a few processes.
const COMES_WITHIN: Duration = Duration::from_secs(60);

/// A pod whose only container runs this script.
fn pod(name: &str, script: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [
            {"name": "main", "image": "none", "command": ["sh", "-c", script]}]}})
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Waits until a pod was restarted so often and runs.
async fn runs(house: &mut House, api: &Api, name: &str, restarts: i64) {
    let path = format!("/api/v1/namespaces/default/pods/{name}");
    house
        .until(&format!("{name} runs"), COMES_WITHIN, async || {
            let pod = api.get(&path).await?;
            let main = &pod["status"]["containerStatuses"][0];
            let is_so = main["state"]["running"].is_object() && main["restartCount"] == restarts;
            if is_so { Ok(()) } else { Err(main.to_string()) }
        })
        .await;
}

/// The verb with this said to it, while it is heard.
fn told(house: &House, server: &str, arguments: &[&str], said: &str) -> Output {
    let mut verb = house.verb_to_speak_with(server, arguments);
    let verb = verb.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = verb.spawn().expect("the verb starts");
    let (mut stdin, said) = (child.stdin.take().expect("its input"), said.to_owned());
    // One that reads nothing closes it.
    let speaks = std::thread::spawn(move || stdin.write_all(said.as_bytes()).is_ok());
    let output = child.wait_with_output().expect("it ends");
    speaks.join().expect("no panic");
    output
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_followed_and_those_before_a_crash_are_kept() {
    let _beside = beside();
    let (mut house, api) = House::with_nodes(&[], &["node-1"]).await;
    let steps = "echo first; while [ ! -e crash ]; do sleep 0.1; done; rm crash; echo last; exit 3";
    api.apply(&[pod("talks", steps)]).await.expect("it is applied");
    runs(&mut house, &api, "talks", 0).await;

    let mut follow = house.verb_to_speak_with(&api.base, &["logs", "-f", "talks"]);
    let mut follow = follow.stdout(Stdio::piped()).spawn().expect("the verb starts");
    let folder = house.path.join("node-1");
    let crash = || {
        // Each container works in its own folder.
        let found = std::process::Command::new("find").arg(&folder).args(["-name", "c0"]).output();
        let found = text(&found.expect("find runs").stdout);
        std::fs::write(format!("{}/crash", found.trim()), "").expect("it is told");
    };
    crash();
    let began = std::time::Instant::now();
    while follow.try_wait().expect("its state").is_none() {
        assert!(began.elapsed() < COMES_WITHIN, "it ends with the container");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let followed = follow.wait_with_output().expect("it ended");
    assert_eq!((followed.status.code(), &*text(&followed.stdout)), (Some(0), "first\nlast\n"));

    runs(&mut house, &api, "talks", 1).await;
    let again = api.get("/api/v1/namespaces/default/pods/talks").await.expect("it is there");
    let last = &again["status"]["containerStatuses"][0]["lastState"]["terminated"];
    assert_eq!((&last["exitCode"], &last["reason"]), (&json!(3), &json!("Error")), "{last}");
    for (arguments, wanted) in [
        ("logs talks", "first\n"),
        ("logs pod/talks --previous", "first\nlast\n"),
        ("logs talks -p --tail 1 --prefix", "[pod/talks] last\n"),
        ("logs talks --since 1h -c main", "first\n"),
    ] {
        let read = house.verb(&api.base, arguments);
        assert_eq!(text(&read.stdout), wanted, "{arguments}: {}", text(&read.stderr));
    }
    let timed = text(&house.verb(&api.base, "logs talks --timestamps").stdout);
    assert!(timed.starts_with("20") && timed.ends_with("Z first\n"), "{timed}");
    for (arguments, why) in [
        ("logs none", "not found"),
        ("logs talks -c other", "container other is not valid for pod talks"),
    ] {
        let refused = house.verb(&api.base, arguments);
        let said = text(&refused.stderr);
        assert!(refused.status.code() == Some(1) && said.contains(why), "{arguments}: {said}");
    }
}

/// What a terminal is set to before and after each of two ways out, and what was said meanwhile.
const TERMINAL: &str = r#"stty rows 31 cols 97; stty -g > before
    "$PROGRAM" exec -it host -- sh -c 'sleep 1; stty size; exit 5'; echo "code $?"; stty -g > after-end
    timeout --foreground -s TERM 2 "$PROGRAM" exec -it host -- sleep 1000; stty -g > after-signal"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_is_handed_over_and_given_back() {
    let _beside = beside();
    if !is_present("script") {
        return;
    }
    let (mut house, api) = House::with_nodes(&[], &["node-1"]).await;
    api.apply(&[pod("host", "exec sleep 1000")]).await.expect("it is applied");
    runs(&mut house, &api, "host", 0).await;
    let verb = house.verb_to_speak_with(&api.base, &[]);
    // `script` gives what it starts a terminal.
    let mut command = std::process::Command::new("script");
    command.args(["-q", "-e", "-c", TERMINAL, "/dev/null"]).current_dir(&house.path);
    let variables = verb.get_envs().filter_map(|(name, value)| Some((name, value?)));
    command.envs(variables).env("PROGRAM", verb.get_program()).env("SHELL", "/bin/sh");
    let done = command.stdin(Stdio::null()).output().expect("script runs");
    let said = text(&done.stdout);
    assert!(said.contains("31 97") && said.contains("code 5"), "{said}");
    let set = |file: &str| std::fs::read_to_string(house.path.join(file)).expect("it was written");
    assert!(!set("before").is_empty());
    assert_eq!((set("after-end"), set("after-signal")), (set("before"), set("before")));
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_read_write_and_end_with_their_codes() {
    let _beside = beside();
    let (mut house, api) = House::with_nodes(&[], &["node-1"]).await;
    api.apply(&[pod("host", "exec sleep 1000")]).await.expect("it is applied");
    runs(&mut house, &api, "host", 0).await;
    let server = &api.base;
    let done = told(&house, server, &["exec", "host", "--", "sh", "-c", "echo out; exit 7"], "");
    assert_eq!((done.status.code(), &*text(&done.stdout)), (Some(7), "out\n"));
    let script = "tr a-z A-Z; echo of $SETPOINT_POD_NAME >&2";
    let done = told(&house, server, &["exec", "-i", "host", "--", "sh", "-c", script], "typed");
    let said = (text(&done.stdout), text(&done.stderr));
    assert_eq!((done.status.code(), said), (Some(0), ("TYPED".into(), "of host\n".into())));
    let many = "x".repeat(3 << 20);
    let done = told(&house, server, &["exec", "-i", "host", "--", "cat"], &many);
    assert_eq!((done.status.code(), text(&done.stdout).len()), (Some(0), many.len()));

    house.kill("node-1");
    let refused = told(&house, server, &["exec", "host", "--", "true"], "");
    let said = text(&refused.stderr);
    let is_told = said.contains("agent of node node-1") || said.contains("node node-1 is lost");
    assert!(refused.status.code() == Some(1) && is_told, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_of_a_pod_is_reached_from_here_as_often_as_somebody_calls() {
    let _beside = beside();
    let (mut house, api) = House::with_nodes(&[], &["node-1"]).await;
    api.apply(&[pod("host", "exec sleep 1000")]).await.expect("it is applied");
    runs(&mut house, &api, "host", 0).await;
    // A process has its machine's network: a program of the pod would listen no other way.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let program = std::thread::spawn(move || {
        for stream in listener.incoming().take(2) {
            let (mut stream, mut said) = (stream.expect("it is called"), String::new());
            stream.read_to_string(&mut said).expect("it ends");
            write!(stream, "heard {said}").expect("it is read");
        }
    });
    let ways = ["port-forward", "pod/host", &format!(":{port}")];
    let mut forward = house.verb_to_speak_with(&api.base, &ways);
    let mut forward = forward.stdout(Stdio::piped()).spawn().expect("the verb starts");
    let mut lines = BufReader::new(forward.stdout.take().expect("its output")).lines();
    let first = lines.next().expect("it says where").expect("text");
    let here = first.strip_prefix("Forwarding from ").and_then(|rest| rest.split(' ').next());
    let here = here.unwrap_or_else(|| panic!("{first}")).to_owned();
    for word in ["one", "two"] {
        let mut stream = TcpStream::connect(&here).expect("it listens");
        stream.write_all(word.as_bytes()).expect("it is heard");
        stream.shutdown(Shutdown::Write).expect("it is open");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it ends");
        assert_eq!(answer, format!("heard {word}"));
    }
    program.join().expect("no panic");
    let pid = forward.id().to_string();
    let ended = std::process::Command::new("kill").args(["-INT", &pid]).status();
    assert!(ended.expect("kill runs").success());
    assert!(forward.wait().expect("it ends").success());

    let refused = house.verb(&api.base, "port-forward host x:80");
    assert!(text(&refused.stderr).contains("is not [LOCAL:]REMOTE"), "{refused:?}");
}
