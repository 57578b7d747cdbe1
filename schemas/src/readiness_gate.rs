//! A gate that waits for a condition of its pod.

use serde::{Deserialize, Serialize};

/// A condition that must be `True` before a pod is ready.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReadinessGate {
    /// The type of the condition.
    pub condition_type: String,
}
