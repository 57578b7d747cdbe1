//! Since when a node bears a taint that makes pods leave.
//!
//! Guarantee: it stands in the Node resource (`timeAdded`, as in Kubernetes), so every engine that knows the
//! resource counts from the same time, one rebuilt from the log too.

use serde_json::{Value, json};
use setpoint_rules::admission::Owned;
use setpoint_schemas::{Resource, ResourceKey};

use super::judge::Judge;
use crate::decide::cold::rfc3339;
use crate::decide::kinds::is_node;

/// Kubernetes' times have whole seconds: rounded up, so that nobody leaves too soon.
const ROUND_UP_MS: i64 = 999;

impl Judge<'_> {
    /// Writes down since when the node bears each taint of effect `NoExecute`: as before where it was
    /// there before, otherwise from now on. What the asker says of it stands.
    pub(super) fn dated(&self, key: &ResourceKey, present: Option<&Resource>, put: &mut Owned) {
        if !is_node(key) {
            return;
        }
        let Some(Value::Array(taints)) = put.object.pointer_mut("/spec/taints") else { return };
        let before: Value =
            present.and_then(|node| serde_json::from_str(&node.body).ok()).unwrap_or_default();
        let before = before["spec"]["taints"].as_array().map_or(&[][..], Vec::as_slice);
        for taint in taints {
            if taint["effect"] != "NoExecute" || !taint["timeAdded"].is_null() {
                continue;
            }
            let same = |other: &&Value| {
                ["key", "value", "effect"]
                    .iter()
                    .all(|name| text(&taint[name]) == text(&other[name]))
            };
            let known = before.iter().find(same).map(|other| other["timeAdded"].clone());
            let known = known.filter(Value::is_string);
            taint["timeAdded"] = known.unwrap_or_else(|| json!(rfc3339(self.now + ROUND_UP_MS)));
        }
    }
}

/// An absent text is an empty one.
fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
