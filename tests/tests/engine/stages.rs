//! What becomes of claims and volumes, stage by stage, as KWOK plays Kubernetes; the stages of pods and
//! nodes stand with those who write their status, in `api/tests/api/stages.rs`.
//!
//! Where we differ: a volume of ours is made for its claim and bound in the same epoch, so nobody sees it
//! pending; and a claim's deletion waits for the pods that use it, as Kubernetes' does and KWOK's does not.

use std::fs;

use serde_json::{Value, json};
use setpoint_schemas::{PodPhase, ResourceKey, Verb};
use setpoint_test_support::data;
use setpoint_tests::manifests::{claim, deployment, item, with_claims};

use crate::story::{Story, observed};

/// What stands for the time at which a stage comes.
const NOW: &str = "<Now>";

fn status(story: &Story, key: &str) -> Value {
    let key = ResourceKey::parse(key).expect("a key");
    let found = story.engine.everything().resources.into_iter().find(|(found, _)| *found == key);
    let found = found.and_then(|(_, resource)| resource);
    found.map_or(Value::Null, |found| serde_json::from_str(&found.status).expect("JSON"))
}

/// The status that a stage of volumes gives its object.
fn next(stage: &str) -> Option<Value> {
    let folder = data("k8s/kwok-stages/volume/fast")?;
    let text =
        fs::read_to_string(folder.join(format!("{stage}.output.yaml"))).expect("it is there");
    let output: Value = serde_saphyr::from_str(&text).expect("YAML");
    Some(output["stages"][0]["next"][0]["data"]["status"].clone())
}

/// Whether all that is expected stands in a status; the time is whatever it is.
fn has_all(status: &Value, expected: &Value) -> bool {
    let fields = expected.as_object().expect("a status has fields");
    fields.iter().all(|(field, value)| match value {
        value if value == NOW => status[field].as_str().is_some_and(|time| !time.is_empty()),
        value => status[field] == *value,
    })
}

#[test]
fn a_volume_is_bound_with_its_claim_and_released_when_that_is_deleted() {
    let (Some(bound), Some(released)) = (next("pv-bind"), next("pvc-delete")) else { return };
    let mut story = Story::with_nodes(&["a"]);
    let app = with_claims(deployment("default", "db", 1, 100, "v1"), &["data"]);
    let mine = claim("default", "data", "ReadWriteOnce");
    story.asks(1_000, vec![item(Verb::Apply, &mine), item(Verb::Apply, &app)]);
    let name = status(&story, "core/PersistentVolumeClaim/default/data")["volumeName"].clone();
    let volume = format!("core/PersistentVolume//{}", name.as_str().expect("it is bound"));
    let first = status(&story, &volume);
    assert!(has_all(&first, &bound), "{first} has not all of {bound}");

    let uid = story.only_pod();
    story.asks(4_000, vec![item(Verb::Delete, &app), item(Verb::Delete, &mine)]);
    assert_eq!(status(&story, &volume), first, "its pod is still there");
    story.at(5_000, vec![observed(&uid, "a", 5_000, PodPhase::Gone)]);
    let last = status(&story, &volume);
    assert!(has_all(&last, &released), "{last} has not all of {released}");
    let times = [&first, &last].map(|status| status["lastPhaseTransitionTime"].clone());
    assert_ne!(times[0], times[1], "it says since when it is so");
    assert_eq!(status(&story, "core/PersistentVolumeClaim/default/data"), json!(null));
}
