//! The verbs against a small server of our own: what they ask, and what they answer.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{Method, StatusCode, Uri};
use clap::Parser;
use expect_test::expect;
use serde_json::{Value, json};
use setpoint_settings::{Flag, Sources, load};

use crate::cli::Cli;
use crate::context::{Context, Printer};
use crate::failure::{Ended, Failure};

/// A call, and what is answered to it in turn.
type Answers = (String, VecDeque<(u16, String)>);

/// A server that answers what it was told to, in turn per path, and remembers what it was asked.
#[derive(Clone, Default)]
pub(super) struct Fake {
    answers: Arc<Mutex<Vec<Answers>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    pub(super) fn answer(self, call: &str, code: u16, body: Value) -> Self {
        self.answer_text(call, code, body.to_string())
    }

    pub(super) fn answer_text(self, call: &str, code: u16, body: String) -> Self {
        let mut answers = self.answers.lock().expect("no test panics here");
        match answers.iter_mut().find(|(known, _)| known == call) {
            Some((_, queue)) => queue.push_back((code, body)),
            None => answers.push((call.to_owned(), VecDeque::from([(code, body)]))),
        }
        drop(answers);
        self
    }

    fn take(&self, method: &Method, uri: &Uri, body: &Bytes) -> (StatusCode, String) {
        let call = format!("{method} {uri}");
        let body = String::from_utf8_lossy(body);
        self.asked
            .lock()
            .expect("no test panics here")
            .push(format!("{call} {body}").trim().to_owned());
        let mut answers = self.answers.lock().expect("no test panics here");
        let queue = answers.iter_mut().find(|(known, _)| *known == call).map(|(_, queue)| queue);
        let next = queue.and_then(|q| if q.len() > 1 { q.pop_front() } else { q.front().cloned() });
        let absent = || {
            (
                404,
                json!({"kind": "Status", "message": format!("no {call}"), "code": 404}).to_string(),
            )
        };
        let (code, body) = next.unwrap_or_else(absent);
        (StatusCode::from_u16(code).expect("a code"), body)
    }

