//! A pod with an init container, a sidecar and a container that ends, as a user sees it: how far it has
//! come, in the words of `setpoint get pods`; also while its agent is killed in the middle of it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::api::Api;
use crate::house::{House, LOOK_EVERY, beside};

/// A pod is placed and started within a second; the machine may be busy.
const SOON: Duration = Duration::from_secs(60);
/// Enough for an agent to start what has ended.
const A_WHILE: Duration = Duration::from_secs(3);

/// Each container says in a file of its own that it began; each goes on when a file is there.
const MANIFEST: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: whole}
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 5
  initContainers:
  - name: init
    image: none
    command: [sh, -c, "echo begun >> OUT/init; until [ -e OUT/init-goes ]; do sleep 0.1; done"]
  - name: side
    image: none
    restartPolicy: Always
    command: [sh, -c, "echo begun >> OUT/side; trap 'exit 0' TERM; while :; do sleep 0.1; done"]
    startupProbe: {exec: {command: [test, -e, OUT/side-goes]}, periodSeconds: 1, failureThreshold: 1000}
    lifecycle: {preStop: {exec: {command: [sh, -c, "echo bye >> OUT/side"]}}}
  containers:
  - name: main
    image: none
    command: [sh, -c, "echo begun >> OUT/main; until [ -e OUT/main-goes ]; do sleep 0.1; done"]
    lifecycle: {postStart: {exec: {command: [sh, -c, "echo greeted >> OUT/main"]}}}
---
apiVersion: v1
kind: Pod
metadata: {name: late}
spec:
  restartPolicy: OnFailure
  activeDeadlineSeconds: 2
  terminationGracePeriodSeconds: 1
  containers: [{name: main, image: none, command: [sleep, "1000"]}]
---
apiVersion: v1
kind: Pod
metadata: {name: broken}
spec:
  restartPolicy: Never
  initContainers: [{name: init, image: none, command: [sh, -c, "exit 3"]}]
  containers: [{name: main, image: none, command: [sleep, "1000"]}]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_shows_how_far_it_has_come_and_ends_in_its_order() {
    let _beside = beside();
    let (mut house, api) = House::with_nodes(&[], &["n1"]).await;
    let out = house.path.join("out");
    fs::create_dir(&out).expect("a folder");
    let text = MANIFEST.replace("OUT", &out.display().to_string());
    house.applies(&api.base, "pods.yaml", &text);

    shows(&mut house, &api, "whole", "0/2 Init:0/2").await;
    wrote(&mut house, &out, "init", "begun\n").await;
    // Killed while the init container runs: another agent lets it run on.
    house.kill("n1");
    house.start_agent("n1", &api.base, &[("SETPOINT_AGENT__RUNTIME", "process")]);
    go(&out, "init-goes");
    shows(&mut house, &api, "whole", "0/2 Init:1/2").await;
    wrote(&mut house, &out, "side", "begun\n").await;
    assert!(!out.join("main").exists(), "the sidecar has not started yet");
    go(&out, "side-goes");
    shows(&mut house, &api, "whole", "2/2 Running").await;
    wrote(&mut house, &out, "main", "begun\ngreeted\n").await;
    go(&out, "main-goes");
    shows(&mut house, &api, "whole", "0/2 Completed").await;
    wrote(&mut house, &out, "side", "begun\nbye\n").await;
    let pod = api.get("/api/v1/namespaces/default/pods/whole").await.expect("it is there");
    assert_eq!(pod["status"]["phase"], "Succeeded", "{pod}");
    let states = &pod["status"]["initContainerStatuses"];
    assert_eq!(states[0]["state"]["terminated"]["reason"], "Completed", "{pod}");

    shows(&mut house, &api, "late", "0/1 Error").await;
    let late = api.get("/api/v1/namespaces/default/pods/late").await.expect("it is there");
    let told = (&late["status"]["phase"], &late["status"]["reason"]);
    assert_eq!(told, (&"Failed".into(), &"DeadlineExceeded".into()), "{late}");
    shows(&mut house, &api, "broken", "0/1 Init:Error").await;
    let failed = api.get("/api/v1/namespaces/default/pods/broken").await.expect("it is there");
    assert_eq!(failed["status"]["phase"], "Failed", "{failed}");

    // A node that has forgotten everything does not begin anew.
    house.kill("n1");
    let books = house.path.join("n1/agents/n1/books.json");
    fs::remove_file(books).expect("it is removed");
    house.start_agent("n1", &api.base, &[("SETPOINT_AGENT__RUNTIME", "process")]);
    tokio::time::sleep(A_WHILE).await;
    let rows = [("whole", "0/2 Completed"), ("late", "0/1 Error"), ("broken", "0/1 Init:Error")];
    for (pod, row) in rows {
        shows(&mut house, &api, pod, row).await;
    }
    for (name, text) in
        [("init", "begun\n"), ("side", "begun\nbye\n"), ("main", "begun\ngreeted\n")]
    {
        wrote(&mut house, &out, name, text).await;
    }
}

fn go(out: &Path, name: &str) {
    fs::write(out.join(name), "").expect("it is written");
}

/// Waits until `setpoint get pods` shows this of the pod: READY and STATUS.
async fn shows(house: &mut House, api: &Api, pod: &str, row: &str) {
    let mut last = String::new();
    let began = std::time::Instant::now();
    while began.elapsed() < SOON {
        let got = house.verb(&api.base, "get pods");
        last = String::from_utf8_lossy(&got.stdout).into_owned();
        let mut rows = last.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let found = rows.find(|words| words.first() == Some(&pod));
        if found.is_some_and(|words| words[1..3].join(" ") == row) {
            return;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    panic!("{pod} never shows {row}:\n{last}\n{}", house.log_text("n1"));
}

async fn wrote(house: &mut House, out: &Path, name: &str, text: &str) {
    let look = async || {
        let found = fs::read_to_string(out.join(name)).unwrap_or_default();
        if found == text { Ok(()) } else { Err(found) }
    };
    house.until(&format!("{name} wrote {text:?}"), SOON, look).await;
}
