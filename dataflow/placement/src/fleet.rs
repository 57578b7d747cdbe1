//! The fleet: nodes, what is reserved on them, and what is kept to answer quickly.
//!
//! Guarantee: the answers depend on the nodes, the reservations and the namespaces alone, not on
//! the order in which they came nor on the ids they have. What is kept beside is only a cache.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use setpoint_schemas::Resources;

use crate::census::Census;
use crate::eligible::Eligible;
use crate::ids::IdMap;
use crate::nodes::{NodeInfo, Nodes};
use crate::query::NamespaceLabels;
use crate::reasons::Reasons;
use crate::shape::PodShape;
use crate::sift::sift;
use crate::view::{Sources, View};
use crate::{NodeId, PodId};

/// The state that placing decides from.
#[derive(Debug, Default)]
pub struct Fleet {
    pub(crate) nodes: Nodes,
    pub(crate) census: Census,
    pub(crate) namespaces: NamespaceLabels,
    pods: IdMap<PodId, Reserved>,
    eligible: IdMap<u128, Eligible>,
    refusals: IdMap<u128, Refused>,
    /// Rises with every change.
    changes: u64,
    /// Rises with every change that may let a pod fit that did not fit before.
    hopes: u64,
}

/// A pod's place.
#[derive(Debug)]
struct Reserved {
    slot: u32,
    shape: Arc<PodShape>,
}

/// A shape that fitted nowhere, and when that was.
#[derive(Debug)]
struct Refused {
    changes: u64,
    hopes: u64,
    reasons: Arc<Reasons>,
}

/// Different demands on nodes whose answers are kept; beyond this all are forgotten. A row takes
/// six bytes a node: 300 MB at 50k nodes.
const ELIGIBLE_MAX: usize = 1024;
/// Refused shapes kept; beyond this all are forgotten.
const REFUSALS_MAX: usize = 4096;

/// What is reserved on a node that is not known.
static NOTHING: Resources = Resources {
    cpu_milli: 0,
    memory_bytes: 0,
    ephemeral_bytes: 0,
    pods: 0,
    extended: BTreeMap::new(),
};

impl Fleet {
    /// An empty fleet.
    #[must_use]
    pub fn new() -> Fleet {
        Fleet::default()
    }

    /// Adds a node or replaces its record; its reservations stay. A record that says nothing new
    /// costs nothing. Returns whether it says something new.
    pub fn upsert_node(&mut self, id: NodeId, info: NodeInfo) -> bool {
        let is_new = self.nodes.upsert(id, info);
        if is_new {
            self.hope();
        }
        is_new
    }

    /// Takes a node away. What is reserved on it stays reserved and counts again should the node
    /// return; until then it counts for nothing.
    pub fn remove_node(&mut self, id: NodeId) {
        if self.nodes.remove(id) {
            self.hope();
        }
    }

    /// Reserves what a pod of this shape asks for on the node, without asking whether it fits: the
    /// log says that it is there. A pod that has a place already moves. The node may be one that
    /// is not known yet.
    pub fn reserve(&mut self, pod: PodId, node: NodeId, shape: &Arc<PodShape>) {
        self.release(pod);
        let slot = self.nodes.slot_or_new(node);
        self.nodes.reserve(slot, shape);
        self.census.add(shape, slot, &self.namespaces);
        for key in shape.topology_keys() {
            self.nodes.keep_topology(key);
        }
        self.pods.insert(pod, Reserved { slot, shape: Arc::clone(shape) });
        self.changes += 1;
    }

    /// Frees what the pod had reserved; nothing when it had no place.
    pub fn release(&mut self, pod: PodId) {
        if let Some(Reserved { slot, shape }) = self.pods.remove(&pod) {
            self.census.subtract(&shape, slot);
            self.nodes.release(slot, &shape);
            self.hope();
        }
    }

    /// What is reserved on the node; nothing on an unknown one.
    #[must_use]
    pub fn allocated(&self, node: NodeId) -> &Resources {
        self.nodes.slot(node).map_or(&NOTHING, |slot| &self.nodes.node(slot).allocated)
    }

