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
    let ready = resolve(&pod, &sources(), &Node::default(), &[]).expect("everything is there");
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
    let ready = resolve(&pod, &sources(), &Node::default(), &[]).expect("everything is there");
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
        let error = resolve(&pod(spec), &sources(), &Node::default(), &[]).expect_err(message);
        assert!(error.to_string().contains(message), "{error}");
        assert_eq!(error.reason(), "CreateContainerConfigError");
        assert!(error.is_transient() && error.retry_after().is_some());
    }
}

#[test]
fn a_container_is_told_of_its_pod_and_of_what_it_may_use() {
    let pod = pod(json!({"containers": [{
        "name": "main",
        "args": ["--bind=$(ADDRESS):80"],
        "resources": {"limits": {"cpu": "1500m"}},
        "env": [
            {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "ADDRESS", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "CPUS", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
            {"name": "WHO", "value": "$(NAME)@$(CPUS)"},
        ],
        "volumeMounts": [{"name": "v", "mountPath": "/v", "subPathExpr": "logs/$(NAME)"}],
    }], "volumes": [{"name": "v", "emptyDir": {}}]}));
    let ready = resolve(&pod, &sources(), &Node::default(), &[]).expect("everything is there");
    let env: BTreeMap<_, _> = ready.env["main"].iter().cloned().collect();
    let name = pod.placement.name.as_str();
    assert_eq!(env["WHO"], format!("{name}@2"));
    assert!(ready.wants_address(), "{:?}", ready.spec.containers[0].args);
    let main = &ready.located("10.0.0.4").spec.containers[0];
    assert_eq!(main.args, ["--bind=10.0.0.4:80"]);
    assert_eq!(main.volume_mounts[0].sub_path, Some(format!("logs/{name}")));
    assert!(!ready.volumes.contains_key("v"), "an empty folder is made of no files");
}

#[test]
fn a_path_wants_all_its_variables_and_stays_in_its_volume() {
    for (value, path, why) in [
        ("x", "$(NO)", "there is no variable NO"),
        ("..", "a/$(PART)", "leave the volume"),
        ("/etc", "$(PART)", "leave the volume"),
    ] {
        let pod = pod(json!({"containers": [{
            "name": "main",
            "env": [{"name": "PART", "value": value}],
            "volumeMounts": [{"name": "v", "mountPath": "/v", "subPathExpr": path}],
        }], "volumes": [{"name": "v", "emptyDir": {}}]}));
        let error = resolve(&pod, &sources(), &Node::default(), &[]).expect_err(why);
        assert!(error.to_string().contains(why) && error.is_transient(), "{error}");
    }
}

#[test]
fn a_projected_volume_has_the_files_of_all_its_sources_the_later_over_the_earlier() {
    let pod =
        pod(json!({"containers": [{"name": "main", "resources": {"requests": {"cpu": "2"}}}],
        "volumes": [{"name": "all", "projected": {"defaultMode": 0o440, "sources": [
            {"configMap": {"name": "conf", "items": [{"key": "HOST", "path": "same"}]}},
            {"secret": {"name": "keys", "items": [
                {"key": "password", "path": "same", "mode": 0o400}]}},
            {"secret": {"name": "no", "optional": true}},
            {"downwardAPI": {"items": [
                {"path": "who", "fieldRef": {"fieldPath": "metadata.namespace"}},
                {"path": "cpu", "resourceFieldRef":
                    {"containerName": "main", "resource": "requests.cpu"}},
            ]}},
        ]}}]}));
    let ready = resolve(&pod, &sources(), &Node::default(), &[]).expect("everything is there");
    let namespace = pod.placement.pattern.namespace.as_str();
    let files: Vec<(&str, &[u8], u32)> =
        ready.volumes["all"].iter().map(|f| (&*f.path, &*f.bytes, f.mode)).collect();
    let expected: [(&str, &[u8], u32); 3] =
        [("cpu", b"2", 0o440), ("same", b"s3cret", 0o400), ("who", namespace.as_bytes(), 0o440)];
    assert_eq!(files, expected);
}
