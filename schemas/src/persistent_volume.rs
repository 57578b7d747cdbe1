//! A PersistentVolume, as far as a node can serve it: a folder or a path of one node.
//!
//! Absent: volumes of drivers and of the network. The gate refuses their sources by name, and one that is
//! kept all the same has none here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{GroupKind, HostPathSource, NodeSelector, Quantity, ResourceKey, SelectorOperator};

/// The annotation of a claim that shows where on its node the data lies, as JSON, where that is no folder
/// of the agent's.
pub const VOLUME_SOURCE: &str = "setpoint.dev/volume-source";
/// The label by which a volume names its node. Here it is the node's name.
const HOSTNAME: &str = "kubernetes.io/hostname";
/// The field by which a volume that the leader made names its node.
const NODE_NAME: &str = "metadata.name";

/// What is wanted of a volume.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PersistentVolumeSpec {
    /// How much it is said to hold, by `storage`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub capacity: BTreeMap<String, Quantity>,
    /// How it may be mounted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub access_modes: Vec<String>,
    /// Which claim has it, or is to have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim_ref: Option<ClaimRef>,
    /// What lies there.
    #[serde(flatten)]
    pub source: VolumeSource,
    /// On which node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_affinity: Option<VolumeNodeAffinity>,
    /// What becomes of it when its claim is gone: `Retain` (default) or `Delete`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persistent_volume_reclaim_policy: Option<String>,
    /// Only claims of this class may have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_class_name: Option<String>,
    /// `Filesystem` (default), or `Block`, which no node serves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_mode: Option<String>,
}

/// What lies at a volume; both absent for what no node serves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VolumeSource {
    /// A folder that is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local: Option<LocalSource>,
    /// A path, whose type says what must be there or is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_path: Option<HostPathSource>,
}

/// A folder of a node that is there before its volume is used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LocalSource {
    /// Where it is: absolute, or `claims/` and the volume's name for a folder that an agent made.
    pub path: String,
}

/// Which nodes have a volume.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VolumeNodeAffinity {
    /// One of its terms must hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub required: Option<NodeSelector>,
}

/// The claim of a volume.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClaimRef {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid; empty while whichever claim of this name comes first is to have the volume.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
}

impl ClaimRef {
    /// The key of the claim.
    #[must_use]
    pub fn key(&self) -> ResourceKey {
        let kind = GroupKind::new("", "PersistentVolumeClaim");
        ResourceKey::new(kind, &self.namespace, &self.name)
    }

    /// Whether the claim of this uid, which has the name, is the one that is meant.
    #[must_use]
    pub fn means(&self, uid: &str) -> bool {
        self.uid.is_empty() || self.uid == uid
    }
}

impl VolumeNodeAffinity {
    /// The one node that it names, by the label `kubernetes.io/hostname` or the field `metadata.name`;
    /// `None` when it says anything else.
    #[must_use]
    pub fn node(&self) -> Option<&str> {
        let [term] = self.required.as_ref()?.node_selector_terms.as_slice() else { return None };
        let requirement = match (&*term.match_expressions, &*term.match_fields) {
            ([one], []) if one.key == HOSTNAME => one,
            ([], [one]) if one.key == NODE_NAME => one,
            _ => return None,
        };
        match &*requirement.values {
            [node] if requirement.operator == SelectorOperator::In => Some(node.as_str()),
            _ => None,
        }
    }
}

impl PersistentVolumeSpec {
    /// Whether the volume of this name is a folder that an agent made for a claim.
    #[must_use]
    pub fn is_made_folder(&self, name: &str) -> bool {
        self.source.local.as_ref().is_some_and(|local| is_made_folder(&local.path, name))
    }
}

/// Whether a path is that of the folder which an agent made for the volume of this name.
#[must_use]
pub fn is_made_folder(path: &str, volume: &str) -> bool {
    volume.starts_with("pvc-") && path.strip_prefix("claims/") == Some(volume)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_names_one_node_by_its_label_or_its_field_or_none() {
        let table = [
            (
                r#"{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["a"]}]}"#,
                Some("a"),
            ),
            (
                r#"{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["a"]}]}"#,
                Some("a"),
            ),
            (
                r#"{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["a", "b"]}]}"#,
                None,
            ),
            (
                r#"{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "NotIn", "values": ["a"]}]}"#,
                None,
            ),
            (r#"{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}"#, None),
            (r"{}", None),
        ];
        for (term, expected) in table {
            let text = format!(r#"{{"required": {{"nodeSelectorTerms": [{term}]}}}}"#);
            let affinity: VolumeNodeAffinity = serde_json::from_str(&text).expect(term);
            assert_eq!(affinity.node(), expected, "{term}");
        }
        assert_eq!(VolumeNodeAffinity::default().node(), None);
    }

    #[test]
    fn a_folder_that_an_agent_made_has_the_name_of_its_volume() {
        let of = |path: &str| {
            let local = Some(LocalSource { path: path.to_owned() });
            let source = VolumeSource { local, host_path: None };
            PersistentVolumeSpec { source, ..PersistentVolumeSpec::default() }
        };
        assert!(of("claims/pvc-1").is_made_folder("pvc-1"));
        assert!(!of("claims/pvc-2").is_made_folder("pvc-1"));
        assert!(!of("/mnt/pvc-1").is_made_folder("pvc-1"));
        assert!(!of("claims/data").is_made_folder("data"));
    }
}
