//! What stays as it was created: the engine refuses to change it, however it is asked.

use serde_json::{Value, json};
use setpoint_schemas::{RequestItem, Verb};
use setpoint_tests::manifests::{bare_pod, deployment, item, patch};

use crate::story::{Story, told, web};

fn selecting(app: &str, replicas: i64) -> Value {
    let mut web = deployment("default", "web", replicas, 100, "v1");
    web["spec"]["selector"] = json!({"matchLabels": {"app": app}});
    web["spec"]["template"]["metadata"]["labels"]["app"] = json!(app);
    web
}

/// The code and message of the only item of a request, which is foreseen as it is decided.
fn answered(story: &mut Story, item: RequestItem) -> (u16, String) {
    let request = setpoint_tests::manifests::request("foreseen", vec![item.clone()]);
    let foreseen = story.engine.foresee(&request).verdict.items;
    let ms = story.engine.time_ms() + 1;
    let outcome = story.asks(ms, vec![item]);
    let decided = &outcome.verdicts[0].items;
    assert_eq!(*decided, foreseen, "a dry run says the same");
    (decided[0].code, decided[0].message.clone())
}

#[test]
fn a_selector_is_changed_by_no_verb_and_anew_after_a_deletion() {
    let mut story = Story::with_nodes(&["a"]);
    story.asks(1, vec![item(Verb::Apply, &selecting("one", 1))]);
    let change = |verb, body| patch(verb, ("apps/v1", "Deployment"), "default", "web", &body);
    let selector = json!({"matchLabels": {"app": "two"}});
    let merged = json!({"spec": {"selector": selector}});
    let replaced = json!([{"op": "replace", "path": "/spec/selector", "value": selector}]);
    let asked = [
        item(Verb::Apply, &selecting("two", 1)),
        item(Verb::Update, &selecting("two", 1)),
        change(Verb::MergePatch, merged.clone()),
        change(Verb::StrategicMergePatch, merged),
        change(Verb::JsonPatch, replaced),
    ];
    for item in asked {
        let verb = item.verb;
        let (code, message) = answered(&mut story, item);
        assert_eq!(code, 422, "{verb:?}: {message}");
        let end = r#"{"matchLabels":{"app":"two"}}: field is immutable"#;
        let begin = r#"Deployment "web" is invalid: spec.selector: Invalid value: "#;
        assert!(message.starts_with(begin) && message.ends_with(end), "{verb:?}: {message}");
    }
    assert_eq!(answered(&mut story, item(Verb::Apply, &selecting("one", 2))).0, 200);
    let anew = [Verb::Delete, Verb::Create].map(|verb| item(verb, &selecting("two", 1)));
    let outcome = story.asks(20, anew.to_vec());
    assert!(outcome.verdicts[0].accepted, "{:?}", outcome.verdicts);
}

#[test]
fn a_pod_runs_as_it_was_created_and_another_workloads_pod_is_no_object_of_its_own() {
    let mut story = Story::with_nodes(&["a"]);
    story.asks(1, vec![item(Verb::Apply, &bare_pod("default", "tool", 100, "v1"))]);
    let image = json!([{"op": "replace", "path": "/spec/containers/0/image", "value": "v2"}]);
    let image = patch(Verb::JsonPatch, ("v1", "Pod"), "default", "tool", &image);
    let (code, message) = answered(&mut story, image);
    assert_eq!(code, 422);
    assert!(message.contains("spec.containers[0].image: Forbidden: pod updates"), "{message}");
    let label = json!({"metadata": {"labels": {"a": "b"}}});
    let label = patch(Verb::MergePatch, ("v1", "Pod"), "default", "tool", &label);
    assert_eq!(answered(&mut story, label).0, 200);

    let mut story = Story::with_nodes(&["a"]);
    let outcome = story.asks(1, web(1, "v1"));
    let name = outcome.placements[0].placement.as_ref().expect("placed").name.to_string();
    for verb in [Verb::Create, Verb::Apply] {
        let pod = item(verb, &bare_pod("default", &name, 100, "v1"));
        let (code, message) = answered(&mut story, pod);
        assert_eq!(code, 409);
        assert!(message.contains("it is one of apps/Deployment/default/web"), "{message}");
    }
    assert_eq!(told(&story.at(9, vec![])), "", "nothing came of it");
}

#[test]
fn what_calls_itself_immutable_is() {
    let mut story = Story::with_nodes(&["a"]);
    for (ms, kind) in [(1, "ConfigMap"), (10, "Secret")] {
        let of = |value: &str| {
            json!({"apiVersion": "v1", "kind": kind, "immutable": true, "data": {"a": value},
                "metadata": {"name": "it", "namespace": "default"}})
        };
        story.asks(ms, vec![item(Verb::Apply, &of("1"))]);
        assert_eq!(answered(&mut story, item(Verb::Apply, &of("1"))).0, 200);
        let (code, message) = answered(&mut story, item(Verb::Apply, &of("2")));
        let wanted = format!(
            "{kind} \"it\" is invalid: data: Forbidden: field is immutable when `immutable` is set"
        );
        assert_eq!((code, message), (422, wanted));
    }
}
