//! Conditions of a pod that others than its node set, and the gates that wait for them.
//!
//! They stand in an annotation of the pod's placement, as JSON, so that whoever knows the placement knows
//! them. Absent: the conditions that follow from what is observed.

use serde::{Deserialize, Serialize};

use crate::{Placement, PodSpec};

/// The annotation of a placement with the conditions that others set. A pod with gates has it from its
/// beginning, so that who has it not has no gates.
pub const POD_CONDITIONS: &str = "setpoint.dev/conditions";
/// The field of a write of conditions with those that its writer went by: where others set some since, it is a
/// conflict.
pub const CONDITIONS_GONE_BY: &str = "goneBy";
/// A few controllers set one or two each; every pod keeps its own.
pub const POD_CONDITIONS_MAX: usize = 16;
/// Conditions that are not for others to set: they follow from what is observed of the pod.
pub const OBSERVED_CONDITIONS: [&str; 5] =
    ["PodScheduled", "PodReadyToStartContainers", "Initialized", "ContainersReady", "Ready"];

/// A condition of a pod that somebody set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodCondition {
    /// What it is about; one of each type.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// A word for why; may be empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// A sentence; may be empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Since when its status is so, RFC 3339.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_transition_time: String,
}

impl PodCondition {
    /// The conditions in the annotation's text; none where it has none.
    #[must_use]
    pub fn read_all(text: &str) -> Vec<PodCondition> {
        serde_json::from_str(text).unwrap_or_default()
    }
}

/// Whether all these gates are open, by these conditions.
pub fn gates_are_open<'a>(
    gates: impl IntoIterator<Item = &'a str>,
    conditions: &[PodCondition],
) -> bool {
    let is_true =
        |gate: &str| conditions.iter().any(|one| one.kind == gate && one.status == "True");
    gates.into_iter().all(is_true)
}

impl Placement {
    /// The conditions that others set of its pod.
    #[must_use]
    pub fn conditions(&self) -> Vec<PodCondition> {
        let text = self.pattern.annotations.get(POD_CONDITIONS);
        text.map_or_else(Vec::new, |text| PodCondition::read_all(text))
    }

    /// Whether nothing but its containers keeps its pod from being ready. The spec is read only where
    /// there may be gates.
    #[must_use]
    pub fn gates_are_open(&self) -> bool {
        if !self.pattern.annotations.contains_key(POD_CONDITIONS) {
            return true;
        }
        let spec: PodSpec = serde_json::from_str(&self.pattern.spec).unwrap_or_default();
        let gates = spec.readiness_gates.iter().map(|gate| gate.condition_type.as_str());
        gates_are_open(gates, &self.conditions())
    }
}
