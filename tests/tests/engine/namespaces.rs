//! Namespaces: what is in one goes with it, and it goes with the last of its pods.

use serde_json::{Value, json};
use setpoint_dataflow::Outcome;
use setpoint_schemas::{RequestItem, Verb};
use setpoint_tests::manifests::{bare_pod, daemon_set, deployment, item, namespace, patch};

use crate::story::{Story, has, told};

/// The kinds of what is gone.
fn gone(outcome: &Outcome) -> Vec<String> {
    let gone = outcome.resources.iter().filter(|(_, resource)| resource.is_none());
    gone.map(|(key, _)| key.kind.kind.to_string()).collect()
}

fn delete() -> Vec<RequestItem> {
    vec![item(Verb::Delete, &namespace("team"))]
}

fn config() -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "1"},
        "metadata": {"name": "c", "namespace": "team"}})
}

fn answer(outcome: &Outcome) -> (u16, &str) {
    let item = &outcome.verdicts[0].items[0];
    (item.code, &item.message)
}

/// Whether a condition holds, and what it says.
fn condition<'a>(status: &'a Value, kind: &str) -> (&'a str, &'a str) {
    let all = status["conditions"].as_array().into_iter().flatten();
    let one = all.into_iter().find(|condition| condition["type"] == kind).expect("the condition");
    let text = |name: &str| one[name].as_str().unwrap_or_default();
    (text("status"), text("message"))
}

#[test]
fn a_selector_of_namespaces_finds_them_by_their_names() {
    let mut story = Story::with_nodes(&["a", "b"]);
    let apply = |object: &Value| item(Verb::Apply, object);
    let mut far = deployment("default", "far", 1, 100, "v1");
    let named = |name: &str| json!({"matchLabels": {"kubernetes.io/metadata.name": name}});
    far["spec"]["template"]["spec"]["affinity"] = json!({"podAntiAffinity": {
    "requiredDuringSchedulingIgnoredDuringExecution": [{
        "labelSelector": {"matchLabels": {"app": "web"}},
        "namespaceSelector": named("team"), "topologyKey": "kubernetes.io/hostname",
    }]}});
    let mut near = deployment("team", "near", 1, 100, "v1");
    near["spec"]["template"]["spec"]["affinity"] = json!({"podAffinity": {
    "requiredDuringSchedulingIgnoredDuringExecution": [{
        "labelSelector": {"matchLabels": {"app": "far"}},
        "namespaceSelector": named("default"), "topologyKey": "kubernetes.io/hostname",
    }]}});
    let web = deployment("team", "web", 1, 100, "v1");
    story.asks(1, [namespace("team"), web].iter().map(apply).collect());
    let on: Vec<String> = story.placed.values().cloned().collect();
    story.asks(2, vec![apply(&far)]);
    let other: Vec<&String> = story.placed.values().filter(|node| !on.contains(node)).collect();
    assert_eq!(other.len(), 1, "away from the other namespace's pod: {:?}", story.placed);
    story.asks(3, vec![apply(&near)]);
    assert!(story.waiting.is_empty(), "beside the one in the default namespace");
}

#[test]
fn a_deleted_namespace_takes_all_with_it_and_stays_until_its_last_pod_is_gone() {
    let mut story = Story::with_nodes(&["a"]);
    let apply = |object: &Value| item(Verb::Apply, object);
    let contents = [
        namespace("team"),
        config(),
        deployment("team", "web", 2, 100, "v1"),
        daemon_set("team", "logger", 100, "v1"),
        bare_pod("team", "tool", 100, "v1"),
    ];
    story.asks(1, contents.iter().map(apply).collect());
    let outcome = story.asks(2, delete());
    assert_eq!(told(&outcome), "Accept 1, Stop 4");
    assert_eq!(gone(&outcome), ["ConfigMap", "Pod", "DaemonSet", "Deployment"]);
    let status = story.status(3, "core/Namespace/-/team");
    assert_eq!(status["phase"], "Terminating");
    assert_eq!(
        condition(&status, "NamespaceContentRemaining"),
        ("True", "Some resources are remaining: pods. has 4 resource instances")
    );
    assert_eq!(
        condition(&status, "NamespaceFinalizersRemaining"),
        ("False", "All content-preserving finalizers finished")
    );

    let outcome = story.asks(4, vec![apply(&config())]);
    assert_eq!(
        answer(&outcome),
        (
            403,
            "configmaps \"c\" is forbidden: unable to create new content in namespace team because it is being terminated"
        )
    );
    let again = story.asks(5, delete());
    assert_eq!((answer(&again).0, again.resources.len()), (200, 0), "again changes nothing");
    let labels = json!({"metadata": {"labels": {"a": "b"}}});
    let label = patch(Verb::MergePatch, ("v1", "Namespace"), "", "team", &labels);
    assert_eq!(answer(&story.asks(6, vec![label])).0, 200);
    assert_eq!(story.status(7, "core/Namespace/-/team")["phase"], "Terminating");

    assert_eq!(gone(&story.at(8, vec![has("a", 50, &[])])), ["Namespace"]);
    let again = vec![apply(&namespace("team")), apply(&config())];
    assert_eq!(told(&story.asks(9, again)), "Accept 1");
    assert_eq!(story.status(10, "core/Namespace/-/team"), json!({}));
}

