//! Workloads whose pods are replaced when a ConfigMap or Secret that they read changes.

use serde_json::{Value, json};
use setpoint_schemas::{Action, Verb};
use setpoint_tests::manifests::{deployment, item};

use crate::story::{Story, reason, told};

/// A Deployment that reads a ConfigMap and a Secret, and follows them or not.
fn reader(follows: bool) -> Value {
    let mut web = deployment("default", "web", 1, 100, "v1");
    if follows {
        web["metadata"]["annotations"] = json!({"setpoint.dev/restart-on-change": "true"});
    }
    let spec = &mut web["spec"]["template"]["spec"];
    spec["volumes"] = json!([{"name": "v", "configMap": {"name": "conf"}}]);
    spec["containers"][0]["envFrom"] = json!([{"secretRef": {"name": "keys"}}]);
    web
}

fn source(kind: &str, name: &str, value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": kind, "data": {"k": value},
        "metadata": {"name": name, "namespace": "default"}})
}

fn conf(value: &str) -> Value {
    source("ConfigMap", "conf", value)
}

#[test]
fn pods_follow_what_they_read_where_the_annotation_asks_for_it() {
    let apply = |object: &Value| item(Verb::Apply, object);
    for follows in [true, false] {
        let mut story = Story::with_nodes(&["a"]);
        let objects = [reader(follows), conf("1"), source("Secret", "keys", "MQ==")];
        assert_eq!(told(&story.asks(1, objects.iter().map(apply).collect())), "Accept 1, Place 1");
        story.all_run(2);
        let expected = if follows { "Accept 1, Place 1, Rollout 2" } else { "Accept 1" };
        let outcome = story.asks(3, vec![apply(&conf("2"))]);
        assert_eq!(told(&outcome), expected);
        if follows {
            let said = reason(&outcome, Action::Rollout);
            assert_eq!(said, "ConfigMap conf changed, and its pods are to follow");
        }
    }
}

#[test]
fn one_request_begins_one_revision_and_what_is_changed_back_is_the_former() {
    let mut story = Story::with_nodes(&["a"]);
    let apply = |object: &Value| item(Verb::Apply, object);
    let objects = [conf("1"), source("Secret", "keys", "MQ=="), reader(true)];
    story.asks(1, objects.iter().map(apply).collect());
    story.all_run(2);
    let both = [conf("2"), source("Secret", "keys", "Mg==")];
    let outcome = story.asks(3, both.iter().map(apply).collect());
    let said = reason(&outcome, Action::Rollout);
    assert_eq!(said, "ConfigMap conf and Secret keys changed, and its pods are to follow");
    assert_eq!(told(&outcome), "Accept 1, Place 1, Rollout 2");
    // A label of it is nothing that pods read, nor is another source.
    let mut labelled = conf("2");
    labelled["metadata"]["labels"] = json!({"a": "b"});
    assert_eq!(told(&story.asks(4, vec![apply(&labelled)])), "Accept 1");
    assert_eq!(told(&story.asks(5, vec![apply(&source("ConfigMap", "other", "1"))])), "Accept 1");
    // To apply the workload once more changes nothing.
    assert_eq!(told(&story.asks(6, vec![apply(&reader(true))])), "Accept 1");
    let third = story.asks(7, vec![apply(&conf("3"))]);
    assert!(told(&third).contains("Rollout 2"), "{}", told(&third));
    let back = story.asks(8, vec![apply(&conf("2"))]);
    let numbers = back.decisions.iter().filter(|d| d.action() == Action::Rollout);
    let words: Vec<String> = numbers.map(|d| d.record().reason).collect();
    assert!(words.iter().any(|words| words.starts_with("revision")), "{words:?}");
}
