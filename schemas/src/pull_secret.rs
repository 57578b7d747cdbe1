//! A Secret by which a pod's images are pulled.

use serde::{Deserialize, Serialize};

/// A Secret of the pod's namespace, of type `kubernetes.io/dockerconfigjson` or `kubernetes.io/dockercfg`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PullSecret {
    /// The Secret's name.
    pub name: String,
}
