//! What people's hands expect of the command line, asked of the real program: templates, orders, patches, an editor.

use std::process::{Command, Output};
use std::time::Duration;

use serde_json::{Value, json};

use crate::api::{Api, deployment};
use crate::house::{House, alone};

/// What a busy machine may take to start three processes.
const CONVERGES_WITHIN: Duration = Duration::from_secs(60);

/// What a verb printed, and how it ended.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Said {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

/// One house, and the verbs that are said in it.
struct Hands {
    house: House,
    api: Api,
}

impl Hands {
    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.house.verb_to_speak_with(&self.api.base, words);
        command.env_remove("KUBE_EDITOR").env_remove("EDITOR");
        command
    }

    fn said(&self, words: &[&str]) -> Said {
        self.command(words).output().expect("the verb runs").into()
    }

    /// What a verb that ends well prints.
    fn printed(&self, words: &[&str]) -> String {
        let said = self.said(words);
        assert_eq!(said.code, Some(0), "{words:?}: {said:?}");
        said.out
    }

    fn edited(&self, object: &str, editor: &str) -> Said {
        let mut command = self.command(&["edit", object]);
        command.env("EDITOR", editor).output().expect("the verb runs").into()
    }

    /// The value of the ConfigMap that is changed here.
    fn value(&self) -> String {
        self.printed(&["get", "cm", "c-1", "-o", "jsonpath={.data.n}"])
    }
}

fn config(name: &str, n: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"n": n},
        "metadata": {"name": name, "namespace": "default", "labels": {"of": "hands"}}})
}

/// The text that a failed edit says was kept; it is removed.
fn kept(said: &Said) -> String {
    let path = said.err.split_once("your text is in ").and_then(|(_, rest)| rest.split_once(';'));
    let (path, _) = path.unwrap_or_else(|| panic!("it says where: {said:?}"));
    let text = std::fs::read_to_string(path).expect("it was kept");
    std::fs::remove_file(path).expect("it can be removed");
    text
}

