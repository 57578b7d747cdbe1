//! Who is on a node, as the engine knows it.

use std::cmp::Ordering;

use setpoint_schemas::PodUid;

use crate::{NodeId, PodId};

/// A pod that holds room on a node, or has it promised.
#[derive(Debug, Clone, Copy)]
pub struct Occupant<'a> {
    /// The pod.
    pub pod: PodId,
    /// Its name among all pods: what tells two of the same age apart.
    pub uid: &'a PodUid,
    /// Engine time since when it is there, milliseconds.
    pub since_ms: i64,
    /// The budgets that cover it, as [`Roster::allowed`] numbers them.
    pub budgets: &'a [u32],
}

/// Who is where, and how much disruption budgets allow.
pub trait Roster {
    /// Adds all who hold room on the node, or have it promised there, in any order.
    fn occupants<'a>(&'a self, node: NodeId, into: &mut Vec<Occupant<'a>>);

    /// How many pods the budget lets go now.
    fn allowed(&self, budget: u32) -> i64;
}

/// The more important first: of higher priority, then there for longer, then by uid. Source:
/// kube-scheduler's `MoreImportantPod`; it leaves open what is equal.
pub(super) fn importance(a: (i32, &Occupant<'_>), b: (i32, &Occupant<'_>)) -> Ordering {
    let by_age = || a.1.since_ms.cmp(&b.1.since_ms).then_with(|| a.1.uid.cmp(b.1.uid));
    b.0.cmp(&a.0).then_with(by_age)
}
