//! What the leader says of a PersistentVolumeClaim and of its volume, made for it or written by somebody.
//!
//! Both stand in the status of their resources, where only the leader writes: a user's word on where
//! data lies cannot move a pod away from it. Readers are shown Kubernetes' own places of the same.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::VolumeSource;

/// Who makes the folders that claims are bound to.
pub const LOCAL_PROVISIONER: &str = "setpoint.dev/local";
/// The storage class that is always there, and the default unless another one says that it is.
pub const LOCAL_CLASS: &str = "local";
/// What Kubernetes shows of a claim while pods may use it.
pub const CLAIM_FINALIZER: &str = "kubernetes.io/pvc-protection";
/// What Kubernetes shows of a volume while a claim may use it.
pub const VOLUME_FINALIZER: &str = "kubernetes.io/pv-protection";
/// The annotation that shows where a claim's data lives.
pub const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";

/// The status of a claim.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClaimStatus {
    /// `Pending` or `Bound`.
    pub phase: String,
    /// How its volume may be mounted; empty while it has none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub access_modes: Vec<String>,
    /// How much its volume is said to hold, by `storage`; empty while it has none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub capacity: BTreeMap<String, Value>,
    /// Its volume; empty while it has none. Shown as `spec.volumeName`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub volume_name: String,
    /// The node that its data lives on; empty while it lives nowhere. Shown as an annotation.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub node: String,
    /// What lies there, of a volume that somebody wrote; `None` for a folder that the node's agent made.
    /// Shown as an annotation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<VolumeSource>,
    /// When its deletion was asked for while pods used it, in RFC 3339; empty otherwise. Shown in the
    /// metadata.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub deletion_timestamp: String,
    /// The StatefulSet that it was made for, by name; empty for one that somebody made. Not shown.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub made_for: String,
    /// The pod that it was made with and goes with; `None` for one that outlasts its pods. Shown as its
    /// owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made_with: Option<MadeWith>,
}

/// The pod that a claim was made with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MadeWith {
    /// Its name, in the claim's namespace.
    pub name: String,
    /// Its uid.
    pub uid: String,
}

/// The status of a volume.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VolumeStatus {
    /// `Available`, `Bound`, `Released` or `Failed`; `Pending` for what no node serves.
    pub phase: String,
    /// Why it has its phase; empty where the phase says it. In Kubernetes' place.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The node that has its folder, which an agent made; empty for a volume of other sources.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub node: String,
    /// The node that its first pod was placed on, of a volume that names none; empty before. Not shown.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub lives_on: String,
    /// Since when its folder is to be removed by the node, in RFC 3339; empty while it is to stay.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub deletion_timestamp: String,
    /// Since when it has its phase, in RFC 3339; empty where nobody knows.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_phase_transition_time: String,
}

impl ClaimStatus {
    /// As a claim's resource has it; what does not read says nothing.
    #[must_use]
    pub fn read(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    /// Whether it goes with the last pod that uses it.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        !self.deletion_timestamp.is_empty()
    }
}

impl VolumeStatus {
    /// As a volume's resource has it; what does not read says nothing.
    #[must_use]
    pub fn read(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    /// Whether its node is to remove its folder.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        !self.node.is_empty() && !self.deletion_timestamp.is_empty()
    }
}
