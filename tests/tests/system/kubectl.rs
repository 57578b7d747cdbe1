//! Debian's kubectl 1.20 against the real program: engine and agents as processes, pods too.
//!
//! It has a home of its own and no configuration: nothing but this server.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::api::{Api, deployment};
use crate::house::{House, beside, free_port};

/// What a busy machine may take to start a few processes.
const CONVERGES_WITHIN: Duration = Duration::from_secs(60);
const LEADS_WITHIN: Duration = Duration::from_secs(30);
/// kubectl itself waits no longer, because it is told so.
const KUBECTL_MAX: Duration = Duration::from_secs(90);

const PARTS: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {a: b}
---
apiVersion: v1
kind: Service
metadata: {name: front}
spec: {selector: {app: web}, ports: [{port: 80}]}
"#;

const SECRET: &str = r#"
apiVersion: v1
kind: Secret
metadata: {name: login}
stringData: {password: not-on-the-log}
"#;

const BROKEN: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: broken}
spec:
  replicas: -1
  selector: {matchLabels: {app: broken}}
  template:
    metadata: {labels: {app: broken}}
    spec: {containers: [{name: main, image: "busybox:local"}]}
"#;

/// kubectl and the server that it is for.
struct Kubectl {
    program: PathBuf,
    server: String,
    home: PathBuf,
}

impl Kubectl {
    /// Debian's; `None` when it is not there.
    fn of_debian(server: &str, home: &Path) -> Option<Kubectl> {
        let program = setpoint_test_support::kubectl_of_debian()?;
        Some(Kubectl { program, server: server.to_owned(), home: home.to_owned() })
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["--server", &self.server]).args(arguments.split(' '));
        command.env("HOME", &self.home).env("KUBECONFIG", self.home.join("none"));
        command.env("NO_PROXY", "127.0.0.1").current_dir(&self.home).stdin(Stdio::null());
        command
    }

    async fn output(&self, arguments: &str) -> Output {
        let mut command = tokio::process::Command::from(self.command(arguments));
        let output = tokio::time::timeout(KUBECTL_MAX, command.kill_on_drop(true).output()).await;
        output.expect("kubectl ends").expect("kubectl starts")
    }

    /// Runs it: it must end as foreseen and say this, on whichever stream.
    async fn says(&self, arguments: &str, well: bool, wanted: &str) {
        let output = self.output(arguments).await;
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(
            output.status.success() == well && said.contains(wanted),
            "kubectl {arguments}: {}, wanted {wanted:?}\n{said}",
            output.status
        );
    }

    async fn json(&self, arguments: &str) -> Value {
        let output = self.output(arguments).await;
        serde_json::from_slice(&output.stdout).expect("kubectl prints JSON")
    }
}

