//! The volumes of a pod and where they appear in its containers, in Kubernetes' own JSON shape.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{FieldRef, Quantity, ResourceFieldRef};

/// A volume: one of its sources.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Volume {
    /// Unique within the pod.
    pub name: String,
    /// Files of a ConfigMap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_map: Option<ConfigMapSource>,
    /// Files of a Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretSource>,
    /// A folder that begins empty and lives as long as the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub empty_dir: Option<EmptyDirSource>,
    /// A path of the node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_path: Option<HostPathSource>,
    /// Files that tell of the pod itself.
    #[serde(skip_serializing_if = "Option::is_none", rename = "downwardAPI")]
    pub downward_api: Option<DownwardSource>,
    /// Files of several sources in one folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub projected: Option<ProjectedSource>,
    /// The folder of a claim, which outlasts the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persistent_volume_claim: Option<ClaimSource>,
    /// The folder of a claim that is made with the pod and goes with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ephemeral: Option<EphemeralSource>,
}

/// The folder of a claim that is made with the pod and goes with it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EphemeralSource {
    /// What the claim is made from: its metadata and its spec, as they were written.
    pub volume_claim_template: Value,
}

/// The folder of a claim.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClaimSource {
    /// The claim's name, in the pod's namespace.
    pub claim_name: String,
    /// Whether every mount of it is read-only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_only: Option<bool>,
}

/// Files of a ConfigMap.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConfigMapSource {
    /// The ConfigMap's name.
    pub name: String,
    /// Which keys, and where; all when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<KeyToPath>,
    /// Whether the pod may start without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub optional: Option<bool>,
    /// The files' mode; 0644 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_mode: Option<i32>,
}

/// Files of a Secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SecretSource {
    /// The Secret's name.
    pub secret_name: String,
    /// Which keys, and where; all when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<KeyToPath>,
    /// Whether the pod may start without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub optional: Option<bool>,
    /// The files' mode; 0644 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_mode: Option<i32>,
}

/// A folder that begins empty and lives as long as the pod.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EmptyDirSource {
    /// Empty for the node's disk, `Memory` for its memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub medium: Option<String>,
    /// The most that it holds, in bytes. One in memory is made no larger; of one on the disk the pod is
    /// evicted that has more in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_limit: Option<Quantity>,
    /// The folder's mode; 0777 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<i32>,
}

/// A path of the node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HostPathSource {
    /// The path.
    pub path: String,
    /// What must be there, or is made: Kubernetes' words.
    #[serde(skip_serializing_if = "Option::is_none", rename = "type")]
    pub kind: Option<String>,
}

/// Files that tell of the pod itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DownwardSource {
    /// The files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<DownwardFile>,
    /// The files' mode; 0644 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_mode: Option<i32>,
}

/// A file that tells one thing of the pod.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DownwardFile {
    /// The file, relative to the mount.
    pub path: String,
    /// A field of the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field_ref: Option<FieldRef>,
    /// What a container asks for or may use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_field_ref: Option<ResourceFieldRef>,
    /// The file's mode; the volume's default when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<i32>,
}

/// Files of several sources in one folder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProjectedSource {
    /// The sources; of two files of one path the later one counts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Projection>,
    /// The files' mode; 0644 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_mode: Option<i32>,
}

/// One source of a projected volume.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Projection {
    /// Files of a ConfigMap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_map: Option<ObjectFiles>,
    /// Files of a Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<ObjectFiles>,
    /// Files that tell of the pod itself.
    #[serde(skip_serializing_if = "Option::is_none", rename = "downwardAPI")]
    pub downward_api: Option<DownwardSource>,
}

/// Files of a named ConfigMap or Secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectFiles {
    /// The object's name.
    pub name: String,
    /// Which keys, and where; all when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<KeyToPath>,
    /// Whether the pod may start without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub optional: Option<bool>,
}

/// A key and the file that it becomes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct KeyToPath {
    /// The key.
    pub key: String,
    /// The file, relative to the mount.
    pub path: String,
    /// The file's mode; the volume's default when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<i32>,
}

/// Where a volume appears in a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VolumeMount {
    /// The volume's name.
    pub name: String,
    /// The path inside the container.
    pub mount_path: String,
    /// A path within the volume.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub_path: Option<String>,
    /// The same, in which `$(NAME)` stands for a variable of the container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub_path_expr: Option<String>,
    /// Whether it is read-only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_only: Option<bool>,
    /// `None` (default), `HostToContainer` or `Bidirectional`: whether what is mounted below the path
    /// later shows on the other side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mount_propagation: Option<String>,
}

impl Volume {
    /// Whether it is made of files that are looked up, and follow what they were made from.
    #[must_use]
    pub fn has_files(&self) -> bool {
        let made = self.projected.is_some() || self.downward_api.is_some();
        made || self.config_map.is_some() || self.secret.is_some()
    }

    /// Whether a Secret's values are among its files.
    #[must_use]
    pub fn has_secrets(&self) -> bool {
        let sources = self.projected.iter().flat_map(|projected| &projected.sources);
        self.secret.is_some() || sources.into_iter().any(|source| source.secret.is_some())
    }

    /// The name of its claim in the pod of this name, where it is one: of one that is made with the pod
    /// it follows from both.
    #[must_use]
    pub fn claim_of(&self, pod: &str) -> Option<String> {
        match (&self.persistent_volume_claim, &self.ephemeral) {
            (Some(claim), _) => Some(claim.claim_name.clone()),
            (None, Some(_)) => Some(format!("{pod}-{}", self.name)),
            (None, None) => None,
        }
    }

    /// Its folder's source, when it begins empty and lies on the node's disk.
    #[must_use]
    pub fn on_disk(&self) -> Option<&EmptyDirSource> {
        self.empty_dir.as_ref().filter(|source| source.medium.as_deref() != Some("Memory"))
    }

    /// Its folder's source, when it begins empty and lies in memory.
    #[must_use]
    pub fn in_memory(&self) -> Option<&EmptyDirSource> {
        self.empty_dir.as_ref().filter(|source| source.medium.as_deref() == Some("Memory"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_that_is_made_with_its_pod_is_named_after_both() {
        let table = [
            (r#"{"name": "v", "ephemeral": {"volumeClaimTemplate": {}}}"#, Some("web-1-v")),
            (r#"{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}"#, Some("data")),
            (r#"{"name": "v", "emptyDir": {}}"#, None),
        ];
        for (text, expected) in table {
            let volume: Volume = serde_json::from_str(text).expect(text);
            assert_eq!(volume.claim_of("web-1").as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_projected_secret_is_a_secret_and_an_empty_folder_has_no_files() {
        let table = [
            (r#"{"projected": {"sources": [{"configMap": {"name": "c"}}]}}"#, true, false, false),
            (r#"{"projected": {"sources": [{}, {"secret": {"name": "s"}}]}}"#, true, true, false),
            (r#"{"downwardAPI": {"items": []}}"#, true, false, false),
            (r#"{"secret": {"secretName": "s"}}"#, true, true, false),
            (r#"{"emptyDir": {}}"#, false, false, false),
            (r#"{"emptyDir": {"medium": "Memory"}}"#, false, false, true),
            (r#"{"hostPath": {"path": "/x", "type": "File"}}"#, false, false, false),
        ];
        for (text, files, secrets, memory) in table {
            let volume: Volume = serde_json::from_str(text).expect(text);
            let is = (volume.has_files(), volume.has_secrets(), volume.in_memory().is_some());
            assert_eq!(is, (files, secrets, memory), "{text}");
        }
    }
}
