//! What a policy is to a run: it chooses, or it scores node by node.

use setpoint_placement::devices::DeviceSet;

use super::node::{Node, Pod};

/// Chooses node and devices for a pod.
pub(super) trait Chooser {
    /// The index of a node on which the pod fits, and the devices there; none when it fits on none.
    /// On ties the first node.
    fn choose(&mut self, nodes: &[Node], pod: &Pod) -> Option<(usize, DeviceSet)>;

    /// A node is no longer as it was at the last choice.
    fn changed(&mut self, node: usize);
}

/// A node's offer to take a pod: the highest score wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) score: i64,
    pub(super) devices: DeviceSet,
}

/// Judges one node for one pod, looking at no other.
pub(super) trait Scorer {
    /// What is measured of the node as it is, whatever the pod; kept until the node changes.
    fn measure(&self, _node: &Node) -> f64 {
        0.0
    }

    /// The offer of a node on which the pod fits.
    fn offer(&self, node: &Node, measure: f64, pod: &Pod) -> Offer;
}
