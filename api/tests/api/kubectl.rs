//! A real kubectl against the API, as people use it: Debian's, and the machine's own beside it where
//! there is one, which is newer as a rule.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::common::{Server, deployment, furnish, server};

const SECRET: &str = r#"{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
    "type": "Opaque", "data": {"a": "Yg=="}}"#;

const RANKS: &str = r#"{"apiVersion": "v1", "kind": "List", "items": [
    {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "high"},
        "value": 70},
    {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "keep"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}}]}"#;

/// A kubectl that has a home of its own and nothing but this server.
struct Kubectl<'a> {
    program: &'a Path,
    server: &'a Server,
    home: &'a Path,
}

impl Kubectl<'_> {
    fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(self.program);
        command.args(["--server", &self.server.base]).args(arguments.split(' '));
        command.env("HOME", self.home).env("KUBECONFIG", self.home.join("none"));
        command.env("NO_PROXY", "127.0.0.1").stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Whether it went well, and all that it printed.
    async fn run(&self, arguments: &str) -> (bool, String) {
        let output = self.command(arguments).output();
        let output = tokio::time::timeout(Duration::from_secs(60), output).await;
        let output = output.expect("kubectl ends").unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(text).unwrap())
    }
}

/// Every kubectl that is there.
async fn programs() -> Vec<PathBuf> {
    let own = PathBuf::from("kubectl");
    let found = Command::new(&own).args(["version", "--client"]).output().await;
    let own = found.is_ok_and(|output| output.status.success()).then_some(own);
    setpoint_test_support::kubectl_of_debian().into_iter().chain(own).collect()
}

#[tokio::test]
async fn kubectl_gets_applies_scales_describes_and_deletes() {
    for program in programs().await {
        does_what_people_do(&program).await;
    }
}

async fn does_what_people_do(program: &Path) {
    let server = server().await;
    furnish(&server).await;
    let home = tempfile::tempdir().unwrap();
    let kubectl = Kubectl { program, server: &server, home: home.path() };
    let file = home.path().join("app.json");
    std::fs::write(&file, deployment("app", 3).to_string()).unwrap();
    let changed = home.path().join("changed.json");
    std::fs::write(&changed, deployment("app", 4).to_string()).unwrap();
    let secret = home.path().join("secret.json");
    std::fs::write(&secret, SECRET).unwrap();
    let ranks = home.path().join("ranks.json");
    std::fs::write(&ranks, RANKS).unwrap();
    let (file, changed, secret) = (file.display(), changed.display(), secret.display());
    let apply = "apply --validate=false -f";
    for (arguments, well, wanted) in [
        ("get pods".to_owned(), true, "web-1   1/1     Running"),
        ("get pods -o wide".to_owned(), true, "10.0.0.7   n1"),
        ("get pods -o name".to_owned(), true, "pod/web-1"),
        ("get pods web-1 -o yaml".to_owned(), true, "nodeName: n1"),
        ("get pods -l app=none".to_owned(), true, "No resources found"),
        ("get nodes -o wide".to_owned(), true, "process://1"),
        ("get all".to_owned(), true, "deployment.apps/web"),
        ("get deploy,no".to_owned(), true, "node/n1"),
        ("get deploy none".to_owned(), false, "NotFound"),
        (format!("{apply} {file}"), true, "deployment.apps/app created"),
        (format!("{apply} {file}"), true, "deployment.apps/app unchanged"),
        (format!("{apply} {changed}"), true, "deployment.apps/app configured"),
        ("get deploy app".to_owned(), true, "4/4"),
        ("scale deployment/app --replicas=7".to_owned(), true, "scaled"),
        ("get deploy app -o jsonpath={.spec.replicas}".to_owned(), true, "7"),
        ("set image deployment/app main=other:2".to_owned(), true, "image updated"),
        ("get deploy app -o wide".to_owned(), true, "other:2"),
        ("annotate deployment/app note=x".to_owned(), true, "annotate"),
        ("describe deployment app".to_owned(), true, "app=app"),
        ("describe pod web-1".to_owned(), true, "Restart Count:"),
        ("describe node n1".to_owned(), true, "Allocatable:"),
        ("cordon n1".to_owned(), true, "cordoned"),
        ("get nodes".to_owned(), true, "Ready,SchedulingDisabled"),
        (format!("create --validate=false -f {secret}"), true, "secret/s created"),
        (format!("{apply} {secret}"), true, "secret/s configured"),
        (format!("{apply} {secret}"), true, "secret/s unchanged"),
        ("get secret s -o jsonpath={.data.a}".to_owned(), true, "Yg=="),
        ("describe secret s".to_owned(), true, "1 bytes"),
        (format!("{apply} {}", ranks.display()), true, "poddisruptionbudget.policy/keep created"),
        ("get pdb".to_owned(), true, "keep   1               N/A               0"),
        ("get pc".to_owned(), true, "high   70      false"),
        ("delete deployment app".to_owned(), true, "deleted"),
        ("delete deployment app".to_owned(), false, "NotFound"),
        ("api-resources".to_owned(), true, "ingresses"),
    ] {
        let (went, printed) = kubectl.run(&arguments).await;
        let program = program.display();
        assert!(went == well && printed.contains(wanted), "{program} {arguments}\n{printed}");
    }
}

#[tokio::test]
async fn kubectl_watches() {
    for program in programs().await {
        watches(&program).await;
    }
}

async fn watches(program: &Path) {
    let server = server().await;
    furnish(&server).await;
    let home = tempfile::tempdir().unwrap();
    let kubectl = Kubectl { program, server: &server, home: home.path() };
    let mut command = kubectl.command("get deploy -w");
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = async || {
        let line = tokio::time::timeout(Duration::from_secs(60), lines.next_line()).await;
        line.expect("kubectl prints").unwrap().unwrap()
    };
    assert!(next().await.starts_with("NAME"));
    assert!(next().await.starts_with("web "));
    server.post("/apis/apps/v1/namespaces/default/deployments", deployment("later", 1)).await;
    assert!(next().await.starts_with("later"));
    child.kill().await.unwrap();
}