#[test]
fn an_empty_namespace_is_gone_at_once() {
    let mut story = Story::with_nodes(&["a"]);
    story.asks(1, vec![item(Verb::Apply, &namespace("team")), item(Verb::Apply, &config())]);
    assert_eq!(gone(&story.asks(2, delete())), ["ConfigMap", "Namespace"]);
}

#[test]
fn finalizers_of_what_is_in_it_and_of_itself_keep_a_namespace() {
    let mut story = Story::with_nodes(&["a"]);
    let apply = |object: &Value| item(Verb::Apply, object);
    let mut held = config();
    held["metadata"]["finalizers"] = json!(["x.y/z"]);
    let mut team = namespace("team");
    team["metadata"]["finalizers"] = json!(["x.y/own"]);
    team["spec"] = json!({"finalizers": ["x.y/spec"]});
    story.asks(1, vec![apply(&team), apply(&held)]);
    assert_eq!(gone(&story.asks(2, delete())), [""; 0]);
    let status = story.status(3, "core/Namespace/-/team");
    assert_eq!(
        condition(&status, "NamespaceContentRemaining"),
        ("True", "Some resources are remaining: configmaps. has 1 resource instances")
    );
    assert_eq!(
        condition(&status, "NamespaceFinalizersRemaining"),
        (
            "True",
            "Some content in the namespace has finalizers remaining: x.y/z in 1 resource instances"
        )
    );
    let free = json!({"metadata": {"finalizers": null}});
    let one = patch(Verb::MergePatch, ("v1", "ConfigMap"), "team", "c", &free);
    let own = patch(Verb::MergePatch, ("v1", "Namespace"), "", "team", &free);
    assert_eq!(gone(&story.asks(4, vec![one])), ["ConfigMap"]);
    let status = story.status(5, "core/Namespace/-/team");
    assert_eq!(condition(&status, "NamespaceContentRemaining").0, "False");
    assert_eq!(gone(&story.asks(6, vec![own])), [""; 0]);
    let finalize = |finalizers: Value| {
        let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"},
            "spec": {"finalizers": finalizers}});
        let update = item(Verb::Update, &body);
        vec![RequestItem { subresource: "finalize".to_owned(), ..update }]
    };
    let refused = story.asks(7, finalize(json!([])));
    assert_eq!(answer(&refused).0, 422, "{}", answer(&refused).1);
    let done = story.asks(8, finalize(json!(["kubernetes"])));
    assert_eq!((answer(&done).0, gone(&done)), (200, vec!["Namespace".to_owned()]));
}

#[test]
fn the_finalizers_of_a_namespace_are_not_written_by_way_of_its_manifest() {
    let mut story = Story::with_nodes(&["a"]);
    let mut team = namespace("team");
    team["spec"] = json!({"finalizers": ["kubernetes"]});
    story.asks(1, vec![item(Verb::Apply, &team)]);
    let again = story.asks(2, vec![item(Verb::Apply, &team)]);
    assert_eq!(again.verdicts[0].items[0].result, "unchanged");
    team["spec"] = json!({"finalizers": ["kubernetes", "x.y/late"]});
    story.asks(3, vec![item(Verb::Update, &team)]);
    assert_eq!(gone(&story.asks(4, delete())), ["Namespace"]);
}

#[test]
fn the_default_namespace_stays() {
    let mut story = Story::with_nodes(&["a"]);
    let outcome = story.asks(1, vec![item(Verb::Delete, &namespace("default"))]);
    assert_eq!(answer(&outcome), (403, "Namespace \"default\" may not be deleted"));
}

#[test]
fn what_is_asked_together_with_the_deletion_is_refused_with_it() {
    let mut story = Story::with_nodes(&["a"]);
    story.asks(1, vec![item(Verb::Apply, &namespace("team"))]);
    let mut items = delete();
    items.push(item(Verb::Apply, &config()));
    let outcome = story.asks(2, items);
    let codes: Vec<u16> = outcome.verdicts[0].items.iter().map(|item| item.code).collect();
    assert_eq!(codes, [0, 403]);
}
