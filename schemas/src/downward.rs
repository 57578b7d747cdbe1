//! What a container may be told of its own pod, in Kubernetes' own JSON shape.

use serde::{Deserialize, Serialize};

use crate::Quantity;

/// A field of the pod.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FieldRef {
    /// The field, such as `metadata.name` or `metadata.labels['app']`.
    pub field_path: String,
}

/// What a container asks for or may use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceFieldRef {
    /// The container; the one that is told when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_name: Option<String>,
    /// Such as `limits.cpu`.
    pub resource: String,
    /// The unit to count in, rounded up; 1 when absent or 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub divisor: Option<Quantity>,
}
