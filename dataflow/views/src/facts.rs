//! What the views are made from.

use serde::{Deserialize, Serialize};

use super::rows::{Allocation, NodeRollup, Rollup, Sighting, Tally, WorkloadRevision};

/// A fact that holds or does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fact {
    /// A workload wants this many pods.
    Desired {
        /// The workload.
        workload: u32,
        /// How many.
        replicas: i64,
    },
    /// The revision that a workload's new pods have; one a workload.
    Current {
        /// The workload.
        workload: u32,
        /// The revision, as the workload numbers its templates.
        revision: u32,
    },
    /// A placed pod.
    Pod(PodFact),
    /// A node is lost.
    Lost {
        /// The node.
        node: u32,
    },
    /// A node that reported itself; one a node.
    Node(NodeFact),
    /// A node says that it has a pod, placed or not.
    Seen(Sighting),
}

/// A node, as far as the views look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeFact {
    /// The node.
    pub node: u32,
    /// Thousandths of a core that pods may reserve.
    pub cpu_milli: i64,
    /// Bytes of memory that pods may reserve.
    pub memory_bytes: i64,
    /// Pods that it may have.
    pub pods: i64,
}

/// A placed pod, as far as the views look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PodFact {
    /// The node.
    pub node: u32,
    /// The pod.
    pub pod: u32,
    /// The workload.
    pub workload: u32,
    /// The revision, as the workload numbers its templates.
    pub revision: u32,
    /// The namespace.
    pub namespace: u32,
    /// Where it stands in its life.
    pub standing: Standing,
    /// Thousandths of a core that it reserves.
    pub cpu_milli: i64,
    /// Bytes of memory that it reserves.
    pub memory_bytes: i64,
}

/// Where a placed pod stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Standing {
    /// Placed, not ready yet or no longer.
    Starting,
    /// Ready, but not for long enough to count as available.
    Ready,
    /// Ready for long enough.
    Available,
    /// Its placement is withdrawn; the node may still have it.
    Stopping,
    /// All its containers ended for good.
    Ended,
    /// The same, of one that is never started again: it holds no room.
    Finished,
    /// Such a one whose placement is withdrawn.
    Leaving,
}

impl Standing {
    /// What a pod that stands so adds to its revision's tally, its node not being lost.
    #[must_use]
    pub fn tally(self) -> Tally {
        let mut tally = Tally::default();
        match self {
            Standing::Starting => tally.live = 1,
            Standing::Ready => (tally.live, tally.ready) = (1, 1),
            Standing::Available => (tally.live, tally.ready, tally.available) = (1, 1, 1),
            Standing::Stopping | Standing::Leaving => tally.stopping = 1,
            Standing::Ended | Standing::Finished => tally.ended = 1,
        }
        tally
    }

    /// What it adds when its node is lost: live no more, and stranded. Of a pod that is ready there
    /// nobody knows it; that is the caller's to tell, by where it stands.
    #[must_use]
    pub fn tally_lost(self) -> Tally {
        let held = self.tally();
        Tally { stranded: held.live, live: 0, ..held }
    }

    /// Whether a pod that stands so holds the room that it asked for.
    #[must_use]
    pub fn holds_room(self) -> bool {
        !matches!(self, Standing::Finished | Standing::Leaving)
    }

    /// Whether a pod that stands so runs or is meant to.
    #[must_use]
    pub fn is_live(self) -> bool {
        matches!(self, Standing::Starting | Standing::Ready | Standing::Available)
    }
}

impl PodFact {
    /// The tally that it counts in.
    #[must_use]
    pub fn key(&self) -> WorkloadRevision {
        (self.workload, self.revision)
    }

    /// What this pod adds to its revision's tally, its node not being lost.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.standing.tally()
    }

    /// What this pod adds when its node is lost.
    #[must_use]
    pub fn tally_lost(&self) -> Tally {
        self.standing.tally_lost()
    }

    /// Whether it runs or is meant to.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.standing.is_live()
    }

    /// Whether it is ready.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        matches!(self.standing, Standing::Ready | Standing::Available)
    }

    /// Where it is to be.
    #[must_use]
    pub fn place(&self) -> Sighting {
        (self.node, self.pod)
    }

    /// What it adds to its node's row: its reservations.
    #[must_use]
    pub fn reservation(&self) -> NodeRollup {
        if !self.standing.holds_room() {
            return NodeRollup::default();
        }
        let requested =
            Allocation { cpu_milli: self.cpu_milli, memory_bytes: self.memory_bytes, pods: 1 };
        NodeRollup { requested, ..NodeRollup::default() }
    }

    /// What it adds to its namespace while it is live.
    #[must_use]
    pub fn rollup(&self) -> Rollup {
        Rollup {
            pods: 1,
            ready: i64::from(self.is_ready()),
            cpu_milli: self.cpu_milli,
            memory_bytes: self.memory_bytes,
        }
    }
}

impl NodeFact {
    /// What it adds to its own row.
    #[must_use]
    pub fn rollup(&self) -> NodeRollup {
        let allocatable = Allocation {
            cpu_milli: self.cpu_milli,
            memory_bytes: self.memory_bytes,
            pods: self.pods,
        };
        NodeRollup { allocatable, known: 1, ..NodeRollup::default() }
    }
}