    pub(super) async fn start(&self) -> String {
        let fake = self.clone();
        let app = Router::new().fallback(move |method: Method, uri: Uri, body: Bytes| {
            let answer = fake.take(&method, &uri, &body);
            async move { answer }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it listens");
        tokio::spawn(async move { axum::serve(listener, app).await });
        format!("http://{address}")
    }

    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no test panics here").clone()
    }
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no test panics here").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Runs a command line against a server: how it ended, and what it printed.
pub(super) async fn run(server: &str, line: &str) -> (Result<Ended, Failure>, String) {
    let words = std::iter::once("setpoint").chain(line.split_whitespace());
    let cli = Cli::try_parse_from(words).expect("a command line");
    let flags = vec![Flag::new("--server", "client.server", server)];
    let settings = load(&Sources { flags, ..Sources::default() }).expect("settings").settings;
    let out = Shared::default();
    let mut cx = Context::new(settings).expect("a context");
    cx.out = Printer(Box::new(out.clone()));
    let ended = crate::cli::client_of(cli, &mut cx).await;
    let printed = out.0.lock().expect("no test panics here").clone();
    (ended, String::from_utf8(printed).expect("text"))
}

pub(super) fn pod(name: &str, node: &str, owner: &str) -> Value {
    json!({
        "metadata": {"name": name, "namespace": "default", "uid": format!("uid-{name}"),
            "ownerReferences": [{"kind": owner, "name": "x"}]},
        "spec": {"nodeName": node, "containers": [{"name": "a"}]},
        "status": {"phase": "Running"}
    })
}

#[tokio::test]
async fn get_lists_as_kubernetes_lists() {
    let items =
        json!({"metadata": {"resourceVersion": "7"}, "items": [pod("web-1", "n1", "ReplicaSet")]});
    let fake = Fake::default().answer(
        "GET /api/v1/namespaces/shop/pods?labelSelector=app%3Dweb",
        200,
        items,
    );
    let (ended, printed) = run(&fake.start().await, "get pods -n shop -l app=web -o name").await;
    assert_eq!(ended, Ok(Ended::Well));
    assert_eq!(printed, "pod/web-1\n");
}

#[tokio::test]
async fn what_is_not_there_is_a_failure_that_says_so() {
    let status =
        json!({"kind": "Status", "code": 404, "message": "deployments.apps \"web\" not found"});
    let call = "GET /apis/apps/v1/namespaces/default/deployments/web";
    let fake = Fake::default().answer(call, 404, status);
    let (ended, printed) = run(&fake.start().await, "get deployment web").await;
    expect![[r#"
        error: failed to get deployment.apps/web
          why:   deployments.apps "web" not found"#]]
    .assert_eq(&ended.expect_err("it is not there").to_string());
    assert_eq!(printed, "");
}

#[tokio::test]
async fn a_server_that_is_away_is_told_with_what_to_do() {
    let (ended, _) = run("http://127.0.0.1:1", "get pods").await;
    let shown = ended.expect_err("nobody is there").to_string();
    assert!(shown.contains("where: http://127.0.0.1:1"), "{shown}");
    assert!(shown.contains("do:    start an engine with `setpoint up`"), "{shown}");
}

#[tokio::test]
async fn scale_patches_the_scale_and_nothing_else() {
    let call = "PATCH /apis/apps/v1/namespaces/default/deployments/web/scale?fieldManager=setpoint";
    let fake = Fake::default().answer(call, 200, json!({}));
    let (ended, printed) = run(&fake.start().await, "scale deploy/web --replicas 5").await;
    assert_eq!(ended, Ok(Ended::Well));
    assert_eq!(printed, "deployment.apps/web scaled\n");
    assert_eq!(fake.asked(), [format!("{call} {}", r#"{"spec":{"replicas":5}}"#)]);
}

#[tokio::test]
async fn drain_cordons_first_and_leaves_daemons_alone() {
    let pods =
        json!({"items": [pod("web-1", "n1", "ReplicaSet"), pod("log-1", "n1", "DaemonSet")]});
    let path = "/api/v1/namespaces/default/pods/web-1";
    let fake = Fake::default()
        .answer("PATCH /api/v1/nodes/n1?fieldManager=setpoint", 200, json!({}))
        .answer("GET /api/v1/pods?fieldSelector=spec.nodeName%3Dn1", 200, pods)
        .answer(&format!("POST {path}/eviction"), 201, json!({}))
        .answer(&format!("GET {path}"), 200, pod("web-1", "n1", "ReplicaSet"))
        .answer(&format!("GET {path}"), 404, json!({"code": 404}));
    let (ended, printed) = run(&fake.start().await, "drain n1").await;
    assert_eq!(ended, Ok(Ended::Well));
    assert_eq!(printed, "node/n1 cordoned\npod/web-1 evicted\nnode/n1 drained\n");
    let asked = fake.asked();
    assert!(asked[0].starts_with("PATCH /api/v1/nodes/n1"), "{asked:?}");
    assert!(!asked.iter().any(|call| call.contains("log-1")), "{asked:?}");
}

#[tokio::test]
async fn drain_waits_for_what_an_eviction_waits_for_and_deletes_where_it_is_told_to() {
    let pods = || json!({"items": [pod("web-1", "n1", "ReplicaSet")]});
    let path = "/api/v1/namespaces/default/pods/web-1";
    let waits = json!({"kind": "Status", "code": 429, "message": "another pod is made first"});
    let fake = Fake::default()
        .answer("PATCH /api/v1/nodes/n1?fieldManager=setpoint", 200, json!({}))
        .answer("GET /api/v1/pods?fieldSelector=spec.nodeName%3Dn1", 200, pods())
        .answer(&format!("POST {path}/eviction"), 429, waits)
        .answer(&format!("GET {path}"), 200, pod("web-1", "n1", "ReplicaSet"));
    let (ended, _) = run(&fake.start().await, "drain n1 --timeout 0").await;
    let shown = ended.expect_err("not in time").to_string();
    assert!(shown.contains("another pod is made first"), "{shown}");

    let fake = Fake::default()
        .answer("PATCH /api/v1/nodes/n1?fieldManager=setpoint", 200, json!({}))
        .answer("GET /api/v1/pods?fieldSelector=spec.nodeName%3Dn1", 200, pods())
        .answer(&format!("DELETE {path}"), 200, json!({}))
        .answer(&format!("GET {path}"), 404, json!({"code": 404}));
    let (ended, printed) = run(&fake.start().await, "drain n1 --disable-eviction").await;
    assert_eq!(ended, Ok(Ended::Well));
    assert!(printed.contains("pod/web-1 evicted"), "{printed}");
}

#[tokio::test]
async fn undo_asks_for_the_revision() {
    let call = "POST /setpoint/v1/namespaces/default/deployments/web/undo";
    let fake = Fake::default().answer(call, 200, json!({}));
    let (ended, _) = run(&fake.start().await, "rollout undo deployment/web --to-revision 2").await;
    assert_eq!(ended, Ok(Ended::Well));
    assert_eq!(fake.asked(), [format!("{call} {}", r#"{"toRevision":2}"#)]);
}

#[tokio::test]
async fn a_kind_that_no_table_knows_is_found_by_discovery() {
    let groups = json!({"groups": [{"preferredVersion": {"groupVersion": "example.com/v1"}}]});
    let resources = json!({"groupVersion": "example.com/v1", "resources": [
        {"name": "widgets", "kind": "Widget", "namespaced": true}]});
    let widgets = json!({"items": [{"metadata": {"name": "a"}}]});
    let fake = Fake::default()
        .answer("GET /apis", 200, groups)
        .answer("GET /apis/example.com/v1", 200, resources)
        .answer("GET /apis/example.com/v1/namespaces/default/widgets", 200, widgets);
    let (ended, printed) = run(&fake.start().await, "get widget -o name").await;
    assert_eq!(ended, Ok(Ended::Well));
    assert_eq!(printed, "widget.example.com/a\n");
}

#[tokio::test]
async fn a_dead_letter_is_found_by_its_position() {
    let letters = json!({"items": [{"topic": "setpoint.pods", "partition": 0, "offset": 4,
        "time_ms": 0, "reason": "unknown schema"}]});
    let fake = Fake::default()
        .answer("GET /setpoint/v1/deadletter?limit=100", 200, letters.clone())
        .answer("GET /setpoint/v1/deadletter?limit=1000", 200, letters);
    let server = fake.start().await;
    let (_, printed) = run(&server, "deadletter list").await;
    expect![[r#"
        POSITION            TIME                       REASON
        setpoint.pods/0@4   1970-01-01T00:00:00.000Z   unknown schema
    "#]]
    .assert_eq(&printed);
    let (ended, _) = run(&server, "deadletter show setpoint.pods/0@5").await;
    assert!(ended.is_err(), "there is none");
}

#[tokio::test]
async fn a_dead_letter_is_replayed_by_its_position() {
    let call = "POST /setpoint/v1/deadletter/setpoint.pods/0/4/replay";
    let at = json!({"topic": "setpoint.pods", "partition": 0, "offset": 9});
    let server = Fake::default().answer(call, 200, at).start().await;
    let (ended, printed) = run(&server, "deadletter replay setpoint.pods/0@4").await;
    assert_eq!(ended, Ok(Ended::Well));
    assert_eq!(printed, "setpoint.pods/0@4 appended again as setpoint.pods/0@9\n");
    let (ended, _) = run(&server, "deadletter replay setpoint.pods").await;
    assert_eq!(ended.expect_err("no position").code(), 2);
}

#[tokio::test]
async fn decisions_of_a_pod_are_asked_for_as_it_is_named() {
    let call = "GET /setpoint/v1/decisions?limit=50&pod=pod%2Fweb-1&namespace=shop";
    let decision = json!({"epoch": 3, "time_ms": 0, "action": "Place", "pod": "f00",
        "podName": "web-1", "resource": "apps/Deployment/shop/web", "node": "n1",
        "rule": "placement", "reason": "fewer pods than desired"});
    let fake = Fake::default().answer(call, 200, json!({"decisions": [decision]}));
    let (ended, printed) = run(&fake.start().await, "decisions --pod pod/web-1 -n shop").await;
    assert_eq!(ended, Ok(Ended::Well));
    assert!(printed.contains("Place    web-1   apps/Deployment/shop/web"), "{printed}");
}

#[tokio::test]
async fn a_mistake_in_a_manifest_is_told_with_the_line_of_its_field() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("two.yaml");
    let text = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n---\napiVersion: apps/v1\n\
                kind: Deployment\nmetadata:\n  name: b\nspec:\n  replicas: -3\n  selector: {}\n\
                \x20 template:\n    spec:\n      containers:\n      - name: c\n        imge: d\n";
    std::fs::write(&file, text).expect("written");
    let (ended, _) = run("http://127.0.0.1:1", &format!("apply -f {}", file.display())).await;
    let shown = ended.expect_err("it is wrong").to_string();
    for place in [
        "document 2, line 8, spec.replicas",
        "document 2, line 14, spec.template.spec.containers[0].imge",
    ] {
        assert!(shown.contains(place), "{shown}");
    }
}

#[tokio::test]
async fn a_watch_whose_past_is_forgotten_begins_anew() {
    let path = "GET /api/v1/namespaces/default/pods";
    let status = |code: u16, message: &str| json!({"code": code, "message": message});
    let items = json!({"metadata": {"resourceVersion": "7"}, "items": []});
    let fake = Fake::default()
        .answer(path, 200, items)
        .answer(&format!("{path}?resourceVersion=7&watch=true"), 410, status(410, "too old"))
        .answer(&format!("{path}?resourceVersion=0&watch=true"), 403, status(403, "enough"));
    let (ended, _) = run(&fake.start().await, "get pods -w").await;
    let shown = ended.expect_err("the second watch is forbidden").to_string();
    assert!(shown.contains("enough"), "{shown}");
    assert_eq!(fake.asked().len(), 3);
}

#[tokio::test]
async fn a_watch_of_one_object_goes_on_from_a_list_and_not_from_the_objects_own_version() {
    let path = "GET /api/v1/namespaces/default/pods?";
    let one = "fieldSelector=metadata.name%3Dweb";
    let mut web = pod("web", "n1", "ReplicaSet");
    web["metadata"]["resourceVersion"] = json!("3");
    let items = json!({"metadata": {"resourceVersion": "9"}, "items": [web]});
    let enough = json!({"code": 403, "message": "enough"});
    let fake = Fake::default().answer(&format!("{path}{one}"), 200, items).answer(
        &format!("{path}resourceVersion=9&{one}&watch=true"),
        403,
        enough,
    );
    let (ended, _) = run(&fake.start().await, "get pod web -w").await;
    let shown = ended.expect_err("the watch is forbidden").to_string();
    assert!(shown.contains("enough"), "{shown}");
    assert_eq!(fake.asked().len(), 2);
}

#[tokio::test]
async fn a_conflict_names_the_flag_that_takes_the_fields_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("map.yaml");
    std::fs::write(&file, "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}")
        .expect("written");
    let message = "ConfigMap \"a\": apply failed with 1 conflict(s): data.x is owned by \"b\"";
    let line = json!({"kind": "ConfigMap", "namespace": "default", "name": "a",
        "result": "refused", "message": message});
    let answer = json!({"accepted": false, "results": [line]});
    let fake = Fake::default().answer("POST /setpoint/v1/apply", 200, answer);
    let (ended, _) = run(&fake.start().await, &format!("apply -f {}", file.display())).await;
    let shown = ended.expect_err("it is refused").to_string();
    assert!(shown.contains("do:    nothing was applied; leave those fields"), "{shown}");
    assert!(shown.contains("with --force-conflicts"), "{shown}");
}

#[tokio::test]
async fn a_refusal_tells_the_reason_first_and_counts_what_was_not_done_for_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let map =
        |name: &str| format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}}}}}\n");
    let text = ["a", "b", "c"].map(map).join("---\n");
    let file = folder.path().join("maps.yaml");
    std::fs::write(&file, &text).expect("written");
    let spared = "not done, because another item of the request was refused";
    let line = |name: &str, message: &str| {
        json!({"kind": "ConfigMap", "namespace": "default",
        "name": name, "result": "refused", "message": message})
    };
    let results = [line("a", spared), line("b", spared), line("c", "namespace is gone")];
    let answer = json!({"accepted": false, "results": results});
    let server = Fake::default().answer("POST /setpoint/v1/apply", 200, answer).start().await;
    let (ended, _) = run(&server, &format!("apply -f {}", file.display())).await;
    let shown =
        ended.expect_err("it is refused").to_string().replace(&*file.to_string_lossy(), "F");
    expect![[r#"
        error: failed to apply F
          where: F: document 3, configmap/c
          why:   namespace is gone
          why:   2 others were not done
          do:    nothing was applied; correct it and apply again"#]]
    .assert_eq(&shown);
    // Another thing of it in another file is refused before anything is asked, and both are named.
    let again = folder.path().join("again.yaml");
    let other = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {k: v}}";
    std::fs::write(&again, other).expect("written");
    let (ended, _) = run(&server, &format!("apply -f {}", folder.path().display())).await;
    let shown = ended.expect_err("it is refused").to_string();
    assert_eq!(shown.matches("where:").count(), 1, "{shown}");
    for part in ["again.yaml", "maps.yaml", "already, differently"] {
        assert!(shown.contains(part), "{shown}");
    }
}

#[tokio::test]
async fn a_file_of_another_namespace_than_was_said_is_refused_with_both() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("map.yaml");
    let text = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: shop}}";
    std::fs::write(&file, text).expect("written");
    for verb in ["apply", "diff", "delete"] {
        let line = format!("{verb} -f {} -n other", file.display());
        let (ended, _) = run("http://127.0.0.1:1", &line).await;
        let shown = ended.expect_err("they differ").to_string();
        let both = "its namespace is \"shop\", and --namespace says \"other\"";
        assert!(shown.contains(both), "{verb}: {shown}");
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_read_has_no_document_and_a_url_is_not_fetched() {
    let (ended, _) = run("http://127.0.0.1:1", "apply -f nosuch.yaml").await;
    let shown = ended.expect_err("there is none").to_string();
    assert!(shown.contains("where: nosuch.yaml\n"), "{shown}");
    let (ended, _) = run("http://127.0.0.1:1", "apply -f https://example.com/web.yaml").await;
    let shown = ended.expect_err("it is elsewhere").to_string();
    assert!(shown.contains("URLs are not fetched"), "{shown}");
}

#[tokio::test]
async fn a_server_that_is_not_reached_over_tls_has_its_own_remedy() {
    let plain = Fake::default().start().await;
    let (ended, _) = run(&plain.replace("http:", "https:"), "get pods").await;
    let shown = ended.expect_err("it speaks no TLS").to_string();
    assert!(shown.contains(&format!("nothing there speaks TLS: try {plain}")), "{shown}");
}

#[tokio::test]
async fn of_several_kinds_each_name_says_its_own_and_headers_and_labels_are_as_asked() {
    let mut web = pod("web-1", "n1", "ReplicaSet");
    web["metadata"]["labels"] = json!({"app": "web"});
    let map = json!({"metadata": {"name": "settings"}, "data": {"a": "1"}});
    let fake = Fake::default()
        .answer("GET /api/v1/namespaces/default/pods", 200, json!({"items": [web]}))
        .answer("GET /api/v1/namespaces/default/configmaps", 200, json!({"items": [map]}));
    let server = fake.start().await;
    let (_, printed) = run(&server, "get pods,cm").await;
    for name in ["\npod/web-1 ", "\nconfigmap/settings "] {
        assert!(printed.contains(name), "{printed}");
    }
    let (_, printed) = run(&server, "get pods --no-headers --show-labels").await;
    assert_eq!(printed, "web-1   0/1   Running   0   <unknown>   app=web\n");
}

#[tokio::test]
async fn a_restart_marks_the_template_and_a_number_below_none_is_refused() {
    let path = "/apis/apps/v1/namespaces/default/deployments/web?fieldManager=setpoint";
    let fake = Fake::default().answer(&format!("PATCH {path}"), 200, json!({}));
    let (ended, printed) = run(&fake.start().await, "rollout restart deploy/web").await;
    assert_eq!((ended, printed.as_str()), (Ok(Ended::Well), "deployment.apps/web restarted\n"));
    assert!(fake.asked()[0].contains("kubectl.kubernetes.io/restartedAt"), "{:?}", fake.asked());
    let words = ["setpoint", "scale", "deploy/web", "--replicas", "-1"];
    let refused = crate::cli::Cli::try_parse_from(words).expect_err("below none").to_string();
    assert!(refused.contains("-1 is not in 0..="), "{refused}");
}

#[tokio::test]
async fn a_delete_that_finds_nothing_is_no_failure() {
    let call = "GET /api/v1/namespaces/default/pods?labelSelector=app%3Dnone";
    let fake = Fake::default().answer(call, 200, json!({"items": []}));
    let (ended, printed) = run(&fake.start().await, "delete pods -l app=none").await;
    assert_eq!((ended, printed.as_str()), (Ok(Ended::Well), ""));
}

#[test]
fn every_shell_has_a_script_that_asks_the_program() {
    for shell in ["bash", "zsh", "fish"] {
        let script = crate::verbs::completion::script(shell).expect("a known shell");
        assert!(script.contains(" __complete -- "), "{shell}");
    }
    assert!(crate::verbs::completion::script("tcsh").is_none());
}

#[tokio::test]
async fn logs_are_read_of_the_container_that_is_meant_and_of_all_pods_of_a_workload() {
    let mut one = pod("web-1", "n1", "Deployment");
    one["metadata"]["annotations"] = json!({"kubectl.kubernetes.io/default-container": "main"});
    let others = [pod("web-2", "n2", "Deployment"), pod("db-1", "n2", "Pod")];
    let pods = "GET /api/v1/namespaces/default/pods";
    let query = "tailLines=3&sinceSeconds=300";
    let fake = Fake::default()
        .answer("GET /apis/apps/v1/namespaces/default/deployments/x", 200, json!({}))
        .answer(&format!("{pods}/web-1"), 200, one.clone())
        .answer(&format!("{pods}/web-1/log?container=main&{query}"), 200, json!("said"))
        .answer(pods, 200, json!({"items": [one, others[0], others[1]]}))
        .answer(&format!("{pods}/web-1/log?previous=true&container=main"), 200, json!("a"))
        .answer(&format!("{pods}/web-2/log?previous=true"), 200, json!("b"));
    let server = fake.start().await;
    let (ended, printed) = run(&server, "logs web-1 --tail 3 --since 5m").await;
    assert_eq!((ended, printed.as_str()), (Ok(Ended::Well), "\"said\""));
    let (ended, printed) = run(&server, "logs deploy/x --prefix -p").await;
    let wanted = "[pod/web-1/main] \"a\"[pod/web-2] \"b\"";
    assert_eq!((ended, printed.as_str()), (Ok(Ended::Well), wanted));
    // One that is refused keeps nobody from the others.
    drop(fake.answer(&format!("{pods}/web-2/log?follow=true"), 200, json!("b")));
    let (ended, printed) = run(&server, "logs -f deploy/x --prefix").await;
    assert_eq!(printed, "[pod/web-2] \"b\"");
    let shown = ended.expect_err("one is refused").to_string();
    assert!(shown.contains("logs of 1 of 2 containers"), "{shown}");
    let (ended, _) = run(&server, "logs none").await;
    let shown = ended.expect_err("there is none").to_string();
    assert!(shown.starts_with("error: failed to read the logs of none"), "{shown}");
}

#[tokio::test]
async fn a_command_that_is_refused_says_why_and_one_without_words_is_wrong_usage() {
    let pods = "GET /api/v1/namespaces/default/pods";
    let why = "container \"main\" is not running";
    let call = "exec?command=sh&command=-c&stdin=false&stdout=true&stderr=true&tty=false";
    let fake = Fake::default()
        .answer(&format!("{pods}/web-1"), 200, pod("web-1", "n1", "Pod"))
        .answer(&format!("{pods}/web-1/{call}"), 400, json!({"message": why}));
    let (ended, _) = run(&fake.start().await, "exec web-1 -- sh -c").await;
    let shown = ended.expect_err("it is refused").to_string();
    assert!(shown.contains("command in pod/web-1") && shown.contains(why), "{shown}");
    let refused = Cli::try_parse_from(["setpoint", "exec", "web-1"]).expect_err("no command");
    assert_eq!(refused.exit_code(), 2);
}
