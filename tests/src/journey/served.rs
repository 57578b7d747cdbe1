//! People who apply Services: few names in two namespaces, each time of another type.
//! What they are given follows from what others hold just then.

use serde_json::{Value, json};
use setpoint_schemas::{RequestItem, Verb};

use crate::manifests::item;

/// Few, so that their addresses meet in the range that they have.
const NAMES: usize = 7;

/// The Service that the request of this number applies.
pub(super) fn serve(number: usize) -> RequestItem {
    let namespace = if number.is_multiple_of(3) { "team" } else { "default" };
    let name = format!("s{}", number % NAMES);
    let mut spec: Value = json!({"selector": {"app": "web"}, "ports": [{"port": 80}]});
    match number % 5 {
        0 => spec["type"] = json!("NodePort"),
        1 => spec["ports"] = json!([{"name": "a", "port": 80}, {"name": "b", "port": 81}]),
        2 => spec["type"] = json!("LoadBalancer"),
        _ => {}
    }
    let metadata = json!({"namespace": namespace, "name": name});
    let service =
        json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec});
    item(Verb::Apply, &service)
}
