//! A placement: this pod on that node.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Namespace, NodeName, PodUid, ResourceKey, ResourceName, TakenDevice};

/// The key of the workload that a pod belongs to; a bare pod is its own workload.
pub type WorkloadRef = ResourceKey;

/// What a node should run, level-triggered. On the log under its pod uid, partitioned by node; a
/// tombstone means stop. A pod never changes its node: its replacement has another uid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// The pod.
    pub uid: PodUid,
    /// The node.
    pub node: NodeName,
    /// The pod's namespace.
    pub namespace: Namespace,
    /// The pod's name.
    pub name: ResourceName,
    /// The key of its workload, as text.
    pub workload: Arc<str>,
    /// The hash of the pod template that it was made from.
    pub revision: Arc<str>,
    /// The restart generation: the agent restarts a pod that runs a lower one.
    pub generation: i64,
    /// The reign that placed it.
    pub term: i64,
    /// The epoch that placed it.
    pub epoch: i64,
    /// Engine time of the placement, milliseconds since 1970.
    pub placed_ms: i64,
    /// The pod's labels.
    pub labels: Arc<BTreeMap<String, String>>,
    /// The pod's annotations.
    pub annotations: Arc<BTreeMap<String, String>>,
    /// The pod spec ([`crate::PodSpec`]), in JSON.
    pub spec: Arc<str>,
    /// The node's devices, or shares of one, that its containers have.
    #[serde(default)]
    pub devices: Vec<TakenDevice>,
}
