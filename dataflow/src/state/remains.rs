//! What the compacted topics still say of pods and nodes that are gone for good.
//!
//! Guarantee: each is kept, in the checkpoint too, until its tombstone is read; so none is left over
//! by a leader that dies between deciding and writing.

use std::collections::{BTreeMap, BTreeSet};

use setpoint_schemas::{NodeName, PodUid};

use crate::epoch::Remains;

/// All remains.
#[derive(Debug, Default)]
pub(crate) struct AllRemains {
    /// The nodes that each pod was observed on.
    pods: BTreeMap<PodUid, BTreeSet<NodeName>>,
    nodes: BTreeSet<NodeName>,
}

impl Remains {
    /// Its row's key in the checkpoint: no uid and no name contains a slash.
    pub(crate) fn key(&self) -> String {
        match self {
            Remains::Pod { uid, node } => format!("pod/{uid}/{node}"),
            Remains::Node(node) => format!("node/{node}"),
        }
    }
}

impl AllRemains {
    /// Takes in a row; whether it is new.
    pub(crate) fn insert(&mut self, remains: &Remains) -> bool {
        match remains {
            Remains::Pod { uid, node } => {
                self.pods.entry(uid.clone()).or_default().insert(node.clone())
            }
            Remains::Node(node) => self.nodes.insert(node.clone()),
        }
    }

    /// Whether these are kept.
    pub(crate) fn contains(&self, remains: &Remains) -> bool {
        match remains {
            Remains::Pod { uid, node } => {
                self.pods.get(uid).is_some_and(|nodes| nodes.contains(node))
            }
            Remains::Node(node) => self.nodes.contains(node),
        }
    }

    /// All of them.
    pub(crate) fn all(&self) -> impl Iterator<Item = Remains> {
        let nodes = self.nodes.iter().cloned().map(Remains::Node);
        let pods = self.pods.iter().flat_map(|(uid, nodes)| {
            nodes.iter().map(|node| Remains::Pod { uid: uid.clone(), node: node.clone() })
        });
        nodes.chain(pods)
    }

    /// A pod's tombstone was read; returns what it settles.
    pub(crate) fn pod_settled(&mut self, uid: &PodUid) -> Vec<Remains> {
        let nodes = self.pods.remove(uid).into_iter().flatten();
        nodes.map(|node| Remains::Pod { uid: uid.clone(), node }).collect()
    }

    /// A node's tombstone was read, or the node is there again; returns what it settles.
    pub(crate) fn node_settled(&mut self, node: &NodeName) -> Option<Remains> {
        self.nodes.remove(node).then(|| Remains::Node(node.clone()))
    }
}
