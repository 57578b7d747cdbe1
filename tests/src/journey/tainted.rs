//! People who make pods leave nodes: taints of effect `NoExecute`, and pods that bear them, for ever or
//! for some seconds.

use serde_json::{Value, json};
use setpoint_schemas::{RequestItem, Verb};

use crate::draw::Draw;
use crate::manifests::patch;

/// Few, so that taints and those who bear them meet.
const KEYS: [&str; 2] = ["out", "broken"];
/// No longer than some looks at the world take to pass, nor so long that it never ends.
const SECONDS_MAX: i64 = 20;

/// How long the first of two tolerations of one taint bears it: the second counts where that is no time.
const FIRST_SECONDS: [i64; 3] = [0, 0, 5];

/// Lets a pod spec bear some taints.
pub(super) fn bear(draw: &mut Draw, spec: &mut Value) {
    let mut tolerations = Vec::new();
    for key in KEYS {
        let mut toleration = json!({"key": key, "operator": "Exists", "effect": "NoExecute"});
        match draw.below(5) {
            0 => tolerations.push(toleration),
            1 => {
                toleration["tolerationSeconds"] = json!(draw.between(0, SECONDS_MAX));
                tolerations.push(toleration);
            }
            2 => {
                let mut first = toleration.clone();
                first["tolerationSeconds"] = json!(draw.pick::<i64>(&FIRST_SECONDS));
                tolerations.extend([first, toleration]);
            }
            _ => {}
        }
    }
    spec["tolerations"] = json!(tolerations);
}

/// Taints a node, or takes all taints from it.
pub(super) fn taint(draw: &mut Draw, node: &str) -> RequestItem {
    let of = |key: &str| json!({"key": key, "value": "x", "effect": "NoExecute"});
    let taints = match draw.below(5) {
        0 | 1 => json!([of(draw.pick::<&str>(&KEYS))]),
        2 => json!([of(KEYS[0]), of(KEYS[1])]),
        _ => Value::Null,
    };
    with(node, &taints)
}

/// Takes all taints from a node.
pub(super) fn untaint(node: &str) -> RequestItem {
    with(node, &Value::Null)
}

fn with(node: &str, taints: &Value) -> RequestItem {
    let body = json!({"spec": {"taints": taints}});
    patch(Verb::MergePatch, ("v1", "Node"), "", node, &body)
}