    /// Where the pod has its place.
    #[must_use]
    pub fn node_of(&self, pod: PodId) -> Option<NodeId> {
        self.pods.get(&pod).map(|reserved| self.nodes.node(reserved.slot).id)
    }

    /// The record of a node that is there.
    #[must_use]
    pub fn node(&self, id: NodeId) -> Option<&NodeInfo> {
        self.nodes.slot(id).and_then(|slot| self.nodes.node(slot).info.as_ref())
    }

    /// The nodes that are there, by name.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, &NodeInfo)> {
        self.nodes.order().iter().map(|slot| {
            let node = self.nodes.node(*slot);
            (node.id, node.info())
        })
    }

    /// Replaces the labels of a namespace, for namespace selectors; empty when it is gone.
    pub fn set_namespace_labels(&mut self, namespace: &str, labels: BTreeMap<String, String>) {
        let had = self.namespaces.get(namespace);
        if had == Some(&labels) || (had.is_none() && labels.is_empty()) {
            return;
        }
        if labels.is_empty() {
            self.namespaces.remove(namespace);
        } else {
            self.namespaces.insert(namespace.to_owned(), labels);
        }
        self.census.namespaces_changed();
        self.hope();
    }

    /// Rises whenever a pod that did not fit may fit now: something was freed, or a node or a
    /// namespace changed. Until then a pod that looks at no other pod still fits nowhere.
    #[must_use]
    pub fn hopes(&self) -> u64 {
        self.hopes
    }

    fn hope(&mut self) {
        self.changes += 1;
        self.hopes += 1;
    }

    /// Keeps what this shape will be asked for.
    pub(crate) fn prepare(&mut self, shape: &PodShape) {
        for query in shape.queries() {
            self.census.keep(query, &self.namespaces);
        }
        for key in shape.topology_keys() {
            self.nodes.keep_topology(key);
        }
        let kept = self.eligible.get(&shape.demand.digest);
        if kept.is_none_or(|eligible| eligible.version != self.nodes.version) {
            if self.eligible.len() >= ELIGIBLE_MAX {
                self.eligible.clear();
            }
            self.eligible.insert(shape.demand.digest, sift(&self.nodes, shape));
        }
    }

    pub(crate) fn eligible(&self, shape: &PodShape) -> Cow<'_, Eligible> {
        match self.eligible.get(&shape.demand.digest) {
            Some(eligible) if eligible.version == self.nodes.version => Cow::Borrowed(eligible),
            _ => Cow::Owned(sift(&self.nodes, shape)),
        }
    }

    pub(crate) fn view<'a>(&'a self, shape: &'a PodShape, eligible: &Eligible) -> View<'a> {
        let from =
            Sources { nodes: &self.nodes, census: &self.census, namespaces: &self.namespaces };
        View::new(from, shape, eligible)
    }

    /// The answer of a shape that was refused when the fleet was as it is now.
    pub(crate) fn refusal(&self, shape: &PodShape) -> Option<Arc<Reasons>> {
        let refused = self.refusals.get(&shape.digest)?;
        (refused.changes == self.changes).then(|| Arc::clone(&refused.reasons))
    }

    /// Whether the shape was refused and nothing gave hope since. A shape that looks at other pods
    /// may hope with every pod that is placed.
    pub(crate) fn is_hopeless(&self, shape: &PodShape) -> bool {
        let refused = self.refusals.get(&shape.digest);
        !shape.looks_at_pods() && refused.is_some_and(|refused| refused.hopes == self.hopes)
    }

    pub(crate) fn remember_refusal(&mut self, shape: &PodShape, reasons: &Arc<Reasons>) {
        if self.refusals.len() >= REFUSALS_MAX {
            self.refusals.clear();
        }
        let (changes, hopes) = (self.changes, self.hopes);
        let refused = Refused { changes, hopes, reasons: Arc::clone(reasons) };
        self.refusals.insert(shape.digest, refused);
    }
}
