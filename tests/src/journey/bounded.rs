//! People who bound a namespace: quotas and LimitRanges that come, change and go; and who have workloads of all
//! kinds there: StatefulSets whose pods have claims of their own, Jobs, and a DaemonSet.

use serde_json::{Value, json};
use setpoint_schemas::{RequestItem, Verb};

use crate::draw::Draw;
use crate::manifests::{
    FILLED_CPU, daemon_set, item, job, limit_range, namespace, patch, quota, stateful_set,
    with_own_claim,
};

/// The namespace that is bounded.
pub(super) const BOUNDED: &str = "team";
/// The StatefulSets: the first is kept in order, the other not.
const SETS: [&str; 2] = ["store", "cache"];
/// The Jobs.
const JOBS: [&str; 2] = ["import", "index"];
/// How often in a thousand a quota counts claims, or a LimitRange bounds them.
const OF_CLAIMS: usize = 300;

/// Makes or takes away a bound of the namespace, which may have to be made before.
pub(super) fn bound(draw: &mut Draw) -> Vec<RequestItem> {
    let mut object = if draw.chance(500) { a_quota(draw) } else { a_limit_range(draw) };
    object["metadata"]["namespace"] = json!(BOUNDED);
    let verb = *draw.pick(&[Verb::Apply, Verb::Apply, Verb::Apply, Verb::Delete]);
    vec![item(Verb::Apply, &namespace(BOUNDED)), item(verb, &object)]
}

/// Asks for something of another kind than Deployments there.
pub(super) fn ask(draw: &mut Draw) -> Vec<RequestItem> {
    let asked = match draw.below(10) {
        0..=3 => item(often(draw), &a_set(draw)),
        4 => {
            let replicas = json!({"spec": {"replicas": draw.between(0, 5)}});
            let kind = ("apps/v1", "StatefulSet");
            patch(Verb::MergePatch, kind, BOUNDED, draw.pick::<&str>(&SETS), &replicas)
        }
        5..=7 => item(often(draw), &a_job(draw)),
        _ => item(often(draw), &a_daemon_set(draw)),
    };
    vec![item(Verb::Apply, &namespace(BOUNDED)), asked]
}

/// Mostly something is made or changed.
fn often(draw: &mut Draw) -> Verb {
    *draw.pick(&[Verb::Apply, Verb::Apply, Verb::Apply, Verb::Apply, Verb::Delete])
}

fn a_set(draw: &mut Draw) -> Value {
    let name = *draw.pick(&SETS);
    let (replicas, cpu) = (draw.between(1, 4), *draw.pick(&[50, 200, 400]));
    let image = format!("{name}:{}", draw.below(3));
    let set = stateful_set(BOUNDED, name, replicas, cpu, &image);
    let mut set = with_own_claim(set, "data");
    if name == SETS[1] {
        set["spec"]["podManagementPolicy"] = json!("Parallel");
    }
    if draw.chance(300) {
        set["spec"]["persistentVolumeClaimRetentionPolicy"] =
            json!({"whenScaled": "Delete", "whenDeleted": "Delete"});
    }
    say_less(draw, &mut set["spec"]["template"]["spec"]);
    set
}

/// One that goes some seconds after its end, so that others are made.
fn a_job(draw: &mut Draw) -> Value {
    let spec = json!({
        "completions": draw.between(1, 5), "parallelism": draw.between(1, 4),
        "backoffLimit": 2, "ttlSecondsAfterFinished": draw.between(0, 20),
    });
    let cpu = *draw.pick(&[50, 200, 900]);
    let mut job = job(BOUNDED, draw.pick::<&str>(&JOBS), cpu, &spec);
    say_less(draw, &mut job["spec"]["template"]["spec"]);
    job
}

fn a_daemon_set(draw: &mut Draw) -> Value {
    let image = format!("watch:{}", draw.below(3));
    let mut set = daemon_set(BOUNDED, "watch", *draw.pick(&[50, 200]), &image);
    say_less(draw, &mut set["spec"]["template"]["spec"]);
    set
}

fn a_quota(draw: &mut Draw) -> Value {
    let pods = draw.between(0, 8).to_string();
    let cpu: &str = draw.pick::<&str>(&["500m", "1", "2", "5"]);
    let mut hard = json!({"pods": pods, "requests.cpu": cpu});
    if draw.chance(300) {
        hard["limits.cpu"] = json!("4");
    }
    if draw.chance(OF_CLAIMS) {
        hard["persistentvolumeclaims"] = json!(draw.between(0, 5).to_string());
    }
    if draw.chance(OF_CLAIMS) {
        hard["requests.storage"] = json!(*draw.pick(&["1500Mi", "3Gi"]));
    }
    quota(&hard)
}

/// Always with default limits, by which pods are known that were made with it, and with requests that nobody
/// asks for himself.
fn a_limit_range(draw: &mut Draw) -> Value {
    let mut limit = json!({"type": "Container", "defaultRequest": {"cpu": FILLED_CPU}});
    match draw.below(3) {
        0 => limit["default"] = json!({"cpu": "950m"}),
        1 => limit["default"] = json!({"cpu": "600m"}),
        _ => {
            limit["default"] = json!({"cpu": "600m"});
            limit["max"] = json!({"cpu": "800m"});
        }
    }
    let mut limits = vec![limit];
    if draw.chance(OF_CLAIMS) {
        // Of what sets ask for the first is too little.
        let storage = *draw.pick(&["512Mi", "2Gi"]);
        limits.push(json!({"type": "PersistentVolumeClaim", "max": {"storage": storage}}));
    }
    limit_range(draw.pick::<&str>(&["limits", "more-limits"]), &json!(limits))
}

/// Some say nothing of the cpu that they need.
pub(super) fn say_less(draw: &mut Draw, spec: &mut Value) {
    if draw.chance(300) {
        spec["containers"][0]["resources"] = json!({"requests": {"memory": "16Mi"}});
    }
}
