//! What the views tell: rows, and which of them changed.

use super::amounts::amounts;

/// A revision of a workload.
pub type WorkloadRevision = (u32, u32);

/// A pod on a node: (node, pod).
pub type Sighting = (u32, u32);

amounts! {
    /// The pods of one revision of a workload.
    pub struct Tally {
        /// Starting, ready or available, on a node that is not lost.
        pub live: i64,
        /// Ready or available.
        pub ready: i64,
        /// Available.
        pub available: i64,
        /// On their way out.
        pub stopping: i64,
        /// Ended for good.
        pub ended: i64,
        /// Live but for their node, which is lost.
        pub stranded: i64,
    }
}

amounts! {
    /// What pods reserve, or may.
    pub struct Allocation {
        /// Thousandths of a core.
        pub cpu_milli: i64,
        /// Bytes of memory.
        pub memory_bytes: i64,
        /// Pods.
        pub pods: i64,
    }
}

amounts! {
    /// The pods of a namespace.
    pub struct Rollup {
        /// Pods that are not stopping or ended.
        pub pods: i64,
        /// Ready ones of them.
        pub ready: i64,
        /// Thousandths of a core that they reserve.
        pub cpu_milli: i64,
        /// Bytes of memory that they reserve.
        pub memory_bytes: i64,
    }
}

amounts! {
    /// A workload's pods against what is desired of it; also the sum of many workloads.
    pub struct Status {
        /// How many pods are wanted.
        pub desired: i64,
        /// Its pods, of all revisions.
        pub pods: Tally,
        /// Those of them that have the current revision.
        pub updated: Tally,
    }
}

amounts! {
    /// A node's room, and what is on it without a placement; also the sum of many nodes.
    pub struct NodeRollup {
        /// What its pods reserve.
        pub requested: Allocation,
        /// What pods may reserve.
        pub allocatable: Allocation,
        /// Pods that it says it has, without a placement.
        pub orphans: i64,
        /// 1 when it reported itself.
        pub known: i64,
        /// 1 when it is lost.
        pub lost: i64,
    }
}

amounts! {
    /// The fleet in one row.
    pub struct Fleet {
        /// The sum of all workloads.
        pub workloads: Status,
        /// Pods that workloads have too few. One workload's excess makes up for no other's lack.
        pub missing: i64,
        /// Pods that workloads have too many.
        pub excess: i64,
        /// The sum of all nodes.
        pub nodes: NodeRollup,
    }
}

/// What changed in the hot views, netted, in key order. `None`: the row is gone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Pods by workload and revision.
    pub tallies: Vec<(WorkloadRevision, Option<Tally>)>,
    /// Live pods on lost nodes: whether a pod is one now.
    pub stranded: Vec<(u32, bool)>,
}

/// What changed in the cold views, netted, in key order. `None`: the row is gone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColdChanges {
    /// Workloads.
    pub statuses: Vec<(u32, Option<Status>)>,
    /// Live pods whose revision is not their workload's current one.
    pub stale: Vec<(WorkloadRevision, Option<i64>)>,
    /// Pods that a node says it has and that are not placed there: whether one is now.
    pub orphans: Vec<(Sighting, bool)>,
    /// Nodes.
    pub nodes: Vec<(u32, Option<NodeRollup>)>,
    /// Namespaces.
    pub namespaces: Vec<(u32, Option<Rollup>)>,
    /// The fleet, when it changed.
    pub fleet: Option<Fleet>,
}

impl Status {
    /// Live pods that are not of the current revision.
    #[must_use]
    pub fn stale(&self) -> i64 {
        self.pods.live - self.updated.live
    }

    /// How many pods there are too few.
    #[must_use]
    pub fn missing(&self) -> i64 {
        (self.desired - self.pods.live).max(0)
    }

    /// How many pods there are too many.
    #[must_use]
    pub fn excess(&self) -> i64 {
        (self.pods.live - self.desired).max(0)
    }

    /// How many pods are wanted and not available.
    #[must_use]
    pub fn unavailable(&self) -> i64 {
        (self.desired - self.pods.available).max(0)
    }
}

impl Fleet {
    /// What one workload adds.
    #[must_use]
    pub fn of_workload(status: Status) -> Fleet {
        let (missing, excess) = (status.missing(), status.excess());
        Fleet { workloads: status, missing, excess, ..Fleet::default() }
    }

    /// What one node adds.
    #[must_use]
    pub fn of_node(nodes: NodeRollup) -> Fleet {
        Fleet { nodes, ..Fleet::default() }
    }
}
