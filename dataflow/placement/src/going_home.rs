//! Placing a pod whose data lives on a node: there, or nowhere.
//!
//! Guarantee: one node is looked at, however many there are. A spread counts all nodes all the same:
//! where data lies is no affinity of the pod, as in Kubernetes.

use std::sync::Arc;

use crate::filters::{self, Stage};
use crate::fleet::Fleet;
use crate::home::Home;
use crate::place::{Placing, placed};
use crate::reasons::Reasons;
use crate::search::ranked;
use crate::shape::PodShape;

impl Fleet {
    /// Whether the node that a pod's data lives on takes it.
    pub(crate) fn go_home(&mut self, home: &Home, shape: &Arc<PodShape>) -> Placing {
        let nodes = self.nodes.order().len();
        let mut reasons = Reasons { nodes, ..Reasons::default() };
        let mut others = nodes;
        if let Some(slot) = self.nodes.find(&home.node) {
            let (interest, soft_taints) = self.prepare_one(shape);
            let view = self.view(shape, &interest, soft_taints);
            let refused = |stage| filters::first_refusal(&view, slot, stage);
            let Some(refusal) = refused(Stage::Static).or_else(|| refused(Stage::Dynamic)) else {
                return placed(ranked(&view, &[slot]));
            };
            refusal.reasons(&view, slot).into_iter().for_each(|reason| reasons.count(reason, 1));
            others -= 1;
        }
        if others > 0 {
            reasons.count(home.phrase(), others);
        }
        Placing::Unplaceable(Arc::new(reasons))
    }
}
