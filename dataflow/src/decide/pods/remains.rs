//! What is gone for good leaves its keys in the compacted topics: who is to be tombstoned, and when
//! that is done.
//!
//! Nobody else knows: an agent that dies with its pods says nothing of them any more. The leader
//! writes the tombstones once the epoch is committed; they are read back as any record.

use setpoint_schemas::{NodeName, Observation, PodUid};

use crate::decide::Turn;
use crate::decide::kinds::node_key;
use crate::state::{EarlyRow, Remains, Table, Word};
use crate::views::Views;

impl<V: Views> Turn<'_, V> {
    /// Nothing is left of a pod on this node, or it was never placed there: what is observed of it
    /// is of no use to anyone.
    pub(crate) fn pod_leaves(&mut self, uid: &PodUid, node: &NodeName) {
        self.leave(Remains::Pod { uid: uid.clone(), node: node.clone() });
    }

    /// An observation that is not taken in: if the pod is not placed there, it only takes up room.
    pub(crate) fn set_aside(&mut self, observed: &Observation) {
        let node = observed.node_name();
        let placed = self.state.pods.by_uid(observed.uid());
        if placed.is_none_or(|pod| !self.state.is_on(pod, &node)) {
            self.pod_leaves(observed.uid(), &node);
        }
    }

    /// Early words that are forgotten.
    pub(crate) fn early_set_aside(&mut self, forgotten: &[EarlyRow]) {
        for row in forgotten {
            self.state.touch(Table::Early, row.word.key());
            if let Word::Pod(observed) = &row.word {
                self.set_aside(observed);
            }
        }
    }

    /// A lost node without a resource is gone for good: someone deleted it, and it is not heard.
    pub(crate) fn node_leaves(&mut self, id: u32) {
        let Some(node) = self.state.node.get(&id) else { return };
        let name = &node.row.record.node;
        if node.row.lost && !self.state.resources.contains_key(&node_key(name)) {
            self.leave(Remains::Node(name.clone()));
        }
    }

    fn leave(&mut self, remains: Remains) {
        if self.state.remains.insert(&remains) {
            self.state.touched.remains.push(remains.clone());
            self.out.remains.push(remains);
        }
    }

    /// The tombstone of a pod's observation was read. It says nothing of the pod itself: it has no
    /// session and no sequence by which it could be told from a late one.
    pub(crate) fn pod_removed(&mut self, uid: &PodUid) {
        let settled = self.state.remains.pod_settled(uid);
        self.state.touched.remains.extend(settled);
    }

    /// A node's tombstone was read, or the node is there again.
    pub(crate) fn node_settled(&mut self, name: &NodeName) {
        let settled = self.state.remains.node_settled(name);
        self.state.touched.remains.extend(settled);
    }
}
