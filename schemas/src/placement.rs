//! A placement: this pod on that node.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

use crate::{FINISHED, Namespace, NodeName, PodUid, ResourceKey, ResourceName, TakenDevice};

/// The key of the workload that a pod belongs to; a bare pod is its own workload.
pub type WorkloadRef = ResourceKey;

/// What a node should run, level-triggered. On the log under its pod uid, partitioned by node; a
/// tombstone means stop. A pod never changes its node: its replacement has another uid.
///
/// In memory what all pods of a revision have in common is there once; on the log and on the wire each
/// placement says all of it, in one row.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "Row")]
pub struct Placement {
    /// The pod.
    pub uid: PodUid,
    /// The node.
    pub node: NodeName,
    /// The pod's name.
    pub name: ResourceName,
    /// What it has in common with the other pods of its revision.
    pub pattern: Arc<Pattern>,
    /// The restart generation: the agent restarts a pod that runs a lower one.
    pub generation: i64,
    /// The reign that placed it.
    pub term: i64,
    /// The epoch that placed it.
    pub epoch: i64,
    /// Engine time of the placement, milliseconds since 1970.
    pub placed_ms: i64,
    /// The node's devices, or shares of one, that its containers have.
    pub devices: Box<[TakenDevice]>,
    /// Whether it stands for an identity that may never run twice: its node stops it by itself when
    /// its lease runs out.
    pub at_most_one: bool,
}

/// What the pods of one revision of a workload have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// The pods' namespace.
    pub namespace: Namespace,
    /// The key of the workload, as text.
    pub workload: Arc<str>,
    /// The hash of the pod template that they were made from.
    pub revision: Arc<str>,
    /// The pods' labels.
    pub labels: Arc<BTreeMap<String, String>>,
    /// The pods' annotations.
    pub annotations: BTreeMap<String, String>,
    /// The pods' spec ([`crate::PodSpec`]), in JSON.
    pub spec: Box<str>,
}

/// A placement as it is read.
#[derive(Deserialize)]
struct Row {
    uid: PodUid,
    node: NodeName,
    namespace: Namespace,
    name: ResourceName,
    workload: Arc<str>,
    revision: Arc<str>,
    generation: i64,
    term: i64,
    epoch: i64,
    placed_ms: i64,
    labels: Arc<BTreeMap<String, String>>,
    annotations: BTreeMap<String, String>,
    spec: Box<str>,
    #[serde(default)]
    devices: Box<[TakenDevice]>,
    #[serde(default)]
    at_most_one: bool,
}

/// A placement as it is written.
#[derive(Serialize)]
#[serde(rename = "Placement")]
struct RowRef<'a> {
    uid: &'a PodUid,
    node: &'a NodeName,
    namespace: &'a Namespace,
    name: &'a ResourceName,
    workload: &'a str,
    revision: &'a str,
    generation: i64,
    term: i64,
    epoch: i64,
    placed_ms: i64,
    labels: &'a BTreeMap<String, String>,
    annotations: &'a BTreeMap<String, String>,
    spec: &'a str,
    devices: &'a [TakenDevice],
    at_most_one: bool,
}

impl Placement {
    /// Whether its pod has finished and was counted: it holds no room, and nothing starts it again.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.pattern.annotations.get(FINISHED).is_some_and(|finished| finished == "true")
    }
}

impl From<Row> for Placement {
    fn from(row: Row) -> Placement {
        let Row { uid, node, name, generation, term, epoch, placed_ms, .. } = row;
        let Row { devices, at_most_one, .. } = row;
        let Row { namespace, workload, revision, labels, annotations, spec, .. } = row;
        let pattern = Pattern { namespace, workload, revision, labels, annotations, spec };
        let pattern = Arc::new(pattern);
        Placement {
            uid,
            node,
            name,
            pattern,
            generation,
            term,
            epoch,
            placed_ms,
            devices,
            at_most_one,
        }
    }
}

impl Serialize for Placement {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Pattern { namespace, workload, revision, labels, annotations, spec } = &*self.pattern;
        let row = RowRef {
            uid: &self.uid,
            node: &self.node,
            namespace,
            name: &self.name,
            workload,
            revision,
            generation: self.generation,
            term: self.term,
            epoch: self.epoch,
            placed_ms: self.placed_ms,
            labels,
            annotations,
            spec,
            devices: &self.devices,
            at_most_one: self.at_most_one,
        };
        row.serialize(serializer)
    }
}
