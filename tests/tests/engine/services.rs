//! Services: the addresses and node ports that they are given and keep.

use serde_json::{Value, json};
use setpoint_dataflow::Outcome;
use setpoint_schemas::{RequestItem, Verb};
use setpoint_tests::manifests::item;

use crate::story::{Story, told};

fn service(name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name, "namespace": "default"}, "spec": spec})
}

fn applied(name: &str, spec: &Value) -> RequestItem {
    item(Verb::Apply, &service(name, spec))
}

/// The spec of a Service as this outcome left it.
fn spec_of(outcome: &Outcome, name: &str) -> Value {
    let found = outcome.resources.iter().find(|(key, _)| &*key.name == name);
    let resource = found.and_then(|(_, resource)| resource.as_ref()).expect("it changed");
    serde_json::from_str::<Value>(&resource.body).expect("its body")["spec"].clone()
}

#[test]
fn a_service_keeps_what_it_was_given_and_nobody_else_gets_it() {
    let mut story = Story::with_nodes(&["a"]);
    let web = json!({"type": "NodePort", "selector": {"app": "web"}, "ports": [{"port": 80}]});
    let first = spec_of(&story.asks(1, vec![applied("web", &web)]), "web");
    let again = story.asks(2, vec![applied("web", &web)]);
    assert_eq!(again.verdicts[0].items[0].result, "unchanged");
    let more = json!({"type": "NodePort", "selector": {"app": "shop"}, "ports": [{"port": 80}]});
    let other = spec_of(&story.asks(3, vec![applied("web", &more)]), "web");
    assert_eq!(other["clusterIP"], first["clusterIP"], "another selector");
    assert_eq!(other["ports"], first["ports"]);

    let wants = json!({"clusterIP": first["clusterIP"], "ports": [{"port": 80}]});
    let refused = story.asks(4, vec![applied("thief", &wants)]);
    assert!(told(&refused).starts_with("Refuse"), "{}", told(&refused));
    assert!(refused.verdicts[0].items[0].message.contains("already allocated"));
    story.asks(5, vec![item(Verb::Delete, &service("web", &json!({})))]);
    let heir = story.asks(6, vec![applied("heir", &wants)]);
    assert_eq!(spec_of(&heir, "heir")["clusterIP"], first["clusterIP"]);
}

#[test]
fn of_one_request_each_service_is_given_its_own() {
    let mut story = Story::with_nodes(&["a"]);
    let spec = json!({"type": "NodePort", "ports": [{"port": 80}]});
    let items: Vec<_> = (0..300).map(|n| applied(&format!("s{n}"), &spec)).collect();
    let outcome = story.asks(1, items);
    assert!(outcome.verdicts[0].accepted);
    let mut given: Vec<(String, String)> = (0..300)
        .map(|n| {
            let spec = spec_of(&outcome, &format!("s{n}"));
            (spec["clusterIP"].to_string(), spec["ports"][0]["nodePort"].to_string())
        })
        .collect();
    let count = |given: &[(String, String)], which: fn(&(String, String)) -> &String| {
        given.iter().map(which).collect::<std::collections::BTreeSet<_>>().len()
    };
    assert_eq!((count(&given, |g| &g.0), count(&given, |g| &g.1)), (300, 300));
    given.clear();
    let taken = spec_of(&outcome, "s0")["clusterIP"].clone();
    let wants = json!({"clusterIP": taken, "ports": [{"port": 80}]});
    let refused = story.asks(2, vec![applied("late", &wants)]);
    assert!(!refused.verdicts[0].accepted, "an engine rebuilt in between knows it too");
}