/// An engine and two nodes, and kubectl for them; `None` without kubectl.
async fn furnished() -> Option<(House, Api, Kubectl)> {
    let mut house = House::new(&[("SETPOINT_ENGINE__POLICY__LEASE_RENEW_MS", "1000")]);
    let port = free_port();
    let api = Api::new(port);
    let kubectl = Kubectl::of_debian(&api.base, &house.path)?;
    kubectl.says("version --client --short", true, "v1.20").await;
    house.start_engine("engine", port);
    for node in ["node-1", "node-2"] {
        house.start_agent(node, &api.base, &[("SETPOINT_AGENT__RUNTIME", "process")]);
    }
    house.leads(&api, LEADS_WITHIN).await;
    for (file, text) in [
        ("web.json", deployment("web", 2).to_string()),
        ("web-5.json", deployment("web", 5).to_string()),
        ("parts.yaml", PARTS.to_owned()),
        ("secret.yaml", SECRET.to_owned()),
        ("broken.yaml", BROKEN.to_owned()),
    ] {
        std::fs::write(house.path.join(file), text).expect("a manifest");
    }
    Some((house, api, kubectl))
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_applies_gets_watches_scales_rolls_out_and_deletes() {
    let _beside = beside();
    let Some((mut house, _api, kubectl)) = furnished().await else { return };
    kubectl.says("apply -f web.json", true, "deployment.apps/web created").await;
    kubectl.says("apply --validate=false -f web.json", true, "web unchanged").await;
    kubectl.says("rollout status deployment/web --timeout=60s", true, "rolled out").await;
    kubectl.says("get deployment web", true, "web    2/2     2            2").await;
    kubectl.says("get pods -o wide", true, "node-").await;
    kubectl.says("get pods -l app=web -o name", true, "pod/web-").await;
    kubectl.says("get deploy web -o yaml", true, "replicas: 2").await;
    let web = kubectl.json("get deploy web -o json").await;
    assert_eq!((&web["apiVersion"], &web["spec"]["replicas"]), (&"apps/v1".into(), &2.into()));
    let table = String::from_utf8(kubectl.output("get nodes").await.stdout).expect("text");
    assert_eq!(table.matches(" Ready ").count(), 2, "{table}");

    let mut watch = Watch::of(&kubectl, "get deployment web -w");
    watch.until("2/2").await;
    kubectl.says("scale deployment/web --replicas=3", true, "deployment.apps/web scaled").await;
    watch.until("3/3").await;
    kubectl.says("set image deployment/web main=busybox:2", true, "image updated").await;
    kubectl.says("rollout status deployment/web --timeout=60s", true, "rolled out").await;
    kubectl.says("get deployment web -o wide", true, "busybox:2").await;

    // Each pod writes nothing and sleeps; what is read is that it is read, and what cannot be is said.
    let pods = kubectl.json("get pods -l app=web -o json").await;
    let name = pods["items"][0]["metadata"]["name"].as_str().expect("a pod has a name").to_owned();
    kubectl.says(&format!("logs {name}"), true, "").await;
    kubectl.says("logs deployment/web --tail=5 --timestamps", true, "").await;
    kubectl.says(&format!("logs {name} -c other"), false, "container other is not valid").await;
    kubectl.says(&format!("logs {name} --previous"), false, "previous terminated").await;
    kubectl.says("logs none", false, "NotFound").await;
    kubectl.says(&format!("exec {name} -- true"), false, "this client speaks SPDY").await;

    let mut events = Watch::of(&kubectl, "get events -w");
    events.until("Scheduled").await;
    kubectl.says("describe deployment web", true, "3 desired | 3 updated | 3 total").await;
    kubectl.says("describe pods", true, "Controlled By:  Deployment/web").await;
    kubectl.says("describe node node-1", true, "Non-terminated Pods:").await;
    kubectl.says("get events", true, "Scheduled").await;
    kubectl.says("cordon node-1", true, "node/node-1 cordoned").await;
    kubectl.says("get nodes", true, "Ready,SchedulingDisabled").await;
    kubectl.says("uncordon node-1", true, "uncordoned").await;
    // Another pod is made first, and what is waited for is said.
    kubectl.says("drain node-2 --ignore-daemonsets", true, "will retry after 5s").await;
    kubectl.says("uncordon node-2", true, "uncordoned").await;

    kubectl.says("delete -f web.json", true, "deployment.apps \"web\" deleted").await;
    kubectl.says("delete -f web.json", false, "NotFound").await;
    house
        .until("no pod is left", CONVERGES_WITHIN, async || {
            let pods = kubectl.json("get pods -o json").await;
            let left = pods["items"].as_array().map_or(0, Vec::len);
            if left == 0 { Ok(()) } else { Err(format!("{left} are left")) }
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_creates_tries_first_and_is_refused_with_the_field() {
    let _beside = beside();
    let Some((_house, api, kubectl)) = furnished().await else { return };
    kubectl.says("create -f parts.yaml", true, "configmap/settings created").await;
    kubectl.says("create -f parts.yaml", false, "AlreadyExists").await;
    kubectl.says("get svc front", true, "front").await;
    kubectl.says("create -f web.json", true, "deployment.apps/web created").await;
    kubectl.says("create namespace shop", true, "namespace/shop created").await;
    kubectl.says("create configmap made --from-literal=a=b -n shop", true, "made created").await;
    kubectl.says("create deployment made --image=busybox:1 -n shop", true, "made created").await;

    // What would be is judged by the engine, conflicts too, and nothing comes of it.
    kubectl.says("create --dry-run=server -f web.json", false, "AlreadyExists").await;
    kubectl.says("apply --dry-run=server -f web-5.json", true, "(server dry run)").await;
    kubectl.says("scale deployment/web --replicas=3", true, "scaled").await;
    let conflict = "apply --server-side --field-manager=other --dry-run=server -f web-5.json";
    kubectl.says(conflict, false, "conflict").await;
    kubectl.says("diff -f web-5.json", false, "+  replicas: 5").await;
    kubectl.says("get deploy web -o jsonpath={.spec.replicas}", true, "3").await;
    kubectl.says("delete deploy web --dry-run=server", true, "(server dry run)").await;
    kubectl.says("get deploy web -o name", true, "deployment.apps/web").await;

    let mut probed = deployment("probed", 1);
    let container = &mut probed["spec"]["template"]["spec"]["containers"][0];
    container["volumeDevices"] = json!([{"name": "disk", "devicePath": "/dev/x"}]);
    let body = json!({"items": [probed], "allowIgnored": true});
    let applied = api.post("/setpoint/v1/apply", &body).await.expect("it is applied");
    assert_eq!(applied["accepted"], true, "{applied}");
    let patch = r#"patch deploy probed -p {"spec":{"replicas":0}}"#;
    kubectl.says(patch, true, "deployment.apps/probed patched").await;
    let more =
        r#"[{"name":"two","image":"a","volumeDevices":[{"name":"disk","devicePath":"/dev/y"}]}]"#;
    let more = format!(
        r#"patch deploy probed -p {{"spec":{{"template":{{"spec":{{"containers":{more}}}}}}}}}"#
    );
    kubectl.says(&more, false, "volumeDevices").await;

    kubectl.says("apply -f broken.yaml", false, "spec.replicas").await;
    kubectl.says("get deploy broken", false, "NotFound").await;

    kubectl.says("apply -f secret.yaml", true, "secret/login created").await;
    kubectl.says("apply -f secret.yaml", true, "secret/login").await;
    kubectl.says("get secret login -o jsonpath={.data.password}", true, "bm90LW9u").await;
    for topic in ["setpoint.requests", "setpoint.desired", "setpoint.deadletter"] {
        let text = format!("{:?}", api.log(topic).await.expect("the log can be read"));
        let in_clear = text.contains("not-on-the-log") || text.contains("bm90LW9u");
        assert!(!in_clear, "a Secret in clear on {topic}");
    }
    let letters = api.log("setpoint.deadletter").await.expect("the log can be read");
    assert!(letters.is_empty(), "kubectl wrote what the engine cannot read: {letters:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_deletes_what_is_held_and_what_is_owned() {
    let _beside = beside();
    let Some((_house, _api, kubectl)) = furnished().await else { return };
    let map = |name: &str| format!("create configmap {name} --from-literal=a=b");
    for name in ["held", "owner", "owned"] {
        kubectl.says(&map(name), true, "created").await;
    }
    let hold = r#"patch configmap held -p {"metadata":{"finalizers":["people.example/hold"]}}"#;
    kubectl.says(hold, true, "configmap/held patched").await;
    kubectl.says("delete configmap held --wait=false", true, "deleted").await;
    kubectl.says("get configmap held -o jsonpath={.metadata.deletionTimestamp}", true, "20").await;
    let more = r#"patch configmap held -p {"metadata":{"finalizers":["people.example/more"]}}"#;
    kubectl
        .says(more, false, "no new finalizers can be added if the object is being deleted")
        .await;
    let free = r#"--type=merge -p {"metadata":{"finalizers":null}}"#;
    kubectl.says(&format!("patch configmap held {free}"), true, "held patched").await;
    kubectl.says("get configmap held", false, "NotFound").await;

    let owner = kubectl.json("get configmap owner -o json").await;
    let reference = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner",
        "uid": owner["metadata"]["uid"], "blockOwnerDeletion": true}]);
    let own = json!({"metadata": {"ownerReferences": reference}});
    kubectl.says(&format!("patch configmap owned -p {own}"), true, "owned patched").await;
    kubectl.says("delete configmap owner --cascade=orphan", true, "deleted").await;
    kubectl.says("get configmap owned -o name", true, "configmap/owned").await;

    kubectl.says("apply -f web.json", true, "deployment.apps/web created").await;
    kubectl.says("rollout status deployment/web --timeout=60s", true, "rolled out").await;
    kubectl.says("delete deployment web --cascade=orphan", false, "cannot run on without it").await;
    // It waits until its pods are gone, and the workload after them.
    let delete = "delete deployment web --cascade=foreground --timeout=60s";
    kubectl.says(delete, true, "deployment.apps \"web\" deleted").await;
    kubectl.says("get pods -l app=web", true, "No resources found").await;

    kubectl.says("create namespace shop", true, "namespace/shop created").await;
    kubectl.says(&format!("{} -n shop", map("held")), true, "created").await;
    kubectl.says(&format!("{hold} -n shop"), true, "patched").await;
    kubectl.says("delete namespace shop --wait=false", true, "deleted").await;
    kubectl.says("get namespace shop", true, "Terminating").await;
    kubectl.says("get namespace shop -o json", true, "people.example/hold in 1 resource").await;
    kubectl
        .says(&format!("{} -n shop", map("late")), false, "because it is being terminated")
        .await;
    kubectl.says(&format!("patch configmap held -n shop {free}"), true, "patched").await;
    kubectl.says("get namespace shop", false, "NotFound").await;
}

/// A kubectl that goes on printing.
struct Watch {
    _child: tokio::process::Child,
    lines: tokio::io::Lines<BufReader<tokio::process::ChildStdout>>,
}

impl Watch {
    fn of(kubectl: &Kubectl, arguments: &str) -> Watch {
        let mut command = tokio::process::Command::from(kubectl.command(arguments));
        let command = command.stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().expect("kubectl starts");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        Watch { _child: child, lines }
    }

    /// Reads until a line says this.
    async fn until(&mut self, wanted: &str) {
        let mut seen = Vec::new();
        let read = async {
            while let Ok(Some(line)) = self.lines.next_line().await {
                let found = line.contains(wanted);
                seen.push(line);
                if found {
                    return true;
                }
            }
            false
        };
        let found = tokio::time::timeout(CONVERGES_WITHIN, read).await;
        assert_eq!(found, Ok(true), "no line with {wanted:?} among {seen:#?}");
    }
}
