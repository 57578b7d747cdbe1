//! Where a pod's data is: the one node that it can go to, since a claim of its lives there.
//!
//! Absent: which claim lives where. The state knows, and says so of each pod anew.

/// The node that a pod's data lives on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Home {
    /// The node's name, whether there is such a node or not.
    pub node: String,
    /// The claim whose data it is, as the pod's namespace knows it.
    pub claim: String,
}

impl Home {
    /// Why another node will not do. It begins with kube-scheduler's words.
    pub(crate) fn phrase(&self) -> String {
        let Home { node, claim } = self;
        format!("node(s) had volume node affinity conflict: its claim {claim} lives on {node}")
    }
}
