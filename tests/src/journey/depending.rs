//! People whose workloads wait for others, and who say of pods when they are ready.

use serde_json::{Value, json};
use setpoint_schemas::{Input, Placement, RequestItem, Verb};

use crate::committed::Committed;
use crate::draw::Draw;
use crate::manifests::{patch, request};

/// Who may wait for whom: nobody for anyone who waits for him.
const BEFORE: [(&str, &str); 2] = [("web", "api"), ("api", "db")];
/// The condition that is waited for.
const GATE: &str = "example.com/in";

/// Lets a Deployment wait for another one, or its pods for a word about each.
pub(super) fn depend(draw: &mut Draw, workload: &mut Value) {
    let before = BEFORE.iter().find(|(name, _)| workload["metadata"]["name"] == *name);
    if let Some((_, before)) = before.filter(|_| draw.chance(600)) {
        let condition: &str = draw.pick::<&str>(&["started", "healthy"]);
        let on = json!([{"kind": "Deployment", "name": before, "condition": condition}]);
        workload["metadata"]["annotations"]["setpoint.dev/depends-on"] = json!(on.to_string());
    }
    if draw.chance(300) {
        workload["spec"]["template"]["spec"]["readinessGates"] = json!([{"conditionType": GATE}]);
        // Since when a pod is ready that was opened, closed and opened within an epoch, nobody else counts.
        workload["spec"].as_object_mut().map(|spec| spec.remove("minReadySeconds"));
    }
}

/// Says something of a pod.
pub(super) fn say(draw: &mut Draw, committed: &Committed) -> RequestItem {
    let placed: Vec<_> = committed.placements.values().collect();
    let is = if draw.chance(700) { "True" } else { "False" };
    match placed.is_empty() {
        true => set("default", "nobody", is),
        false => {
            let chosen = draw.pick(&placed);
            set(chosen.pattern.namespace.as_str(), chosen.name.as_str(), is)
        }
    }
}

/// Opens all gates that are closed.
pub(super) fn open_all(committed: &Committed) -> Vec<Input> {
    let is_closed = |placement: &&std::sync::Arc<Placement>| !placement.gates_are_open();
    let closed = committed.placements.values().filter(is_closed).enumerate();
    let opened = closed.map(|(number, placement)| {
        let id = format!("open-{}-{number}", committed.epochs.len());
        let item = set(placement.pattern.namespace.as_str(), placement.name.as_str(), "True");
        Input::Request(Box::new(request(&id, vec![item])))
    });
    opened.collect()
}

fn set(namespace: &str, name: &str, is: &str) -> RequestItem {
    let body = json!({"conditions": [{"type": GATE, "status": is}]});
    let item = patch(Verb::StrategicMergePatch, ("v1", "Pod"), namespace, name, &body);
    RequestItem { subresource: "status".to_owned(), ..item }
}