async fn furnished() -> Hands {
    let (mut house, api) = House::with_nodes(&[], &["node-1"]).await;
    let objects = [
        deployment("web", 2),
        deployment("api", 1),
        config("c-10", "10"),
        config("c-9", "9"),
        config("c-1", "1"),
    ];
    api.apply(&objects).await.expect("it is applied");
    house
        .until("three pods are ready", CONVERGES_WITHIN, async || {
            let pods = api.pods().await?;
            let ready = pods.values().filter(|pod| pod.ready).count();
            if ready == 3 { Ok(()) } else { Err(format!("{ready} are")) }
        })
        .await;
    Hands { house, api }
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_asked_for_sorted_patched_and_edited_as_hands_know_it() {
    let _alone = alone();
    let hands = furnished().await;
    templates_and_orders(&hands);
    patches(&hands);
    edits(&hands);
}

fn templates_and_orders(hands: &Hands) {
    let lines =
        r#"jsonpath={range .items[*]}{.metadata.labels.app}{"\t"}{.spec.nodeName}{"\n"}{end}"#;
    let printed = hands.printed(&["get", "pods", "-l", "app=web", "-o", lines]);
    assert_eq!(printed, "web\tnode-1\nweb\tnode-1\n");
    let ready = r#"jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}"#;
    assert_eq!(hands.printed(&["get", "pods", "-l", "app=web", "-o", ready]), "True True");
    let on_node = ["get", "pods", "--field-selector", "spec.nodeName=node-1,status.phase=Running"];
    assert_eq!(hands.printed(&[&on_node[..], &["-o", "name"]].concat()).lines().count(), 3);
    let names = ["get", "cm", "-l", "of=hands", "-o", "jsonpath={.items[*].metadata.name}"];
    let sorted = |path: &str| hands.printed(&[&names[..], &["--sort-by", path]].concat());
    assert_eq!(sorted(".data.n"), "c-1 c-9 c-10");
    assert_eq!(sorted("{.metadata.name}"), "c-1 c-9 c-10");
    let columns = "custom-columns=NAME:.metadata.name,WANTED:.spec.replicas";
    let printed = hands.printed(&["get", "deploy", "--sort-by=.spec.replicas", "-o", columns]);
    assert_eq!(printed, "NAME   WANTED\napi    1\nweb    2\n");
    let refused = hands.said(&["get", "pods", "-o", "go-template={{.items}}"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.err.contains("-o jsonpath="), "{refused:?}");
    let refused = hands.said(&["get", "pods", "--field-selector", "spec.color=red"]);
    assert!(refused.code == Some(1) && refused.err.contains("spec.color"), "{refused:?}");
}

fn patches(hands: &Hands) {
    let operation = r#"[{"op": "replace", "path": "/data/n", "value": "7"}]"#;
    hands.printed(&["patch", "cm", "c-1", "--type", "json", "-p", operation]);
    assert_eq!(hands.value(), "7");
    let patched = hands.printed(&["patch", "cm/c-1", "--type", "merge", "-p", "data: {n: '6'}"]);
    assert_eq!(patched, "configmap/c-1 patched\n");
    assert_eq!(hands.value(), "6");
    // What the patch does not name of a container stays.
    let environment = r#"{"spec": {"template": {"spec": {"containers": [
        {"name": "main", "env": [{"name": "A", "value": "b"}]}]}}}}"#;
    hands.printed(&["patch", "deployment/web", "-p", environment]);
    let both = "jsonpath={.spec.template.spec.containers[*]['image', 'env']}";
    let printed = hands.printed(&["get", "deployment/web", "-o", both]);
    assert_eq!(printed, r#"busybox:local [{"name":"A","value":"b"}]"#);
    let refused = hands.said(&["patch", "deployment/web", "-p", r#"{"spec": {"replicas": -1}}"#]);
    assert!(refused.code == Some(1) && refused.err.contains("replicas"), "{refused:?}");
}

fn edits(hands: &Hands) {
    // YAML of old reads `n` as a no, so it is printed in quotes.
    let set = |n: &str| format!("sed -E -i 's/^  .?n.?: .*/  n: \"{n}\"/'");
    let said = hands.edited("cm/c-1", &set("8"));
    assert_eq!((said.code, said.out.as_str()), (Some(0), "configmap/c-1 edited\n"), "{said:?}");
    assert_eq!(hands.value(), "8");
    let said = hands.edited("cm/c-1", "true");
    assert!(said.code == Some(0) && said.err.contains("no changes made"), "{said:?}");
    let said = hands.edited("deployment/web", "sed -i 's/^  replicas: .*/  replicas: -1/'");
    assert_eq!(said.code, Some(1), "{said:?}");
    let text = kept(&said);
    assert!(text.contains("\n  replicas: -1\n") && text.starts_with("# "), "{text}");
    let said = hands.said(&["edit", "cm/c-1"]);
    assert!(said.code == Some(2) && said.err.contains("`setpoint patch`"), "{said:?}");

    // While the file was open, someone else changed another field, and then the same one.
    let program = hands.command(&["version"]).get_program().to_string_lossy().into_owned();
    let meanwhile = |patch: &str, n: &str| {
        let patch = format!("'{program}' patch cm c-1 --type merge -p '{patch}' >&2");
        format!("f() {{ {patch}; {} \"$1\"; }}; f", set(n))
    };
    let said = hands.edited("cm/c-1", &meanwhile(r#"{"data": {"other": "x"}}"#, "9"));
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(hands.value(), "9");
    assert_eq!(hands.printed(&["get", "cm", "c-1", "-o", "jsonpath={.data.other}"]), "x");
    let said = hands.edited("cm/c-1", &meanwhile(r#"{"data": {"n": "5"}}"#, "4"));
    assert!(said.code == Some(1) && said.err.contains("where: data.n"), "{said:?}");
    assert!(kept(&said).contains("n: \"4\""));
    assert_eq!(hands.value(), "5");
}
