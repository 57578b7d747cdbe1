//! What the compacted topics still say of pods and nodes that are gone for good.
//!
//! Guarantee: each is kept, in the checkpoint too, until its tombstone is read; so none is left over
//! by a leader that dies between deciding and writing.

use std::collections::BTreeMap;

use setpoint_schemas::{NodeName, PodUid};

use crate::epoch::Remains;

/// All remains, by their keys in the checkpoint.
#[derive(Debug, Default)]
pub(crate) struct AllRemains {
    by_key: BTreeMap<String, Remains>,
}

impl Remains {
    /// Its row's key in the checkpoint: no uid and no name contains a slash.
    pub(crate) fn key(&self) -> String {
        match self {
            Remains::Pod { uid, node } => format!("{}{node}", of_pod(uid)),
            Remains::Node(node) => of_node(node),
        }
    }
}

impl AllRemains {
    /// Takes in a row; whether it is new.
    pub(crate) fn insert(&mut self, remains: Remains) -> bool {
        self.by_key.insert(remains.key(), remains).is_none()
    }

    /// The row of this key.
    pub(crate) fn row(&self, key: &str) -> Option<&Remains> {
        self.by_key.get(key)
    }

    /// All of them.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Remains> {
        self.by_key.values()
    }

    /// A pod's tombstone was read; returns the keys of what it settles.
    pub(crate) fn pod_settled(&mut self, uid: &PodUid) -> Vec<String> {
        let from = of_pod(uid);
        let keys = self.by_key.range(from.clone()..).take_while(|(key, _)| key.starts_with(&from));
        let keys: Vec<String> = keys.map(|(key, _)| key.clone()).collect();
        keys.iter().for_each(|key| drop(self.by_key.remove(key)));
        keys
    }

    /// A node's tombstone was read, or the node is there again; returns the key, if it was kept.
    pub(crate) fn node_settled(&mut self, node: &NodeName) -> Option<String> {
        let key = of_node(node);
        self.by_key.remove(&key).map(|_| key)
    }
}

fn of_pod(uid: &PodUid) -> String {
    format!("pod/{uid}/")
}

fn of_node(node: &NodeName) -> String {
    format!("node/{node}")
}
