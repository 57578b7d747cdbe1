//! Resolving from what was looked up.

use std::collections::BTreeMap;

use serde_json::json;
use setpoint_actuators::DesiredPod;
use setpoint_schemas::samples;

use super::sources::Source;
use super::*;

fn pod(spec: serde_json::Value) -> DesiredPod {
    DesiredPod::of(&samples::placement_of("a", &spec.to_string()))
}

fn sources() -> Sources {
    let data = |pairs: &[(&str, &str)]| {
        let pair = |(key, value): &(&str, &str)| ((*key).to_owned(), value.as_bytes().to_vec());
        pairs.iter().map(pair).collect::<BTreeMap<_, _>>()
    };
    Sources::of(BTreeMap::from([
        (Source::ConfigMap("conf".into()), data(&[("HOST", "db"), ("app.ini", "x=1"), ("0", "z")])),
        (Source::Secret("keys".into()), data(&[("password", "s3cret")])),
    ]))
}

#[test]
fn variables_come_from_their_sources_in_order_and_are_expanded() {
    let pod = pod(json!({"containers": [{
        "name": "main",
        "command": ["run", "--url=$(URL)"],
        "envFrom": [{"prefix": "C_", "configMapRef": {"name": "conf"}}],
        "env": [
            {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "password"}}},
            {"name": "URL", "value": "$(C_HOST):$(PASSWORD)"},
            {"name": "MAYBE", "valueFrom": {"configMapKeyRef": {"name": "no", "key": "k", "optional": true}}},
        ],
    }]}));
    let ready = resolve(&pod, &sources()).expect("everything is there");
    let env: BTreeMap<_, _> = ready.env["main"].iter().cloned().collect();
    assert_eq!(env["C_HOST"], "db");
    assert_eq!(env["URL"], "db:s3cret");
    assert!(!env.contains_key("MAYBE") && !env.contains_key("C_0"));
    assert_eq!(ready.spec.containers[0].command, ["run", "--url=db:s3cret"]);
    assert!(!format!("{ready:?}").contains("s3cret"));
}

#[test]
fn files_come_whole_or_chosen_with_their_modes() {
    let pod = pod(json!({"containers": [{"name": "main"}], "volumes": [
        {"name": "all", "configMap": {"name": "conf"}},
        {"name": "some", "secret": {"secretName": "keys", "defaultMode": 0o400,
            "items": [{"key": "password", "path": "db/pw"}]}},
        {"name": "none", "configMap": {"name": "no", "optional": true}},
    ]}));
    let ready = resolve(&pod, &sources()).expect("everything is there");
    let paths = |volume: &str| -> Vec<(String, u32)> {
        ready.volumes[volume].iter().map(|f| (f.path.clone(), f.mode)).collect()
    };
    let all = [("0".to_owned(), 0o644), ("HOST".to_owned(), 0o644), ("app.ini".to_owned(), 0o644)];
    assert_eq!(paths("all"), all);
    assert_eq!(paths("some"), [("db/pw".to_owned(), 0o400)]);
    assert_eq!(paths("none"), []);
}

#[test]
fn what_is_missing_is_named_and_tried_again() {
    let table = [
        (
            json!({"containers": [{"name": "main", "envFrom": [{"secretRef": {"name": "no"}}]}]}),
            "secret \"no\" not found",
        ),
        (
            json!({"containers": [{"name": "main", "env": [{"name": "A", "valueFrom":
            {"configMapKeyRef": {"name": "conf", "key": "no"}}}]}]}),
            "couldn't find key no",
        ),
        (
            json!({"containers": [{"name": "main"}], "volumes":
            [{"name": "v", "configMap": {"name": "no"}}]}),
            "configmap \"no\" not found",
        ),
    ];
    for (spec, message) in table {
        let error = resolve(&pod(spec), &sources()).expect_err(message);
        assert!(error.to_string().contains(message), "{error}");
        assert_eq!(error.reason(), "CreateContainerConfigError");
        assert!(error.is_transient() && error.retry_after().is_some());
    }
}
